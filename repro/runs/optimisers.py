"""How an arm descends: from its configuration to a trainer."""

from __future__ import annotations

from functools import partial

import jax
import optax
from optax import contrib

from repro.models.autoencoder import Architecture, drawn, from_layers, loss, network, to_layers, traced
from repro.runs.config import Arm
from repro.training.backprop import backprop_trainer
from repro.training.fit import Trainer
from repro.training.objective import Objective
from repro.training.optimisers.conjugate_gradient import conjugate_gradient
from repro.training.optimisers.hessian_free import HessianFree, hessian_free_trainer
from repro.training.optimisers.kfac import KFAC, Network, kfac_trainer
from repro.training.optimisers.nesterov import momentum_schedule


def trainer(config: Arm, architecture: Architecture, n_updates: int) -> Trainer:
    """Backprop through the whole network, as the arm does it, with so many updates to come."""
    goal = objective(architecture, config.l2)
    if config.optimiser == "hf":
        return hessian_free_trainer(goal, HessianFree())
    if config.optimiser == "kfac":
        how = (partial(to_layers, architecture), from_layers, partial(traced, architecture))
        sample = partial(drawn, visible=architecture.visible)
        seen = Network(*how, sample=lambda key, outputs: sample(key, outputs=outputs))
        return kfac_trainer(goal, seen, KFAC())
    return backprop_trainer(goal.value, optimiser(config, n_updates))


def objective(architecture: Architecture, l2: float = 0.0) -> Objective:
    """The loss of the data's kind, averaged over the minibatch."""
    of_cases = jax.vmap(partial(loss, architecture.visible))
    return Objective(
        outputs=lambda params, batch: network(architecture, params)(batch),
        loss=lambda outputs, batch: of_cases(outputs, batch).mean(),
        l2=l2,
    )


def optimiser(config: Arm, n_updates: int) -> optax.GradientTransformation:
    """The arm's optimiser as an optax transformation."""
    if config.optimiser == "cg":
        return conjugate_gradient()
    if config.optimiser == "lbfgs":
        return optax.lbfgs()
    assert config.learning_rate is not None, "an arm with rates is run once its rate has been chosen"
    steps = [_at_rate_one(config, n_updates)]
    if config.schedule == "cosine":
        steps.append(optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, n_updates)))
    rate = optax.inject_hyperparams(optax.scale)(config.learning_rate)  # one program for all rates
    return optax.chain(*steps, rate)


def _at_rate_one(config: Arm, n_updates: int) -> optax.GradientTransformation:
    if config.optimiser == "adam":
        return optax.adam(1.0)
    if config.optimiser == "muon":
        return contrib.muon(1.0)
    if config.optimiser == "sgd":
        return optax.sgd(1.0)
    if config.optimiser == "momentum":
        return optax.sgd(1.0, momentum=config.momentum)
    growing = optax.inject_hyperparams(optax.trace, static_args=("nesterov", "accumulator_dtype"))(
        decay=momentum_schedule(config.momentum, n_updates), nesterov=True
    )
    return optax.chain(growing, optax.scale(-1.0))
