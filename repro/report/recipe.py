"""What the recipe of 2006 took on each machine: the pretrained arm of every data set, at full length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from repro.report.frame import Frame
from repro.runs.config import from_json
from repro.runs.record import Record
from repro.timing.load import BUSY

RECIPE = {"mnist": "pretrained-cg", "curves": "pretrained-cg", "faces": "pretrained-cg"}
RECIPE |= {"documents": "reuters21578/pretrained-cg"}  # the variant that has it, by experiment
PHASES = {"pretraining": "pretraining", "finetuning": "fine-tuning", "compile": "compiling"}
COLUMNS = ["device", "data", "n", "together", "precision", *PHASES, "else", "total", "busy"]
TEXT = """## The recipe of 2006, whole

Seconds that the pretrained arm of each data set took at full length, all its seeds: so many "together" in one
program, or one after another. Compiling is that of the programs of training and of scoring which were not in
the cache of compiled programs; "all else" is reading data, scoring, checkpoints and small programs. A
machine is here if it has all seeds of a data set.
"""


def times(frame: Frame, experiments: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each machine and data set of which it has all seeds of the recipe at full length: seconds by
    phase of all of them; `paths`, where their records are.
    """
    rows = []
    for name, variant in RECIPE.items():
        if name not in experiments:
            continue
        whole, n_seeds = experiments[name].variants[variant], experiments[name].seeds["paper"]
        runs = frame.runs[(frame.runs.experiment == name) & (frame.runs.variant == variant)]
        for _, same in runs.groupby(["device", "identity"], sort=True):
            records = [frame.record(path) for path in same.path]
            config = from_json(records[0].config)
            if len(records) < n_seeds or replace(config, precision=whole.precision) != whole:
                continue
            if any(record.provenance.get("artefacts") for record in records):
                continue  # its pretraining was done, and timed, by another run
            row = {"device": same.device.iloc[0], "data": whole.data, "n": len(records)}
            row["together"] = max(record.provenance["seeds_side_by_side"] for record in records)
            for phase in PHASES:
                row[phase] = sum(_share(record, f"{phase}_seconds") for record in records)
            row["total"] = float(same.wall_seconds.sum())
            row["else"] = row["total"] - sum(row[phase] for phase in PHASES)
            busy = bool((same.load_per_core > BUSY).any())
            about = {
                "precision": same.precision.iloc[0],
                "busy": busy,
                "experiment": name,
                "variant": variant,
            }
            rows.append(row | about | {"paths": tuple(same.path)})
    return pd.DataFrame(rows, columns=[*COLUMNS, "experiment", "variant", "paths"])


def _share(record: Record, metric: str) -> float:
    """Of the seconds of a program, those of one of its seeds."""
    return float(record.metrics[metric] or 0.0) / record.provenance["seeds_side_by_side"]


def section(table: pd.DataFrame) -> str:
    """The part of results/tables/eras.md; of several data sets on a machine also their sum."""
    lines = []
    for _, rows in table.groupby(["device", "precision"], sort=True):
        lines += [_line(row) for row in rows.to_dict("records")]
        if len(rows) > 1:
            about = rows.iloc[0][["device", "precision"]].to_dict() | {"data": f"all {len(rows)}"}
            lines.append(_line(about | rows[[*PHASES, "else", "total"]].sum().to_dict()))
    shown = pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True) if lines else "Nothing yet."
    return f"{TEXT}\n{shown}\n"


def _line(row: Mapping[Any, Any]) -> dict[str, str]:
    about = {"machine": row["device"], "data": row["data"], "seeds": str(row.get("n", ""))}
    about |= {"together": str(row.get("together", "")), "precision": row.get("precision", "")}
    parts = {title: row[phase] for phase, title in PHASES.items()}
    parts |= {"all else": row["else"], "in all": row["total"]}
    seconds = {title: f"{value:,.1f}" for title, value in parts.items()}
    return about | seconds | {"busy": "busy" if row.get("busy") else ""}
