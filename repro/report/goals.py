"""The performance to reach, and what was: computed from the rates of each machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from repro.report.rate_table import COMMAND, NOT_MEASURED
from repro.runs.record import Record
from repro.timing.plan import N_SEEDS
from repro.timing.rates import machine

FIRST = "jax-cd1-784x1000"  # the lowest layer of MNIST


class Goal(NamedTuple):
    """One thing to reach on a machine; the number is NaN if it was not measured."""

    machine: str
    text: str
    measured: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def row(self) -> dict[str, str]:
        """For the table."""
        bounds = [f"≥ {self.low:g}"] if self.low > -np.inf else []
        bounds += [f"≤ {self.high:g}"] if self.high < np.inf else []
        there = "yes" if self.low <= self.measured <= self.high else "no"
        shown = (f"{self.measured:.3g}", there) if self.measured == self.measured else (NOT_MEASURED, "–")
        about = {"machine": self.machine, "what": self.text, "bound": " and ".join(bounds)}
        return about | dict(zip(("measured", "reached"), shown, strict=True))


def goals(records: Iterable[Record]) -> Iterator[Goal]:
    """Those of CPUs for each CPU, those of GPUs for each GPU, or for the lack of one."""
    found: dict[tuple[str, bool], dict[str, Record]] = {}
    for record in records:
        key = machine(record.provenance), record.provenance["platform"] == "cpu"
        found.setdefault(key, {})[record.variant] = record
    for (name, is_cpu), own in found.items():
        yield from of_cpu(name, own) if is_cpu else of_gpu(name, own)
    if all(is_cpu for _, is_cpu in found):
        yield from of_gpu(f"a GPU (`{COMMAND}`)", {})


def of_cpu(name: str, own: dict[str, Record]) -> Iterator[Goal]:
    """The first layer's epoch against the machine and other programs; cost against cases and layers."""
    best = metric(own, FIRST, "fraction_of_best_matmul")
    yield Goal(name, "lowest MNIST layer: share of the best rate of matrix products", best, 0.85)
    for peer, bound in (("sklearn", 2.0), ("torch", 1.5)):
        theirs = metric(own, FIRST.replace("jax", peer), "seconds_per_update")
        ratio = theirs / metric(own, FIRST, "seconds_per_update")
        yield Goal(name, f"the same: time of {peer} over ours", ratio, bound)
    for what, workload, size in (("cases", "cd1", n_cases), ("layers", "backprop", n_layers)):
        curve = [r for r in own.values() if r.config["of_curve"] and r.config["workload"] == workload]
        text = f"exponent of the cost against {what}, 1 if linear"
        yield Goal(name, text, exponent({size(r): seconds(r) for r in curve}), 0.9, 1.1)
    calls = own[FIRST].curves["call_seconds"] if FIRST in own else []
    ratio = max(calls) / min(calls) if calls else np.nan
    yield Goal(
        name, "longest over shortest of as many epochs in a row, 1 if linear in epochs", ratio, high=1.1
    )


def of_gpu(name: str, own: dict[str, Record]) -> Iterator[Goal]:
    """An update of the first layer, and several seeds in one program."""
    one = metric(own, FIRST, "seconds_per_update")
    yield Goal(name, "lowest MNIST layer: µs for a CD-1 update, one seed", 1e6 * one, high=100)
    ratio = metric(own, f"{FIRST}-{N_SEEDS}seeds", "seconds_per_update") / one
    yield Goal(name, f"the same: time of {N_SEEDS} seeds in one program over that of one", ratio, high=2)


def metric(own: dict[str, Record], variant: str, name: str) -> float:
    """A number of a variant, NaN if it was not measured."""
    return own[variant].metrics[name] if variant in own else np.nan


def n_cases(record: Record) -> int:
    """Cases that a timed call learns from."""
    return record.config["n_batches"] * record.config["batch_size"]


def n_layers(record: Record) -> int:
    """Layers of the encoder."""
    return len(record.config["sizes"]) - 1


def seconds(record: Record) -> float:
    """Of the median call."""
    return float(np.median(record.curves["call_seconds"]))


def exponent(cost: dict[int, float]) -> float:
    """The slope of the straight line through logarithms of cost against size; NaN of fewer than three."""
    if len(cost) < 3:
        return np.nan
    return float(np.polyfit(np.log(list(cost)), np.log(list(cost.values())), 1)[0])
