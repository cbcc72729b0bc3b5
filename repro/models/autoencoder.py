"""The deep autoencoder as a flax module, and the two ways to fill it with weights.

The parameters of a network are a pytree that jit, scan and vmap take; `Architecture` is the static rest.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.random as jr
import optax
from flax import nnx
from jaxtyping import Array, Float, Key

from repro.models.initialise import glorot
from repro.models.stack import Stack


@dataclass(frozen=True)
class Architecture:
    """Layer sizes from the inputs to the code, e.g. (784, 1000, 500, 250, 30); the decoder mirrors them."""

    sizes: tuple[int, ...]

    @property
    def n_weights(self) -> int:
        """Weights of encoder and decoder together, without biases."""
        return 2 * sum(a * b for a, b in itertools.pairwise(self.sizes))


class Autoencoder(nnx.Module):
    """Logistic hidden units, linear code units, logistic outputs   [hinton2006science, p. 506]."""

    def __init__(self, sizes: tuple[int, ...], *, rngs: nnx.Rngs):
        self.encoder = nnx.List(nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes))
        self.decoder = nnx.List(nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes[::-1]))

    def encode(self, x: Float[Array, "*batch V"]) -> Float[Array, "*batch C"]:
        """The linear code."""
        return _feed(self.encoder, x)

    def decode(self, code: Float[Array, "*batch C"]) -> Float[Array, "*batch V"]:
        """The log odds of the reconstruction."""
        return _feed(self.decoder, code)

    def __call__(self, x: Float[Array, "*batch V"]) -> Float[Array, "*batch V"]:
        """The log odds of the reconstruction of x."""
        return self.decode(self.encode(x))


def _feed(layers, x):
    """Through all layers, logistic except after the last."""
    *hidden, last = layers
    for layer in hidden:
        x = jax.nn.sigmoid(layer(x))
    return last(x)


@lru_cache
def _graph(architecture: Architecture) -> nnx.GraphDef:
    network = nnx.eval_shape(lambda: Autoencoder(architecture.sizes, rngs=nnx.Rngs(0)))
    return nnx.split(network)[0]


def network(architecture: Architecture, params: nnx.State) -> Autoencoder:
    """The flax module with these parameters."""
    return nnx.merge(_graph(architecture), params)


def reconstruct(
    architecture: Architecture, params: nnx.State, x: Float[Array, "*batch V"]
) -> Float[Array, "*batch V"]:
    """Reconstruction probabilities of x."""
    return jax.nn.sigmoid(network(architecture, params)(x))


def cross_entropy(logit: Float[Array, " V"], x: Float[Array, " V"]) -> Float[Array, ""]:
    """-∑ᵢ xᵢ log x̂ᵢ + (1 - xᵢ) log(1 - x̂ᵢ), nats, summed over pixels   [hinton2006science, p. 506]."""
    return optax.sigmoid_binary_cross_entropy(logit, x).sum()


def unroll(stack: Stack) -> nnx.State:
    """The stack as a network: weights up, the same transposed down, no longer tied from here on.

    Encoder biases are hidden biases, decoder biases visible biases   [hinton2006science, fig. 1].
    """
    encoder = [(rbm.weights, rbm.hidden_bias) for rbm in stack]
    decoder = [(rbm.weights.T, rbm.visible_bias) for rbm in reversed(stack)]
    return _params(encoder, decoder)


def glorot_start(key: Key[Array, ""], architecture: Architecture) -> nnx.State:
    """Each layer drawn independently from Glorot's distribution, biases 0."""
    ends = (architecture.sizes, architecture.sizes[::-1])
    shapes = [pair for sizes in ends for pair in itertools.pairwise(sizes)]
    layers = [
        (glorot(jr.fold_in(key, depth), shape), jax.numpy.zeros(shape[1]))
        for depth, shape in enumerate(shapes)
    ]
    middle = len(layers) // 2
    return _params(layers[:middle], layers[middle:])


def _params(encoder, decoder) -> nnx.State:
    """Pairs (kernel, bias) as the parameter pytree of an Autoencoder."""
    sizes = (*[kernel.shape[0] for kernel, _ in encoder], encoder[-1][0].shape[1])
    model = nnx.eval_shape(lambda: Autoencoder(sizes, rngs=nnx.Rngs(0)))
    for layer, (kernel, bias) in zip((*model.encoder, *model.decoder), (*encoder, *decoder), strict=True):
        layer.kernel, layer.bias = nnx.Param(kernel), nnx.Param(bias)
    return nnx.state(model)
