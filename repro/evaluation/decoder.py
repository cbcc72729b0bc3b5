"""The log probability of images under a decoder p(x | z) of latent units z ~ N(0, 1), in nats, by annealed
importance sampling over z   [wu2017quantitative].

Chains go from the prior through p(z) p(x | z)^β to the posterior; their weights have the mean p(x), so that
the log of their mean is on average too low. Of an image whose own z is known, because the model made it, the
same way back has weights with the mean 1 / p(x), and gives what is on average too high. Moves are those of
Hamiltonian Monte Carlo, blackjax's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from repro.evaluation.annealing import Path, follow
from repro.training.compiling import jitted
from repro.typed import Count, Positive, Share, choice

# parameters, z [Z], x [V] -> log p(x | z)
LogLikelihood = Callable[[Any, Array, Array], Array]


@choice
class Decoding:
    """How chains go from the prior to the posterior.

    Step sizes are those of a first run with one chain for each case, all with the same, multiplied at each
    temperature by exp(rate (acceptance - target)), acceptance a mean over cases. The chains that count are
    others and find them fixed, so that their weights are unbiased.
    """

    n_chains: Count = 16  # for each case
    n_steps: Count = 1000  # from β = 0 to 1
    steepness: Positive = 4.0  # β is a logistic function on ± this, scaled   [wu2017quantitative]
    n_leapfrog: Count = 10
    step_size: Positive = 0.1  # of leapfrogs at the start of the first run
    acceptance: Share = 0.65
    rate: Positive = 0.1
    at_once: Count = 100  # cases that share step sizes

    def temperatures(self) -> Float[np.ndarray, " T"]:
        """Every β, 0 and 1 included: most of them near either end."""
        logistic = 1 / (1 + np.exp(-np.linspace(-self.steepness, self.steepness, self.n_steps + 1)))
        return (logistic - logistic[0]) / (logistic[-1] - logistic[0])


class Latent(NamedTuple):
    """Where chains are, K for each case, with the log likelihood and its slope there."""

    z: Float[Array, "N K Z"]
    log_likelihood: Float[Array, "N K"]
    slope: Float[Array, "N K Z"]


class Schedule(NamedTuple):
    """Temperatures, and the size of leapfrogs at each but the first."""

    temperatures: Float[Array, " T"]
    step_sizes: Float[Array, " steps"]

    def step_size(self, beta: Float[Array, ""]) -> Float[Array, ""]:
        """At this temperature."""
        return jnp.interp(beta, self.temperatures[1:], self.step_sizes)


class Found(NamedTuple):
    """Estimates of log p(x) for each case, and what they rest on."""

    log_prob: Float[np.ndarray, " N"]
    log_weights: Float[np.ndarray, "N K"]  # the mean weight estimates p(x), or of the way back 1 / p(x)
    effective_sample_size: Float[np.ndarray, " N"]  # (∑w)² / ∑w²: between 1 and K
    acceptance: Float[np.ndarray, "blocks steps"]  # of the moves, of so many cases at once


def placed(
    log_likelihood: LogLikelihood, params: Any, x: Float[Array, "N V"], z: Float[Array, "N K Z"]
) -> Latent:
    """Chains that are there."""
    of_one = jax.value_and_grad(log_likelihood, argnums=1)
    of_case = jax.vmap(of_one, (None, 0, None))
    return Latent(z, *jax.vmap(of_case, (None, 0, 0))(params, z, x))


def hamiltonian_move(
    key: Key[Array, ""],
    log_likelihood: LogLikelihood,
    params: Any,
    x: Float[Array, "N V"],
    chains: Latent,
    beta: Float[Array, ""],
    step_size: Float[Array, ""],
    n_leapfrog: int,
) -> tuple[Latent, Float[Array, ""]]:
    """A move that leaves p(z) p(x | z)^β as it is, and its acceptance averaged over chains."""
    from blackjax.mcmc import hmc  # here: it takes 50 MB, which other runs do without

    kernel: Any = hmc.build_kernel()  # its annotations are of Python numbers

    def of_chain(key, x, z, value, slope):
        def log_density(z):
            return beta * log_likelihood(params, z, x) - 0.5 * z @ z

        state = hmc.HMCState(z, beta * value - 0.5 * z @ z, beta * slope - z)
        state, info = kernel(key, state, log_density, step_size, jnp.ones_like(z), n_leapfrog)
        return state.position, info.acceptance_rate

    keys = jr.split(key, chains.log_likelihood.shape)
    z, acceptance = jax.vmap(jax.vmap(of_chain, (0, None, 0, 0, 0)))(keys, x, *chains)
    return placed(log_likelihood, params, x, z), acceptance.mean()


def _gain(chains: Latent, before: Float[Array, ""], after: Float[Array, ""]) -> Float[Array, "N K"]:
    return (after - before) * chains.log_likelihood


def anneal(
    key: Key[Array, ""],
    log_likelihood: LogLikelihood,
    params: Any,
    x: Float[Array, "N V"],
    z: Float[Array, "N K Z"],
    schedule: Schedule,
    n_leapfrog: int,
    *,
    back: bool = False,
) -> tuple[Float[Array, "N K"], Float[Array, " steps"]]:
    """Log weights of chains begun at samples z of the prior, or on the way back of the posterior, and the
    acceptance of each move.
    """
    move = partial(_move, log_likelihood, params, x, schedule, n_leapfrog)
    temperatures = schedule.temperatures[::-1] if back else schedule.temperatures
    start = placed(log_likelihood, params, x, z)
    log_weights, _, acceptance = follow(key, Path(_gain, move), start, temperatures)
    return log_weights, acceptance


def _move(log_likelihood, params, x, schedule, n_leapfrog, key, chains, beta):
    return hamiltonian_move(
        key, log_likelihood, params, x, chains, beta, schedule.step_size(beta), n_leapfrog
    )


def learn_schedule(
    key: Key[Array, ""],
    log_likelihood: LogLikelihood,
    params: Any,
    x: Float[Array, "N V"],
    z: Float[Array, "N K Z"],
    how: Decoding,
) -> Schedule:
    """The first run, with chains begun at samples z of the prior."""
    temperatures = jnp.asarray(how.temperatures(), x.dtype)

    def gain(state, before, after):
        return _gain(state[0], before, after)

    def move(key, state, beta):
        chains, step_size = state
        chains, acceptance = hamiltonian_move(
            key, log_likelihood, params, x, chains, beta, step_size, how.n_leapfrog
        )
        return (chains, step_size * jnp.exp(how.rate * (acceptance - how.acceptance))), step_size

    start = placed(log_likelihood, params, x, z), jnp.asarray(how.step_size, x.dtype)
    _, _, step_sizes = follow(key, Path(gain, move), start, temperatures)
    return Schedule(temperatures, step_sizes)


def log_prob(
    key: Key[Array, ""],
    log_likelihood: LogLikelihood,
    params: Any,
    n_latent: int,
    x: Float[Array, "N V"],
    how: Decoding,
) -> Found:
    """On average at most log p(x)."""

    def of_block(key, params, x):
        key_first, key_learn, key_start, key_steps = jr.split(key, 4)
        first = jr.normal(key_first, (len(x), 1, n_latent), x.dtype)
        schedule = learn_schedule(key_learn, log_likelihood, params, x, first, how)
        z = jr.normal(key_start, (len(x), how.n_chains, n_latent), x.dtype)
        return anneal(key_steps, log_likelihood, params, x, z, schedule, how.n_leapfrog)

    return _found(key, of_block, params, (x,), how, sign=1)


def log_prob_of_own(
    key: Key[Array, ""],
    log_likelihood: LogLikelihood,
    params: Any,
    x: Float[Array, "N V"],
    z: Float[Array, "N Z"],
    how: Decoding,
) -> Found:
    """On average at least log p(x), of images that the model made from these z, which so are exact samples of
    their posteriors   [grosse2015sandwiching].
    """

    def of_block(key, params, x, z):
        key_first, key_learn, key_steps = jr.split(key, 3)
        first = jr.normal(key_first, z[:, None].shape, x.dtype)
        schedule = learn_schedule(key_learn, log_likelihood, params, x, first, how)
        start = jnp.repeat(z[:, None], how.n_chains, axis=1)
        return anneal(key_steps, log_likelihood, params, x, start, schedule, how.n_leapfrog, back=True)

    return _found(key, of_block, params, (x, z), how, sign=-1)


def _found(key, of_block, params, cases, how: Decoding, sign: int) -> Found:
    run, blocks = jitted(of_block), range(0, len(cases[0]), how.at_once)
    each = [
        run(jr.fold_in(key, i), params, *(x[i : i + how.at_once] for x in cases))
        for i in map(jnp.int32, blocks)
    ]
    log_weights = jnp.concatenate([weights for weights, _ in each])
    total = jax.nn.logsumexp(log_weights, axis=1)
    size = jnp.exp(2 * total - jax.nn.logsumexp(2 * log_weights, axis=1))
    value = sign * (total - jnp.log(how.n_chains))
    acceptance = np.stack([acceptance for _, acceptance in each])
    return Found(np.asarray(value), np.asarray(log_weights), np.asarray(size), acceptance)
