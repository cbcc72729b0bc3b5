"""C3 and C3b: months on CPUs, and what GPUs changed.

Claim       Direct training would have taken months on CPUs; GPUs made CD up to 70 times faster than two cores
            [raina2009large, abstract].
Deviations  29. Cases are random numbers: no time depends on them.
            30. Backprop at Raina's sizes goes through the RBM unrolled, with a linear code; theirs timed CD.
            31. Of Raina's larger sizes a few minibatches are timed, and scaled to a million cases.
            32. The program of 2006 runs on NumPy's BLAS of today, MATLAB's of 2006 is not to be had.
Run         repro time --profile paper
Table       results/tables/eras.md      Figures  fig_eras, fig_speedup
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from experiments.claims.quantities import largest
from repro.report.conversion import Rate, direct_run
from repro.report.rate_table import COMMAND, named, timed
from repro.report.target import PIXELS, arms, reached, targets, trajectory
from repro.report.verdicts import N_SEEDS, Claim, Condition, Evidence, Lack, Measured, combine
from repro.runs.record import Record
from repro.timing.rates import BUSY
from repro.timing.subject import RAINA

THEN = Rate("1 GFLOP/s", 1.0)  # what the papers of 2006 imply
LONG, SHORT = 60, 14  # days
SMALL, LARGE = named(RAINA[0]), named(RAINA[-1])


def direct_days(evidence: Evidence) -> dict[str, Measured]:
    """Of each data set the days, at 1 GFLOP/s, until a network with a random start first had the paper's
    error: of the arm that needed the fewest operations.
    """
    aims, found = targets(), {data: [] for data in PIXELS}
    for data, group in arms(evidence.folder, evidence.experiments):
        if group.records[0].config["start"] != "pretrained":
            flops = np.array([reached(trajectory(r, data), aims[data]).flops for r in group.records])
            few = Lack(f"{len(flops)} of {N_SEEDS} seeds", f"{group.experiment} {group.variant}")
            lacks = {few} if len(flops) < N_SEEDS else set()
            found[data].append(Measured(THEN.days(flops), frozenset(lacks)))
    there = {data: [m for m in each if not np.isnan(m.values).any()] for data, each in found.items()}
    return {
        data: min(there[data], key=lambda m: m.values.mean())
        if there[data]
        else Measured(np.zeros(0), frozenset({Lack(f"no direct run on {data} has reached {aims[data]:g}")}))
        for data in PIXELS
    }


def months(evidence: Evidence) -> Iterator[Condition]:
    """C3, upheld: by one data set that is long enough, whatever the others take, or by tuning on all."""
    days = direct_days(evidence)
    known = [measured for measured in days.values() if len(measured.values)]
    longest = largest(known) if known else Measured(np.zeros(0))
    if len(known) == len(days):
        n_runs = direct_run().runs_of_tuning
        shortest = combine(lambda *each: n_runs * np.min(each, axis=0), *known)
        longest = combine(np.maximum, longest, shortest)
    elif not len(longest.values) or longest.values.mean() < LONG:
        longest = longest._replace(lacks=frozenset().union(*(m.lacks for m in days.values())))
    name = "days at 1 GFLOP/s: of one run where it takes most, or of tuning where that takes least"
    yield Condition(name, longest, low=LONG)


def weeks(evidence: Evidence) -> Iterator[Condition]:
    """C3, refuted."""
    name = "days at 1 GFLOP/s of one run, where it takes most"
    yield Condition(name, largest([*direct_days(evidence).values()]), high=SHORT)


def speedup(evidence: Evidence, workload: str, size: str) -> Measured:
    """Time on one core over time on the GPU of the same machine, call by call, for as many cases."""
    records = timed(evidence.folder)
    slow = [r for r in records if r.variant == f"jax-{workload}-{size}-1core"]
    fast = [r for r in records if r.variant == f"jax-{workload}-{size}" and r.provenance["platform"] != "cpu"]
    pairs = [(a, b) for a in slow for b in fast if a.provenance["host"] == b.provenance["host"]]
    if not pairs:
        missing = Lack(f"no GPU has been timed: `{COMMAND}` on a machine with one")
        return Measured(np.zeros(0), frozenset({missing}))
    return combine(np.divide, *map(seconds_per_case, pairs[-1]))


def seconds_per_case(record: Record) -> Measured:
    """Of each timed call; a busy machine's times are no full evidence."""
    origin, config = record.provenance, record.config
    busy = origin["load_average"] / origin["cores"] > BUSY
    lacks = {Lack("timed on a busy machine", record.variant)} if busy else set()
    n_cases = config["n_batches"] * config["batch_size"]
    return Measured(np.array(record.curves["call_seconds"]) / n_cases, frozenset(lacks))


def gpus_gain(evidence: Evidence) -> Iterator[Condition]:
    """C3b, upheld."""
    for size, bound in ((SMALL, 12), (LARGE, 60)):
        yield Condition(f"CD-1 at {size}: one core over one GPU", speedup(evidence, "cd1", size), low=bound)


def gpus_favour_neither(evidence: Evidence) -> Iterator[Condition]:
    """C3b, refuted."""
    gains = [
        combine(
            lambda a, b: np.maximum(a / b, b / a),
            *(speedup(evidence, workload, named(sizes)) for workload in ("cd1", "backprop")),
        )
        for sizes in RAINA
    ]
    name = "the larger of the gains of CD-1 and backprop over the smaller, at the worst of four sizes"
    yield Condition(name, largest(gains), high=1.25)


CLAIMS = (
    Claim(
        key="C3",
        statement="Direct training would have taken months on CPUs",
        upheld_if=f"at 1 GFLOP/s, which the papers of 2006 imply, one run to the paper's error takes {LONG} "
        "days or more on a data set, or the published grid of tuning runs does on all; of each data set the "
        "direct arm that needs the fewest operations counts",
        refuted_if=f"every such run takes {SHORT} days or less",
        upholding=months,
        refuting=weeks,
    ),
    Claim(
        key="C3b",
        statement="GPUs drove the change",
        upheld_if="a GPU is ≥ 12 times as fast as one core of the same machine at CD-1 of the smallest of "
        "Raina's sizes, and ≥ 60 times at the largest",
        refuted_if="CD-1 and backprop gain within 25 % of each other at every size: GPUs favoured neither",
        upholding=gpus_gain,
        refuting=gpus_favour_neither,
    ),
)
