"""What the figures read: tables and the records' arrays, or one line on how to make them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from paper_figures.house import number
from repro.errors import UserError
from repro.records import Record
from repro.tables import arrays, groups, longest, tables_folder


class Shown(NamedTuple):
    """What a figure shows of a variant: its score over n seeds, and its lowest seed's arrays."""

    variant: str
    score: pd.Series  # the table's row: value, n, epochs, published, source, ...
    record: Record
    arrays: dict[str, np.ndarray]


def shown(results: Path, profile: str, experiment: str, variant: str) -> Shown:
    """The variant's longest run: its test squared error and its pictures.

    Raises:
        UserError: if the variant has no records, or the table does not know them.
    """
    found = longest(groups(results / profile, experiment))
    require([variant], found, experiment, profile)
    group, table = found[variant], scores(results, profile, experiment)
    of_table = table.loc[variant, ["epochs", "device", "n"]].to_list() if variant in table.index else None
    if of_table != [group.epochs, group.device, len(group.records)]:
        raise UserError(
            f"{experiment}'s table is older than {variant}: run `repro tables --profile {profile}`"
        )
    return Shown(variant, table.loc[variant], group.records[0], arrays(group))


def require(variants: Iterable[str], known: Container[str], experiment: str, profile: str) -> None:
    """See that a figure has what it needs.

    Raises:
        UserError: if one of the variants is not known.
    """
    for variant in variants:
        if variant not in known:
            remedy = (
                f"run `repro run {experiment} --profile {profile}`, then `repro tables --profile {profile}`"
            )
            raise UserError(f"{experiment} has no {profile} records of {variant}: {remedy}")


def scores(results: Path, profile: str, experiment: str) -> pd.DataFrame:
    """Test squared error of each variant's longest run (most epochs, then most seeds), by variant."""
    table = _read(results, profile, experiment, "")
    ordered = table[table.metric == "test_squared_error"].sort_values(["epochs", "n"], kind="stable")
    return ordered.drop_duplicates("variant", keep="last").set_index("variant").sort_index()


def curves(results: Path, profile: str, experiment: str) -> pd.DataFrame:
    """Scores of each variant's longest run against epochs and seconds, the seconds averaged over seeds."""
    table = _read(results, profile, experiment, "_curves")
    return table.assign(seconds=table.groupby(["variant", "epoch"]).seconds.transform("mean"))


def _read(results: Path, profile: str, experiment: str, kind: str) -> pd.DataFrame:
    path = tables_folder(results, profile) / f"{experiment}{kind}.csv"
    if not path.is_file():
        raise UserError(f"{path} is missing: `repro tables --profile {profile}` makes it")
    return pd.read_csv(path)


def in_print(score: pd.Series) -> str:
    """The published number of a row of the table, in parentheses; nothing if this project computed it.

    A question mark behind it: nobody has looked it up in its source.
    """
    if score.published != score.published or "(computed)" in score.source:
        return ""
    return f"({number(score.published)}{'?' if '(unconfirmed)' in score.source else ''})"
