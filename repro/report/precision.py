"""Which precision of an accelerator's matrix products is enough: runs that differ in nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from repro.evaluation.intervals import ratio
from repro.report.answer import NOT_WORSE
from repro.report.frame import Frame, products
from repro.runs.config import Autoencoding, Precision, Pretrained, from_json
from repro.runs.record import Record, layer_epochs, n_epochs

ERROR, TRAINING_ERROR = "test_squared_error", "train_squared_error"
ENOUGH = 5  # seeds
COLUMNS = ["data", "experiment", "variant", "pretraining", "epochs", "phase", "precision", "against"]
COLUMNS += ["device", "compiler", "n"]
COLUMNS += ["ratio", "low", "high", "failed", "failed_against", "rate", "rate_against", "seconds"]
COLUMNS += ["seconds_against", "training_ratio", "training_low", "training_high", "enough"]


def compared(frame: Frame) -> pd.DataFrame:
    """A row for each pair of runs on an accelerator that differ in the precision of one phase alone, the
    lower against the float32 one.

    `ratio` of the test squared errors, geometric mean over the seeds of both with its 95 % t-interval;
    `failed` line searches for each minibatch; `rate`, where each precision chose its own; `seconds` of the
    phase, if as many seeds were trained together; `paths`, where the records of both are.
    """
    runs = frame.runs[(frame.runs.kind == "autoencoding") & (frame.runs.platform != "cpu")]
    found: dict[tuple, dict[str, dict[int, tuple[str, Record]]]] = {}
    for path in runs.path:
        record = frame.record(path)
        found.setdefault(_alike(record), {}).setdefault(record.identity, {})[record.seed] = path, record
    rows = [
        row
        for same in found.values()
        for lower, against in permutations(same.values(), 2)
        for row in _pair(lower, against)
    ]
    keys = ["data", "experiment", "variant", "epochs", "phase"]
    return pd.DataFrame(rows, columns=[*COLUMNS, "paths"]).sort_values(keys, kind="stable", ignore_index=True)


def _alike(record: Record) -> tuple:
    """All that moves a number of a run but precision, and the rate that was chosen with it."""
    config, optimiser = _config(record), _config(record).optimiser
    if config.tuning is not None:
        optimiser = replace(optimiser, learning_rate=None)
    plain = replace(config, precision=Precision(), optimiser=optimiser)
    origin = record.provenance
    options = tuple(sorted(origin.get("compiler", {}).items()))
    return record.experiment, record.variant, plain, origin["data_sha256"], origin["device"], options


def _config(record: Record) -> Autoencoding:
    config = from_json(record.config)
    assert isinstance(config, Autoencoding)
    return config


def _pair(lower: dict[int, tuple[str, Record]], against: dict[int, tuple[str, Record]]) -> Iterator[dict]:
    """The row of two runs, by seed, if one phase alone differs and is float32 in the second."""
    seeds = sorted(lower.keys() & against.keys())
    if not seeds:
        return
    sides = [[side[seed][1] for seed in seeds] for side in (lower, against)]
    configs = [_config(side[0]) for side in sides]
    phases = ["pretraining", "finetuning"] if isinstance(configs[0].start, Pretrained) else ["finetuning"]
    both = {phase: [getattr(config.precision, phase) for config in configs] for phase in phases}
    differing = [phase for phase, (one, other) in both.items() if one != other]
    if len(differing) == 1 and both[differing[0]][1] == "highest":
        paths = tuple(side[seed][0] for side in (lower, against) for seed in seeds)
        yield _row(differing[0], *sides) | {"paths": paths}


def _row(phase: str, lower: list[Record], against: list[Record]) -> dict:
    record, config = lower[0], _config(lower[0])
    layers = layer_epochs(record)
    row = {"data": config.data, "experiment": record.experiment, "variant": record.variant, "phase": phase}
    row |= {"pretraining": ", ".join(map(str, dict.fromkeys(layers))), "epochs": n_epochs(record)}
    row |= {"precision": products(config), "against": products(_config(against[0])), "n": len(lower)}
    row |= {"device": record.provenance["device"]}
    row |= {"compiler": ", ".join(f"{k}={v}" for k, v in record.provenance.get("compiler", {}).items())}
    for name, metric in (("", ERROR), ("training_", TRAINING_ERROR)):
        found = ratio(*(_values(side, metric) for side in (lower, against)))
        row |= {f"{name}ratio": found.value, f"{name}low": found.low, f"{name}high": found.high}
    together = {r.provenance["seeds_side_by_side"] for r in (*lower, *against)}
    for name, side in (("", lower), ("_against", against)):
        failed = [np.mean(r.curves.get("failed_searches", np.nan)) for r in side]
        seconds = [r.metrics[f"{phase}_seconds"] for r in side]
        row[f"failed{name}"] = float(np.mean(failed))
        row[f"rate{name}"] = getattr(_config(side[0]).optimiser, "learning_rate", np.nan)
        row[f"seconds{name}"] = float(np.mean(seconds)) if len(together) == 1 else np.nan
    return row | {"enough": _judged(row)}


def _values(records: list[Record], metric: str) -> Float[np.ndarray, " n"]:
    return np.array([record.metrics.get(metric, np.nan) for record in records], float)


def _judged(row: dict) -> str:
    """Whether the lower one is enough: "yes", or why not."""
    if np.isnan(row["ratio"]):
        return "no: a seed diverged"
    if row["seconds"] >= row["seconds_against"]:
        return "no: not faster"
    if not np.isclose(row["rate"], row["rate_against"], equal_nan=True):
        return "open: another rate was chosen"
    if row["n"] < ENOUGH:
        return f"open: {ENOUGH} seeds are needed"
    if np.isnan(row["failed"]) != np.isnan(row["failed_against"]):
        return "open: failed line searches were not counted"
    if row["failed"] > row["failed_against"]:
        return "no: more line searches fail"
    if not row["low"] <= 1 <= row["high"]:
        return "no: the errors differ"
    if row["high"] > NOT_WORSE:
        return "open: the interval is too wide"
    return "open: other numbers of seeds together have other seconds" if np.isnan(row["seconds"]) else "yes"


def worded(table: pd.DataFrame) -> pd.DataFrame:
    """For reading."""
    rows = [
        {
            "data": row["data"],
            "arm": f"{row['experiment']}: {row['variant']}",
            "pretraining": row["pretraining"] or "–",
            "epochs": str(row["epochs"]),
            "phase": "fine-tuning" if row["phase"] == "finetuning" else row["phase"],
            "precision": row["precision"],
            "against": row["against"],
            "ratio of test errors": f"{_ratio(row)}, n {row['n']}",
            "of training errors": _ratio(row, "training_"),
            "failed searches a minibatch": _both(row, "failed"),
            "rate": _both(row, "rate"),
            "seconds of the phase": _both(row, "seconds"),
            "enough": row["enough"],
            "device": row["device"],
            "compiler": row["compiler"] or "–",
        }
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(rows)


HOW = f"""A lower precision is enough if it is faster, no line search more fails, and over
{ENOUGH} seeds the 95 % interval of the ratio of test squared errors includes 1 and ends below {NOT_WORSE:g};
no smaller difference can be told. Where each precision chose a rate of its own and the rates differ, errors
say nothing of rounding. "compiler": what XLA was asked for; seconds hold for that.
"""


def page(table: pd.DataFrame) -> str:
    """results/tables/precision.md."""
    rows = worded(table)
    shown = rows.to_markdown(index=False, disable_numparse=True) if len(rows) else "Nothing yet."
    return f"""# Which precision of the matrix products is enough

Generated by `repro tables` from runs on accelerators that differ in the precision of one phase alone, float32
in the second ("against"). {HOW}
{shown}
"""


def _ratio(row: Mapping[Any, Any], what: str = "") -> str:
    return f"{row[f'{what}ratio']:.3f} ({row[f'{what}low']:.3f} to {row[f'{what}high']:.3f})"


def _both(row: Mapping[Any, Any], name: str) -> str:
    one, other = row[name], row[f"{name}_against"]
    return "–" if np.isnan(one) or np.isnan(other) else f"{one:.3g} / {other:.3g}"
