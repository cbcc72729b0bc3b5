"""A mixture of products of independent binary units: the simplest model with hidden causes, of which each
case has one. Everything is of one case, in nats; batch with `jax.vmap` at the door.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key


class Mixture(NamedTuple):
    """Parameters of M components over V units."""

    log_shares: Float[Array, " M"]
    log_odds: Float[Array, "M V"]  # of each unit being on in each component


def log_joint(mixture: Mixture, v: Float[Array, " V"]) -> Float[Array, " M"]:
    """Log p(v, m) = log share + ∑ᵢ vᵢ aₘᵢ - softplus(aₘᵢ), for every component m."""
    shares, a = mixture
    return shares + a @ v - jax.nn.softplus(a).sum(axis=1)


def log_prob(mixture: Mixture, v: Float[Array, " V"]) -> Float[Array, ""]:
    """Log p(v)."""
    return jax.nn.logsumexp(log_joint(mixture, v))


def dream(mixture: Mixture, key: Key[Array, ""]) -> Float[Array, " V"]:
    """The probabilities of the units in a component that is drawn by the shares."""
    return jax.nn.sigmoid(mixture.log_odds[jr.categorical(key, mixture.log_shares)])


def random_mixture(key: Key[Array, ""], n_components: int, n_visible: int) -> Mixture:
    """Components of equal shares, each unit of each on with a probability between ¼ and ¾."""
    mean = jr.uniform(key, (n_components, n_visible), minval=0.25, maxval=0.75)
    return Mixture(jnp.full(n_components, -jnp.log(n_components)), jax.scipy.special.logit(mean))
