"""How a network descends: from the choice of an optimiser to a trainer."""

from __future__ import annotations

from functools import partial

import jax
import optax

from repro.models.autoencoder import Architecture, drawn, from_layers, loss, network, to_layers, traced
from repro.training.backprop import backprop_trainer
from repro.training.fit import Trainer
from repro.training.flops import backprop_flops, orthogonalisation_flops
from repro.training.objective import Objective
from repro.training.optimisers import (
    KFAC,
    LBFGS,
    SGD,
    Adam,
    ConjugateGradient,
    HessianFree,
    Muon,
    Nesterov,
    Optimiser,
)
from repro.training.optimisers.conjugate_gradient import conjugate_gradient_trainer
from repro.training.optimisers.first_order import first_order
from repro.training.optimisers.hessian_free import hessian_free_trainer
from repro.training.optimisers.kfac import LayeredNetwork, epoch_cost, kfac_trainer


def trainer(
    how: Optimiser, architecture: Architecture, l2: float, n_updates: int, batch_size: int
) -> Trainer:
    """Backprop through the whole network with so many updates of so many cases to come."""
    goal = objective(architecture, l2)
    match how:
        case ConjugateGradient():
            return conjugate_gradient_trainer(goal.value, how)
        case HessianFree():
            return hessian_free_trainer(goal, how)
        case KFAC():
            seen = (partial(to_layers, architecture), from_layers, partial(traced, architecture))
            sample = partial(drawn, visible=architecture.visible)
            layered = LayeredNetwork(*seen, sample=lambda key, outputs: sample(key, outputs=outputs))
            return kfac_trainer(goal, layered, how)
    each = evaluations_per_update(how, architecture.layers, batch_size)
    return backprop_trainer(goal.value, transformation(how, n_updates), 0.0 if each != each else each - 1)


def transformation(how: Optimiser, n_updates: int) -> optax.GradientTransformation:
    """An optimiser that needs no more than the gradient, or the loss along a line, as optax wants it.

    Raises:
        TypeError: if it needs more.
    """
    match how:
        case LBFGS():
            return optax.lbfgs(memory_size=how.memory_size)
        case SGD() | Nesterov() | Adam() | Muon():
            return first_order(how, n_updates)
    raise TypeError(f"{how.kind} needs more of a network than its loss")


def objective(architecture: Architecture, l2: float = 0.0) -> Objective:
    """The loss of the data's kind, averaged over the minibatch."""
    of_cases = jax.vmap(partial(loss, architecture.visible))
    return Objective(
        outputs=lambda params, batch: network(architecture, params)(batch),
        loss=lambda outputs, batch: of_cases(outputs, batch).mean(),
        l2=l2,
    )


def evaluations_per_update(how: Optimiser, layers: tuple[int, ...], batch_size: int) -> float:
    """Operations of an update over those of the loss with its gradient, through these layers, if they are
    known beforehand; NaN of an optimiser that searches as long as it must.
    """
    match how:
        case ConjugateGradient() | LBFGS() | HessianFree():
            return float("nan")
        case KFAC():
            return epoch_cost(how, layers, batch_size)
        case Muon():
            more = orthogonalisation_flops(layers, how.ns_steps)
            return 1 + more / backprop_flops(layers, batch_size)
    return 1.0


def from_a_rate(inner: Trainer) -> Trainer:
    """The trainer that starts from parameters and a learning rate."""

    def init(key, started, inputs):
        params, rate = started
        return optax.tree.set(inner.init(key, params, inputs), step_size=rate)

    return inner._replace(init=init)
