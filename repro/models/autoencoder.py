"""The deep autoencoder as a flax module, and the two ways to fill it with weights.

The parameters of a network are a pytree that jit, scan and vmap take; `Architecture` is the static rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Key

from repro.models.stack import Stack
from repro.shapes import VisibleKind

Activation = Literal["logistic", "tanh", "relu", "gelu"]
ACTIVATIONS = {"logistic": jax.nn.sigmoid, "tanh": jax.nn.tanh, "relu": jax.nn.relu, "gelu": jax.nn.gelu}


@dataclass(frozen=True)
class Architecture:
    """Layer sizes from the inputs to the code, e.g. (784, 1000, 500, 250, 30); the decoder mirrors them.

    The kind of the visible units decides how outputs are read and what they cost.
    """

    sizes: tuple[int, ...]
    visible: VisibleKind = "binary"
    activation: Activation = "logistic"  # of the hidden units, but for the code

    @property
    def layers(self) -> tuple[int, ...]:
        """Units from the inputs through the code to the outputs."""
        return (*self.sizes, *self.sizes[-2::-1])


class Autoencoder(nnx.Module):
    """Logistic hidden units, or more modern ones, and linear code units   [hinton2006science, p. 506].

    Outputs are natural parameters: log odds of pixels in [0, 1], means of real inputs, logits of words.
    """

    def __init__(self, sizes: tuple[int, ...], activation: Activation = "logistic", *, rngs: nnx.Rngs):
        self.activation = activation
        self.encoder = nnx.List(nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes))
        self.decoder = nnx.List(nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes[::-1]))

    def encode(self, x: Float[Array, "*batch V"]) -> Float[Array, "*batch C"]:
        """The linear code."""
        return _feed(self.encoder, self.activation, x)

    def decode(self, code: Float[Array, "*batch C"]) -> Float[Array, "*batch V"]:
        """The natural parameters of the reconstruction."""
        return _feed(self.decoder, self.activation, code)

    def __call__(self, x: Float[Array, "*batch V"]) -> Float[Array, "*batch V"]:
        """The natural parameters of the reconstruction of x."""
        return self.decode(self.encode(x))


def _feed(layers, activation, x):
    """Through all layers, linear after the last."""
    *hidden, last = layers
    for layer in hidden:
        x = ACTIVATIONS[activation](layer(x))
    return last(x)


@lru_cache
def _graph(architecture: Architecture) -> nnx.GraphDef:
    return nnx.split(_empty(architecture.sizes, architecture.activation))[0]


def _empty(sizes: tuple[int, ...], activation: Activation = "logistic") -> Autoencoder:
    return nnx.eval_shape(lambda: Autoencoder(sizes, activation, rngs=nnx.Rngs(0)))


def network(architecture: Architecture, params: nnx.State) -> Autoencoder:
    """The flax module with these parameters."""
    return nnx.merge(_graph(architecture), params)


def reconstruct(
    architecture: Architecture, params: nnx.State, x: Float[Array, "*batch V"]
) -> Float[Array, "*batch V"]:
    """What the network makes of x: probabilities of pixels or words, or means of real inputs."""
    return mean(architecture.visible, network(architecture, params)(x))


def mean(visible: VisibleKind, output: Float[Array, "*batch V"]) -> Float[Array, "*batch V"]:
    """What outputs stand for: probabilities of pixels or words, or means of real inputs."""
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
    found = {"squared_error": jnp.sum((x - mean(visible, output)) ** 2)}
    if visible == "count":
        found["cross_entropy"] = optax.softmax_cross_entropy(output, x)
    if visible == "binary":
        found["cross_entropy"] = optax.sigmoid_binary_cross_entropy(output, x).sum()
    return found


def drawn(key: Key[Array, ""], visible: VisibleKind, outputs: Float[Array, "B V"]) -> Float[Array, "B V"]:
    """Cases from the distribution of which the loss is the negative log-likelihood: pixels 0 or 1, one word,
    real inputs of variance ½.
    """
    if visible == "count":
        return jax.nn.one_hot(jr.categorical(key, outputs), outputs.shape[-1], dtype=outputs.dtype)
    if visible == "real":
        return outputs + jnp.sqrt(0.5).astype(outputs.dtype) * jr.normal(key, outputs.shape, outputs.dtype)
    return jr.bernoulli(key, jax.nn.sigmoid(outputs)).astype(outputs.dtype)


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
    return from_layers([*encoder, *decoder])


def random_network(key: Key[Array, ""], architecture: Architecture, draw: Callable) -> nnx.State:
    """Each layer's weights drawn independently by `draw(key, shape)`, biases 0."""
    shapes = enumerate(itertools.pairwise(architecture.layers))
    return from_layers(
        [(draw(jr.fold_in(key, depth), shape), jnp.zeros(shape[1])) for depth, shape in shapes]
    )


# weights [I O] and biases [O], of several seeds with leading axis S
Layer = tuple[Float[Array | np.ndarray, "*seeds _ _"], Float[Array | np.ndarray, "*seeds _"]]


def to_layers(architecture: Architecture, params: nnx.State) -> list[Layer]:
    """The parameters layer by layer, inputs to outputs."""
    model = network(architecture, params)
    layers = (*model.encoder, *model.decoder)
    return [(layer.kernel[...], layer.bias[...]) for layer in layers]  # pyright: ignore[reportOptionalSubscript]


def from_layers(layers: Sequence[Layer]) -> nnx.State:
    """The inverse of `to_layers`."""
    encoder = layers[: len(layers) // 2]
    model = _empty((*[weights.shape[0] for weights, _ in encoder], encoder[-1][0].shape[1]))
    for layer, (weights, bias) in zip((*model.encoder, *model.decoder), layers, strict=True):
        layer.kernel, layer.bias = nnx.Param(jnp.asarray(weights)), nnx.Param(jnp.asarray(bias))
    return nnx.state(model)


def traced(
    architecture: Architecture, params: nnx.State, x: Float[Array, "B V"], offsets: Sequence[Array]
) -> tuple[Float[Array, "B V"], list[Array]]:
    """The network's outputs and the inputs of every layer; `offsets` [B O] are added to what each layer's
    units receive, so that a derivative with respect to them can be asked for.
    """
    layers, inputs = to_layers(architecture, params), []
    linear = {len(layers) // 2 - 1, len(layers) - 1}
    for depth, ((weights, bias), offset) in enumerate(zip(layers, offsets, strict=True)):
        inputs.append(x)
        x = x @ weights + bias[None] + offset
        x = x if depth in linear else ACTIVATIONS[architecture.activation](x)
    return x, inputs
