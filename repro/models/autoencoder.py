"""The deep autoencoder as a flax module, and the two ways to fill it with weights.

The parameters of a network are a pytree that jit, scan and vmap take; `Architecture` is the static rest.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from flax import nnx
from jaxtyping import Array, Float, Key

from repro.models.initialise import glorot
from repro.models.stack import Stack
from repro.shapes import VisibleKind


@dataclass(frozen=True)
class Architecture:
    """Layer sizes from the inputs to the code, e.g. (784, 1000, 500, 250, 30); the decoder mirrors them.

    The kind of the visible units decides how outputs are read and what they cost.
    """

    sizes: tuple[int, ...]
    visible: VisibleKind = "binary"


class Autoencoder(nnx.Module):
    """Logistic hidden units and linear code units   [hinton2006science, p. 506].

    Outputs are natural parameters: log odds of pixels in [0, 1], means of real inputs, logits of words.
    """

    def __init__(self, sizes: tuple[int, ...], *, rngs: nnx.Rngs):
        self.encoder = nnx.List(nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes))
        self.decoder = nnx.List(nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes[::-1]))

    def encode(self, x: Float[Array, "*batch V"]) -> Float[Array, "*batch C"]:
        """The linear code."""
        return _feed(self.encoder, x)

    def decode(self, code: Float[Array, "*batch C"]) -> Float[Array, "*batch V"]:
        """The natural parameters of the reconstruction."""
        return _feed(self.decoder, code)

    def __call__(self, x: Float[Array, "*batch V"]) -> Float[Array, "*batch V"]:
        """The natural parameters of the reconstruction of x."""
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
    """What the network makes of x: probabilities of pixels or words, or means of real inputs."""
    return _mean(architecture.visible, network(architecture, params)(x))


def _mean(visible: VisibleKind, output: Float[Array, "*batch V"]) -> Float[Array, "*batch V"]:
    if visible == "count":
        return jax.nn.softmax(output)
    return output if visible == "real" else jax.nn.sigmoid(output)


def errors(visible: VisibleKind, output: Float[Array, " V"], x: Float[Array, " V"]) -> dict[str, Array]:
    """How far the reconstruction of one case is from it, given the network's output.

    `squared_error` is the sum over units of (x - x̂)², not clipped; of documents, of word frequencies.
    `cross_entropy`, in nats, is -∑ᵢ xᵢ log x̂ᵢ + (1 - xᵢ) log(1 - x̂ᵢ) for pixels and -∑ᵢ pᵢ log p̂ᵢ with
    pᵢ = xᵢ / N for words; real inputs have none   [hinton2006science, p. 506 and note 12].
    """
    if visible == "count":
        x = x / jnp.maximum(jnp.sum(x), 1)
    found = {"squared_error": jnp.sum((x - _mean(visible, output)) ** 2)}
    if visible == "count":
        found["cross_entropy"] = optax.softmax_cross_entropy(output, x)
    if visible == "binary":
        found["cross_entropy"] = optax.sigmoid_binary_cross_entropy(output, x).sum()
    return found


def loss(visible: VisibleKind, output: Float[Array, " V"], x: Float[Array, " V"]) -> Float[Array, ""]:
    """What fine-tuning lowers: the cross-entropy, or of real inputs the squared error."""
    return errors(visible, output, x)[loss_name(visible)]


def loss_name(visible: VisibleKind) -> str:
    """Which of the `errors` is the loss."""
    return "squared_error" if visible == "real" else "cross_entropy"


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
        (glorot(jr.fold_in(key, depth), shape), jnp.zeros(shape[1])) for depth, shape in enumerate(shapes)
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
