"""Convolutional restricted Boltzmann machines with probabilistic max pooling   [lee2009convolutional].

`energy` is the definition, for one configuration; the free energy and the conditionals below are its
consequences and are tested against it by enumeration. All of them are of one case: batch with `jax.vmap` at
the door.

Axis letters of this file, after those of the paper: K bases, C channels of the images; Y X rows and columns
of an image, R S of a filter, I J of the detection layer, P Q of the pooling layer; U units of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key


class ConvolutionalRBM(NamedTuple):
    """Parameters of a convolutional RBM; also the shape of its gradients."""

    filters: Float[Array, "K C R S"]
    visible_bias: Float[Array, " C"]
    hidden_bias: Float[Array, " K"]


Stack = tuple[ConvolutionalRBM, ...]  # lowest first: the pooling layer of each is the image of the next


@dataclass(frozen=True)
class PooledUnits:
    """What the units are.

    "binary" visible states are 0 or 1, "real" ones are Gaussian with unit variance. Detection units, 0 or 1,
    lie in blocks of `block` x `block`, in which one of them is on or none; the pooling unit of a block is on
    if one is.
    """

    visible: Literal["binary", "real"] = "binary"
    block: int = 2


def energy(
    units: PooledUnits, rbm: ConvolutionalRBM, v: Float[Array, "C Y X"], h: Float[Array, "K I J"]
) -> Float[Array, ""]:
    """E(v, h) = visible term - ∑ₖᵢⱼ hₖᵢⱼ (cₖ + ∑_crs Wₖcrs v_c,i+r,j+s) in nats, of detection units h that
    have no more than one on in a block   [lee2009convolutional, whose b, c are our c, b].

    The visible term is -∑_cyx b_c v_cyx, for real units ½ ∑_cyx (v_cyx - b_c)².
    """
    return _of_visible(units, rbm, v) - jnp.sum(h * bottom_up(rbm, v))


def free_energy(units: PooledUnits, rbm: ConvolutionalRBM, v: Float[Array, "C Y X"]) -> Float[Array, ""]:
    """F(v) = -log ∑ₕ exp(-E(v, h)) in nats: the visible term, less log(1 + ∑ exp(what a unit receives)) of
    every block.
    """
    received = _with_none(_blocks(units, bottom_up(rbm, v)))
    return _of_visible(units, rbm, v) - jnp.sum(jax.nn.logsumexp(received, axis=0))


def _of_visible(units, rbm, v):
    if units.visible == "real":
        return 0.5 * jnp.sum((v - rbm.visible_bias[:, None, None]) ** 2)
    return -(rbm.visible_bias @ v.sum((1, 2)))


def bottom_up(rbm: ConvolutionalRBM, v: Float[Array, "C Y X"]) -> Float[Array, "K I J"]:
    """What detection units receive, their biases included."""
    return rbm.hidden_bias[:, None, None] + filtered(rbm.filters, v)


def top_down(rbm: ConvolutionalRBM, h: Float[Array, "K I J"]) -> Float[Array, "C Y X"]:
    """What visible units receive, their biases included: the full convolution."""
    _, n_channels, n_rows, n_columns = rbm.filters.shape
    image = n_channels, h.shape[1] + n_rows - 1, h.shape[2] + n_columns - 1
    back = jax.linear_transpose(partial(filtered, rbm.filters), jax.ShapeDtypeStruct(image, h.dtype))
    return rbm.visible_bias[:, None, None] + back(h)[0]


def filtered(filters: Float[Array, "K C R S"], v: Float[Array, "C Y X"]) -> Float[Array, "K I J"]:
    """∑_crs Wₖcrs v_c,i+r,j+s at every place where the filters fit, rows of images times matrices that take
    them to rows of detection units.

    These have X/S times the operations of a convolution, yet for 100 images of MNIST and 40 filters of
    12 x 12 a core takes 3 ms, and 4 for each transpose, down and for the gradient; with XLA's convolution 3,
    50 and 5, with patches times filters 5, 27 and 6.

    Raises:
        ValueError: if they fit nowhere.
    """
    n_rows, n_columns = filters.shape[2:]
    down, across = v.shape[1] - n_rows + 1, v.shape[2] - n_columns + 1
    if down < 1 or across < 1:
        size, image = f"{n_rows} x {n_columns}", f"{v.shape[1]} x {v.shape[2]}"
        raise ValueError(f"filters: of {size} they do not fit into images of {image}")
    rows = jnp.stack([v[:, i : i + n_rows] for i in range(down)])
    return jnp.einsum("icrx,kcrjx->ikj", rows, _bands(filters, across)).swapaxes(0, 1)


def _bands(filters: Float[Array, "K C R S"], n_places: int) -> Float[Array, "K C R J X"]:
    """Each row of a filter at all its places, one column further on at each: zeros follow it, one too few to
    fill the row of the matrix, so that the next begins there one column later.
    """
    *lead, n_columns = filters.shape
    rows = jnp.broadcast_to(filters[..., None, :], (*lead, n_places, n_columns))
    rows = jnp.pad(rows, [*[(0, 0)] * 4, (0, n_places)]).reshape(*lead, -1)
    width = n_columns + n_places - 1
    return rows[..., : n_places * width].reshape(*lead, n_places, width)


def detection_mean(
    units: PooledUnits, rbm: ConvolutionalRBM, v: Float[Array, "C Y X"]
) -> Float[Array, "K I J"]:
    """P(h = 1 | v): in each block the softmax of what its units receive and of 0, for none of them."""
    return _unblocked(units, _chances(units, rbm, v))


def pooling_mean(
    units: PooledUnits, rbm: ConvolutionalRBM, v: Float[Array, "C Y X"]
) -> Float[Array, "K P Q"]:
    """P(one unit of the block is on | v)."""
    return _chances(units, rbm, v).sum(0)


def _chances(units, rbm, v) -> Float[Array, "U K P Q"]:
    return jax.nn.softmax(_with_none(_blocks(units, bottom_up(rbm, v))), axis=0)[:-1]


def _with_none(received: Float[Array, "U K P Q"]) -> Float[Array, "U+1 K P Q"]:
    return jnp.concatenate([received, jnp.zeros_like(received[:1])])


def visible_mean(
    units: PooledUnits, rbm: ConvolutionalRBM, h: Float[Array, "K I J"]
) -> Float[Array, "C Y X"]:
    """E[v | h], with x what visible units receive: x of real ones, σ(x) of binary ones."""
    x = top_down(rbm, h)
    return x if units.visible == "real" else jax.nn.sigmoid(x)


def sample_detection(
    key: Key[Array, ""], units: PooledUnits, mean: Float[Array, "*B K I J"]
) -> Float[Array, "*B K I J"]:
    """States of the detection units with these means: one uniform number for each block says which of its
    units is on, or that none is.
    """
    below = jnp.cumsum(_blocks(units, mean), axis=0)
    number = jr.uniform(key, below.shape[1:], mean.dtype)
    which = jnp.sum(number[None] >= below, axis=0)
    unit = jnp.arange(len(below)).reshape(-1, *[1] * which.ndim)
    return _unblocked(units, (unit == which[None]).astype(mean.dtype))


def _blocks(units: PooledUnits, x: Float[Array, "*B K I J"]) -> Float[Array, "U *B K P Q"]:
    """Of each block its units, row by row.

    Raises:
        ValueError: if the blocks do not tile the detection layer.
    """
    side, (*lead, down, across) = units.block, x.shape
    if down % side or across % side:
        raise ValueError(f"block: {side} x {side} units do not tile a detection layer of {down} x {across}")
    x = x.reshape(*lead, down // side, side, across // side, side)
    return jnp.moveaxis(x, (-3, -1), (0, 1)).reshape(side**2, *lead, down // side, across // side)


def _unblocked(units: PooledUnits, x: Float[Array, "U *B K P Q"]) -> Float[Array, "*B K I J"]:
    side, (*lead, down, across) = units.block, x.shape[1:]
    x = jnp.moveaxis(x.reshape(side, side, *lead, down, across), (0, 1), (-3, -1))
    return x.reshape(*lead, down * side, across * side)


def largest_of_blocks(block: int, x: Float[Array, "K I J"]) -> Float[Array, "K P Q"]:
    """Of each block with this side the largest value: what a network pools."""
    return _blocks(PooledUnits(block=block), x).max(0)


def cropped(block: int, filters: tuple[int, ...], v: Float[Array, "*B C Y X"]) -> Float[Array, "*B C Y2 X2"]:
    """The images without the few rows and columns for which blocks with this side would not tile what filters
    of this size give: of an odd number one more is cut at the end   [lee2011code, trim_image_square.m].
    """
    rows, columns = (_kept(n, side, block) for n, side in zip(v.shape[-2:], filters, strict=True))
    return v[..., rows, columns]


def _kept(n: int, side: int, block: int) -> slice:
    too_many = (n - side + 1) % block
    return slice(too_many // 2, n - (too_many - too_many // 2))


def pooled(
    units: tuple[PooledUnits, ...], stack: Stack, v: Float[Array, "C Y X"]
) -> tuple[Float[Array, "_ _ _"], ...]:
    """Means of the pooling units, layer by layer, each given the means of the layer below, cropped."""
    layers = []
    for kinds, rbm in zip(units, stack, strict=True):
        v = pooling_mean(kinds, rbm, cropped(kinds.block, rbm.filters.shape[2:], v))
        layers.append(v)
    return tuple(layers)


def in_pixels(units: tuple[PooledUnits, ...], stack: Stack) -> tuple[Float[Array, "K C R S"], ...]:
    """What each base of each layer looks like in an image: of the lowest its filter; of an upper one the sum
    of the bases below that it is connected to, weighted, each of them averaged over the places
    that its pooling unit stands for   [lee2009convolutional, section 4.1].
    """
    shown = []
    for depth, rbm in enumerate(stack):
        bases = rbm.filters
        for below, kinds in zip(stack[:depth][::-1], units[:depth][::-1], strict=True):
            spread = jnp.repeat(jnp.repeat(bases, kinds.block, axis=2), kinds.block, axis=3) / kinds.block**2
            plain = below._replace(visible_bias=jnp.zeros_like(below.visible_bias))
            bases = jax.vmap(partial(top_down, plain))(spread)
        shown.append(bases)
    return tuple(shown)
