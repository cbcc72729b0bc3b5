"""Which precision of an accelerator's matrix products is enough: runs that differ in nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from repro.evaluation.intervals import ratio
from repro.report.answer import NOT_WORSE
from repro.report.frame import Frame, select
from repro.runs.config import Autoencoding, Pretrained, from_json
from repro.runs.record import Record

ERROR = "test_squared_error"
ENOUGH = 5  # seeds
COLUMNS = ["data", "experiment", "variant", "phase", "precision", "against", "device", "n", "epochs"]
COLUMNS += ["ratio", "low", "high", "failed", "failed_against", "rate", "rate_against", "seconds"]
COLUMNS += ["seconds_against", "enough"]


def compared(frame: Frame) -> pd.DataFrame:
    """A row for each pair of runs on an accelerator that differ in the precision of one phase alone, the
    lower against the float32 one.

    `ratio` of the test squared errors, geometric mean over seeds with its 95 % t-interval; `failed` line
    searches for each minibatch; `rate`, where each precision chose its own; `seconds` of the phase.
    """
    runs = select(frame.runs, kind="autoencoding", platform="gpu")
    alike = ["data", "experiment", "variant", "device", "epochs", "pretraining"]
    rows = []
    for _, some in runs.groupby(alike, sort=True):
        about = some.iloc[0][alike].to_dict()
        rows += [about | row for row in _pairs(frame, some)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(frame: Frame, runs: pd.DataFrame) -> Iterator[dict]:
    """Of runs of one variant and length."""
    alone = runs.drop_duplicates("identity")
    first = {of: frame.record(path) for of, path in zip(alone.identity, alone.path, strict=True)}
    for lower, against in permutations(first, 2):
        both = [first[identity] for identity in (lower, against)]
        together = {record.provenance["seeds_side_by_side"] for record in both}
        phase = _differing(*map(_config, both))
        if phase is not None and len(together) == 1:
            sides = [select(runs, identity=identity).set_index("seed") for identity in (lower, against)]
            yield {"phase": phase} | _row(frame, phase, *sides)


def _config(record: Record) -> Autoencoding:
    config = from_json(record.config)
    assert isinstance(config, Autoencoding)
    return config


def _differing(lower: Autoencoding, against: Autoencoding) -> str | None:
    """The one phase that is float32 in the second alone."""
    phases = ["pretraining", "finetuning"] if isinstance(lower.start, Pretrained) else ["finetuning"]
    both = {phase: (getattr(lower.precision, phase), getattr(against.precision, phase)) for phase in phases}
    differing = [phase for phase, (one, other) in both.items() if one != other]
    return differing[0] if len(differing) == 1 and both[differing[0]][1] == "highest" else None


def _row(frame: Frame, phase: str, lower: pd.DataFrame, against: pd.DataFrame) -> dict:
    seeds = lower.index.intersection(against.index)
    sides = [[frame.record(path) for path in side.path[seeds]] for side in (lower, against)]
    errors = [np.array([record.metrics[ERROR] for record in records]) for records in sides]
    found = ratio(*errors)
    row = {"precision": lower.precision.iloc[0], "against": against.precision.iloc[0], "n": len(seeds)}
    row |= {"ratio": found.value, "low": found.low, "high": found.high}
    for name, side, records in zip(("", "_against"), (lower, against), sides, strict=True):
        failed = [np.mean(record.curves.get("failed_searches", np.nan)) for record in records]
        row[f"failed{name}"] = float(np.mean(failed))
        row[f"rate{name}"] = float(side.learning_rate.astype(float).iloc[0])
        row[f"seconds{name}"] = float(np.mean([record.metrics[f"{phase}_seconds"] for record in records]))
    return row | {"enough": _judged(row)}


def _judged(row: dict) -> str:
    """Whether the lower one is enough: "yes", or why not."""
    if row["seconds"] >= row["seconds_against"]:
        return "no: not faster"
    if not np.isclose(row["rate"], row["rate_against"], equal_nan=True):
        return "open: another rate was chosen"
    if row["failed"] > row["failed_against"]:
        return "no: more line searches fail"
    if row["n"] < ENOUGH:
        return f"open: {ENOUGH} seeds are needed"
    if not row["low"] <= 1 <= row["high"]:
        return "no: the errors differ"
    return "yes" if row["high"] <= NOT_WORSE else "open: the interval is too wide"


def page(table: pd.DataFrame) -> str:
    """results/tables/precision.md."""
    rows = [
        {
            "data": row["data"],
            "arm": f"{row['experiment']}: {row['variant']}",
            "epochs": str(row["epochs"]),
            "phase": "fine-tuning" if row["phase"] == "finetuning" else row["phase"],
            "precision": row["precision"],
            "against": row["against"],
            "ratio of test errors": _ratio(row),
            "failed searches a minibatch": _both(row, "failed"),
            "rate": _both(row, "rate"),
            "seconds of the phase": _both(row, "seconds"),
            "enough": row["enough"],
            "device": row["device"],
        }
        for row in table.to_dict("records")
    ]
    shown = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) if rows else "Nothing yet."
    return f"""# Which precision of the matrix products is enough

Generated by `repro tables` from runs on accelerators that differ in the precision of one phase alone, float32
in the second ("against"). A lower precision is enough if it is faster, no line search more fails, and over
{ENOUGH} seeds the 95 % interval of the ratio of test squared errors includes 1 and ends below {NOT_WORSE:g}.
Where each precision chose a rate of its own and the rates differ, errors say nothing of rounding.

{shown}
"""


def _ratio(row: Mapping[Any, Any]) -> str:
    return f"{row['ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f}), n {row['n']}"


def _both(row: Mapping[Any, Any], name: str) -> str:
    one, other = row[name], row[f"{name}_against"]
    return "–" if np.isnan(one) or np.isnan(other) else f"{one:.3g} / {other:.3g}"
