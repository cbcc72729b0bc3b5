"""What `repro time` prints: the rates of this machine, and where they fall among the recorded ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from repro.runs.provenance import ROOT
from repro.runs.record import Record, load_records
from repro.timing.machines import machines
from repro.timing.rates import EXPERIMENT, machine
from repro.timing.subject import MNIST, MNIST_BATCH, NETWORK, RAINA_BATCH, Subject, named

LEARNING = ("cd1", "backprop", "convolution")  # workloads
COMPARED = (
    Subject("jax", "cd1", MNIST[0]),
    Subject("jax", "backprop", NETWORK),
    Subject("program2006", "cd1", MNIST[0], precision="float64", part="1core"),
    Subject("program2006", "backprop", NETWORK, precision="float64", part="1core"),
)


class Lines(NamedTuple):
    """A table to print; narrow enough for 80 columns."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def rates(records: Iterable[Record]) -> Iterator[Lines]:
    """The rates of every program that learns, the fastest first at each size; and what share that is of the
    machine's matrix products at these shapes, and of its best.
    """
    columns = ("program", "seconds", "GFLOP/s", "of products", "of best")
    learning = [(Subject(**record.config), record) for record in records]
    learning = [pair for pair in learning if pair[0].workload in LEARNING]
    learning.sort(key=lambda pair: (pair[0].workload, pair[0].sizes, -pair[1].metrics["gflops"]))
    for (workload, sizes), group in groupby(learning, lambda pair: (pair[0].workload, pair[0].sizes)):
        pairs = list(group)
        unit = "an epoch of MNIST" if "seconds_per_epoch" in pairs[0][1].metrics else "a million cases"
        title = f"{workload} {named(sizes)}, seconds for {unit}"
        yield Lines(title, columns, [_row(*pair) for pair in pairs])


def _row(subject: Subject, record: Record) -> tuple[str, ...]:
    metrics = record.metrics
    seconds = metrics.get("seconds_per_epoch", metrics["seconds_per_million_cases"])
    parts = [metrics[f"fraction_of_{what}"] for what in ("matmul", "best_matmul")]
    shares = [f"{100 * part:.0f} %" if part == part else "–" for part in parts]
    return described(subject), f"{seconds:.3g}", f"{metrics['gflops']:.3g}", *shares


def described(subject: Subject) -> str:
    """A program and how it ran, in a few words."""
    where = {"1core": "1 core", "cpu": "all cores", "gpu": "GPU"}[subject.part]
    more = [subject.precision]
    more += [f"batch {subject.batch_size}"] if subject.batch_size not in (MNIST_BATCH, RAINA_BATCH) else []
    more += [f"{subject.n_seeds} seeds"] if subject.n_seeds > 1 else []
    more += [f"{subject.n_cases} cases"] if subject.of_curve else []
    return ", ".join([subject.program, where, *more])


def standing(records: Iterable[Record]) -> Iterator[Lines]:
    """Where this machine falls among those with committed records and those of machines.csv, in GFLOP/s, in
    what was timed here.
    """
    here = [(_here(record), record) for record in records]
    committed = load_records(ROOT / "results" / "paper", EXPERIMENT).values()
    recorded = [(f"{machine(record.provenance)} (recorded)", record) for record in committed]
    computed = [(f"{m.name} (computed)", m.sustained_gflops) for m in machines() if m.sustained_gflops > 0]
    for subject in COMPARED:
        if not any(_comparable(record, subject) for _, record in here):
            continue
        both = [*recorded, *here]
        measured = [(name, r.metrics["gflops"]) for name, r in both if _comparable(r, subject)]
        rows = sorted([*measured, *computed], key=lambda pair: -pair[1])
        title = f"{subject.variant} among the recorded machines"
        yield Lines(title, ("machine", "GFLOP/s"), [(name, f"{gflops:.3g}") for name, gflops in rows])


def _here(record: Record) -> str:
    about = record.provenance
    return "this machine" if about["platform"] == "cpu" else f"this machine's {about['device']}"


def _comparable(record: Record, subject: Subject) -> bool:
    """Whether it is the same work, whatever the length of a call, on a CPU in the same way, or on a GPU."""
    whole = replace(Subject(**record.config), n_batches=1)
    of_gpu = subject.part == "cpu" and whole.part == "gpu"
    return (replace(whole, part="cpu") if of_gpu else whole) == subject
