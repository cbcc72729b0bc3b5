"""What the operations of a run would have taken in 2006: computed, and never mixed with what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from repro.report.tables import Group, read_published
from repro.report.target import PIXELS, arms, reached, targets, trajectory
from repro.runs.record import Record
from repro.timing.machines import of_2006
from repro.timing.rates import BUSY, machine
from repro.timing.subject import NETWORK, Subject
from repro.training.flops import direct_flops

DAY = 86_400.0  # seconds
REFERENCE = Subject("program2006", "backprop", NETWORK, precision="float64", part="1core")
MEASURED = ["data", "experiment", "variant", "device", "target", "n", "reached", "seconds", "low", "high"]
MEASURED += ["updates", "flops", "updates_done", "busy"]


class Rate(NamedTuple):
    """Of a machine, for converting operations into days."""

    name: str
    gflops: float

    def days(self, flops):
        """Days of that many operations."""
        return flops / (self.gflops * 1e9) / DAY


def rates(records: Iterable[Record]) -> list[Rate]:
    """Of 2006, and of the 2006 program on one core of each machine that it was timed on."""
    ours = {machine(r.provenance): r.metrics["gflops"] for r in records if r.variant == REFERENCE.variant}
    theirs = [Rate(m.name, m.sustained_gflops) for m in of_2006()]
    return theirs + [Rate(f"program2006 on one core of {name}", rate) for name, rate in ours.items()]


def to_target(folder: Path, experiments: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each arm and device: means over the seeds that came to the target, with their range."""
    aims, rows = targets(), []
    for data, group in arms(folder, experiments):
        runs = [trajectory(record, data) for record in group.records]
        found = np.array([reached(run, aims[data]) for run in runs])
        there = found[~np.isnan(found[:, 0])]
        seconds, updates, flops = there.mean(axis=0) if len(there) else [np.nan] * 3
        span = (there[:, 0].min(), there[:, 0].max()) if len(there) > 1 else (np.nan, np.nan)
        done = min(run.updates[-1] for run in runs)
        first = data, group.experiment, group.variant, group.device, aims[data], len(runs), len(there)
        rows.append((*first, seconds, *span, updates, flops, done, busy(group)))
    return pd.DataFrame(rows, columns=MEASURED)


def busy(group: Group) -> bool:
    """Whether the machine did other work while any of the seeds ran."""
    origins = [record.provenance for record in group.records]
    return any(origin["load_average"] / origin["cores"] > BUSY for origin in origins)


class DirectRun(NamedTuple):
    """How long direct training was, in print."""

    key: str  # of the paper
    updates: int
    batch_size: int
    runs_of_tuning: int


def direct_run() -> DirectRun:
    """That of sutskever2013importance, from results/published.csv."""
    printed = read_published()
    printed = printed[(printed.experiment == "eras") & (printed.variant == "direct-run")]
    numbers = {row.metric: int(row.value) for row in printed.itertuples()}
    return DirectRun(printed.key.iloc[0], **numbers)


def published_runs(experiments: Mapping[str, Any]) -> pd.DataFrame:
    """A direct run of the published length on each data set, and all of its tuning; the operations are
    computed from the network.
    """
    run, rows = direct_run(), []
    for data in (data for data in PIXELS if data in experiments):
        sizes = (PIXELS[data], *experiments[data].variants["pretrained-cg"].widths)
        flops = direct_flops((*sizes, *sizes[-2::-1]), run.updates, run.batch_size)
        for what, n in (("one direct run", 1), (f"{run.runs_of_tuning} runs of tuning", run.runs_of_tuning)):
            rows.append((data, f"{what} as published [{run.key}]", n * run.updates, n * flops))
    return pd.DataFrame(rows, columns=["data", "variant", "updates", "flops"])


def in_2006(reached: pd.DataFrame, published: pd.DataFrame, found: list[Rate]) -> pd.DataFrame:
    """Days of each run that came to the target, and of the published ones, at each rate; all computed."""
    there = reached[reached.reached > 0]
    variants = there.variant.where(there.variant.str.contains("/"), there.data + "/" + there.variant)
    runs = pd.concat([there.assign(variant=variants)[["data", "variant", "updates", "flops"]], published])
    for rate in found:
        runs[f"computed days, {rate.name}"] = rate.days(runs.flops)
    return runs.sort_values(["data", "flops"], kind="stable")


def curves(folder: Path, experiments: Mapping[str, Any]) -> pd.DataFrame:
    """Error against what had been spent, of every arm: means over seeds, the errors' range."""
    names = ["data", "experiment", "variant", "device", "busy", "n", "seconds", "updates", "flops"]
    rows = []
    for data, group in arms(folder, experiments):
        runs = [trajectory(record, data) for record in group.records]
        length = min(len(run.error) for run in runs)
        seconds, updates, flops, errors = (
            np.array([part[:length] for part in parts]) for parts in zip(*runs, strict=True)
        )
        costs = [spent.mean(axis=0) for spent in (seconds, updates, flops)]
        about = data, group.experiment, group.variant, group.device, busy(group), len(runs)
        spread = errors.mean(axis=0), errors.min(axis=0), errors.max(axis=0)
        rows += [(*about, *numbers) for numbers in zip(*costs, *spread, strict=True)]
    return pd.DataFrame(rows, columns=[*names, "value", "low", "high"])
