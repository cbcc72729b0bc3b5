"""`repro time`: subjects timed in turn, group by group -> one record for each."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console

from repro.atomic import check_writable
from repro.errors import OutOfTimeError, UserError, pip_install
from repro.runs.record import Record, identity, save_records
from repro.timing.load import OtherWork, is_busy
from repro.timing.peers import PACKAGES, installed, on_gpu
from repro.timing.plan import LENGTHS, groups
from repro.timing.stopwatch import in_turn
from repro.timing.subject import MNIST, MNIST_CASES, NETWORK, PARTS, Part, Subject, named
from repro.timing.worker import Worker, confinable
from repro.typed import as_json

EXPERIMENT = "eras"
# guesses, to show progress: time against that of the same operations in matrix products
SLOW = {"program2006": 6.0, "numpy": 3.0, "sklearn": 3.0, "torch": 2.0, "jax": 1.5}


class Timing(NamedTuple):
    """Of one subject."""

    seconds: list[float]  # of each timed call
    compile_seconds: float

    @property
    def median(self) -> float:
        """Seconds of a call."""
        return float(np.median(self.seconds))


@dataclass
class Pace:
    """What the programs of one part of the machine took so far."""

    n_prepared: int = 0
    preparing: float = 0.0  # seconds, in which they were compiled
    effort: float = 0.0  # of all calls
    calling: float = 0.0  # seconds

    def seconds(self, group: Sequence[Subject], repeats: int) -> float:
        """How long programs may take at this pace."""
        calls = (1 + repeats) * sum(map(effort, group))
        return len(group) * self.preparing / self.n_prepared + calls * self.calling / self.effort


@dataclass
class Progress:
    """Tells how far the timing is, and how long the rest may take, going by what each part of the machine
    took so far.
    """

    console: Console
    rest: list[list[Subject]]  # groups that have not been timed
    repeats: int
    until: float = math.inf  # of `time.perf_counter`
    paces: dict[Part, Pace] = field(default_factory=dict)

    def prepared(self, subject: Subject, seconds: float) -> None:
        """A program is ready.

        Raises:
            OutOfTimeError: if the time is over.
        """
        pace = self.paces.setdefault(subject.part, Pace())
        pace.n_prepared, pace.preparing = pace.n_prepared + 1, pace.preparing + seconds
        self._check()

    def called(self, subject: Subject, seconds: float) -> None:
        """It has run once.

        Raises:
            OutOfTimeError: if the time is over.
        """
        pace = self.paces[subject.part]
        pace.effort, pace.calling = pace.effort + effort(subject), pace.calling + seconds
        self._check()

    def _check(self) -> None:
        if time.perf_counter() > self.until:
            raise OutOfTimeError

    def seconds(self, group: Sequence[Subject]) -> float:
        """How long a group may take; parts that have not been timed yet left out."""
        paces = self.paces.items()
        same = (pace.seconds([s for s in group if s.part == part], self.repeats) for part, pace in paces)
        return sum(same, 0.0)

    def line(self, group: Sequence[Subject]) -> None:
        """One line for a group that begins, with the time left once there is something to guess it from."""
        left = f", about {sum(map(self.seconds, self.rest)):.0f} s left" if self.paces else ""
        self.console.print(f"timing {_named(group)}{left}")


def time_rates(
    profile: str,
    results: Path,
    console: Console,
    parts: Sequence[Part] = PARTS,
    limit: float = math.inf,
    only: Collection[str] = (),
) -> list[Record]:
    """Time everything that these parts of this machine and the installed packages can, and write one record
    each; `only` of these sizes, if any are named, beside what the machine itself can do.

    The records are written after each group of subjects, all of them anew: a rate is compared with the best
    of the machine so far, and says the largest load so far. Interrupted, it keeps what was measured. A group
    that is not over after `limit` seconds, or would not be if it took as long as those before it, is said and
    left out.

    Raises:
        UserError: if the folder cannot be written to, or a part that was named is not there.
    """
    until = time.perf_counter() + limit
    folder, length = results / profile, LENGTHS[profile]
    check_writable(folder / EXPERIMENT, results)
    with ExitStack() as stack:
        workers = start_workers(stack, console, parts)
        other = OtherWork(lambda: time.process_time() + sum(worker.spent() for worker in workers.values()))
        warn(other.largest, console)
        provenances: dict[Part, dict[str, Any]] = {
            part: worker.provenance() for part, worker in workers.items()
        }
        others = peers(console) if "cpu" in workers else []
        first, *of_sizes = groups(length, workers, others, on_gpu() if "gpu" in workers else [])
        plan = [first, *(group for group in of_sizes if not only or named(group[0].sizes) in only)]
        progress = Progress(console, list(plan), length.repeats, until)
        timings: dict[Subject, Timing] = {}
        records: list[Record] = []
        for group in plan:
            needed = progress.seconds(group)
            if time.perf_counter() + needed > until:
                console.print(f"no time for {_named(group)}, about {needed:.0f} s here")
                progress.rest.remove(group)
                continue
            quiet = not is_busy(other.largest)
            progress.line(group)
            progress.rest.remove(group)
            try:
                timings |= time_group(workers, group, length.repeats, progress)
            except OutOfTimeError:
                console.print(f"the time was over before {_named(group)} were timed")
                break
            if is_busy(other.read()) and quiet:
                warn(other.largest, console)
            records = recorded(timings, provenances, profile, other.largest)
            save_records(folder, [(record, {}) for record in records])
    return records


def warn(load: float, console: Console) -> None:
    """Say so if the machine is busy."""
    if is_busy(load):
        console.print(
            f"the machine is busy (load {load:.1f} on {os.cpu_count()} cores): these times will be too long"
        )


def peers(console: Console) -> list[str]:
    """Other people's programs that are installed; of the others a line."""
    present = installed()
    for name in present:
        if not present[name]:
            console.print(f"{PACKAGES[name]} is not installed and left out: {pip_install('peers')} adds it")
    return [name for name in present if present[name]]


def start_workers(stack: ExitStack, console: Console, parts: Sequence[Part]) -> dict[Part, Worker]:
    """A worker for each of these parts that this machine has; closed with the stack.

    Raises:
        UserError: if there is none.
    """
    workers: dict[Part, Worker] = {}
    absent: list[str] = []
    for part in parts:
        if part == "1core" and not confinable():
            absent.append("this system cannot tie a process to one core: rates of one core are left out")
            continue
        worker = stack.enter_context(closing(Worker(part)))
        if part == "gpu" and worker.provenance()["platform"] == "cpu":
            absent.append("JAX sees no GPU here: its rates are left out")
        else:
            workers[part] = worker
    if not workers:
        raise UserError(f"nothing to time on {', '.join(parts)}: {'; '.join(absent)}")
    for line in absent:
        console.print(line)
    return workers


def _named(group: Sequence[Subject]) -> str:
    return f"{len(group)} programs at {named(group[0].sizes)}"


def time_group(
    workers: Mapping[Part, Worker], group: list[Subject], repeats: int, progress: Progress
) -> dict[Subject, Timing]:
    """Seconds of every subject of a group."""
    compiled = {}
    for subject in group:
        began = time.perf_counter()
        compiled[subject] = workers[subject.part].prepare(subject)
        progress.prepared(subject, time.perf_counter() - began)
    calls = {subject: partial(workers[subject.part].call, subject) for subject in group}
    seconds = in_turn(calls, repeats, progress.called)
    for worker in workers.values():
        worker.forget()
    return {subject: Timing(seconds[subject], compiled[subject]) for subject in group}


def effort(subject: Subject) -> float:
    """About how long a call takes, in a unit of its part of the machine."""
    return (subject.flops or 10 * subject.bytes_moved) * SLOW[subject.program]


def recorded(
    timings: dict[Subject, Timing], provenances: Mapping[Part, dict[str, Any]], profile: str, load: float
) -> list[Record]:
    """A record of each subject: one for each machine, which a later run replaces."""
    finished = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    records = []
    for subject, timing in timings.items():
        provenance = provenances[subject.part] | {
            "precision": precision(subject),
            "seeds_side_by_side": subject.n_seeds,
            "wall_seconds": round(sum(timing.seconds), 2),
            "load_average": round(load, 2),  # of other work, over a minute: the largest during the timing
            "finished": finished,
        }
        records.append(
            Record(
                experiment=EXPERIMENT,
                variant=subject.variant,
                profile=profile,
                seed=0,
                identity=identity_on(subject, provenance),
                config=as_json(subject),
                metrics=measured(subject, timings),
                curves={"call_seconds": timing.seconds},
                arrays=None,
                provenance=provenance,
            )
        )
    return records


def identity_on(subject: Subject, provenance: Mapping[str, Any]) -> str:
    """Of a subject, however long its calls are, on a machine."""
    return identity(replace(subject, n_batches=1), "", machine(provenance))


def machine(about: Mapping[str, Any]) -> str:
    """What tells the machines of the table apart: the device, and of a CPU how many cores it has here.

    `about` is provenance, or a row of the frame.
    """
    return f"{about['device']}, {about['cores']} cores" if about["platform"] == "cpu" else about["device"]


def precision(subject: Subject) -> str:
    """As provenance words it."""
    if subject.precision == "float64":
        return "float64"
    products = {"float32": "highest", "tf32": "tf32", "bfloat16": "bfloat16"}[subject.precision]
    return f"float32, matrix products {products}"


def measured(subject: Subject, timings: dict[Subject, Timing]) -> dict[str, float]:
    """The metrics of a subject, see results/README.md; the machine's own rates are those of the same run."""
    timing = timings[subject]
    bandwidth = fastest(timings, subject, "copy")
    if subject.workload == "copy":
        return {"gigabytes_per_second": bandwidth, "compile_seconds": timing.compile_seconds}
    per_million = 1e6 / subject.n_cases
    metrics = {
        "seconds_per_update": timing.median / subject.n_batches,
        "seconds_per_million_cases": timing.median * per_million,
    }
    if subject.sizes in (*MNIST, NETWORK):
        metrics["seconds_per_epoch"] = timing.median * MNIST_CASES / subject.n_cases
    metrics["gflops"] = subject.flops / timing.median / 1e9
    if subject.workload != "matmul":
        same, best = (fastest(timings, subject, "matmul", shape) for shape in (True, False))
        metrics |= {
            "fraction_of_matmul": metrics["gflops"] / same,
            "fraction_of_best_matmul": metrics["gflops"] / best,
        }
        metrics["flops_floor_seconds_per_million_cases"] = subject.flops / best / 1e9 * per_million
        metrics["bytes_floor_seconds_per_million_cases"] = subject.bytes_moved / bandwidth / 1e9 * per_million
    return metrics | {"compile_seconds": timing.compile_seconds}


def fastest(
    timings: dict[Subject, Timing], subject: Subject, workload: str, same_shape: bool = False
) -> float:
    """The best rate that the subject's part of the machine has shown, by any library, in the subject's
    precision, and where asked at its shapes: GFLOP/s of matrix products, GB/s of copying.
    """

    def alike(other: Subject) -> bool:
        if other.workload != workload or other.part != subject.part:
            return False
        shapes = other.sizes == subject.sizes and other.batch_size == subject.batch_size
        return workload == "copy" or (other.precision == subject.precision and (shapes or not same_shape))

    rates = [
        (other.bytes_moved if workload == "copy" else other.flops) / timing.median
        for other, timing in timings.items()
        if alike(other)
    ]
    return max(rates, default=float("nan")) / 1e9


def took(records: Iterable[Record], began: float) -> str:
    """A closing line."""
    return f"{len(list(records))} records in {timedelta(seconds=round(time.perf_counter() - began))}"
