"""Frame + published.csv -> tidy CSV and Markdown of each experiment; generated, and checked for staleness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from repro import reference
from repro.errors import UserError
from repro.evaluation.intervals import interval
from repro.report.fairness import judged
from repro.report.frame import DIVERGED, RUN, Frame, curves, shown
from repro.runs.provenance import ROOT

COLUMNS = ["experiment", "variant", "kind", "metric", "value", "low", "high", "n", "pretraining", "epochs"]
COLUMNS += ["updates", "tuning", "precision", "device", "published", "source"]
CURVES = ["train_squared_error", "test_squared_error"]
CURVE_COLUMNS = ["experiment", "variant", "seed", "device", "load_per_core", "epoch", "updates", "flops"]
CURVE_COLUMNS += ["seconds", *CURVES]
ROW = [
    "experiment",
    "variant",
    "kind",
    "pretraining",
    "epochs",
    "precision",
    "device",
]  # what tells runs apart for a reader
# metrics that say how it learnt, and not what came of it
SETTINGS = re.compile("learning_rate|weight_decay|momentum|dropout|sparsity|n_epochs|inverse_penalty_.*")


def build(frame: Frame, experiments: Mapping[str, Any]) -> dict[Path, str]:
    """Every experiment's tables, by path.

    Raises:
        UserError: if two runs could not be told apart.
    """
    table, folder = tidy(frame, read_published()), tables_folder(frame.folder, frame.profile)
    against_time = learning_curves(frame)
    contents = {}
    for name, experiment in experiments.items():
        rows, points = table[table.experiment == name], against_time[against_time.experiment == name]
        if rows.empty:
            continue
        made = csv(rows), csv(points), markdown(rows, name, _note(frame, experiment), experiment.scores)
        contents |= dict(zip(pages(folder, [name]), made, strict=True))
    return contents


def pages(folder: Path, experiments: Iterable[str]) -> list[Path]:
    """The files of each experiment, whether they are there or not."""
    ends = (".csv", "_curves.csv", ".md")
    return [folder / f"{stem(name)}{end}" for name in experiments for end in ends]


def stem(experiment: str) -> str:
    """What an experiment's tables are called; "answer" is the name of the table that answers the question."""
    return "answer_runs" if experiment == "answer" else experiment


def csv(table: pd.DataFrame) -> str:
    """As a file: numbers to seven digits."""
    return table.to_csv(index=False, float_format="%.7g")


def tidy(frame: Frame, published: pd.DataFrame) -> pd.DataFrame:
    """One row per run and metric: mean over seeds, the published value; where it is an outcome, and was not
    drawn or chosen, its 95 % t-interval.
    """
    return summed(frame, published)[COLUMNS]


def summed(frame: Frame, published: pd.DataFrame) -> pd.DataFrame:
    """The same, with the identity of the run and `paths`, where its records are.

    Raises:
        UserError: if two runs could not be told apart, such as of an older configuration.
    """
    runs = judged(frame)
    check_unambiguous(runs)
    rows = frame.rows.merge(runs[["path", "tuning"]], on="path").sort_values([*ROW, "seed"], kind="stable")
    rows = rows[rows.value.notna() | (rows.metric != DIVERGED)]  # of the other seeds there is no such epoch
    by = [*RUN, "pretraining", "epochs", "tuning", "precision", "metric"]
    table = rows.groupby(by, dropna=False, sort=False).agg(
        value=("value", lambda values: values.mean(skipna=False)),
        low=("value", lambda values: interval(values.to_numpy(float))[0]),
        high=("value", lambda values: interval(values.to_numpy(float))[1]),
        n=("value", "size"),
        updates=("updates", "first"),
        paths=("path", tuple),
    )
    of_settings = table.index.get_level_values("metric").str.fullmatch(SETTINGS)
    table.loc[of_settings, ["low", "high"]] = float("nan")
    theirs = published.assign(source=published.key + ", " + published.artefact + " (" + published.sure + ")")
    theirs = theirs.rename(columns={"value": "published"})
    return table.reset_index().merge(
        theirs, how="left", on=["experiment", "variant", "metric"], validate="many_to_one"
    )


def check_unambiguous(runs: pd.DataFrame) -> None:
    """Refuse two runs that a table could not tell apart.

    Raises:
        UserError: naming a file of each.
    """
    first = runs.drop_duplicates(RUN)
    for _, same in first[first.kind != "tuning"].groupby(ROW, dropna=False):
        if len(same) > 1:
            paths = " and ".join(same.path[:2])
            raise UserError(f"{paths} would share a row: remove the outdated one")


def learning_curves(frame: Frame) -> pd.DataFrame:
    """Squared errors against epochs, operations and seconds, pretraining included, of the run that stands for
    each variant: one row per seed and report; epoch 0 is the network before fine-tuning.
    """
    runs = frame.runs[frame.runs.kind == "autoencoding"]
    runs = shown(runs).sort_values(["experiment", "variant", "seed"], kind="stable")
    return curves(frame, runs, CURVES)[CURVE_COLUMNS]


def markdown(table: pd.DataFrame, title: str, note: str, first: Iterable[str] = ()) -> str:
    """The tidy table for reading: one section per metric, these before all others."""
    sections, found = [f"# {title}\n\n{note}\n"], [*table.metric.unique()]
    for metric in dict.fromkeys([*(name for name in first if name in found), *found]):
        sections.append(f"## {metric}\n\n{readable(table[table.metric == metric])}\n")
    return "\n".join(sections)


def worded(rows: pd.DataFrame) -> pd.DataFrame:
    """*ours | interval | n | published | difference*, the difference in percent of the published value."""
    comparable = ~rows.source.str.contains("other scale", na=False)
    difference = 100 * (rows.value / rows.published.where(comparable) - 1)
    return pd.DataFrame(
        {
            "variant": rows.variant + (rows.kind == "tuning").map({True: ", choice of rate", False: ""}),
            "ours": ["diverged" if v != v else number(v) for v in rows.value],
            "95 % interval": [
                f"{number(a)} to {number(b)}" if a == a else "–"
                for a, b in zip(rows.low, rows.high, strict=True)
            ],
            "n": rows.n,
            "pretraining": rows.pretraining.replace("", "–"),
            "epochs": rows.epochs.astype(object).mask(rows.kind == "convolutional networks", "drawn"),
            "updates": ["–" if pd.isna(n) else f"{n:.0f}" for n in rows.updates],
            "tuning": rows.tuning.replace("", "–"),
            "published": rows.published.map(number),
            "difference": [f"{round(d, 1) + 0.0:+.1f} %" if d == d else "–" for d in difference],
            "source": rows.source.fillna("–"),
            "precision": rows.precision.replace("", "–").fillna("–"),
            "device": rows.device,
        }
    )


def readable(rows: pd.DataFrame) -> str:
    """The same as Markdown."""
    return worded(rows).to_markdown(index=False, disable_numparse=True)


def number(value: float) -> str:
    """Two decimals, or four significant digits of what is smaller than one or very large."""
    if value != value:
        return "–"
    return f"{value:.2f}" if value == 0 or 1 <= abs(value) < 1e5 else f"{value:.4g}"


def tables_folder(results: Path, profile: str) -> Path:
    """results/tables for committed evidence; the quick profile's stay with its records."""
    return results / "tables" if profile == "paper" else results / profile / "tables"


def figures_folder(results: Path, profile: str) -> Path:
    """paper_figures/out for pictures of the committed records; all others stay beside their own records."""
    committed = profile == "paper" and results.resolve() == ROOT / "results"
    return ROOT / "paper_figures" / "out" if committed else results / profile / "figures"


def read_published() -> pd.DataFrame:
    """The papers' numbers."""
    return reference.table("published.csv")


def _note(frame: Frame, experiment: Any) -> str:
    small = "**Quick profile: small data, few epochs; not evidence.** " if frame.small else ""
    return (
        f"{small}{experiment.claim} [{experiment.artefact}]. Generated by `repro tables`; columns are "
        "explained in results/README.md. *ours* is the mean over n seeds; one seed has no interval, nor has "
        "what was drawn or chosen."
    )
