"""Optimisers that a learning rate drives: what they are, and each as an optax transformation."""

from __future__ import annotations

from typing import Literal

import optax
from optax import contrib

from repro.training.optimisers.nesterov import momentum_schedule
from repro.typed import NotNegative, Positive, choice

Schedule = Literal["constant", "cosine"]  # of the learning rate: it may fall to 0 with the last update


@choice
class SGD:
    """Stochastic gradients, with classical momentum or without."""

    learning_rate: Positive | None = None  # per case; None: still to be chosen
    momentum: NotNegative = 0.0
    schedule: Schedule = "constant"
    kind: Literal["sgd"] = "sgd"


@choice
class Nesterov:
    """Nesterov momentum with the schedule of 2013   [sutskever2013importance]."""

    learning_rate: Positive | None = None
    limit: float = 0.99  # where the momentum stops growing
    schedule: Schedule = "constant"
    kind: Literal["nag"] = "nag"


@choice
class Adam:
    """Defaults are those of kingma2015adam, algorithm 1, but for the rate."""

    learning_rate: Positive | None = None
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    schedule: Schedule = "constant"
    kind: Literal["adam"] = "adam"


@choice
class Muon:
    """Orthogonalised momentum of the matrices, Adam for the biases; defaults are optax's."""

    learning_rate: Positive | None = None
    beta: float = 0.95
    ns_steps: int = 5  # Newton-Schulz iterations
    schedule: Schedule = "constant"
    kind: Literal["muon"] = "muon"


FirstOrder = SGD | Nesterov | Adam | Muon


def first_order(how: FirstOrder, n_updates: int) -> optax.GradientTransformation:
    """The optimiser with so many updates to come; the rate is a number in its state, so that one program
    serves all rates.

    Raises:
        ValueError: if the rate has not been chosen.
    """
    if how.learning_rate is None:
        raise ValueError(f"{how.kind} has no learning rate: it is run once its rate has been chosen")
    steps = [_at_rate_one(how, n_updates)]
    if how.schedule == "cosine":
        steps.append(optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, n_updates)))
    return optax.chain(*steps, optax.inject_hyperparams(optax.scale)(how.learning_rate))


def _at_rate_one(how: FirstOrder, n_updates: int) -> optax.GradientTransformation:
    match how:
        case Adam():
            return optax.adam(1.0, b1=how.b1, b2=how.b2, eps=how.eps)
        case Muon():
            return contrib.muon(1.0, beta=how.beta, ns_steps=how.ns_steps)
        case SGD():
            return optax.sgd(1.0, momentum=how.momentum or None)
        case Nesterov():
            growing = optax.inject_hyperparams(optax.trace, static_args=("nesterov", "accumulator_dtype"))(
                decay=momentum_schedule(how.limit, n_updates), nesterov=True
            )
            return optax.chain(growing, optax.scale(-1.0))
