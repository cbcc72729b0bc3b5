"""The queue: programs whose records are missing, one after another, for as long as there is time."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from repro.errors import DataUnavailableError, DeviceMemoryError, DivergedError, OutOfTimeError
from repro.runs.run import Request, Session, Tally, Work, chosen, loader, records


class Planned(NamedTuple):
    """A program, what its records settle, and about how long it takes here."""

    work: Work
    settles: tuple[str, ...]
    parts: Mapping[Hashable, float]  # seconds by what they go to; programs that share a part pay for it once
    first: float  # seconds until its first checkpoint


class Next(NamedTuple):
    """The program that is due."""

    planned: Planned
    seconds: float  # estimated; NaN: not known
    fits: bool  # whether it will be finished in time; else it is begun, and leaves a checkpoint


@dataclass
class Queue:
    """What is left to do, the most valuable first."""

    waiting: list[Planned]
    paid: set[Hashable] = field(default_factory=set)  # parts that programs have done

    def seconds(self, planned: Planned) -> float:
        """What is left of a program, the parts that others have done and earlier processes left out."""
        total = sum(seconds for part, seconds in planned.parts.items() if part not in self.paid)
        return max(total - planned.work.spent, min(planned.first, total))

    def next(self, left: float) -> Next | None:
        """What to start with so many seconds left: the first that will be finished, else the first that will
        at least leave a checkpoint; None if there is none.
        """
        for planned in self.waiting:
            if (seconds := self.seconds(planned)) <= left or left == math.inf:
                return Next(planned, seconds, fits=True)
        for planned in self.waiting:
            if not planned.first > left and left > 0:
                return Next(planned, self.seconds(planned), fits=False)
        return None

    def take(self, planned: Planned) -> None:
        """It has been done."""
        self.waiting.remove(planned)
        self.paid |= planned.parts.keys()

    def all_seconds(self) -> float:
        """Of everything that is waiting, what is shared done once; what is not known left out, and NaN if
        nothing is known.
        """
        parts = {part: s for planned in self.waiting for part, s in planned.parts.items() if s == s}
        if self.waiting and not parts:
            return math.nan
        spent = sum(planned.work.spent for planned in self.waiting)
        return max(0.0, sum(s for part, s in parts.items() if part not in self.paid) - spent)


def plan(queue: Queue, seconds: float) -> Iterator[Next]:
    """What the queue would do in so many seconds, if its estimates were exact; what would be done is taken
    out of it, and what would only be begun comes last.
    """
    while (due := queue.next(seconds)) is not None:
        yield due
        if not due.fits:
            return
        queue.take(due.planned)
        seconds -= due.seconds if seconds < math.inf else 0.0


def work_off(
    queue: Queue, request: Request, console: Console, until: float
) -> Iterator[tuple[Planned, list[Path]]]:
    """Do what can be done until the time `until`, of `time.monotonic`, and give each program that is done
    with its records; what takes longer than estimated makes all further estimates longer.

    What cannot be had is said and left out.
    """
    load, estimated, took, tally = loader(request), 0.0, 0.0, Tally(len(queue.waiting))
    begun: list[Planned] = []
    while (
        due := queue.next((until - time.monotonic()) / max(1.0, took / (estimated or math.inf)))
    ) is not None:
        experiment, variant, config, seeds, _ = due.planned.work
        session, began = Session(experiment, request, load, console, until, tally), time.monotonic()
        try:
            paths = records(session, variant, chosen(session, variant, config), seeds)
        except OutOfTimeError:
            queue.waiting.remove(due.planned)
            spent = due.planned.work.spent + time.monotonic() - began
            begun.append(due.planned._replace(work=due.planned.work._replace(spent=spent)))
            continue
        except DataUnavailableError as error:
            console.print(f"the queue goes on without {config.data}: {error}", markup=False)
            queue.waiting = [other for other in queue.waiting if other.work.config.data != config.data]
            continue
        except (DeviceMemoryError, DivergedError) as error:
            console.print(f"the queue goes on without {experiment.name}/{variant}: {error}", markup=False)
            same = experiment.name, variant
            queue.waiting = [p for p in queue.waiting if (p.work.experiment.name, p.work.variant) != same]
            continue
        queue.take(due.planned)
        if not math.isnan(due.seconds):
            estimated, took = estimated + due.seconds, took + time.monotonic() - began
        yield due.planned, paths
    queue.waiting += begun
