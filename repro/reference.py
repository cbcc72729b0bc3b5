"""The papers' numbers: typed once in `results/` of the checkout, and carried in the wheel."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from repro.errors import UserError

CHECKOUT = Path(__file__).resolve().parents[1] / "results"
CARRIED = Path(__file__).resolve().parent / "reference_tables"  # in a wheel


def table(name: str) -> pd.DataFrame:
    """One of `published.csv`, `published_speeds.csv` and `machines.csv`, whole.

    Raises:
        UserError: if it is missing.
    """
    for folder in (CHECKOUT, CARRIED):
        if (folder / name).is_file():
            return pd.read_csv(folder / name, encoding="utf-8")
    raise UserError(f"{CHECKOUT / name} is missing: restore it with `git checkout -- results/{name}`")
