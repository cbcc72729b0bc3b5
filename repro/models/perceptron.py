"""The multilayer perceptron: hidden layers of one kind, linear outputs.

With as many outputs as classes it is a classifier, whose outputs are log odds; with as many as inputs it
reconstructs them. Its parameters are its layers, lowest first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from repro.models.autoencoder import ACTIVATIONS, Activation, Layer
from repro.models.stack import Stack
from repro.typed import Share, choice

Layers = tuple[Layer, ...]


@choice
class Dropout:
    """Which share of the units is left out of each update, another one for every case
    [srivastava2014dropout, sections 4 and 6.1.1]; those that stay are divided by the share that stays.
    """

    visible: Share = 0.2
    hidden: Share = 0.5


@dataclass(frozen=True)
class Perceptron:
    """Layer sizes from the inputs to the outputs, e.g. (784, 500, 500, 2000, 10)."""

    sizes: tuple[int, ...]
    activation: Activation = "logistic"  # of the hidden units
    dropout: Dropout | None = None  # while it learns


def features(of: Perceptron, hidden: Layers, x: Float[Array, "*batch V"]) -> Float[Array, "*batch H"]:
    """The states of the last of these hidden layers."""
    for weights, bias in hidden:
        x = ACTIVATIONS[of.activation](jnp.einsum("...i,io->...o", x, weights) + _along(bias, x))
    return x


def outputs(of: Perceptron, layers: Layers, x: Float[Array, "*batch V"]) -> Float[Array, "*batch O"]:
    """The linear outputs, no unit left out."""
    *hidden, (weights, bias) = layers
    x = features(of, tuple(hidden), x)
    return jnp.einsum("...i,io->...o", x, weights) + _along(bias, x)


def noisy_outputs(
    of: Perceptron, layers: Layers, x: Float[Array, "B V"], key: Key[Array, ""] | None
) -> Float[Array, "B O"]:
    """The linear outputs while it learns, with units left out where it has dropout, as the key has it."""
    if of.dropout is None:
        return outputs(of, layers, x)
    assert key is not None, "dropout needs one"
    *hidden, top = layers
    x = _thinned(jr.fold_in(key, 0), of.dropout.visible, x)
    for depth, layer in enumerate(hidden, 1):
        x = _thinned(jr.fold_in(key, depth), of.dropout.hidden, features(of, (layer,), x))
    return outputs(of, (top,), x)


def _thinned(key: Key[Array, ""], share: float, x: Float[Array, "B I"]) -> Float[Array, "B I"]:
    return jnp.where(jr.bernoulli(key, 1 - share, x.shape), x / (1 - share), 0.0)


def _along(bias: Float[Array | np.ndarray, " O"], x: Array) -> Float[Array | np.ndarray, "*ones O"]:
    """The biases with an axis for each of a batch, as JAX promotes no ranks here."""
    return bias.reshape(*[1] * (x.ndim - 1), -1)


def cross_entropy(logits: Float[Array, "B O"], labels: Int[Array, " B"]) -> Float[Array, ""]:
    """-log p(label), in nats, mean over cases."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def random_layers(key: Key[Array, ""], sizes: Sequence[int], draw: Callable) -> Layers:
    """Each layer's weights drawn independently by `draw(key, shape)`, biases 0."""
    pairs = enumerate(itertools.pairwise(sizes))
    return tuple((draw(jr.fold_in(key, depth), shape), jnp.zeros(shape[1])) for depth, shape in pairs)


def recognition_layers(stack: Stack) -> Layers:
    """The layers of a stack of RBMs on the way up: weights and hidden biases."""
    return tuple((rbm.weights, rbm.hidden_bias) for rbm in stack)
