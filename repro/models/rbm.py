"""Restricted Boltzmann machines: one energy, and what follows from it.

`energy` is the definition, for one configuration; the free energy and the conditionals below are its
consequences and are tested against it by enumeration and quadrature. Batch with `jax.vmap` at the door.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.shapes import VisibleKind

HiddenKind = Literal["binary", "real"]


class RBM(NamedTuple):
    """Parameters of an RBM; also the shape of its gradients."""

    weights: Float[Array, "V H"]
    visible_bias: Float[Array, " V"]
    hidden_bias: Float[Array, " H"]


def exchanged(rbm: RBM) -> RBM:
    """The same RBM with its hidden units for visible ones: of binary units it has the same energies."""
    return RBM(rbm.weights.T, rbm.hidden_bias, rbm.visible_bias)


@dataclass(frozen=True)
class Units:
    """What the units are.

    "binary" states are 0 or 1; "real" ones are Gaussian with unit variance; "count" visibles are the word
    counts of a document of N = ∑ᵢ vᵢ words, N draws from one softmax   [salakhutdinov2009replicated].
    """

    visible: VisibleKind = "binary"
    hidden: HiddenKind = "binary"
    bias_per_word: bool = True  # counts: hidden biases times N; False as in 2006, where only W counts N times


def energy(units: Units, rbm: RBM, v: Float[Array, " V"], h: Float[Array, " H"]) -> Float[Array, ""]:
    """E(v, h) = visible term + hidden term - v.W.h, in nats.

    The visible term is -b.v, for real units ½|v - b|²; the hidden term -c.h, times N for counts with a bias
    per word, for real units ½|h - c|².
    Sources: hinton2006science, notes 7 and 12; hinton2012guide, eq. 1 and section 13.2 (unit variance);
    salakhutdinov2009replicated, eq. 4.
    """
    W, b, c = rbm
    of_visible = 0.5 * jnp.sum((v - b) ** 2) if units.visible == "real" else -(b @ v)
    of_hidden = 0.5 * jnp.sum((h - c) ** 2) if units.hidden == "real" else -bias_factor(units, v) * (c @ h)
    return of_visible + of_hidden - v @ W @ h


def free_energy(units: Units, rbm: RBM, v: Float[Array, " V"]) -> Float[Array, ""]:
    """F(v) = -log ∑ₕ exp(-E(v, h)) in nats; for real hiddens the sum is an integral.

    The visible term of the energy, less ∑ⱼ softplus(input to j), or for real hiddens, with u = v.W,
    less c.u + ½|u|² + (H/2) log 2π.
    """
    W, b, c = rbm
    of_visible = 0.5 * jnp.sum((v - b) ** 2) if units.visible == "real" else -(b @ v)
    if units.hidden == "real":
        u = v @ W
        return of_visible - c @ u - 0.5 * (u @ u) - 0.5 * len(c) * jnp.log(2 * jnp.pi)
    return of_visible - jnp.sum(jax.nn.softplus(_hidden_input(units, rbm, v)))


def hidden_mean(units: Units, rbm: RBM, v: Float[Array, " V"]) -> Float[Array, " H"]:
    """E[h | v]: the input c + v.W of real hiddens, probabilities σ(input) of binary ones."""
    total_input = _hidden_input(units, rbm, v)
    return total_input if units.hidden == "real" else jax.nn.sigmoid(total_input)


def visible_mean(
    units: Units, rbm: RBM, h: Float[Array, " H"], n_words: Float[Array, ""] | float = 1.0
) -> Float[Array, " V"]:
    """E[v | h], with x = b + W.h: x of real, σ(x) of binary visibles, n_words softmax(x) of counts."""
    W, b, _ = rbm
    x = b + W @ h
    if units.visible == "count":
        return n_words * jax.nn.softmax(x)
    return x if units.visible == "real" else jax.nn.sigmoid(x)


def _hidden_input(units: Units, rbm: RBM, v: Float[Array, " V"]) -> Float[Array, " H"]:
    W, _, c = rbm
    return bias_factor(units, v) * c + v @ W


def bias_factor(units: Units, v: Float[Array, " V"]) -> Float[Array, ""]:
    """How many times the biases of binary hiddens count: N for counts with a bias per word, else once."""
    per_word = units.visible == "count" and units.hidden == "binary" and units.bias_per_word
    return jnp.sum(v) if per_word else jnp.ones((), v.dtype)


def sample_hidden(key: Key[Array, ""], units: Units, mean: Float[Array, "*B H"]) -> Float[Array, "*B H"]:
    """States of the hidden units with these means."""
    return _noisy(key, units.hidden, mean)


def sample_visible(key: Key[Array, ""], units: Units, mean: Float[Array, "*B V"]) -> Float[Array, "*B V"]:
    """States of the visible units with these means; counts are ∑ᵢ meanᵢ draws from one softmax."""
    if units.visible == "count":
        n_words = jnp.round(jnp.sum(mean, axis=-1))
        return jr.multinomial(key, n_words, mean / jnp.maximum(n_words, 1)[..., None]).astype(mean.dtype)
    return _noisy(key, units.visible, mean)


def _noisy(key, kind, mean):
    if kind == "real":
        return mean + jr.normal(key, mean.shape, mean.dtype)
    return jr.bernoulli(key, mean).astype(mean.dtype)
