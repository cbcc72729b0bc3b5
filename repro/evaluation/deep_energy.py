"""log Z of a deep energy-based model by annealed importance sampling, from both sides.

The distributions between the base, a mixture of products, and the model are
log p*(x; β) = (1 - β) log base(x) - β E(x); Langevin chains with a Metropolis-Hastings test lead through
them. What an estimate from below or from above is worth, and where to begin, `annealing` says.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from repro.evaluation.annealing import Annealing, LogZ, Path, estimate, follow
from repro.models import mixture
from repro.models.deep_energy import DeepEnergy, energy
from repro.models.mixture import Mixture
from repro.models.perceptron import Perceptron
from repro.training.compiling import jitted
from repro.training.langevin import Chains, langevin_step, placed


class Annealed(NamedTuple):
    """What chains have come to on their way."""

    log_weights: Float[Array, " K"]
    states: Float[Array, "K V"]
    acceptance: Float[Array, " T"]  # of the proposals at each temperature but the first


class Found(NamedTuple):
    """An estimate of log Z, and how the chains moved."""

    log_z: LogZ
    acceptance: Float[np.ndarray, " T"]


def tempered(base: Mixture, beta: Float[Array, ""], chains: Chains) -> Chains:
    """The same states with the energies and slopes of the distribution at β."""
    log_p, slope = jax.vmap(jax.value_and_grad(partial(mixture.log_prob, base)))(chains.states)
    energies = beta * chains.energy - (1 - beta) * log_p
    return chains._replace(energy=energies, slope=beta * chains.slope - (1 - beta) * slope)


def anneal(
    key: Key[Array, ""],
    of: Perceptron,
    base: Mixture,
    deep: DeepEnergy,
    states: Float[Array, "K V"],
    temperatures: Float[Array, " T"],
    step_size: float,
) -> Annealed:
    """Of K chains begun at samples of the first distribution; one proposal at each temperature."""
    place = partial(placed, of, deep)

    def gain(chains, before, after):
        of_base = jax.vmap(partial(mixture.log_prob, base))(chains.states)
        return (before - after) * (chains.energy + of_base)

    def move(key, chains, beta):
        return langevin_step(key, place, chains, step_size, partial(tempered, base, beta))

    with jax.default_matmul_precision("highest"):
        log_weights, chains, acceptance = follow(key, Path(gain, move), place(states), temperatures)
    return Annealed(log_weights, chains.states, acceptance)


def log_z_from_below(
    key: Key[Array, ""],
    of: Perceptron,
    base: Mixture,
    deep: DeepEnergy,
    annealing: Annealing,
    step_size: float,
) -> Found:
    """On average at most log Z: chains from the base to the model."""
    key_start, key_steps, key_which = jr.split(key, 3)
    means = jax.vmap(partial(mixture.dream, base))(jr.split(key_which, annealing.n_chains))
    start = jr.bernoulli(key_start, means).astype(means.dtype)
    return _found(key_steps, of, base, deep, start, annealing.temperatures(), step_size)


def log_z_from_above(
    key: Key[Array, ""],
    of: Perceptron,
    base: Mixture,
    deep: DeepEnergy,
    annealing: Annealing,
    step_size: float,
    samples: Float[Array, "K V"],
) -> Found:
    """On average at least log Z if the samples are of the model, one for each chain: chains from it to the
    base   [grosse2015sandwiching]. What long chains lack as samples is lacking in the bound.
    """
    return _found(key, of, base, deep, samples, annealing.temperatures()[::-1], step_size)


def _found(key, of, base, deep, start, temperatures, step_size) -> Found:
    run = jitted(partial(anneal, of=of, step_size=step_size))
    beta = jnp.asarray(temperatures, start.dtype)
    annealed = run(key, base=base, deep=deep, states=start, temperatures=beta)
    sign = -1 if temperatures[0] == 1 else 1
    log_z = estimate(annealed.log_weights, annealed.states, 0.0, sign)  # the log Z of the base is 0
    return Found(log_z, np.asarray(annealed.acceptance))


@partial(jax.jit, static_argnames="of")
def log_prob(
    of: Perceptron, deep: DeepEnergy, log_z: Float[Array, ""] | float, x: Float[Array, "N V"]
) -> Float[Array, " N"]:
    """Of each case: -E(x) - log Z."""
    with jax.default_matmul_precision("highest"):
        return -jax.vmap(partial(energy, of), (None, 0))(deep, x) - log_z
