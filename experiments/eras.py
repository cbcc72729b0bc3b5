"""C3, C3b and C3c: months on CPUs, what GPUs changed, and for whom.

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

from repro.report.eras import COMMAND, RUN, arms
from repro.report.frame import select
from repro.report.verdicts import (
    N_SEEDS,
    Claim,
    Condition,
    Evidence,
    Lack,
    Measured,
    combine,
    largest,
    ratio,
)
from repro.timing.conversion import Rate, direct_run
from repro.timing.load import BUSY
from repro.timing.subject import RAINA, RAINA_BATCH, named
from repro.timing.target import PIXELS, reached, targets, trajectory

THEN = Rate("1 GFLOP/s", 1.0)  # what the papers of 2006 imply
LONG, SHORT = 60.0, 14.0  # days
SIZES = tuple(named(sizes) for sizes in RAINA)
SMALL, LARGE = SIZES[0], SIZES[-1]
WORKLOADS = {"cd1": "CD-1", "backprop": "backprop"}
ALIKE, APART = 1.25, 1.5  # the larger gain over the smaller


def direct_days(evidence: Evidence) -> dict[str, Measured]:
    """Of each data set the days, at 1 GFLOP/s, until a network with a random start first had the paper's
    error: of the arm that needed the fewest operations.
    """
    runs, aims = arms(evidence.frame, evidence.experiments), targets()
    known: dict[str, list[Measured]] = {data: [] for data in PIXELS}
    for _, seeds in runs[runs.start != "pretrained"].groupby(RUN, sort=False):
        data, experiment, variant = next(zip(seeds.data, seeds.experiment, seeds.variant, strict=True))
        each = [trajectory(evidence.frame.record(path)) for path in seeds.path]
        flops = np.array([reached(run, aims[data]).flops for run in each])
        n, lacks = len(flops), set()
        if n < N_SEEDS:
            lacks.add(evidence.lack(experiment, variant, f"{n} of {N_SEEDS} seeds", N_SEEDS - n))
        if not np.isnan(flops).any():
            about = frozenset(lacks), tuple(map(int, seeds.seed))
            known[data].append(Measured(THEN.days(flops), *about, paths=frozenset(seeds.path)))
    return {
        data: min(arms_of, key=lambda measured: measured.values.mean())
        if arms_of
        else not_measured(f"no direct run on {data} has reached {aims[data]:g}")
        for data, arms_of in known.items()
    }


def not_measured(why: str) -> Measured:
    """No numbers, and what is lacking."""
    return Measured(np.zeros(0), frozenset({Lack(why)}))


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


def gain(evidence: Evidence, workload: str, size: str) -> Measured:
    """Time on one core over time on the GPU of the same machine, call by call, for as many cases, by the JAX
    program in float32; of several machines the one that was timed last.
    """
    same = {"kind": "timing", "program": "jax", "workload": workload, "sizes": size}
    plain = {"precision": "float32", "batch_size": RAINA_BATCH, "n_seeds": 1, "of_curve": False}
    runs = select(evidence.frame.runs, **same, **plain)
    one_core, gpu = select(runs, part="1core"), select(runs, part="gpu")
    pairs = one_core.merge(gpu, on=["host", "cores"], suffixes=("", "_gpu"))
    if pairs.empty:
        return not_measured(f"no GPU has been timed at {size}: `{COMMAND}` on a machine with one")
    finished = [evidence.frame.record(path).provenance["finished"] for path in pairs.path_gpu]
    last = pairs.iloc[int(np.argsort(finished, kind="stable")[-1])]
    return ratio(*(seconds_per_case(evidence, path) for path in (last.path, last.path_gpu)))


def seconds_per_case(evidence: Evidence, path: str) -> Measured:
    """Of each timed call; a busy machine's times are no full evidence."""
    record = evidence.frame.record(path)
    about, config = record.provenance, record.config
    busy = about["load_average"] / about["cores"] > BUSY
    lacks = {Lack("timed on a busy machine", record.variant)} if busy else set()
    n_cases = config["n_batches"] * config["batch_size"]
    seconds = np.array(record.curves["call_seconds"]) / n_cases
    return Measured(seconds, frozenset(lacks), paths=frozenset({path}))


def gpus_gain(evidence: Evidence) -> Iterator[Condition]:
    """C3b, upheld."""
    for size, bound in ((SMALL, 12.0), (LARGE, 60.0)):
        for workload, name in WORKLOADS.items():
            text = f"{name} at {size}: one core over one GPU"
            yield Condition(text, gain(evidence, workload, size), low=bound)


def gpus_gain_little(evidence: Evidence) -> Iterator[Condition]:
    """C3b, refuted."""
    for workload, name in WORKLOADS.items():
        yield Condition(
            f"{name} at {LARGE}: one core over one GPU", gain(evidence, workload, LARGE), high=5.0
        )


def cd1_over_backprop(evidence: Evidence, size: str) -> Measured:
    """The gain of CD-1 over that of backprop, call by call."""
    return ratio(*(gain(evidence, workload, size) for workload in WORKLOADS))


def gpus_favour_neither(evidence: Evidence) -> Iterator[Condition]:
    """C3c, upheld: at every size."""
    for size in SIZES:
        text = f"gain of CD-1 over that of backprop at {size}"
        yield Condition(text, cd1_over_backprop(evidence, size), low=1 / ALIKE, high=ALIKE)


def gpus_favour_one(evidence: Evidence) -> Iterator[Condition]:
    """C3c, refuted: at two sizes."""
    for size in SIZES:
        apart = combine(lambda x: np.maximum(x, 1 / x), cd1_over_backprop(evidence, size), how="ratio")
        yield Condition(f"larger gain over the smaller at {size}", apart, low=APART)


CLAIMS = (
    Claim(
        key="C3",
        statement="Direct training would have taken months on CPUs",
        upheld_if="at 1 GFLOP/s, which the papers of 2006 imply, one run to the paper's error takes "
        f"{LONG:g} days or more on a data set, or the published grid of tuning runs does on all; of each "
        "data set the direct arm that needs the fewest operations counts",
        refuted_if=f"every such run takes {SHORT:g} days or less",
        upholding=months,
        refuting=weeks,
    ),
    Claim(
        key="C3b",
        statement="GPUs changed what was possible",
        upheld_if="one GPU is ≥ 12 times as fast as one core of the same machine at the smallest of Raina's "
        "sizes, and ≥ 60 times at the largest, both in a CD-1 epoch and in a backprop epoch",
        refuted_if="either gains < 5 times at the largest",
        upholding=gpus_gain,
        refuting=gpus_gain_little,
    ),
    Claim(
        key="C3c",
        statement="GPUs favoured neither arm",
        upheld_if="by the same measurements the gains of CD-1 and backprop lie within 25 % of each other at "
        "every size",
        refuted_if="they are apart by > 50 % at two sizes or more",
        upholding=gpus_favour_neither,
        refuting=gpus_favour_one,
        n_refuting=2,
    ),
)
