"""What the figures read: tables and the records' arrays, or one line on how to make them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from repro.errors import RecordsMissingError, UserError
from repro.report.tables import arrays, groups, longest, tables_folder
from repro.runs.record import Record

SQUARED_ERROR = "test_squared_error"


class Shown(NamedTuple):
    """What a figure shows of a variant: its score over n seeds, and its lowest seed's arrays."""

    variant: str
    score: pd.Series  # the table's row: value, n, epochs, published, source, ...
    record: Record
    arrays: dict[str, np.ndarray]

    @property
    def sizes(self) -> list[int]:
        """Units of each layer, from an image's pixels to the code."""
        return [self.arrays["example_inputs"].shape[-1], *self.record.config["widths"]]

    @property
    def code_size(self) -> int:
        """Units of the code, or components."""
        config = self.record.config
        return config["widths"][-1] if "widths" in config else config["n_components"]

    @property
    def network(self) -> str:
        """The sizes as the paper writes them, such as 784-1000-500-250-30."""
        return "-".join(map(str, self.sizes))


def shown(results: Path, profile: str, experiment: str, variant: str, metric: str = SQUARED_ERROR) -> Shown:
    """The variant's longest run: its score and its pictures.

    Raises:
        UserError: if the variant has no records, or the table does not know them.
    """
    found = longest(groups(results / profile, experiment))
    require([variant], found, experiment, profile)
    group, table = found[variant], scores(results, profile, experiment, metric)
    of_table = table.loc[variant, ["epochs", "device", "n"]].to_list() if variant in table.index else None
    if of_table != [group.epochs, group.device, len(group.records)]:
        remedy = f"run `repro tables --profile {profile}`"
        raise UserError(f"{experiment}'s table is older than {variant}: {remedy}")
    pictures = arrays(group) if group.records[0].arrays else {}
    return Shown(variant, table.loc[variant], group.records[0], pictures)


def require(variants: Iterable[str], known: Container[str], experiment: str, profile: str) -> None:
    """See that a figure has what it needs.

    Raises:
        RecordsMissingError: if one of the variants is not known.
    """
    for variant in variants:
        if variant not in known:
            missing = f"{experiment} has no {profile} records of {variant}"
            raise RecordsMissingError(f"{missing}: {_remedy(experiment, profile)}")


def _remedy(experiment: str, profile: str) -> str:
    return f"run `repro run {experiment} --profile {profile}`, then `repro tables --profile {profile}`"


def scores(results: Path, profile: str, experiment: str, metric: str = SQUARED_ERROR) -> pd.DataFrame:
    """A metric of each variant's longest run (most epochs, then most seeds), by variant."""
    table = _read(results, profile, experiment, "")
    ordered = table[table.metric == metric].sort_values(["epochs", "n"], kind="stable").set_index("variant")
    return ordered[~ordered.index.duplicated(keep="last")].sort_index()


def curves(results: Path, profile: str, experiment: str) -> pd.DataFrame:
    """Scores of each variant's longest run against epochs and seconds, the seconds averaged over seeds."""
    table = _read(results, profile, experiment, "_curves")
    return table.assign(seconds=table.groupby(["variant", "epoch"]).seconds.transform("mean"))


def _read(results: Path, profile: str, experiment: str, kind: str) -> pd.DataFrame:
    path = tables_folder(results, profile) / f"{experiment}{kind}.csv"
    if not path.is_file():
        raise RecordsMissingError(f"{path} is missing: {_remedy(experiment, profile)}")
    return pd.read_csv(path)
