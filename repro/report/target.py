"""How long each arm took to the paper's error: seconds, updates and operations, pretraining included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from repro.report.tables import Group, groups, layer_epochs, longest, read_published
from repro.runs.record import Record
from repro.training.flops import backprop_flops, stack_flops

PIXELS = {"curves": 784, "mnist": 784, "faces": 625}  # of the data sets whose errors the paper prints
ERROR = "test_squared_error"


class Trajectory(NamedTuple):
    """Where a run stood before fine-tuning and at each report after it; pretraining is counted in."""

    seconds: np.ndarray  # of training alone
    updates: np.ndarray  # one for each minibatch
    flops: np.ndarray  # of the matrix products
    error: np.ndarray  # test squared error


class Reached(NamedTuple):
    """What it took to come to the target; NaN if the run never did."""

    seconds: float
    updates: float
    flops: float


def targets() -> dict[str, float]:
    """The error that the paper printed for its pretrained network, by data set."""
    printed = read_published()
    printed = printed[(printed.variant == "pretrained-cg") & (printed.metric == ERROR)]
    return {row.experiment: row.value for row in printed.itertuples() if row.experiment in PIXELS}


def data_of(group: Group) -> str:
    """The data set that a group learnt from: its experiment, or the part of its variant before the slash."""
    data, slash, _ = group.variant.partition("/")
    return data if slash else group.experiment


def arms(folder: Path, experiments: Mapping[str, Any]) -> Iterator[tuple[str, Group]]:
    """Data set and group of every run of a paper's own network: of each device and variant the longest."""
    networks = {
        data: experiments[data].variants["pretrained-cg"].widths for data in PIXELS if data in experiments
    }
    for group in (group for name in experiments for group in longest_by_device(groups(folder, name))):
        record, data = group.records[0], data_of(group)
        widths = tuple(record.config.get("widths", ()))
        if ERROR in record.curves and data in networks and widths == networks[data]:
            yield data, group


def longest_by_device(found: list[Group]) -> Iterator[Group]:
    """Of each variant and device the group to show."""
    for device in sorted({group.device for group in found}):
        yield from longest([group for group in found if group.device == device]).values()


def trajectory(record: Record, data: str) -> Trajectory:
    """The trajectory of a run on this data set.

    Older records have no curves of flops and epochs: their last number is apportioned by evaluations, and a
    report is an epoch.
    """
    curves, config = record.curves, record.config
    evaluations = np.asarray(curves["evaluations"], float)
    epochs = np.asarray(curves.get("epochs", np.arange(len(evaluations)) + 1))
    spent = np.cumsum(evaluations * np.diff(epochs, prepend=0))
    before, n_cases = pretraining(record, data, spent[-1])
    size = config["batch_size"] or n_cases
    updates = np.asarray(curves.get("updates", epochs * (n_cases // size)), float)
    flops = before + (record.metrics["flops"] - before) * spent / spent[-1]
    flops = np.asarray(curves.get("flops", flops), float)
    stacked = sum(layer_epochs(record)) * (n_cases // config["pretraining"]["batch_size"])
    waited = record.metrics["pretraining_seconds"]
    return Trajectory(
        waited + np.append(0, curves["seconds"]),
        stacked + np.append(0, updates),
        np.append(before, flops),
        np.append(record.metrics[f"{ERROR}_before"], curves[ERROR]),
    )


def pretraining(record: Record, data: str, evaluations: float) -> tuple[float, int]:
    """Operations before fine-tuning, and the cases that there were.

    All operations together are so many for each case: the cases are what they come to.
    """
    sizes = (PIXELS[data], *record.config["widths"])
    each = layer_epochs(record)
    k = record.config["pretraining"]["contrastive"]["k"]
    stack = stack_flops(sizes, 1, tuple(each), k) if each else 0.0
    network = backprop_flops((*sizes, *sizes[-2::-1]), 1)
    n_cases = round(record.metrics["flops"] / (stack + network * evaluations))
    return stack * n_cases, n_cases


def reached(run: Trajectory, target: float) -> Reached:
    """The first report at which the error is the target or less."""
    there = np.flatnonzero(run.error <= target)
    if not len(there):
        return Reached(*[float("nan")] * 3)
    return Reached(*(float(curve[there[0]]) for curve in (run.seconds, run.updates, run.flops)))
