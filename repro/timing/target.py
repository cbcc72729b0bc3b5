"""How long a run took to the paper's error: seconds, updates and operations, pretraining included."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from repro.reference import table
from repro.runs.config import Autoencoding, Pretrained, from_json
from repro.runs.record import Record, layer_epochs
from repro.training.flops import backprop_flops, stack_flops

PIXELS = {"curves": 784, "mnist": 784, "faces": 625}  # of the data sets whose errors the paper prints
INPUTS = PIXELS | {"reuters21578": 2000, "rcv1": 2000}  # numbers of a case
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
    printed = table("published.csv")
    printed = printed[(printed.variant == "pretrained-cg") & (printed.metric == ERROR)]
    return {
        data: error for data, error in zip(printed.experiment, printed.value, strict=True) if data in PIXELS
    }


def trajectory(record: Record) -> Trajectory:
    """The trajectory of an autoencoder's run.

    Older records have no curves of flops and epochs: their last number is apportioned by evaluations, and a
    report is an epoch.
    """
    curves, config = record.curves, from_json(record.config)
    assert isinstance(config, Autoencoding)
    evaluations = np.asarray(curves["evaluations"], float)
    epochs = np.asarray(curves.get("epochs", np.arange(len(evaluations)) + 1))
    spent = np.cumsum(evaluations * np.diff(epochs, prepend=0))
    before, n_cases = pretraining(record, config, spent[-1])
    updates = np.asarray(curves.get("updates", epochs * (n_cases // (config.batch_size or n_cases))), float)
    flops = before + (record.metrics["flops"] - before) * spent / spent[-1]
    flops = np.asarray(curves.get("flops", flops), float)
    stacked = 0
    if isinstance(config.start, Pretrained):
        stacked = sum(layer_epochs(record)) * (n_cases // config.start.pretraining.batch_size)
    waited = record.metrics["pretraining_seconds"]
    return Trajectory(
        waited + np.append(0, curves["seconds"]),
        stacked + np.append(0, updates),
        np.append(before, flops),
        np.append(record.metrics[f"{ERROR}_before"], curves[ERROR]),
    )


def pretraining(record: Record, config: Autoencoding, evaluations: float) -> tuple[float, int]:
    """Operations before fine-tuning, and the cases that there were.

    All operations together are so many for each case: the cases are what they come to.
    """
    sizes, stack = (INPUTS[config.data], *config.network.widths), 0.0
    if isinstance(config.start, Pretrained):
        k = config.start.pretraining.contrastive.k
        stack = stack_flops(sizes, 1, tuple(layer_epochs(record)), k)
    network = backprop_flops((*sizes, *sizes[-2::-1]), 1)
    n_cases = round(record.metrics["flops"] / (stack + network * evaluations))
    return stack * n_cases, n_cases


def reached(run: Trajectory, target: float) -> Reached:
    """The first report at which the error is the target or less."""
    arrived = np.flatnonzero(run.error <= target)
    if not len(arrived):
        return Reached(*[float("nan")] * 3)
    return Reached(*(float(curve[arrived[0]]) for curve in (run.seconds, run.updates, run.flops)))
