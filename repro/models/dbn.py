"""Deep belief networks: a stack of RBMs of which only the uppermost stays undirected   [hinton2006dbn].

The lower RBMs keep p(below | above) alone, and their p(above | below) becomes the recognition model q. Both
are energies less free energies, so nothing but those is needed here. All units are binary.
"""

from __future__ import annotations

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models.dbm import Layers
from repro.models.rbm import RBM, Units, energy, exchanged, free_energy, hidden_mean, sample_hidden
from repro.models.stack import Stack

BINARY = Units()


def log_generative(rbm: RBM, v: Float[Array, " V"], h: Float[Array, " H"]) -> Float[Array, ""]:
    """Gives log p(v | h), in nats: the joint distribution over its sum over v."""
    return free_energy(BINARY, exchanged(rbm), h) - energy(BINARY, rbm, v, h)


def log_recognition(rbm: RBM, v: Float[Array, " V"], h: Float[Array, " H"]) -> Float[Array, ""]:
    """Gives log p(h | v), in nats: the joint distribution over its sum over h."""
    return free_energy(BINARY, rbm, v) - energy(BINARY, rbm, v, h)


def log_joint(stack: Stack, layers: Layers) -> Float[Array, ""]:
    """Gives log p*(v, h₁, ...), which is log p plus log Z of the uppermost RBM, whose hidden units, the last
    layer, are summed out   [salakhutdinov2008quantitative].
    """
    *lower, top = stack
    triples = zip(lower, layers[:-1], layers[1:], strict=True)
    return sum((log_generative(*triple) for triple in triples), -free_energy(BINARY, top, layers[-1]))


def log_posterior(stack: Stack, layers: Layers) -> Float[Array, ""]:
    """Gives log q(h₁, ... | v), the hidden layers drawn one after another on the way up from v."""
    triples = zip(stack[:-1], layers[:-1], layers[1:], strict=True)
    return sum((log_recognition(*triple) for triple in triples), jnp.zeros((), layers[0].dtype))


def recognise(key: Key[Array, ""], stack: Stack, v: Float[Array, " V"]) -> Layers:
    """The hidden layers below the last drawn from q given v."""
    hidden = []
    for depth, rbm in enumerate(stack[:-1]):
        v = sample_hidden(jr.fold_in(key, depth), BINARY, hidden_mean(BINARY, rbm, v))
        hidden.append(v)
    return tuple(hidden)
