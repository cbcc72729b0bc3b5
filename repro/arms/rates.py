"""Choosing a learning rate on the validation cases, every candidate from the same start."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Array, Key

from repro.arms.arm import Arm, finetune, measures, start
from repro.arms.outcome import Outcome, folds
from repro.data.dataset import Dataset
from repro.models.autoencoder import Architecture
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
    """Metrics `learning_rate`, the choice, and `valid_cross_entropy_rate_<rate>` for every candidate.

    Learns from the training cases without the validation cases, and never sees test.
    """
    arm = config.arm
    inputs = {name: jax.device_put(cases.inputs) for name, cases in folds(data, "choice").items()}
    train = inputs["train"]
    architecture = Architecture((train.shape[1], *arm.widths), data.kind)
    began = start(arm, architecture, keys, train, monitor)
    measure, _ = measures(architecture, began.params, {"valid": inputs["valid"]})
    metrics, curves = {}, began.curves
    for rate in arm.rates:
        candidate = replace(arm, learning_rate=rate)
        fitted = finetune(candidate, architecture, keys, began.params, train, measure, monitor)
        curve = fitted.curves["valid_cross_entropy"]
        curves |= {f"valid_cross_entropy_rate_{rate:g}": curve}
        metrics |= {f"valid_cross_entropy_rate_{rate:g}": curve[:, -1]}
    rates = np.array(arm.rates)
    best = np.nanargmin(np.stack(list(metrics.values())), axis=0)
    return Outcome({"learning_rate": rates[best], **metrics}, curves, {})
