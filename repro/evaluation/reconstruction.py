"""How well a network reconstructs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from repro.models.autoencoder import Architecture, errors, loss, network
from repro.shapes import VisibleKind

CHUNK = 1000  # cases at a time: bounds the memory of the hidden layers


def scores(architecture: Architecture, params: nnx.State, inputs: Float[Array, "N V"]) -> dict[str, Array]:
    """Reconstruction errors by name, averaged over all N cases; see `errors`."""

    def of_case(x):
        return errors(architecture.visible, network(architecture, params)(x), x)

    return jax.tree.map(jnp.mean, jax.lax.map(of_case, inputs, batch_size=min(CHUNK, len(inputs))))


def squared_error(x: Float[np.ndarray, "N V"], reconstruction: Float[np.ndarray, "N V"]) -> float:
    """Sum over pixels of (x - x̂)², averaged over cases; for the linear baselines."""
    return float(((x - reconstruction) ** 2).sum(axis=1, dtype=np.float64).mean())


def loss_of_mean(visible: VisibleKind, train: Float[Array, "N V"], cases: Float[Array, "M V"]) -> float:
    """The loss on some cases, averaged, of a network that gives the mean training case whatever it sees.

    Of documents the mean is that of the training documents' word probabilities.
    """
    if visible == "count":
        mean = jnp.mean(train / jnp.maximum(train.sum(axis=1, keepdims=True), 1), axis=0)
        output = jnp.log(jnp.maximum(mean, jnp.finfo(mean.dtype).tiny))
    else:
        mean = jnp.mean(train, axis=0)
        output = jax.scipy.special.logit(jnp.clip(mean, 1e-7, 1 - 1e-7)) if visible == "binary" else mean
    return float(jnp.mean(jax.vmap(lambda x: loss(visible, output, x))(cases)))
