"""The gradient of mean log p(v) of models so small that it can be computed, and how far estimates are off.

All units of the deep Boltzmann machine are binary; the latent units of the variational autoencoder are two,
and integrated over on a grid. Means are over cases, log probabilities in nats.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from repro.evaluation.bound import states
from repro.models.dbm import DBM
from repro.models.perceptron import Layers, Perceptron, outputs
from repro.models.vae import Variational

GRID = 101  # points along each latent unit
FARTHEST = 7.0  # standard deviations of the prior, where the grid ends


def mean_log_prob_of_dbm(dbm: DBM, v: Float[Array, "N V"]) -> Float[Array, ""]:
    """Of a machine with two hidden layers: all states of the first are gone through, the layers on both its
    sides summed out. Takes N numbers for each state.
    """
    lower, upper = dbm.weights
    bias, *others = dbm.biases
    h = states(len(others[0]))
    above = h @ others[0] + jax.nn.softplus(others[1][None] + h @ upper).sum(1)
    below = jax.nn.softplus(bias[None] + h @ lower.T).sum(1)
    of_cases = jax.nn.logsumexp(above[:, None] + h @ (v @ lower).T, axis=0)
    return jnp.mean(v @ bias + of_cases) - jax.nn.logsumexp(above + below)


def mean_log_prob_of_vae(
    of: Variational, pixels: Layers, v: Float[Array, "N V"], n: int = GRID
) -> Float[Array, ""]:
    """Of an autoencoder with two latent units, by the trapezoidal rule on n x n points: an integrand that is
    smooth and vanishes at the ends is integrated with an error that falls exponentially with n.

    Raises:
        ValueError: of any other number of latent units.
    """
    if of.latent != (2,):
        raise ValueError(f"latent must be (2,) to be integrated over: {of.latent}")
    line = jnp.linspace(-FARTHEST, FARTHEST, n)
    z = jnp.stack(jnp.meshgrid(line, line), axis=-1).reshape(-1, 2)
    logits = jax.vmap(partial(outputs, Perceptron((), of.activation), pixels))(z)
    log_prior = -0.5 * jnp.sum(z**2, axis=1) - jnp.log(2 * jnp.pi) + 2 * jnp.log(line[1] - line[0])
    log_likelihood = v @ logits.T - jax.nn.softplus(logits).sum(1)[None]
    return jnp.mean(jax.nn.logsumexp(log_likelihood + log_prior[None], axis=1))


class Errors(NamedTuple):
    """Of estimates of one gradient, as multiples of its length."""

    relative_distance: Float[Array, ""]  # root of the mean squared distance from it
    relative_bias: Float[Array, ""]  # distance of the mean of all estimates from it
    relative_spread: Float[Array, ""]  # root of the mean squared distance from that mean
    gradient_norm: Float[Array, ""]  # its length


def errors(estimates: Any, exact: Any) -> Errors:
    """Estimates have a leading axis; squared, distance is bias plus spread."""
    truth, _ = ravel_pytree(exact)
    found = jax.vmap(lambda one: ravel_pytree(one)[0])(estimates)
    length, mean = jnp.linalg.norm(truth), found.mean(axis=0)

    def root_mean_square(difference):
        return jnp.sqrt(jnp.mean(jnp.sum(difference**2, axis=1)))

    distance, spread = (root_mean_square(found - other[None]) for other in (truth, mean))
    return Errors(distance / length, jnp.linalg.norm(mean - truth) / length, spread / length, length)
