"""`repro time`."""

from __future__ import annotations

import time
from pathlib import Path

from rich.box import SIMPLE
from rich.table import Column, Table

from repro.cli.options import Profile, Results, console


def time_machine(profile: Profile = "quick", results: Results = Path("results")) -> None:
    """Time this machine: CD-1 and backprop, by JAX, the program of 2006 and other people's, on one core, on
    all, and on a GPU if JAX sees one. On two cores quick takes under two minutes, paper a quarter of an hour.

    Example: repro time
    """
    from repro.runs.experiment import check_profile
    from repro.runs.record import load_record
    from repro.timing.ranking import rates, standing
    from repro.timing.rates import time_rates, took

    check_profile(profile)
    began = time.perf_counter()
    paths = time_rates(profile, results, console)
    records = [load_record(path) for path in paths]
    for title, columns, rows in (rates(records), standing(records)):
        first, *others = columns
        table = Table(Column(first, no_wrap=True), *others, title=title, box=SIMPLE)
        for row in rows:
            table.add_row(*row)
        console.print(table)
    console.print(f"{took(paths, began)}, in {results / profile / 'eras'}")
