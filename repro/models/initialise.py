"""Random starts for one weight matrix of shape (fan-in, fan-out); biases start at zero."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key


def gaussian(key: Key[Array, ""], shape: tuple[int, int], scale: float = 0.1) -> Float[Array, "I O"]:
    """N(0, scale²): 0.1 in the authors' program of 2006   [hinton2006code, rbm.m]."""
    return scale * jr.normal(key, shape)


def glorot(key: Key[Array, ""], shape: tuple[int, int]) -> Float[Array, "I O"]:
    """Uniform on ±√(6 / (fan-in + fan-out))   [glorot2010understanding, eq. 16]."""
    return jax.nn.initializers.glorot_uniform()(key, shape)


def fan_in(key: Key[Array, ""], shape: tuple[int, int]) -> Float[Array, "I O"]:
    """N(0, 1/fan-in): inputs to a unit of variance 1   [lecun1998efficient, eq. 16]."""
    return jr.normal(key, shape) / jnp.sqrt(shape[0])


def he(key: Key[Array, ""], shape: tuple[int, int]) -> Float[Array, "I O"]:
    """N(0, 2/fan-in), for rectified linear units   [he2015delving, eq. 10]."""
    return jnp.sqrt(2) * fan_in(key, shape)


def sparse(key: Key[Array, ""], shape: tuple[int, int], n_incoming: int = 15) -> Float[Array, "I O"]:
    """N(0, 1) for `n_incoming` randomly drawn inputs of each unit (all, if there are fewer), 0 for the others
    [martens2010hf, section 5].
    """
    key_place, key_weight = jr.split(key)
    lots = jr.uniform(key_place, shape)
    last = jnp.sort(lots, axis=0)[min(n_incoming, shape[0]) - 1]
    return jnp.where(lots <= last[None], jr.normal(key_weight, shape), 0.0)
