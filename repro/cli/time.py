"""`repro time`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Column, Table

from repro.cli.options import For, Profile, Results, chosen, console
from repro.errors import StoppedError


def time_machine(
    profile: Profile = "quick",
    results: Results = Path("results"),
    lane: Annotated[
        str | None,
        typer.Option(help="Parts of the machine, such as gpu,1core; there are 1core, cpu and gpu."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only layers of these sizes, such as 784x1000; may be repeated.")
    ] = None,
    given: For = None,
) -> None:
    """Time this machine: CD-1 and backprop, by JAX, the program of 2006 and other people's, and CD-1 of
    convolutional RBMs, on one core, on all, and on a GPU if JAX sees one. On two cores quick takes under two
    minutes, paper a quarter of an hour.

    Example: repro time
    """
    from repro.timing.subject import PARTS, named

    parts = list(chosen(lane.split(",") if lane else None, dict.fromkeys(PARTS), "lane"))
    from repro.runs.experiment import check_profile
    from repro.timing.plan import LENGTHS, groups
    from repro.timing.ranking import rates, standing
    from repro.timing.rates import EXPERIMENT, time_rates, took

    check_profile(profile)
    _, *of_sizes = groups(LENGTHS[profile], PARTS, ())
    sizes = chosen(only, dict.fromkeys(named(group[0].sizes) for group in of_sizes), "size")
    began, limit = time.perf_counter(), given.total_seconds() if given else math.inf
    try:
        records = time_rates(profile, results, console, parts, limit, sizes)
    except KeyboardInterrupt as stopped:
        kept = f"what was timed is in {results / profile / EXPERIMENT}"
        raise StoppedError(f"stopped; {kept}; the same command times everything anew") from stopped
    for title, (first, *others), rows in (*rates(records), *standing(records)):
        columns = [Column(name, justify="right") for name in others]
        table = Table(first, *columns, title=title, title_justify="left", box=SIMPLE)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"{took(records, began)}, in {results / profile / EXPERIMENT}")
    console.print(f"`repro tables --profile {profile} --results {results}` makes their tables")
