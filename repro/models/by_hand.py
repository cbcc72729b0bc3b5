"""A convolutional network and its backprop, written out in NumPy alone: a lesson, to be read downwards.

The network: convolution, rectifier, pooling; the same once more; then one full connection, whose outputs are
the log odds of the classes but for a constant   [lecun1998gradient, section II].

Backprop is the chain rule, begun at the loss L   [rumelhart1986learning]. Whatever array a the network
computes with, write d_a for the array of the same shape that holds ∂L/∂a, entry by entry. A layer computes y
from its input x and its parameters. Its backward pass is given d_y and gives d_x, which is the d_y of the
layer below, and the gradients of its parameters. Each of them is found by asking one question of one number:
which outputs does it touch, and by what factor? Each output that it touches passes its derivative on, times
that factor, and the contributions are summed:

    d_x[i] = ∑ₖ d_y[k] ∂y[k]/∂x[i]

Axes: B cases of a minibatch, C channels of a layer's input, D of its output, H rows and W columns of a
picture, K rows and columns of a filter, U units, O classes. The loss is in nats, the mean over the cases of
a minibatch; so its gradients are too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view


class Parameters(NamedTuple):
    """What is learnt; also the shape of its gradient."""

    filters_1: Float[np.ndarray, "D C K K"]
    biases_1: Float[np.ndarray, " D"]
    filters_2: Float[np.ndarray, "D C K K"]
    biases_2: Float[np.ndarray, " D"]
    weights: Float[np.ndarray, "U O"]
    biases: Float[np.ndarray, " O"]


class Activations(NamedTuple):
    """What each layer makes of a minibatch; also the shape of the gradient with respect to all of it."""

    images: Float[np.ndarray, "B C H W"]
    convolved_1: Float[np.ndarray, "B D H W"]
    rectified_1: Float[np.ndarray, "B D H W"]
    pooled_1: Float[np.ndarray, "B D H W"]
    convolved_2: Float[np.ndarray, "B D H W"]
    rectified_2: Float[np.ndarray, "B D H W"]
    pooled_2: Float[np.ndarray, "B D H W"]
    logits: Float[np.ndarray, "B O"]


def convolve(
    x: Float[np.ndarray, "B C H W"], filters: Float[np.ndarray, "D C K K"], biases: Float[np.ndarray, " D"]
) -> Float[np.ndarray, "B D H-K+1 W-K+1"]:
    """Lay each of D filters wherever it fits into the picture, and say how well it matches there:

    y[b,d,h,w] = biases[d] + ∑ over c,i,j of filters[d,c,i,j] x[b,c,h+i,w+j]

    `windows` is a view of x with its own axes for the place of the filter, h and w, and for the place within
    it, i and j; so the sum can be written as it stands.
    """
    windows = sliding_window_view(x, filters.shape[2:], axis=(2, 3))
    return np.einsum("bchwij,dcij->bdhw", windows, filters, optimize=True) + biases[:, None, None]


def convolve_back(
    d_y: Float[np.ndarray, "B D h w"], x: Float[np.ndarray, "B C H W"], filters: Float[np.ndarray, "D C K K"]
) -> tuple[Float[np.ndarray, "B C H W"], Float[np.ndarray, "D C K K"], Float[np.ndarray, " D"]]:
    """d_x, d_filters and d_biases.

    An entry of a filter touches every place h,w of every case, by the factor that it is multiplied with:

    d_filters[d,c,i,j] = ∑ over b,h,w of d_y[b,d,h,w] x[b,c,h+i,w+j]

    A bias touches the same places by the factor 1. A pixel touches every output whose window it lies in: as
    the entry i,j of the window at h,w, by the factor filters[d,c,i,j]. It is simplest to let each output pass
    its derivative on to its own window, and to add up where windows overlap; for all c, i, j, h and w

    d_x[b,c,h+i,w+j] += ∑ over d of d_y[b,d,h,w] filters[d,c,i,j]
    """
    windows = sliding_window_view(x, filters.shape[2:], axis=(2, 3))
    d_filters = np.einsum("bdhw,bchwij->dcij", d_y, windows, optimize=True)
    d_biases = d_y.sum(axis=(0, 2, 3))
    d_windows = np.einsum("bdhw,dcij->ijbchw", d_y, filters, optimize=True)
    d_x, (n_rows, n_columns) = np.zeros_like(x), d_y.shape[2:]
    for i, j in np.ndindex(filters.shape[2:]):
        d_x[:, :, i : i + n_rows, j : j + n_columns] += d_windows[i, j]
    return d_x, d_filters, d_biases


def rectify(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The positive part, y = max(x, 0): a unit speaks up or is silent."""
    return np.maximum(x, 0)


def rectify_back(
    d_y: Float[np.ndarray, "*shape"], x: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """d_x: a number touches its own output alone, by the factor 1 where x > 0 and 0 where x < 0.

    At 0 there is no derivative; any factor from 0 to 1 serves, and ours is 0, as in JAX.
    """
    return d_y * (x > 0)


def pool(x: Float[np.ndarray, "B C H W"]) -> Float[np.ndarray, "B C H//2 W//2"]:
    """The largest of each 2 x 2 block: where exactly a filter matched does not matter.

    y[b,c,h,w] = max over i,j of x[b,c,2h+i,2w+j]

    A last row or column that fills no block is left out.
    """
    return _blocks(x).max(axis=0)


def pool_back(
    d_y: Float[np.ndarray, "B C h w"], x: Float[np.ndarray, "B C H W"]
) -> Float[np.ndarray, "B C H W"]:
    """d_x: the largest of a block touches its output by the factor 1, the other three do not.

    Where several are equally large the first of them, row by row, takes all, as in JAX. That is common: a
    silent unit's block is all 0, and on blank paper every place matches alike.
    """
    first_largest, d_x = _blocks(x).argmax(axis=0), np.zeros_like(x)
    n_rows, n_columns = (n - n % 2 for n in x.shape[2:])
    for k, (i, j) in enumerate(np.ndindex(2, 2)):
        d_x[:, :, i:n_rows:2, j:n_columns:2] = d_y * (first_largest == k)
    return d_x


def _blocks(x: Float[np.ndarray, "B C H W"]) -> Float[np.ndarray, "4 B C H//2 W//2"]:
    """The four numbers of each 2 x 2 block, row by row."""
    n_rows, n_columns = (n - n % 2 for n in x.shape[2:])
    return np.stack([x[:, :, i:n_rows:2, j:n_columns:2] for i, j in np.ndindex(2, 2)])


def connect(
    x: Float[np.ndarray, "B C H W"], weights: Float[np.ndarray, "U O"], biases: Float[np.ndarray, " O"]
) -> Float[np.ndarray, "B O"]:
    """Every unit to every class; the C pictures of a case are written as one row of U = C H W units.

    y[b,o] = biases[o] + ∑ over u of x[b,u] weights[u,o]
    """
    return x.reshape(len(x), -1) @ weights + biases


def connect_back(
    d_y: Float[np.ndarray, "B O"], x: Float[np.ndarray, "B C H W"], weights: Float[np.ndarray, "U O"]
) -> tuple[Float[np.ndarray, "B C H W"], Float[np.ndarray, "U O"], Float[np.ndarray, " O"]]:
    """d_x, d_weights and d_biases.

    A weight touches one output of every case, by the factor of its unit; a bias by the factor 1; a unit all
    outputs of its case, by the factors of its weights:

    d_weights[u,o] = ∑ over b of x[b,u] d_y[b,o]
    d_x[b,u] = ∑ over o of d_y[b,o] weights[u,o]
    """
    d_weights = x.reshape(len(x), -1).T @ d_y
    return (d_y @ weights.T).reshape(x.shape), d_weights, d_y.sum(axis=0)


def cross_entropy(logits: Float[np.ndarray, "B O"], labels: Int[np.ndarray, " B"]) -> float:
    """What the classes of a minibatch are worth in nats, given what the network expects; mean over cases.

    p[b,o] = exp(logits[b,o]) / ∑ over k of exp(logits[b,k])
    L = -1/B ∑ over b of log p[b,labels[b]]
    """
    return -_log_softmax(logits)[np.arange(len(labels)), labels].mean()


def cross_entropy_back(
    logits: Float[np.ndarray, "B O"], labels: Int[np.ndarray, " B"]
) -> Float[np.ndarray, "B O"]:
    """d_logits: what the network expects less what is the case.

    The logit of a class touches the log-probability of the right one twice: by the factor 1 if it is its own,
    and through the sum of exponentials, by the factor -exp(logits[b,o]) / ∑ₖ exp(logits[b,k]) = -p[b,o]. So

    d_logits[b,o] = (p[b,o] - (1 if o is labels[b], else 0)) / B
    """
    d_logits = np.exp(_log_softmax(logits))
    d_logits[np.arange(len(labels)), labels] -= 1
    return d_logits / len(labels)


def _log_softmax(logits: Float[np.ndarray, "B O"]) -> Float[np.ndarray, "B O"]:
    """The logarithms of p. A number that is taken from all logits of a case changes nothing; so that no
    exponential is too large it is the largest.
    """
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def forward(params: Parameters, images: Float[np.ndarray, "B C H W"]) -> Activations:
    """Through all layers, from the images to the logits; whatever the way back needs is kept."""
    convolved_1 = convolve(images, params.filters_1, params.biases_1)
    rectified_1 = rectify(convolved_1)
    pooled_1 = pool(rectified_1)
    convolved_2 = convolve(pooled_1, params.filters_2, params.biases_2)
    rectified_2 = rectify(convolved_2)
    pooled_2 = pool(rectified_2)
    logits = connect(pooled_2, params.weights, params.biases)
    return Activations(images, convolved_1, rectified_1, pooled_1, convolved_2, rectified_2, pooled_2, logits)


def backward(
    params: Parameters, seen: Activations, labels: Int[np.ndarray, " B"]
) -> tuple[Parameters, Activations]:
    """Back through all layers, from the loss to the images: `forward` line by line, the last line first.

    Gives the gradients of the loss with respect to all parameters, and to all that the layers computed.
    """
    d_logits = cross_entropy_back(seen.logits, labels)
    d_pooled_2, d_weights, d_biases = connect_back(d_logits, seen.pooled_2, params.weights)
    d_rectified_2 = pool_back(d_pooled_2, seen.rectified_2)
    d_convolved_2 = rectify_back(d_rectified_2, seen.convolved_2)
    d_pooled_1, d_filters_2, d_biases_2 = convolve_back(d_convolved_2, seen.pooled_1, params.filters_2)
    d_rectified_1 = pool_back(d_pooled_1, seen.rectified_1)
    d_convolved_1 = rectify_back(d_rectified_1, seen.convolved_1)
    d_images, d_filters_1, d_biases_1 = convolve_back(d_convolved_1, seen.images, params.filters_1)
    return (
        Parameters(d_filters_1, d_biases_1, d_filters_2, d_biases_2, d_weights, d_biases),
        Activations(
            d_images,
            d_convolved_1,
            d_rectified_1,
            d_pooled_1,
            d_convolved_2,
            d_rectified_2,
            d_pooled_2,
            d_logits,
        ),
    )


def descend(
    params: Parameters, velocity: Parameters, gradient: Parameters, learning_rate: float, momentum: float
) -> tuple[Parameters, Parameters]:
    """A step downhill, with some of the way of the last ones: the parameters and their velocity.

    v ← momentum v - learning_rate d_p,  p ← p + v   [sutskever2013importance, eqs. 1 and 2]
    """
    pairs = zip(velocity, gradient, strict=True)
    velocity = Parameters(*(momentum * v - learning_rate * g for v, g in pairs))
    return Parameters(*(p + v for p, v in zip(params, velocity, strict=True))), velocity
