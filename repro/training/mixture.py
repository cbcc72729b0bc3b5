"""Expectation maximisation of a mixture: an epoch is a step   [bishop2006pattern, section 9.3.3]."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from repro.models.mixture import Mixture, log_joint
from repro.training.fit import Trainer

AT_ONCE = 1000  # cases, or the largest divisor of all that it has in common with


class MixtureState(NamedTuple):
    """What the next epoch needs."""

    params: Mixture


class Counted(NamedTuple):
    """The cases of each component, and of those the ones with each unit on; a case counts in parts."""

    cases: Float[Array, " M"]
    on: Float[Array, "M V"]


def mixture_trainer(pseudo_count: float) -> Trainer:
    """Each component is given the cases by its responsibility for them, and `pseudo_count` more: in its share
    of all, and for each unit of those that have it on, and of those that have it off; so no probability is 0.

    Info: `log_probability` of the cases, before the step.
    """

    def init(key, params, inputs):
        del key, inputs
        return MixtureState(params)

    def epoch(key, state, inputs, order, n_before):
        del key, n_before

        def one(counted, members):
            batch = inputs[members]
            log_p = jax.vmap(log_joint, (None, 0))(state.params, batch)
            responsibility = jax.nn.softmax(log_p, axis=1)
            counted = Counted(
                counted.cases + responsibility.sum(axis=0), counted.on + responsibility.T @ batch
            )
            return counted, {"log_probability": jax.nn.logsumexp(log_p, axis=1).mean()}

        nothing = Counted(*map(jnp.zeros_like, state.params))
        counted, infos = jax.lax.scan(one, nothing, order)
        return MixtureState(best(counted, pseudo_count)), infos

    return Trainer(init, epoch)


def maximised(start: Mixture, cases: Float[Array, "N V"], n_epochs: int = 20) -> Mixture:
    """After so many steps from a start, with a pseudo-count of 1, none of the cases left out."""
    trainer = mixture_trainer(1.0)
    order = jnp.arange(len(cases)).reshape(-1, gcd(len(cases), AT_ONCE))

    def step(state, i):
        del i
        return trainer.epoch(None, state, cases, order, 0)[0], None

    return jax.lax.scan(step, MixtureState(start), length=n_epochs)[0].params


def best(counted: Counted, pseudo_count: float) -> Mixture:
    """The mixture that these counts make the most probable."""
    cases, on = counted
    off = cases[:, None] - on
    log_odds = jnp.log(on + pseudo_count) - jnp.log(off + pseudo_count)
    return Mixture(jax.nn.log_softmax(jnp.log(cases + pseudo_count)), log_odds)
