"""The papers' numbers: typed once in `results/` of the checkout, and carried in the wheel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from repro.errors import UserError

CHECKOUT = Path(__file__).resolve().parents[1] / "results"
CARRIED = Path(__file__).resolve().parent / "reference_tables"  # in a wheel
COLUMNS = {
    "published.csv": "key artefact experiment variant metric value sure",
    "published_speeds.csv": "key artefact machine visible hidden metric value sure",
    "machines.csv": "name year peak_gflops sustained_gflops sure source",
}
NUMBERS = {"value", "visible", "hidden", "year", "peak_gflops", "sustained_gflops"}  # others are words
UNKNOWN = {"visible", "hidden", "peak_gflops", "sustained_gflops"}  # may be left empty
ALONE = {
    "published.csv": ["experiment", "variant", "metric"],
    "machines.csv": ["name"],
}  # no two rows have these


def table(name: str) -> pd.DataFrame:
    """One of `published.csv`, `published_speeds.csv` and `machines.csv`, whole.

    Raises:
        UserError: if it is missing, or not as it is to be typed.
    """
    for folder in (CHECKOUT, CARRIED):
        if (folder / name).is_file():
            return _read(folder / name)
    raise UserError(f"{CHECKOUT / name} is missing: restore it with `git checkout -- results/{name}`")


def _read(path: Path) -> pd.DataFrame:
    try:
        found = pd.read_csv(path, encoding="utf-8")
    except (OSError, ValueError) as error:  # a ParserError is one, and so is what is no UTF-8
        found, wrong = pd.DataFrame(), " ".join(str(error).split())
    else:
        wrong = _wrong(found, path.name)
    if wrong:
        raise UserError(f"{path}: {wrong}: mend it, or restore it with `git checkout -- results/{path.name}`")
    return found


def _wrong(found: pd.DataFrame, name: str) -> str:
    """What is wrong with a table; empty if nothing is."""
    if not isinstance(found.index, pd.RangeIndex):
        return "a row has more cells than there are columns"
    if list(found.columns) != COLUMNS[name].split():
        return f"its columns must be {COLUMNS[name].replace(' ', ',')}"
    if found.empty:
        return "it has no rows"
    for column, values in found.items():
        if column in NUMBERS and not (is_numeric_dtype(values) and not np.isinf(values).any()):
            return f"{column} must be numbers"
        if column not in UNKNOWN and values.isna().any():
            return f"{column} is empty in row {int(values.isna().argmax()) + 1}"
    again = found.duplicated(ALONE.get(name))
    return f"row {int(again.argmax()) + 1} is there twice" if again.any() else ""
