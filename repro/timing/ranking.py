"""What `repro time` prints: the rates of this machine, and where they fall among the recorded ones."""

from __future__ import annotations

from collections.abc import Iterable

from repro.runs.provenance import ROOT
from repro.runs.record import Record, load_record
from repro.timing.machines import machines
from repro.timing.rates import EXPERIMENT, machine
from repro.timing.subject import MNIST, NETWORK, Subject

COMPARED = (
    Subject("jax", "cd1", MNIST[0]),
    Subject("jax", "backprop", NETWORK),
    Subject("program2006", "cd1", MNIST[0], precision="float64", lane="1core"),
    Subject("program2006", "backprop", NETWORK, precision="float64", lane="1core"),
)
Lines = tuple[str, tuple[str, ...], list[list[str]]]  # title, columns, rows


def rates(records: Iterable[Record]) -> Lines:
    """The rates of every program that learns, the fastest first at each size."""
    learning = [record for record in records if record.config["workload"] in ("cd1", "backprop")]
    learning.sort(key=lambda r: (r.config["workload"], r.config["sizes"], -r.metrics["gflops"]))
    rows = [
        [
            record.variant,
            clock(record),
            f"{record.metrics['gflops']:.3g}",
            f"{100 * record.metrics['fraction_of_matmul']:.0f} %",
            f"{100 * record.metrics['fraction_of_best_matmul']:.0f} %",
        ]
        for record in learning
    ]
    columns = ("program", "time", "GFLOP/s", "of same-shape", "of best matmul")
    return "rates of this machine", columns, rows


def clock(record: Record) -> str:
    """The time of an epoch of MNIST, or of a million cases of other sizes."""
    of_epoch = record.metrics.get("seconds_per_epoch")
    if of_epoch is not None:
        return f"{of_epoch:.3g} s/epoch"
    return f"{record.metrics['seconds_per_million_cases']:.3g} s/million"


def standing(records: Iterable[Record]) -> Lines:
    """Where this machine falls among those with committed records and those of machines.csv, in GFLOP/s."""
    rows, records = [], list(records)
    committed = [load_record(path) for path in sorted((ROOT / "results/paper" / EXPERIMENT).glob("*.json"))]
    for subject in COMPARED:
        named = [(f"{machine(record.provenance)} (recorded)", record) for record in committed]
        named += [("this machine", record) for record in records]
        found = [(name, r.metrics["gflops"]) for name, r in named if r.variant == subject.variant]
        found += [(f"{m.name} (computed)", m.sustained_gflops) for m in machines() if m.sustained_gflops > 0]
        for name, gflops in sorted(found, key=lambda pair: -pair[1]):
            rows.append([subject.variant, name, f"{gflops:.3g}"])
    return "among the recorded machines", ("program", "machine", "GFLOP/s"), rows
