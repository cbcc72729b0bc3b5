"""Choosing a learning rate on the validation cases, every candidate from the same start."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Array, Key

from repro.data.dataset import Dataset
from repro.models.autoencoder import Architecture, loss_name
from repro.runs.autoencoding import costs, finetune, measures, pretraining_flops, start
from repro.runs.config import Arm
from repro.runs.outcome import Outcome, folds, for_each, on_device
from repro.training.fit import UNWATCHED, Monitor


@dataclass(frozen=True)
class RateChoice:
    """Which of the arm's rates gives the lowest validation cross-entropy after `arm.n_epochs` epochs."""

    arm: Arm


def rate_choice(arm: Arm) -> RateChoice:
    """The choice that an arm without a learning rate asks for: its own, but shorter and without test."""
    return RateChoice(replace(arm, fold="choice", n_epochs=arm.rate_epochs))


def choose_rate(
    config: RateChoice, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Metrics `learning_rate`, the choice, and `valid_cross_entropy_rate_<rate>` for every candidate (of real
    inputs `valid_squared_error_rate_<rate>`). A candidate that diverges is never chosen.

    Learns from the training cases without the validation cases, and never sees test.
    """
    arm = config.arm
    inputs = {name: on_device(cases.inputs) for name, cases in folds(data, "choice").items()}
    train = inputs["train"]
    architecture = Architecture((train.shape[1], *arm.widths), data.kind, arm.activation)
    began = start(arm, architecture, keys, train, monitor)
    measure, _ = measures(architecture, began.params, {"valid": inputs["valid"]})
    name = f"valid_{loss_name(architecture.visible)}"
    before = pretraining_flops(arm, architecture, len(train))
    curves, seconds, spent = {}, 0.0, before
    for rate in arm.rates:
        candidate = replace(arm, learning_rate=rate)
        fitted = finetune(candidate, architecture, keys, began.params, train, measure, monitor)
        curves[f"{name}_rate_{rate:g}"] = fitted.curves[name]
        seconds += fitted.seconds.sum()
        spent += costs(candidate, architecture, fitted, len(train))["flops"][:, -1] - before
    metrics = {name: curve[:, -1] for name, curve in curves.items()}
    best = np.argmin(np.nan_to_num(np.stack(list(metrics.values())), nan=np.inf), axis=0)
    metrics |= {"learning_rate": np.array(arm.rates)[best]}
    metrics["flops"] = spent
    metrics["pretraining_seconds"] = for_each(keys, began.seconds)
    metrics["finetuning_seconds"] = for_each(keys, seconds)
    return Outcome(metrics, {**began.curves, **curves}, {})
