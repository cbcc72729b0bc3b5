"""Choosing a learning rate on the validation cases, every candidate from the same start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Array, Key

from repro.data.dataset import Dataset
from repro.evaluation.reconstruction import loss_of_mean
from repro.models.autoencoder import loss_name
from repro.runs.autoencoding import (
    Length,
    architecture_of,
    costs,
    finetune,
    measures,
    pretraining_flops,
    start,
)
from repro.runs.config import Tuning
from repro.runs.outcome import Outcome, for_each, on_device
from repro.training.fit import UNWATCHED, Monitor


def choose_rate(
    config: Tuning, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Metrics `learning_rate`, the choice, and `valid_cross_entropy_rate_<rate>` for every candidate (of real
    inputs `valid_squared_error_rate_<rate>`), beside `..._mean`, that of reconstructing every case as the
    mean training case. A candidate that diverges is never chosen; if all do, the choice is NaN.

    Learns from the training cases without the validation cases, and never sees test.
    """
    run = config.run
    assert run.tuning is not None
    train, valid = on_device(data.train.inputs), on_device(data.valid.inputs)
    architecture = architecture_of(run, data)
    began = start(run, architecture, keys, train, monitor)
    measure, _ = measures(architecture, began.params, {"valid": valid})
    name = f"valid_{loss_name(architecture.visible)}"
    before = pretraining_flops(run, architecture, len(train))
    curves, seconds, spent = {}, 0.0, before
    for rate in run.tuning.candidates:
        candidate = replace(run, optimiser=replace(run.optimiser, learning_rate=rate))
        length = Length(run.tuning.n_epochs)
        fitted = finetune(candidate, architecture, keys, began.params, train, length, measure, monitor)
        curves[f"{name}_rate_{rate:g}"] = fitted.curves[name]
        seconds += fitted.seconds.sum()
        spent += costs(candidate, architecture, fitted, len(train))["flops"][:, -1] - before
    metrics = {name: curve[:, -1] for name, curve in curves.items()}
    losses = np.stack(list(metrics.values()))
    best = np.array(run.tuning.candidates)[np.argmin(np.nan_to_num(losses, nan=np.inf), axis=0)]
    metrics["learning_rate"] = np.where(np.isfinite(losses).any(axis=0), best, np.nan)
    metrics[f"{name}_mean"] = for_each(keys, loss_of_mean(architecture.visible, train, valid))
    metrics["flops"] = spent
    metrics["pretraining_flops"] = for_each(keys, before)
    metrics["pretraining_seconds"] = for_each(keys, began.seconds)
    metrics["finetuning_seconds"] = for_each(keys, seconds)
    return Outcome(metrics, {**began.curves, **curves}, {})
