"""The variational bound of a deep belief net of two RBMs, exactly, by enumerating its first hidden layer.

The second RBM gives p(h), the first p(v | h) and, as the posterior, the factorial q(h | v) of its own
[hinton2006dbn, section 4]. H hidden units have 2ᴴ states, and N cases take arrays of N 2ᴴ numbers.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from repro.models.rbm import RBM, Units, free_energy

BINARY = Units()


class Given(NamedTuple):
    """What the first RBM has to say of some cases, whatever is put on it."""

    posterior: Float[Array, " states"]  # q(h | v), averaged over cases
    rest: Float[Array, ""]  # E_q[log p(v | h)] + H(q), in nats, averaged over cases


def states(n: int) -> Float[Array, "states n"]:
    """All 2ⁿ states of n binary units, the first unit varying slowest."""
    numbers = jnp.arange(2**n)[:, None] >> jnp.arange(n)[::-1][None]
    return (numbers & 1).astype(jnp.result_type(float))


def log_prior(second: RBM, h: Float[Array, "states H"]) -> Float[Array, " states"]:
    """Log p(h) = -F(h) - log Z, in nats, of all states of the second RBM's visible units."""
    unnormalised = -jax.vmap(partial(free_energy, BINARY), (None, 0))(second, h)
    return unnormalised - jax.nn.logsumexp(unnormalised)


def log_posterior(
    first: RBM, v: Float[Array, "N V"], h: Float[Array, "states H"]
) -> Float[Array, "N states"]:
    """Log q(h | v) of every case and state: each unit has the log odds c + v.W."""
    return _log_bernoulli(v @ first.weights + first.hidden_bias[None], h)


def log_emission(first: RBM, v: Float[Array, "N V"], h: Float[Array, "states H"]) -> Float[Array, "N states"]:
    """Log p(v | h) of every case and state: each unit has the log odds b + W.h."""
    return _log_bernoulli(h @ first.weights.T + first.visible_bias[None], v).T


def _log_bernoulli(logit: Float[Array, "A n"], x: Float[Array, "B n"]) -> Float[Array, "A B"]:
    """Log p of every x where units have these log odds: x.logit - ∑ softplus(logit)."""
    return logit @ x.T - jnp.sum(jax.nn.softplus(logit), axis=1, keepdims=True)


def given(
    first: RBM, v: Float[Array, "N V"], weights: Float[Array, " N"], h: Float[Array, "states H"]
) -> Given:
    """What the bound needs of the first RBM, of cases that count as the weights say, which add up to 1."""
    log_q = log_posterior(first, v, h)
    q = jnp.exp(log_q)
    rest = jnp.sum(q * (log_emission(first, v, h) - log_q), axis=1)
    return Given(weights @ q, weights @ rest)


def bound(given: Given, log_p: Float[Array, "*priors states"]) -> Float[Array, "*priors"]:
    """E_q[log p(h) + log p(v | h)] + H(q) ≤ log p(v), in nats, averaged over cases, for each of several
    log p(h)   [hinton2006dbn, section 4].
    """
    return log_p @ given.posterior + given.rest


def log_probability(
    first: RBM,
    v: Float[Array, "N V"],
    weights: Float[Array, " N"],
    h: Float[Array, "states H"],
    log_p: Float[Array, "priors states"],
) -> Float[Array, " priors"]:
    """Log p(v) = log ∑ₕ p(h) p(v | h), in nats, averaged over cases, for each of several log p(h)."""
    emission = log_emission(first, v, h)
    highest = jnp.max(emission, axis=1, keepdims=True)
    of_cases = jnp.log(jnp.exp(emission - highest) @ jnp.exp(log_p).T) + highest
    return weights @ of_cases
