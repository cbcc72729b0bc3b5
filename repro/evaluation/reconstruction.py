"""How well a network reconstructs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from repro.models.autoencoder import Architecture, errors, network

CHUNK = 1000  # cases at a time: bounds the memory of the hidden layers


def scores(architecture: Architecture, params: nnx.State, inputs: Float[Array, "N V"]) -> dict[str, Array]:
    """Reconstruction errors by name, averaged over all N cases; see `errors`."""

    def of_case(x):
        return errors(architecture.visible, network(architecture, params)(x), x)

    return jax.tree.map(jnp.mean, jax.lax.map(of_case, inputs, batch_size=min(CHUNK, len(inputs))))


def squared_error(x: Float[np.ndarray, "N V"], reconstruction: Float[np.ndarray, "N V"]) -> float:
    """Sum over pixels of (x - x̂)², averaged over cases; for the linear baselines."""
    return float(((x - reconstruction) ** 2).sum(axis=1, dtype=np.float64).mean())
