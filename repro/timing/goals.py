"""The performance to reach, and what was: computed from the records of each machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from repro.runs.record import Record
from repro.timing.plan import N_SEEDS
from repro.timing.rates import machine
from repro.timing.subject import MNIST, Subject

FIRST = Subject("jax", "cd1", MNIST[0])  # the lowest layer of MNIST, by all cores


class Goal(NamedTuple):
    """One thing to reach on a machine; the number is NaN if it was not measured."""

    machine: str
    text: str
    measured: float
    low: float = -np.inf
    high: float = np.inf

    @property
    def reached(self) -> bool | None:
        """Whether the number lies within the bounds; None if there is none."""
        return self.low <= self.measured <= self.high if self.measured == self.measured else None


def goals(records: Iterable[Record]) -> Iterator[Goal]:
    """Those of CPUs for each CPU whose cores were all timed, those of GPUs for each GPU, or for the lack of
    one.
    """
    of_machine: dict[tuple[str, str], dict[Subject, Record]] = {}
    for record in records:
        subject = Subject(**record.config)
        key = machine(record.provenance), subject.part
        of_machine.setdefault(key, {})[_whatever_its_length(subject)] = record
    for (name, part), timed in of_machine.items():
        if part != "1core":
            yield from of_cpu(name, timed) if part == "cpu" else of_gpu(name, timed)
    if not any(part == "gpu" for _, part in of_machine):
        yield from of_gpu("a GPU", {})


def _whatever_its_length(subject: Subject) -> Subject:
    return subject if subject.of_curve else replace(subject, n_batches=1)


def of_cpu(name: str, timed: dict[Subject, Record]) -> Iterator[Goal]:
    """The first layer's epoch against the machine and other programs; cost against cases and layers."""
    best = metric(timed, FIRST, "fraction_of_best_matmul")
    yield Goal(name, "lowest MNIST layer: share of the best rate of matrix products", best, 0.85)
    for peer, bound in (("sklearn", 2.0), ("torch", 1.5)):
        theirs = metric(timed, replace(FIRST, program=peer), "seconds_per_update")
        ratio = theirs / metric(timed, FIRST, "seconds_per_update")
        yield Goal(name, f"the same: time of {peer} over ours", ratio, bound)
    for what, workload, size in (("cases", "cd1", n_cases), ("layers", "backprop", n_layers)):
        curve = {s: r for s, r in timed.items() if s.of_curve and s.workload == workload}
        text = f"exponent of the cost against {what}, 1 if linear"
        yield Goal(name, text, exponent({size(s): seconds(r) for s, r in curve.items()}), 0.9, 1.1)
    calls = timed[FIRST].curves["call_seconds"] if FIRST in timed else []
    ratio = max(calls) / min(calls) if calls else np.nan
    text = "longest over shortest of as many epochs in a row, 1 if linear in epochs"
    yield Goal(name, text, ratio, high=1.1)


def of_gpu(name: str, timed: dict[Subject, Record]) -> Iterator[Goal]:
    """An update of the first layer, and several seeds in one program."""
    first = replace(FIRST, part="gpu")
    one = metric(timed, first, "seconds_per_update")
    yield Goal(name, "lowest MNIST layer: µs for a CD-1 update, one seed", 1e6 * one, high=100)
    ratio = metric(timed, replace(first, n_seeds=N_SEEDS), "seconds_per_update") / one
    yield Goal(name, f"the same: time of {N_SEEDS} seeds in one program over that of one", ratio, high=2)


def metric(timed: dict[Subject, Record], subject: Subject, name: str) -> float:
    """A number of a subject, NaN if it was not measured."""
    return timed[subject].metrics[name] if subject in timed else np.nan


def n_cases(subject: Subject) -> int:
    """Cases that a timed call learns from."""
    return subject.n_cases


def n_layers(subject: Subject) -> int:
    """Layers of the encoder."""
    return len(subject.sizes) - 1


def seconds(record: Record) -> float:
    """Of the median call."""
    return float(np.median(record.curves["call_seconds"]))


def exponent(cost: dict[int, float]) -> float:
    """The slope of the straight line through logarithms of cost against size; NaN of fewer than three."""
    if len(cost) < 3:
        return np.nan
    return float(np.polyfit(np.log(list(cost)), np.log(list(cost.values())), 1)[0])
