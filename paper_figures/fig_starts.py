"""What could be trained, and what could not: start by optimiser, on the deep network of curves.

Each cell is the test squared error at the end of the longest run of that start with that optimiser, of the
best of the learning rates that were run, which favours the cell. Below it, as budgets differ: the
operations of that run in 10¹², pretraining included; and n, where it is not 1. The colour is logarithmic,
from the mean image (nothing learnt) down. Light grey cells have not been run. What to look for: whole rows
that no optimiser of the time rescues, and whole rows that almost any does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator

from paper_figures.style import arms, house
from paper_figures.style.eras import NETWORKS
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import INPUTS, about, number
from repro.report.frame import Frame, select

DATA = "curves"
EXPERIMENTS = ("direct", "untrainable", DATA)
STARTS = {  # and scale
    ("gaussian", 0.1): "N(0, .1²)  2006",
    ("gaussian", 0.01): "N(0, .01²)  2006",
    ("fan-in", 1.0): "1/√fan-in  1998",
    ("glorot", 1.0): "Glorot  2010",
    ("sparse", 1.0): "sparse  2010",
    ("he", 1.0): "He, ReLU or GELU  2015",
    ("pretrained", 0.1): "pretrained  2006",
}
NOT_RUN = "#eeeeee"
FEWEST = 5  # cells


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile.

    Raises:
        RecordsMissingError: if fewer cells have been run than make a picture.
    """
    cells = best(frame)
    require(frame, cells, "direct", f"{FEWEST} cells on {DATA}", FEWEST)
    figure = Figure(figsize=(6.5, 3.7), layout="constrained")
    axes = figure.subplots()
    _grid(figure, axes, cells)
    network = f"{INPUTS[DATA]}-{NETWORKS[DATA]}"
    note = "upper number: test squared error, lower: operations in 10¹²; grey: not run"
    house.head(figure, frame, about(cells, network, note))
    return figure


def best(frame: Frame) -> pd.DataFrame:
    """The cells: of each start and optimiser the run with the lowest error."""
    rows = select(frame.rows, kind="autoencoding", data=DATA, widths=NETWORKS[DATA])
    found = scores(frame, among=rows[rows.experiment.isin(EXPERIMENTS)])
    found["row"] = [*zip(found.start, found.start_scale, strict=True)]
    found["column"] = [arms.optimiser(run) for run in found.itertuples()]
    found = found[found.row.isin([*STARTS])].sort_values("value", kind="stable")
    return found.drop_duplicates(["row", "column"], ignore_index=True)


def _grid(figure: Figure, axes: Axes, cells: pd.DataFrame) -> None:
    rows, columns = [*STARTS], [*arms.OPTIMISERS]
    errors = np.full((len(rows), len(columns)), np.nan)
    norm = LogNorm(0.9 * cells.value.min(), max(cells.value.max(), 1.01 * cells.value.min()))
    for cell in cells.itertuples():
        errors[rows.index(cell.row), columns.index(cell.column)] = cell.value
    axes.add_patch(Rectangle((-0.5, -0.5), len(columns), len(rows), color=NOT_RUN, zorder=0))
    shown = axes.imshow(np.ma.masked_invalid(errors), norm=norm, cmap="viridis_r", aspect="auto")
    for cell in cells.itertuples():
        place = columns.index(cell.column), rows.index(cell.row)
        look = {"color": _readable(shown.to_rgba(cell.value)), "size": 6.5, "gid": cell.variant}
        axes.text(*place, _words(cell), ha="center", va="center", **look)
    axes.set_xticks(range(len(columns)), arms.OPTIMISERS.values())
    axes.set_yticks(range(len(rows)), STARTS.values())
    axes.set_xticks(np.arange(0.5, len(columns) - 1), minor=True)
    axes.set_yticks(np.arange(0.5, len(rows) - 1), minor=True)
    axes.grid(which="minor", color="white", lw=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(shown, ax=axes, label="test squared error", pad=0.02)
    ticks = (1, 2, 5) if norm.vmax > 10 * norm.vmin else (1, 1.2, 1.5, 2, 3, 5, 7)
    bar.ax.yaxis.set(major_locator=LogLocator(subs=ticks), minor_locator=NullLocator())
    bar.ax.yaxis.set_major_formatter("{x:g}")


def _words(cell: Any) -> str:
    more = f", n {cell.n}" if cell.n > 1 else ""
    return f"{number(cell.value)}\n{cell.flops / 1e12:.3g}{more}"


def _readable(background: Any) -> str:
    """Black or white, whichever has the higher contrast   [WCAG 2, relative luminance]."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(background)]
    luminance = np.dot([0.2126, 0.7152, 0.0722], linear)
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"
