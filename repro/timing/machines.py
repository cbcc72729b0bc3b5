"""The machines that the papers computed on, and the speeds they printed: results/machines.csv and
results/published_speeds.csv, typed once.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from repro.reference import table


class Machine(NamedTuple):
    """A row of machines.csv; rates in GFLOP/s, 0 where nobody knows them."""

    name: str
    year: int
    peak_gflops: float
    sustained_gflops: float
    sure: str
    source: str


def machines() -> list[Machine]:
    """Every row."""
    typed = table("machines.csv").astype({"peak_gflops": float, "sustained_gflops": float}).fillna(0.0)
    return [Machine(*row) for row in typed.itertuples(index=False)]


def of_2006() -> list[Machine]:
    """Those with which the operations of a run are converted into days of 2006, the slowest first."""
    theirs = [machine for machine in machines() if machine.year == 2006 and machine.sustained_gflops > 0]
    return sorted(theirs, key=lambda machine: machine.sustained_gflops)


def published_speeds() -> pd.DataFrame:
    """Every row: key, artefact, machine, visible, hidden, metric, value, sure."""
    return table("published_speeds.csv")
