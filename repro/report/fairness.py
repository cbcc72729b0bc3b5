"""Whether an arm was tuned fairly, and all the operations that it took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from repro.report.frame import RUN, Frame
from repro.runs.config import (
    UNCHOSEN,
    Autoencoding,
    Classifying,
    Convolution,
    DirectedModel,
    FewLabels,
    Supervised,
    Tuning,
    candidates_of,
    from_json,
    tuning_of,
    with_choice,
)
from repro.runs.record import Record
from repro.typed import as_json

LATE = 0.95  # of a classifier's epochs: who is best after these might be better still after more
ALIKE = 0.005  # candidates whose losses differ by less, relatively, have learnt nothing
LOSSES = ("valid_cross_entropy", "valid_squared_error", "valid_error_percent", "valid_code_length")
Key = tuple[str, ...]  # experiment, variant, data, kind of device and configuration of a tuning
CHOSEN, UNRECORDED = "chosen", "not tuned: no record of the choice"


def judged(frame: Frame) -> pd.DataFrame:
    """The frame's runs, timings left out, with two more columns: `tuning`, where a run's rate comes from,
    which is "chosen", "not tuned: ..." with the reason, or "" where there is no rate to choose; and
    `total_flops`, of the run and of the choice of its rate together, NaN where that has no record or, an
    early one, does not say.
    """
    runs, made = frame.runs[frame.runs.kind != "timing"], choices(frame)
    records = [frame.record(path) for path in runs.path]
    keys = [choice_of(record) for record in records]
    said = pd.Series([_said(made, key) for key in keys], index=runs.index, dtype="string")
    for _, few in runs[runs.kind == "few labels"].groupby(list(RUN)):
        said[few.index] = _of_draws([frame.record(path) for path in few.path])
    for _, same in runs[runs.kind == "convolution"].groupby(list(RUN)):
        said[same.index] = _of_penalties([frame.record(path) for path in same.path])
    return runs.assign(
        tuning=said,
        total_flops=[_total(made, *both) for both in zip(keys, records, strict=True)],
    )


def _of_draws(records: list[Record]) -> str:
    """The same of a network that learnt from few labels, whose draws choose for themselves and in two ways:
    whether most of them chose a rate, or an epoch, beyond which nothing was tried.
    """
    config = from_json(records[0].config)
    assert isinstance(config, FewLabels)
    for end in ("", "_within"):
        rates, epochs, errors = (
            np.array([record.metrics[name] for record in records])
            for name in (f"learning_rate{end}", f"epochs_trained{end}", f"test_error_percent{end}")
        )
        if not np.isfinite(errors).all():
            return "not tuned: every candidate diverged"
        if np.mean(np.isin(rates, [min(config.rates), max(config.rates)])) > 1 / 2:
            return "not tuned: in most draws the best rate lies at an edge of the grid"
        if np.mean(epochs >= LATE * config.budget.n) > 1 / 2:
            return "not tuned: in most draws the best epoch lies at the end"
    nothing = [record.metrics.get("valid_error_percent_mean", np.inf) for record in records]
    if np.mean([record.metrics["valid_error_percent"] for record in records]) >= np.mean(nothing):
        return "not tuned: no candidate is better than the mean"
    return CHOSEN


def _of_penalties(records: list[Record]) -> str:
    """The same of features that support vector machines judge: whether for some number of labels most of the
    seeds chose a penalty beyond which nothing was tried.
    """
    how = from_json(records[0].config)
    assert isinstance(how, Convolution)
    if not how.judged:
        return ""
    tried, name = how.judged.inverse_penalties, "inverse_penalty_"
    for metric in (metric for metric in records[0].metrics if metric.startswith(name)):
        chosen = [record.metrics[metric] for record in records]
        if np.mean(np.isin(chosen, [tried[0], tried[-1]])) > 1 / 2:
            labels = metric.removeprefix(name).replace("_", " ")
            return f"not tuned: with {labels} the best penalty mostly lies at an edge of the grid"
    return CHOSEN


def refused(record: Record) -> str:
    """Why no rate, or number of epochs, may be chosen by this record of a tuning; empty if they may."""
    config, metrics = from_json(record.config), record.metrics
    assert isinstance(config, Tuning)
    late = _late(config, metrics)
    if not (candidates := candidates_of(config)):
        return late
    loss = next(name for name in LOSSES if f"{name}_rate_{candidates[0]:g}" in metrics)
    found = {rate: metrics[f"{loss}_rate_{rate:g}"] for rate in candidates}
    learnt = {rate: value for rate, value in found.items() if np.isfinite(value)}
    best, nothing = metrics["learning_rate"], metrics.get(f"{loss}_mean")
    if not np.isfinite(best):
        return "every candidate diverged"
    if nothing is not None and not learnt[best] < nothing:
        return "no candidate is better than the mean"
    if nothing is None and len(learnt) > 1 and max(learnt.values()) <= (1 + ALIKE) * learnt[best]:
        return "all candidates are alike"
    if best in (min(candidates), max(candidates)):
        return f"the best, {best:g}, lies at an edge of the grid"
    return late


def _late(config: Tuning, metrics: Mapping[str, Any]) -> str:
    """Whether a classifier was best at the end of its epochs."""
    if not isinstance(run := config.run, Classifying) or metrics["epochs_trained"] < LATE * run.budget.n:
        return ""
    return f"the best epoch, {metrics['epochs_trained']:.0f} of {run.budget.n}, lies at the end"


def _total(choices: dict[Key, Record], key: Key | None, record: Record) -> float:
    own = record.metrics.get("flops")
    own = np.nan if own is None else own
    if key is None:
        return own
    if key not in choices:
        return np.nan
    choice = choices[key].metrics
    shared = choice.get("pretraining_flops", 0.0) if _takes_its_pretraining(record) else 0.0
    return own + choice.get("flops", np.nan) - shared


def _takes_its_pretraining(record: Record) -> bool:
    """Whether a run starts from what its choice has pretrained, having learnt from the same cases."""
    config = from_json(record.config)
    if isinstance(config, Classifying):  # whatever has no labels is learnt from in both
        return not isinstance(config.start, Supervised)
    return record.config["learns_from"] == "train"


def _said(choices: dict[Key, Record], key: Key | None) -> str:
    if key is None:
        return ""
    if key not in choices:
        return UNRECORDED
    reason = refused(choices[key])
    return f"not tuned: {reason}" if reason else CHOSEN


def choices(frame: Frame) -> dict[Key, Record]:
    """The records of tunings, by what `choice_of` says of the runs that have their rate from them."""
    tunings = (record for record in frame.records.values() if record.config["kind"] == "tuning")
    return {_key(r, r.config): r for r in tunings}


def choice_of(record: Record) -> Key | None:
    """Which tuning a run has its rate from; None if it has none to choose, or is a tuning."""
    config = from_json(record.config) if record.config["kind"] != "timing" else None
    tuned = isinstance(config, Autoencoding | DirectedModel) and config.tuning
    if not (isinstance(config, Classifying) or tuned):
        return None
    asked: Tuning = tuning_of(with_choice(config, UNCHOSEN))
    return _key(record, as_json(asked))


def _key(record: Record, tuning: dict) -> Key:
    origin = record.provenance
    where = origin["data_sha256"], origin["platform"]
    return record.experiment, record.variant, *where, json.dumps(tuning, sort_keys=True)
