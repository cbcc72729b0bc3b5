"""A stack of RBMs: the hidden units of one are the visible units of the next."""

from __future__ import annotations

import itertools
from dataclasses import replace

import jax
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models.initialise import gaussian
from repro.models.rbm import RBM, Units, hidden_mean, visible_mean
from repro.shapes import VisibleKind

Stack = tuple[RBM, ...]


def stack_units(n_layers: int, visible: VisibleKind = "binary") -> tuple[Units, ...]:
    """Visible units as the data are, logistic hidden units, a linear code layer  [hinton2006science, p. 506].

    Hidden biases do not grow with a document's length, as in 2006: the network unrolled has no such factor.
    """
    lowest, others = Units(visible, bias_per_word=False), Units(bias_per_word=False)
    *lower, top = (lowest, *[others] * (n_layers - 1))
    return (*lower, replace(top, hidden="real"))


def random_stack(key: Key[Array, ""], sizes: tuple[int, ...], scale: float) -> Stack:
    """Untrained RBMs between layers of the given sizes (V first): weights N(0, scale²), biases 0."""
    pairs = enumerate(itertools.pairwise(sizes))
    return tuple(
        RBM(gaussian(jr.fold_in(key, depth), shape, scale), *map(jax.numpy.zeros, shape))
        for depth, shape in pairs
    )


def up(stack: Stack, v: Float[Array, " V"], visible: VisibleKind = "binary") -> Float[Array, " C"]:
    """The code of one case: the mean of each layer drives the next."""
    for units, rbm in zip(stack_units(len(stack), visible), stack, strict=True):
        v = hidden_mean(units, rbm, v)
    return v


def down(stack: Stack, code: Float[Array, " C"], visible: VisibleKind = "binary") -> Float[Array, " V"]:
    """The visible means that a code stands for; of documents the probability of each word."""
    for units, rbm in zip(reversed(stack_units(len(stack), visible)), reversed(stack), strict=True):
        code = visible_mean(units, rbm, code)
    return code
