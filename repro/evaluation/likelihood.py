"""The log probability of cases, in nats, or bounds of it where hidden layers cannot be summed out.

Where log Z is needed it is given, exact or estimated; what is found here is as sure as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models import dbn
from repro.models.dbm import DBM, energy, mean_field
from repro.models.rbm import RBM, free_energy
from repro.models.stack import Stack
from repro.models.vae import VAE, Variational, infer, log_joint, log_recognition


@jax.jit
def log_prob_of_rbm(rbm: RBM, log_z: Float[Array, ""] | float, v: Float[Array, "N V"]) -> Float[Array, " N"]:
    """Of binary units: -F(v) - log Z, for each case."""
    with jax.default_matmul_precision("highest"):
        return -jax.vmap(free_energy, (None, None, 0))(dbn.BINARY, rbm, v) - log_z


class Directed(NamedTuple):
    """A model p(x, z) and a distribution q(z | x) that can be drawn from, as functions of one case x and of
    whatever z is.
    """

    log_joint: Callable[[Array, Any], Array]  # x, z -> log p(x, z)
    log_posterior: Callable[[Array, Any], Array]  # x, z -> log q(z | x)
    draw: Callable[[Array, Array], Any]  # key, x -> z ~ q(z | x)


class Bounds(NamedTuple):
    """Of log p(x) from below, on average over draws, for each case; from K weights w = p(x, z) / q(z | x)."""

    variational: Float[Array, " N"]  # mean of log w
    importance_weighted: Float[Array, " N"]  # log of mean w: the higher the larger K, in the limit log p(x)
    effective_sample_size: Float[Array, " N"]  # (∑w)² / ∑w²: between 1 and K


def bounds(
    key: Key[Array, ""], model: Directed, x: Float[Array, "N V"], n_samples: int, at_once: int = 1
) -> Bounds:
    """By so many draws of z for each case, K = n_samples; so many cases at a time
    [burda2015importance, section 3].
    """

    def log_weight(key, x):
        z = model.draw(key, x)
        return model.log_joint(x, z) - model.log_posterior(x, z)

    def of_case(numbered):
        i, x = numbered
        keys = jax.vmap(jr.fold_in, (None, 0))(jr.fold_in(key, i), jnp.arange(n_samples, dtype=jnp.int32))
        w = jax.vmap(log_weight, (0, None))(keys, x)
        total = jax.nn.logsumexp(w)
        return Bounds(w.mean(), total - jnp.log(n_samples), jnp.exp(2 * total - jax.nn.logsumexp(2 * w)))

    with jax.default_matmul_precision("highest"):
        return jax.lax.map(of_case, (jnp.arange(len(x), dtype=jnp.int32), x), batch_size=at_once)


@partial(jax.jit, static_argnames=("n_samples", "at_once"))
def bounds_of_dbn(
    key: Key[Array, ""],
    stack: Stack,
    log_z: Float[Array, ""] | float,
    v: Float[Array, "N V"],
    n_samples: int,
    at_once: int = 1,
) -> Bounds:
    """Of a deep belief network whose uppermost RBM has this log Z; q is the way up, layer by layer
    [salakhutdinov2008quantitative; murray2009evaluating, section 2.1].
    """
    model = Directed(
        log_joint=lambda v, hidden: dbn.log_joint(stack, (v, *hidden)) - log_z,
        log_posterior=lambda v, hidden: dbn.log_posterior(stack, (v, *hidden)),
        draw=lambda key, v: dbn.recognise(key, stack, v),
    )
    return bounds(key, model, v, n_samples, at_once)


@partial(jax.jit, static_argnames=("of", "n_samples", "at_once"))
def bounds_of_vae(
    key: Key[Array, ""], of: Variational, vae: VAE, x: Float[Array, "N V"], n_samples: int, at_once: int = 1
) -> Bounds:
    """Of a variational autoencoder   [burda2015importance, section 3]."""
    model = Directed(
        log_joint=partial(log_joint, of, vae),
        log_posterior=partial(log_recognition, of, vae),
        draw=lambda key, x: infer(of, vae, x, key),
    )
    return bounds(key, model, x, n_samples, at_once)


@partial(jax.jit, static_argnames="n_updates")
def bound_of_dbm(
    dbm: DBM, log_z: Float[Array, ""] | float, v: Float[Array, "N V"], n_updates: int = 50
) -> Float[Array, " N"]:
    """Of a deep Boltzmann machine with this log Z, for each case: mean of -E(v, h) + entropy of q - log Z,
    with the factorial q of `mean_field`; the energy is linear in each unit, so its mean is that of the means
    [salakhutdinov2009deep].
    """

    def of_case(v):
        hidden = mean_field(dbm, v, n_updates)
        return sum(map(_entropy, hidden), -energy(dbm, (v, *hidden))) - log_z

    with jax.default_matmul_precision("highest"):
        return jax.vmap(of_case)(v)


def _entropy(mean: Float[Array, " H"]) -> Float[Array, ""]:
    """Of independent binary units with these means, in nats."""
    return jnp.sum(jax.scipy.special.entr(mean) + jax.scipy.special.entr(1 - mean))
