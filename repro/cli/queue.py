"""`repro run --for` and `repro run --plan`."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import chain, groupby
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Column, Table

from repro.cli.options import console, experiments
from repro.report.cost import Costs
from repro.report.frame import Frame, read
from repro.report.plan import ordered, questions
from repro.report.verdicts import Evidence
from repro.runs.experiment import Experiment
from repro.runs.provenance import ROOT, here
from repro.runs.queue import Next, Queue, plan, work_off
from repro.runs.run import Request, missing, needs_a_choice


def queue_of(named: Collection[str], request: Request) -> tuple[Queue, str]:
    """What is requested of these experiments and missing; and a line that says whose rates its times have."""
    from experiments import all_claims

    everything, device = experiments(None), here()
    evidence, small = Evidence(read(request.results, request.profile), everything), request.profile == "quick"
    asked = [] if small else questions(all_claims(), evidence)
    whole = replace(request, only=())
    works = [
        work
        for name, experiment in everything.items()
        for work in missing(experiment, whole)
        if name in named or not small
    ]
    costs = Costs(_recorded(evidence.frame), small)
    planned, devices = ordered(works, asked, costs, device)
    wanted = [p for p in planned if p.work.experiment.name in named]
    wanted = [p for p in wanted if not request.only or p.work.variant in request.only]
    if not devices:
        return Queue(wanted), "no times are known: no run is recorded that they could be estimated from"
    said = f"times are estimates at the rates of {', '.join(sorted(devices))}"
    return Queue(wanted), said if device.name in devices else f"{said}: none are recorded on {device.name}"


def _recorded(frame: Frame) -> Frame:
    """The records that times are estimated from: of this folder and profile, or else what is committed."""
    others = (read(folder, "paper") for folder in (frame.folder, ROOT / "results"))
    return next((some for some in chain([frame], others) if "autoencoding" in set(some.runs.kind)), frame)


def show(named: Collection[str], request: Request, given: timedelta | None) -> None:
    """What is missing in the order of the queue: what fits into the time given, and what does not.

    Variants that settle the same take turns, seed by seed; the table has a row for each.
    """
    queue, said = queue_of(named, request)
    if not queue.waiting:
        console.print("nothing is missing")
        return
    words = [Column(name, overflow="fold", min_width=len(name)) for name in ("run", "seeds", "settles")]
    numbers = [Column(name, justify="right", min_width=len("0:00:00")) for name in ("time", "in all")]
    table, total = Table(*words, *numbers, box=SIMPLE, padding=(0, 1, 0, 0)), 0.0
    due = plan(queue, given.total_seconds() if given else math.inf)
    for settles, together in groupby(due, key=lambda each: each.planned.settles):
        for row in _by_variant(together):
            total += sum(each.seconds for each in row)
            reached = clock(total) if row[-1].fits else "begun"
            table.add_row(_name(row), _seeds(row), ", ".join(settles) or "–", _sum(row), reached)
    console.print(table)
    if given:
        console.print(_left(queue, f"does not fit into {clock(given.total_seconds())}"))
    console.print(said)


def _by_variant(due: Iterable[Next]) -> list[list[Next]]:
    """The programs of each variant, which take turns with those of the others."""
    rows: dict[tuple[str, str], list[Next]] = {}
    for each in due:
        rows.setdefault((each.planned.work.experiment.name, each.planned.work.variant), []).append(each)
    return list(rows.values())


def _name(row: list[Next]) -> str:
    return f"{row[0].planned.work.experiment.name}/{row[0].planned.work.variant}"


def _seeds(row: list[Next]) -> str:
    seeds = [seed for each in row for seed in each.planned.work.seeds]
    first, last = seeds[0], seeds[-1]
    whole = last - first + 1 == len(seeds) > 1
    shown = f"{first} to {last}" if whole else ", ".join(map(str, seeds))
    return f"rate, {shown}" if needs_a_choice(row[0].planned.work.config) else shown


def _sum(row: list[Next]) -> str:
    return clock(sum(each.seconds for each in row))


def work(named: Collection[str], request: Request, until: float) -> Iterable[tuple[Experiment, list[Path]]]:
    """Work until the time `until`, of `time.monotonic`; the experiments of which something was done, with the
    records of it.
    """
    queue, said = queue_of(named, request)
    console.print(f"{_runs(queue)} are missing, about {clock(queue.all_seconds())}; {said}")
    done: dict[str, tuple[Experiment, list[Path]]] = {}
    n_done, began = 0, time.monotonic()
    for planned, paths in work_off(queue, request, console, until):
        experiment = planned.work.experiment
        done.setdefault(experiment.name, (experiment, []))[1].extend(paths)
        n_done += len(paths)
    console.print(f"{_n_runs(n_done)} done in {clock(time.monotonic() - began)}")
    if queue.waiting:
        console.print(_left(queue, "left, and what it would cost here"))
        console.print("the same command goes on")
    return done.values()


def _left(queue: Queue, what: str) -> str:
    """What the queue holds, a line for each experiment."""
    if not queue.waiting:
        return f"{what}: nothing"
    lines = [f"{what}: {_runs(queue)}, {clock(queue.all_seconds())}"]
    for name in dict.fromkeys(planned.work.experiment.name for planned in queue.waiting):
        own = replace(queue, waiting=[p for p in queue.waiting if p.work.experiment.name == name])
        lines.append(f"  {name:<12} {_runs(own):>10}, {clock(own.all_seconds())}")
    return "\n".join(lines)


def _runs(queue: Queue) -> str:
    return _n_runs(sum(len(planned.work.seeds) for planned in queue.waiting))


def _n_runs(n: int) -> str:
    return "1 run" if n == 1 else f"{n} runs"


def clock(seconds: float) -> str:
    """As hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds))) if math.isfinite(seconds) else "unknown"
