"""How far derivatives written out by hand are from those that JAX finds."""

from __future__ import annotations

from math import inf

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from repro.models import by_hand, convolutional
from repro.models.by_hand import Activations, Parameters


def relative_error(ours: Float[np.ndarray, "*shape"], theirs: Float[np.ndarray, "*shape"]) -> float:
    """|ours - theirs| / |theirs|, the norms Euclidean over all entries of an array; 0 where both are 0."""
    difference, size = (float(np.linalg.norm(x)) for x in (ours - theirs, theirs))
    if not difference:
        return 0.0
    return difference / size if size else inf


def largest_relative_error(ours, theirs) -> float:
    """Of two trees of arrays of the same structure, that of the array where it is largest."""
    return float(np.max(jax.tree.leaves(jax.tree.map(relative_error, ours, jax.device_get(theirs)))))


def relative_errors(
    params: Parameters, images: Float[np.ndarray, "B C H W"], labels: Int[np.ndarray, " B"]
) -> dict[str, float]:
    """Of each kind of layer's backward pass, the largest of all arrays that it gives; and of the gradient of
    the whole network, the largest of its arrays.

    JAX's layers are given the same inputs and the same derivatives of their outputs; its network is given the
    images.
    """
    seen = by_hand.forward(params, images)
    gradient, d_seen = by_hand.backward(params, seen, labels)
    d_filters = gradient.filters_1, gradient.biases_1, gradient.filters_2, gradient.biases_2
    ours = {
        "convolution": (d_seen.images, d_seen.pooled_1, *d_filters),
        "rectifier": (d_seen.convolved_1, d_seen.convolved_2),
        "pooling": (d_seen.rectified_1, d_seen.rectified_2),
        "connection": (d_seen.pooled_2, gradient.weights, gradient.biases),
        "cross_entropy": (d_seen.logits,),
        "network": tuple(gradient),
    }
    theirs = _by_jax(params, seen, d_seen, labels)
    return {name: largest_relative_error(found, theirs[name]) for name, found in ours.items()}


@jax.jit
def _by_jax(
    params: Parameters, seen: Activations, d_seen: Activations, labels: Int[Array, " B"]
) -> dict[str, tuple]:
    """What JAX gives for the same arrays, in the same order."""

    def back(layer, d_y, *inputs):
        return jax.vjp(layer, *inputs)[1](d_y)

    of_first = params.filters_1, params.biases_1
    of_second = params.filters_2, params.biases_2
    d_images, *d_first = back(convolutional.convolve, d_seen.convolved_1, seen.images, *of_first)
    d_pooled, *d_second = back(convolutional.convolve, d_seen.convolved_2, seen.pooled_1, *of_second)
    return {
        "convolution": (d_images, d_pooled, *d_first, *d_second),
        "rectifier": back(convolutional.rectify, d_seen.rectified_1, seen.convolved_1)
        + back(convolutional.rectify, d_seen.rectified_2, seen.convolved_2),
        "pooling": back(convolutional.pool, d_seen.pooled_1, seen.rectified_1)
        + back(convolutional.pool, d_seen.pooled_2, seen.rectified_2),
        "connection": back(
            convolutional.connect, d_seen.logits, seen.pooled_2, params.weights, params.biases
        ),
        "cross_entropy": (jax.grad(convolutional.cross_entropy)(seen.logits, labels),),
        "network": tuple(jax.grad(convolutional.loss)(params, seen.images, labels)),
    }
