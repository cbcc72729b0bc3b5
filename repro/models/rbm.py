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

Kind = Literal["binary", "real"]


class RBM(NamedTuple):
    """Parameters of an RBM; also the shape of its gradients."""

    weights: Float[Array, "V H"]
    visible_bias: Float[Array, " V"]
    hidden_bias: Float[Array, " H"]


@dataclass(frozen=True)
class Units:
    """What the units are: "binary" states are 0 or 1; "real" ones Gaussian with unit variance."""

    visible: Literal["binary"] = "binary"
    hidden: Kind = "binary"


def energy(units: Units, rbm: RBM, v: Float[Array, " V"], h: Float[Array, " H"]) -> Float[Array, ""]:
    """E(v, h) = -b.v - v.W.h - c.h, in nats; for real hiddens ½|h - c|² instead of -c.h.

    Sources: hinton2006science, note 7; hinton2012guide, eq. 1 and section 13.2 (unit variance).
    """
    W, b, c = rbm
    own = 0.5 * jnp.sum((h - c) ** 2) if units.hidden == "real" else -(c @ h)
    return own - b @ v - v @ W @ h


def free_energy(units: Units, rbm: RBM, v: Float[Array, " V"]) -> Float[Array, ""]:
    """F(v) = -log ∑ₕ exp(-E(v, h)) in nats; for real hiddens the sum is an integral.

    binary: -b.v - ∑ⱼ softplus(cⱼ + v.Wⱼ).   real: -b.v - c.u - ½|u|² - (H/2) log 2π with u = v.W.
    """
    W, b, c = rbm
    u = v @ W
    if units.hidden == "real":
        return -(b @ v) - c @ u - 0.5 * (u @ u) - 0.5 * len(c) * jnp.log(2 * jnp.pi)
    return -(b @ v) - jnp.sum(jax.nn.softplus(c + u))


def hidden_mean(units: Units, rbm: RBM, v: Float[Array, " V"]) -> Float[Array, " H"]:
    """E[h | v]: probabilities σ(c + v.W) of binary hiddens, means c + v.W of real ones."""
    W, _, c = rbm
    return _mean(units.hidden, c + v @ W)


def visible_mean(units: Units, rbm: RBM, h: Float[Array, " H"]) -> Float[Array, " V"]:
    """E[v | h]: probabilities σ(b + W.h) of binary visibles."""
    W, b, _ = rbm
    return _mean(units.visible, b + W @ h)


def sample(key: Key[Array, ""], kind: Kind, mean: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """States of independent units of one kind with the given means."""
    if kind == "real":
        return mean + jr.normal(key, mean.shape, mean.dtype)
    return jr.bernoulli(key, mean).astype(mean.dtype)


def _mean(kind: Kind, total_input: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return total_input if kind == "real" else jax.nn.sigmoid(total_input)
