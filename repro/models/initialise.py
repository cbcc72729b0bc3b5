"""Random starts for one weight matrix of shape (fan-in, fan-out); biases start at zero."""

from __future__ import annotations

import jax
import jax.random as jr
from jaxtyping import Array, Float, Key


def gaussian(key: Key[Array, ""], shape: tuple[int, int], scale: float = 0.1) -> Float[Array, "I O"]:
    """N(0, scale²): 0.1 in the authors' program of 2006   [hinton2006code, rbm.m]."""
    return scale * jr.normal(key, shape)


def glorot(key: Key[Array, ""], shape: tuple[int, int]) -> Float[Array, "I O"]:
    """Uniform on ±√(6 / (fan-in + fan-out))   [glorot2010understanding, eq. 16]."""
    return jax.nn.initializers.glorot_uniform()(key, shape)
