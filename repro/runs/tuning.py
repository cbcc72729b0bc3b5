"""Choosing a learning rate on the validation cases, every candidate from the same start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import ceil

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from repro.data.dataset import Dataset
from repro.evaluation.reconstruction import loss_of_mean
from repro.models.autoencoder import loss_name
from repro.runs.autoencoding import (
    architecture_of,
    costs,
    in_order,
    measures,
    minibatch,
    pretraining_flops,
    start,
    streams,
)
from repro.runs.config import Autoencoding, Tuning
from repro.runs.outcome import Outcome, for_each, on_device, side_by_side
from repro.training.descent import from_a_rate, trainer
from repro.training.fit import UNWATCHED, Fitted, Monitor, beside, fit


def choose_rate(config: Tuning, data: Dataset, keys: Key[Array, 1], monitor: Monitor = UNWATCHED) -> Outcome:
    """Metrics `learning_rate`, the choice, and `valid_cross_entropy_rate_<rate>` of every candidate where it
    ended (of real inputs `valid_squared_error_rate_<rate>`), beside `..._mean`, that of reconstructing every
    case as the mean training case. A candidate that diverges is never chosen; if all do, the choice is NaN.

    Learns from the training cases without the validation cases, and never sees test. On an accelerator all
    candidates are trained side by side, as one program.
    """
    run = config.run
    assert isinstance(run, Autoencoding) and run.tuning
    how = run.tuning
    cases = in_order(run, data.train)
    train, valid = on_device(cases.inputs), on_device(data.valid.inputs)
    architecture = architecture_of(run, data)
    began = start(run, architecture, keys, train, monitor)
    name = f"valid_{loss_name(architecture.visible)}"
    train_until = _training(run, architecture, keys, began.params, train, valid, monitor)
    trained, last, seconds = halve(how.candidates, how.n_epochs, train_until, name)
    before = pretraining_flops(run, architecture, len(train))
    curves = {f"{name}_rate_{rate:g}": fitted.curves[name] for rate, fitted in trained.items()}
    metrics = {name: curve[:, -1] for name, curve in curves.items()}
    best = min(last, key=last.__getitem__)
    metrics["learning_rate"] = for_each(keys, best if np.isfinite(last[best]) else np.nan)
    metrics[f"{name}_mean"] = for_each(keys, loss_of_mean(architecture.visible, cases, data.valid))
    spent = [
        costs(run, architecture, fitted, len(train))["flops"][:, -1] - before for fitted in trained.values()
    ]
    metrics["flops"] = before + np.sum(spent, axis=0)
    metrics["pretraining_flops"] = for_each(keys, before)
    metrics["pretraining_seconds"] = for_each(keys, began.seconds)
    metrics["finetuning_seconds"] = for_each(keys, seconds)
    return Outcome(metrics, {**began.curves, **curves}, {})


def _training(run: Autoencoding, architecture, keys, params, train, valid, monitor) -> Callable:
    """What `halve` asks for: candidates side by side from these parameters, scored on validation cases."""
    assert run.tuning is not None
    size = minibatch(run, len(train))
    n_updates = run.tuning.n_epochs[-1] * (len(train) // size)
    optimiser = replace(run.optimiser, learning_rate=run.tuning.candidates[0])
    descent = from_a_rate(trainer(optimiser, architecture, run.l2, n_updates, size))

    @cache
    def start_of(n: int):
        """The start, and its scores, n times side by side."""
        starts = beside(params, n)
        return starts, measures(architecture, starts, {"valid": valid})[0]

    def train_until(n_epochs: int, rates: tuple[float, ...], begun: Fitted | None) -> Fitted:
        starts, measure = start_of(len(rates))
        with jax.default_matmul_precision(run.precision.finetuning):
            return fit(
                beside(streams(keys).finetuning, len(rates)),
                descent,
                begun or (starts, jnp.array(rates)),
                train,
                n_epochs=n_epochs,
                batch_size=size,
                shuffle=run.minibatches == "drawn anew",
                measure=measure,
                phase=f"fine-tuning at rate {', '.join(f'{rate:g}' for rate in rates)}",
                monitor=monitor,
            )

    return train_until


def halve(
    candidates: tuple[float, ...],
    n_epochs: tuple[int, ...],
    train_until: Callable[[int, tuple[float, ...], Fitted | None], Fitted],
    loss: str,
) -> tuple[dict[float, Fitted], dict[float, float], float]:
    """Successive halving: every candidate's training, for one seed, as far as it went; the losses of those
    that trained to the end; and the seconds of training.

    `train_until` trains some candidates side by side until so many epochs are done.
    """
    trained: dict[float, Fitted] = {}
    losses, seconds = dict.fromkeys(candidates, np.nan), 0.0
    for rung, reach in enumerate(n_epochs):
        left = sorted(losses, key=losses.__getitem__)[: ceil(len(losses) / 2)] if rung else candidates
        left = tuple(rate for rate in candidates if rate in left)
        for group in [left] if side_by_side() else [(rate,) for rate in left]:
            begun = _joined([trained[rate] for rate in group]) if rung else None
            fitted = train_until(reach, group, begun)
            seconds += fitted.seconds.sum() - (begun.seconds.sum() if begun else 0.0)
            trained |= dict(zip(group, _apart(fitted), strict=True))
        losses = {rate: _loss(trained[rate], loss, reach) for rate in left}
    return trained, losses, seconds


def _loss(fitted: Fitted, name: str, n_epochs: int) -> float:
    """After so many epochs, which need not be all; infinite if training had diverged by then."""
    diverged = 0 <= fitted.diverged[0] <= n_epochs
    return float("inf") if diverged else float(fitted.curves[name][0, n_epochs - 1])


def _joined(each: list[Fitted]) -> Fitted:
    """Trainings of the same length as one, side by side."""
    if len(each) == 1:
        return each[0]
    return each[0]._replace(
        state=jax.tree.map(lambda *x: jnp.concatenate(x), *(fitted.state for fitted in each)),
        curves={name: np.concatenate([f.curves[name] for f in each]) for name in each[0].curves},
        diverged=np.concatenate([fitted.diverged for fitted in each]),
    )


def _apart(fitted: Fitted) -> list[Fitted]:
    """Each of the trainings side by side alone."""
    if len(fitted.diverged) == 1:
        return [fitted]
    return [
        fitted._replace(
            state=jax.tree.map(lambda x, i=i: x[i : i + 1], fitted.state),
            curves={name: curve[i : i + 1] for name, curve in fitted.curves.items()},
            diverged=fitted.diverged[i : i + 1],
        )
        for i in range(len(fitted.diverged))
    ]
