"""A convolutional network of the shape of a stack of convolutional RBMs, with an output for each class.

Everything is of one case; axis letters are those of convolutional_rbm.py, O the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models import initialise
from repro.models.convolutional_rbm import cropped, filtered, largest_of_blocks


class Filters(NamedTuple):
    """One layer: filters at every place where they fit, of each block of places the largest output."""

    weights: Float[Array, "K C R S"]
    bias: Float[Array, " K"]


class Output(NamedTuple):
    """From all units of the uppermost layer to every class."""

    weights: Float[Array, "H O"]
    bias: Float[Array, " O"]


class ConvolutionalNetwork(NamedTuple):
    """Parameters, the lowest layer first."""

    layers: tuple[Filters, ...]
    output: Output


def features(
    layers: tuple[Filters, ...], blocks: Sequence[int], v: Float[Array, "C Y X"]
) -> Float[Array, " H"]:
    """The units of the uppermost layer, rectified; layers are pooled in blocks with these sides, and images
    cropped to whole ones.
    """
    for (weights, bias), side in zip(layers, blocks, strict=True):
        x = filtered(weights, cropped(side, weights.shape[2:], v)) + bias[:, None, None]
        v = jax.nn.relu(largest_of_blocks(side, x))
    return v.ravel()


def logits(
    network: ConvolutionalNetwork,
    blocks: Sequence[int],
    v: Float[Array, "C Y X"],
    kept: Float[Array, " H"] | None = None,
) -> Float[Array, " O"]:
    """Log odds of the classes; what the units of the uppermost layer are multiplied by, if they are."""
    h = features(network.layers, blocks, v)
    weights, bias = network.output
    return (h if kept is None else kept * h) @ weights + bias


def thinning(key: Key[Array, ""], share: Float[Array, ""], shape: tuple[int, ...]) -> Float[Array, ...]:
    """Zeros for this share of units, drawn; those that stay are divided by the share that stays
    [srivastava2014dropout].
    """
    stays = jr.uniform(key, shape, share.dtype) >= share
    return stays.astype(share.dtype) / (1 - share)


def random_network(
    key: Key[Array, ""], shapes: Sequence[tuple[int, int, int, int]], n_units: int, n_classes: int
) -> ConvolutionalNetwork:
    """He's start for filters of these shapes, bases first, below so many units; biases 0
    [he2015delving].
    """
    layers = []
    for depth, shape in enumerate(shapes):
        n_bases, fan_in = shape[0], shape[1] * shape[2] * shape[3]
        drawn = initialise.he(jr.fold_in(key, depth), (fan_in, n_bases))
        layers.append(Filters(drawn.T.reshape(shape), jnp.zeros(n_bases)))
    top = initialise.he(jr.fold_in(key, len(shapes)), (n_units, n_classes))
    return ConvolutionalNetwork(tuple(layers), Output(top, jnp.zeros(n_classes)))
