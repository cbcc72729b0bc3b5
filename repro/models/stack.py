"""A stack of RBMs: the hidden units of one are the visible units of the next."""

from __future__ import annotations

import itertools

import jax
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models.initialise import gaussian
from repro.models.rbm import RBM, Units, hidden_mean, visible_mean

Stack = tuple[RBM, ...]


def stack_units(n_layers: int) -> tuple[Units, ...]:
    """Logistic units throughout and a linear code layer on top   [hinton2006science, p. 506]."""
    return (*[Units()] * (n_layers - 1), Units(hidden="real"))


def random_stack(key: Key[Array, ""], sizes: tuple[int, ...], scale: float) -> Stack:
    """Untrained RBMs between layers of the given sizes (V first): weights N(0, scale²), biases 0."""
    pairs = enumerate(itertools.pairwise(sizes))
    return tuple(
        RBM(gaussian(jr.fold_in(key, depth), shape, scale), *map(jax.numpy.zeros, shape))
        for depth, shape in pairs
    )


def up(stack: Stack, v: Float[Array, " V"]) -> Float[Array, " C"]:
    """The code of one case: the mean of each layer drives the next."""
    for units, rbm in zip(stack_units(len(stack)), stack, strict=True):
        v = hidden_mean(units, rbm, v)
    return v


def down(stack: Stack, code: Float[Array, " C"]) -> Float[Array, " V"]:
    """The visible means that a code stands for."""
    for units, rbm in zip(reversed(stack_units(len(stack))), reversed(stack), strict=True):
        code = visible_mean(units, rbm, code)
    return code
