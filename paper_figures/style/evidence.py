"""What the figures show, from the frame: scores and pictures of the same run, or one line on how to get
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from repro.errors import RecordsMissingError, UserError
from repro.evaluation.intervals import interval
from repro.report.frame import RUN, Frame, select, shown
from repro.report.tables import read_published

ERROR = "test_squared_error"
BEFORE = f"{ERROR}_before"
VARIANT = ("experiment", "variant")


class Picture(NamedTuple):
    """What a figure shows of a run: its score over n seeds, and the arrays of its lowest seed."""

    score: Any  # a row of `scores`
    arrays: dict[str, np.ndarray]


def scores(
    frame: Frame, metric: str = ERROR, by: tuple[str, ...] = VARIANT, *, among: pd.DataFrame | None = None
) -> pd.DataFrame:
    """A row for each variant, or whatever `by` tells apart, of the run that stands for it: the facts of its
    lowest seed; `value`, the mean of the metric over its n seeds; `low` and `high`, its 95 % interval; the
    published number and how sure it is. `among`: of the frame's rows only these.
    """
    rows = frame.rows if among is None else among
    rows = shown(rows[rows.metric == metric], by).sort_values("seed", kind="stable")
    found = []
    for _, seeds in rows.groupby(RUN, dropna=False, sort=False):
        values = seeds.value.to_numpy(float)
        low, high = interval(values)
        about = seeds.iloc[0].to_dict()
        found.append(about | {"value": values.mean(), "low": low, "high": high, "n": len(values)})
    table = pd.DataFrame(found, columns=[*rows.columns, "low", "high", "n"]).astype({"n": int})
    theirs = read_published().rename(columns={"value": "published"}).drop(columns=["artefact"])
    joined = table.merge(theirs, how="left", on=["experiment", "variant", "metric"])
    joined = joined.assign(sure=joined.sure.fillna(""))
    return joined.sort_values([*VARIANT], kind="stable", ignore_index=True)


def pictured(frame: Frame, table: pd.DataFrame) -> list[Picture]:
    """The rows of a table of scores with the arrays of the same run's lowest seed; {} if it kept none."""
    return [Picture(score, frame.arrays(score.path)) for score in table.itertuples()]


def runs_of(frame: Frame, table: pd.DataFrame) -> pd.DataFrame:
    """The runs, every seed, that the rows of a table of scores are of."""
    return frame.runs.merge(table[RUN].drop_duplicates(), on=RUN)


def of_run(rows: pd.DataFrame, score: Any) -> pd.DataFrame:
    """Of some runs' rows those of the run that a score is of."""
    return select(rows, **{name: getattr(score, name) for name in RUN})


def of_variants(frame: Frame, experiment: str, variants: list[str], metric: str = ERROR) -> pd.DataFrame:
    """The scores of an experiment's variants of these names, in this order, as far as they have been run.

    Raises:
        RecordsMissingError: if none has.
    """
    table = select(scores(frame, metric), experiment=experiment)
    table = table[table.variant.isin(variants)]
    require(frame, table, experiment, f"any of {', '.join(variants)}")
    order = {name: i for i, name in enumerate(variants)}
    return table.sort_values("variant", key=lambda names: names.map(order), ignore_index=True)


def not_run(table: pd.DataFrame, variants: list[str]) -> str:
    """Which of the variants the table lacks, for the line of the figure."""
    lacking = [name for name in variants if name not in set(table.variant)]
    return f"not run: {', '.join(lacking)}" if lacking else ""


def require(frame: Frame, rows: pd.DataFrame, experiment: str, what: str, fewest: int = 1) -> None:
    """See that a figure has what it cannot be drawn without.

    Raises:
        RecordsMissingError: if there are fewer rows.
    """
    if len(rows) < fewest:
        missing = f"{frame.folder / frame.profile} has no records of {what} of {experiment}"
        raise RecordsMissingError(f"{missing}: run `{command(frame, f'run {experiment}')}`")


def command(frame: Frame, verb: str) -> str:
    """The command that makes what is missing, where it is missing."""
    place = "" if frame.folder == Path("results") else f" --results {frame.folder}"
    return f"repro {verb} --profile {frame.profile}{place}"


def same_images(pictures: list[Picture]) -> None:
    """See that all were shown the same images.

    Raises:
        UserError: if not.
    """
    first = pictures[0]
    for other in pictures[1:]:
        if not np.array_equal(other.arrays["example_inputs"], first.arrays["example_inputs"]):
            raise UserError(
                f"{other.score.variant} and {first.score.variant} were not shown the same images: "
                f"run {other.score.experiment} again"
            )
