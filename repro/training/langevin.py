"""Langevin chains on binary states, and a deep energy-based model that learns from them.

From the gradient of the energy, taken as if states could lie between 0 and 1, all units of a chain are
proposed at once, each to flip or to stay; a Metropolis-Hastings test makes the chain exact. This is the
discrete Langevin proposal, and the sampler DMALA   [zhang2022langevin, section 4].
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float, Key

from repro.models.deep_energy import DeepEnergy, energy
from repro.models.perceptron import Perceptron
from repro.training.fit import Trainer, by_minibatch
from repro.typed import Count, NotNegative, Positive, choice


@choice
class Langevin:
    """How the negative phase is sampled; chains live on between updates   [tieleman2008training]."""

    n_chains: Count = 100
    n_steps: Count = 10  # proposals to each chain between updates
    step_size: Positive = 0.2  # α: the larger, the more units are proposed to flip
    penalty: NotNegative = 0.0  # on the mean squared energies of both phases   [du2019implicit]


class Chains(NamedTuple):
    """Binary states, with their energies and the slopes there."""

    states: Float[Array, "K V"]
    energy: Float[Array, " K"]
    slope: Float[Array, "K V"]  # ∂E/∂x


class LangevinState(NamedTuple):
    """What the next minibatch needs."""

    params: DeepEnergy
    opt_state: Any
    chains: Float[Array, "K V"]


def placed(of: Perceptron, deep: DeepEnergy, states: Float[Array, "K V"]) -> Chains:
    """Chains that are in these states."""
    return Chains(states, *jax.vmap(jax.value_and_grad(partial(energy, of, deep)))(states))


def flip_log_odds(chains: Chains, step_size: float) -> Float[Array, "K V"]:
    """Of the proposal that a unit flips, xᵢ -> 1 - xᵢ: -½ ∂E/∂xᵢ (1 - 2 xᵢ) - 1 / (2α)
    [zhang2022langevin, section 4, with U = -E].
    """
    return (chains.states - 0.5) * chains.slope - 1 / (2 * step_size)


def log_acceptance(here: Chains, there: Chains, step_size: float) -> Float[Array, " K"]:
    """Log of p(x') q(x | x') / (p(x) q(x' | x)), with which, or with 1, the way from x to x' is accepted
    [zhang2022langevin, section 4].
    """
    flips = here.states != there.states
    back, forth = (_log_chance(flip_log_odds(chains, step_size), flips) for chains in (there, here))
    return here.energy - there.energy + back - forth


def _log_chance(log_odds: Float[Array, "K V"], flips: Bool[Array, "K V"]) -> Float[Array, " K"]:
    """Of these flips of independent units, all others staying."""
    return jnp.sum(jnp.where(flips, log_odds, 0.0) - jax.nn.softplus(log_odds), axis=1)


def langevin_step(
    key: Key[Array, ""],
    place: Callable[[Array], Chains],
    chains: Chains,
    step_size: float,
    seen: Callable[[Chains], Chains] = lambda chains: chains,
) -> tuple[Chains, Float[Array, ""]]:
    """One transition of all chains, and the chance of being accepted, averaged over them.

    What is sampled has the energies and slopes that are `seen` of the chains that `place` makes: a tempered
    distribution needs no more evaluations than that of the model.
    """
    key_flips, key_accept = jr.split(key)
    here = seen(chains)
    flips = jr.bernoulli(key_flips, jax.nn.sigmoid(flip_log_odds(here, step_size)))
    proposed = place(jnp.where(flips, 1 - chains.states, chains.states))
    chance = jnp.exp(jnp.minimum(log_acceptance(here, seen(proposed), step_size), 0.0))
    accepted = jr.bernoulli(key_accept, chance)

    def chosen(new, old):
        return jnp.where(accepted.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return jax.tree.map(chosen, proposed, chains), chance.mean()


def langevin_chain(
    key: Key[Array, ""],
    of: Perceptron,
    deep: DeepEnergy,
    states: Float[Array, "K V"],
    n_steps: int,
    step_size: float,
) -> tuple[Float[Array, "K V"], Float[Array, ""]]:
    """The states after so many steps of a model's chains, and the acceptance averaged over steps."""
    place = partial(placed, of, deep)

    def step(chains, i):
        return langevin_step(jr.fold_in(key, i), place, chains, step_size)

    chains, chances = jax.lax.scan(step, place(states), jnp.arange(n_steps, dtype=jnp.int32))
    return chains.states, chances.mean()


def contrast(
    of: Perceptron,
    deep: DeepEnergy,
    data: Float[Array, "B V"],
    model: Float[Array, "K V"],
    penalty: float = 0.0,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean E(data) - mean E(model), whose gradient, states held fixed, is that of -log p(data) where they are
    the model's own; with a penalty on the squares, and without.
    """
    energies = partial(jax.vmap(partial(energy, of), (None, 0)), deep)
    of_data, of_model = energies(data), energies(model)
    gap = of_data.mean() - of_model.mean()
    return gap + penalty * ((of_data**2).mean() + (of_model**2).mean()), gap


def langevin_trainer(of: Perceptron, config: Langevin, optimiser: optax.GradientTransformation) -> Trainer:
    """Trains a deep energy-based model of binary cases. Its chains start at independent pixels with its
    biases for log odds, as `random_deep_energy` does.

    Info, before the update: `energy_gap`, mean E(data) - mean E(chains) in nats; `acceptance` of the chains'
    proposals.
    """
    descent = jax.value_and_grad(partial(contrast, of), has_aux=True)

    def init(key, params, inputs):
        odds = jnp.broadcast_to(params.visible_bias, (config.n_chains, inputs.shape[1]))
        chains = jr.bernoulli(key, jax.nn.sigmoid(odds)).astype(odds.dtype)
        return LangevinState(params, optimiser.init(params), chains)

    def step(key, state, batch, n):
        del n
        params = state.params
        chains, acceptance = langevin_chain(key, of, params, state.chains, config.n_steps, config.step_size)
        (_, gap), gradient = descent(params, batch, chains, config.penalty)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats; we do not
            updates, opt_state = optimiser.update(gradient, state.opt_state, params)
        params: Any = optax.apply_updates(params, updates)
        return LangevinState(params, opt_state, chains), {"energy_gap": gap, "acceptance": acceptance}

    return by_minibatch(init, step)
