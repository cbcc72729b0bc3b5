"""The network of by_hand.py in JAX, which finds the derivatives itself; its layers have the same names."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key

from repro.models import initialise
from repro.models.by_hand import Parameters


def convolve(
    x: Float[Array, "B C H W"], filters: Float[Array, "D C K K"], biases: Float[Array, " D"]
) -> Float[Array, "B D H-K+1 W-K+1"]:
    """Filters at every place where they fit."""
    axes = ("NCHW", "OIHW", "NCHW")
    y = lax.conv_general_dilated(x, filters, (1, 1), "VALID", dimension_numbers=axes)
    return y + biases[None, :, None, None]


rectify = jax.nn.relu


def pool(x: Float[Array, "B C H W"]) -> Float[Array, "B C H//2 W//2"]:
    """The largest of each 2 x 2 block."""
    block = (1, 1, 2, 2)
    return lax.reduce_window(x, -jnp.inf, lax.max, block, block, "VALID")


def connect(
    x: Float[Array, "B C H W"], weights: Float[Array, "U O"], biases: Float[Array, " O"]
) -> Float[Array, "B O"]:
    """Every unit to every class."""
    return x.reshape(len(x), -1) @ weights + biases[None]


def cross_entropy(logits: Float[Array, "B O"], labels: Int[Array, " B"]) -> Float[Array, ""]:
    """In nats, mean over cases."""
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))


def logits(params: Parameters, images: Float[Array, "B C H W"]) -> Float[Array, "B O"]:
    """Through all layers."""
    filters_1, biases_1, filters_2, biases_2, weights, biases = map(jnp.asarray, params)
    x = pool(rectify(convolve(images, filters_1, biases_1)))
    x = pool(rectify(convolve(x, filters_2, biases_2)))
    return connect(x, weights, biases)


def loss(params: Parameters, images: Float[Array, "B C H W"], labels: Int[Array, " B"]) -> Float[Array, ""]:
    """The cross-entropy of a minibatch."""
    return cross_entropy(logits(params, images), labels)


def side_of_codes(side: int, kernel: int) -> int:
    """Rows of a picture after the second pooling, of images with so many; below 1 if filters do not fit."""
    for _ in range(2):
        side = (side - kernel + 1) // 2
    return side


def random_parameters(
    key: Key[Array, ""], channels: tuple[int, int], kernel: int, side: int, n_classes: int
) -> Parameters:
    """He's start for square images of one channel, in float64; biases 0   [he2015delving]."""
    first, second = channels
    n_units = second * side_of_codes(side, kernel) ** 2
    shapes = [(first, 1, kernel, kernel), (second, first, kernel, kernel)]
    fans = [(kernel**2, first), (first * kernel**2, second), (n_units, n_classes)]
    drawn = [initialise.he(jr.fold_in(key, depth), fan) for depth, fan in enumerate(fans)]
    filters_1, filters_2 = (x.T.reshape(shape) for x, shape in zip(drawn, shapes, strict=False))
    layers = filters_1, jnp.zeros(first), filters_2, jnp.zeros(second), drawn[-1], jnp.zeros(n_classes)
    return Parameters(*(np.asarray(x, np.float64) for x in layers))
