"""How well a network reconstructs."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from repro.models.autoencoder import Architecture, cross_entropy, network

CHUNK = 1000  # cases at a time: bounds the memory of the hidden layers


class Scores(NamedTuple):
    """Means over cases."""

    squared_error: Float[Array, ""]  # sum over pixels of (x - x̂)², not clipped
    cross_entropy: Float[Array, ""]  # nats, sum over pixels


def scores(architecture: Architecture, params: nnx.State, inputs: Float[Array, "N V"]) -> Scores:
    """Reconstruction errors averaged over all N cases."""

    def of_case(x):
        logit = network(architecture, params)(x)
        return Scores(jnp.sum((x - jax.nn.sigmoid(logit)) ** 2), cross_entropy(logit, x))

    return jax.tree.map(jnp.mean, jax.lax.map(of_case, inputs, batch_size=min(CHUNK, len(inputs))))


def squared_error(x: Float[np.ndarray, "N V"], reconstruction: Float[np.ndarray, "N V"]) -> float:
    """Sum over pixels of (x - x̂)², averaged over cases; for the linear baselines."""
    return float(((x - reconstruction) ** 2).sum(axis=1, dtype=np.float64).mean())
