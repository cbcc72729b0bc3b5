"""Classifiers: a row for each arm, with the test error of every seed, their mean, and the published one."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import of_run, require, scores
from paper_figures.style.wording import about, in_print, number, query
from repro.report.fairness import CHOSEN, judged
from repro.report.frame import Frame, select

ERROR = "test_error_percent"
NAME = "test error (%)"
LEARNT = ("pretrained", "autoencoders", "supervised")  # layers before the network
COLUMNS = {"mean": 38, "": 43, "(published)": 88, "n": 106}  # where they end behind the axes, in points
BELOW = 0.28  # of a row: where the dots of the seeds are
FINE = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 8)  # ticks where the errors lie near together
BARS = "bars: 95 % interval over seeds"
TICKS = "grey, in parentheses: published"
STAR = "*: the rate was not chosen as fairness asks"


@house.style()
def draw(frame: Frame, experiment: str, bound: float | None = None) -> Figure:
    """Draw the arms of an experiment: first those from random weights, of each kind the best first; and,
    dotted, an error that is asked of them.
    """
    rows = select(frame.rows, experiment=experiment, metric=ERROR)
    table = scores(frame, ERROR, among=rows).sort_values("value", kind="stable")
    require(frame, table, experiment, "any arm")
    random = ~table.start.isin(LEARNT)
    groups = {"from random weights": table[random], "from layers that had learnt before": table[~random]}
    groups = {name: own for name, own in groups.items() if len(own)}
    sizes = [len(own) for own in groups.values()]
    figure = Figure(figsize=(6.5, 0.8 + 0.3 * len(groups) + 0.21 * len(table)), layout="constrained")
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
    unfair = _unfair(frame)
    for axes, (name, own) in zip(panels, groups.items(), strict=True):
        axes.set_title(name, loc="left")
        _panel(axes, frame, own, rows, unfair)
        if bound is not None:
            axes.axvline(bound, ls=":", lw=0.8, color=house.GREY, zorder=0)
    ends = pd.concat([rows.value, table.low, table.high, table.published, pd.Series([bound])]).astype(float)
    ends = ends[ends > 0]
    lines.scale_errors(panels[-1], ends, along="x")
    if ends.max() < 3 * ends.min():
        panels[-1].xaxis.set_major_locator(LogLocator(subs=FINE))
    for column in COLUMNS:
        _write(panels[0], -0.9, column, column, color=house.GREY)
    panels[-1].set_xlabel(NAME)
    said = [BARS if (table.n > 1).any() else "", TICKS if table.published.notna().any() else ""]
    said += [f"dotted: {bound:g} %" if bound else "", query(table)]
    said += [STAR if table.path.isin(unfair).any() else ""]
    house.head(figure, frame, about(table, *said))
    return figure


def _panel(axes: Axes, frame: Frame, table: pd.DataFrame, rows: pd.DataFrame, unfair: set[str]) -> None:
    """A row for each score, the first above."""
    for y, score in enumerate(table.itertuples()):
        look = {"color": arms.colour(score), "gid": score.variant}
        seeds = of_run(rows, score).value
        axes.plot(seeds, [y + BELOW] * len(seeds), "o", ms=2.5, mew=0, alpha=0.6, **look)
        axes.plot([score.low, score.high], [y, y], lw=1.2, **look)
        axes.plot([score.value], [y], arms.marker(score), ms=5, mew=0, **look)
        tick = {"ms": 11, "mew": 1.5, "zorder": 1} | look | {"color": house.GREY}
        axes.plot([score.published], [y], "|", **tick)
        star = "*" if score.path in unfair else ""
        row = number(score.value), star, in_print(score), str(score.n)
        for column, text in zip(COLUMNS, row, strict=True):
            _write(axes, y, column, text)
    axes.set(ylim=(len(table) - 0.5, -0.5), yticks=range(len(table)))
    axes.set_yticklabels([arms.label(score) + dropout(frame, score) for score in table.itertuples()])
    for name, score in zip(axes.get_yticklabels(), table.itertuples(), strict=True):
        name.set(color=arms.colour(score), gid=score.variant)
    axes.tick_params(axis="y", length=0)


def _write(axes: Axes, y: float, column: str, text: str, **how: Any) -> None:
    """Into a column behind the axes."""
    place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "annotation_clip": False}
    axes.annotate(text, (1, y), (COLUMNS[column], 0), ha="right", va="center_baseline", **place, **how)


def dropout(frame: Frame, run: Any) -> str:
    """The word, after a comma, of a run that has it."""
    return ", dropout" if frame.record(run.path).config.get("dropout") else ""


def _unfair(frame: Frame) -> set[str]:
    """The records of runs whose rate was not chosen as fairness asks."""
    runs = judged(frame)
    return set(runs.path[~runs.tuning.isin(["", CHOSEN])])
