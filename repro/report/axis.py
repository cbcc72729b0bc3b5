"""Every run that came to a paper's error on one axis of time, from seconds to years: what each machine took,
measured, or what one of 2006 would have taken, computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from repro.report import recipe
from repro.report.eras import DAYS, in_2006, not_reached, published_runs, rates, rates_of_today, to_target
from repro.report.frame import Frame, select
from repro.timing.conversion import DAY, REFERENCE, rates_of_2006

MINUTE, HOUR, YEAR = 60, 3600, 365 * DAY  # seconds
TICKS = {"1 s": 1, "1 min": MINUTE, "1 h": HOUR, "1 day": DAY, "1 month": 30 * DAY, "1 year": YEAR}
MARKS = {"an afternoon": 4 * HOUR, "a week": 7 * DAY, "a PhD": 4 * YEAR}
WHOLE, IN_PRINT = "the whole recipe", "in print"
BUSY = ", busy"  # the machine, with other work: the time is too long
STARTS = {"pretrained": "pretrained", IN_PRINT: IN_PRINT, WHOLE: WHOLE}  # all others are random


class Span(NamedTuple):
    """What a run, or several, take on a machine."""

    machine: str
    measured: bool  # else computed from the operations
    data: str
    arm: str
    start: str
    seeds: str  # how many came there
    seconds: float  # mean over the seeds that came to the target; NaN if none did
    low: float  # of the seeds
    high: float
    said: str
    paths: tuple[str, ...]  # of the records


def spans(frame: Frame, experiments: Mapping[str, Any]) -> list[Span]:
    """All of them: machines of 2006 first, then one core of today's, then what was measured."""
    of_machines, of_runs = rates(frame), to_target(frame, experiments)
    timed = select(of_machines, variant=REFERENCE.variant, metric="gflops")
    today = rates_of_today(timed)
    then = in_2006(of_runs, published_runs(experiments), rates_of_2006() + today)
    of_rate = {rate.name: path for rate, path in zip(today, timed.path, strict=True)}
    whole = recipe.times(frame, experiments)
    measured = sorted([*_to_target(of_runs), *_whole(whole)], key=lambda span: span.machine)
    return [*_computed(then, of_rate), *measured]


def _computed(then: pd.DataFrame, of_rate: Mapping[str, str]) -> Iterator[Span]:
    """Operations over the rate of a machine; `of_rate` has the records of those rates that were measured."""
    for column in [name for name in then.columns if name.startswith(DAYS)]:
        machine = column.removeprefix(DAYS)
        own = (of_rate[machine],) if machine in of_rate else ()
        for row in then.to_dict("records"):
            seconds = row[column] * DAY
            about = machine, False, row["data"], _arm(row), _start(row["start"]), "–"
            yield Span(*about, seconds, np.nan, np.nan, duration(seconds), row["paths"] + own)


def _to_target(of_runs: pd.DataFrame) -> Iterator[Span]:
    for row in of_runs.to_dict("records"):
        said = not_reached(pd.Series(row))
        if row["reached"]:
            ends = [duration(row[end]) for end in ("low", "high")]
            said = duration(row["seconds"]) + (f" ({' to '.join(ends)})" if row["reached"] > 1 else "")
            said += BUSY if row["busy"] else ""
        about = row["device"], True, row["data"], _arm(row), _start(row["start"])
        numbers = row["seconds"], row["low"], row["high"]
        yield Span(*about, f"{row['reached']} of {row['n']}", *numbers, said, row["paths"])


def _whole(times: pd.DataFrame) -> Iterator[Span]:
    """The recipe of 2006 at full length, everything counted in."""
    for row in times.to_dict("records"):
        said = f"{duration(row['total'])} for all seeds" + (BUSY if row["busy"] else "")
        about = row["device"], True, row["data"], _arm(row), WHOLE
        yield Span(*about, f"{row['n']} of {row['n']}", row["total"], np.nan, np.nan, said, row["paths"])


def _arm(row: Mapping[Any, Any]) -> str:
    return f"{row['experiment']}: {row['variant']}"


def _start(name: str) -> str:
    return STARTS.get(name, f"random ({name})")


def duration(seconds: float) -> str:
    """In the largest unit of which there is at least one."""
    for unit, size in (("years", YEAR), ("days", DAY), ("hours", HOUR), ("minutes", MINUTE)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
