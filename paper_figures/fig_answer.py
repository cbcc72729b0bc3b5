"""With the same optimiser and as many operations, does a pretrained start still help?

A panel for each data set, a column for each optimiser: the test error from the best random start over that
from the pretrained one, geometric mean over n paired seeds with its 95 % interval, on a logarithmic axis.
Above 1 the pretrained start ends lower; dotted, 1.05, up to which a random start counts as no worse.
Filled: all operations of the recipe of 2006; hollow: a tenth of them. Below: n, the random and the
pretrained error (documents: cross-entropy); a star where a rate was not chosen as fairness asks; a dash
where there are no runs yet. What to look for: columns whose intervals end below the dotted line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from experiments.answer import OPTIMISERS, RECIPE, SHARES
from paper_figures.style import arms, house
from paper_figures.style.evidence import command
from paper_figures.style.wording import DATA
from repro.errors import RecordsMissingError
from repro.report.answer import NOT_WORSE, cells
from repro.report.frame import Frame, select

TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.4, 2, 3, 4, 6, 10, 20, 50)
ASIDE = 0.2  # of a column: how far the shares stand apart


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile; the quick one has operations of its own."""
    recipe, shares = (_operations(frame), {"quick": 1.0}) if frame.small else (RECIPE, SHARES)
    return draw_cells(frame, cells(frame, recipe, shares), shares)


def _operations(frame: Frame) -> dict[str, float]:
    """What the runs were asked to spend, by data set."""
    runs = select(frame.runs, experiment="answer", kind="autoencoding").dropna(subset="flops_asked")
    return {str(data): float(asked.max()) for data, asked in runs.groupby("data").flops_asked}


@house.style()
def draw_cells(frame: Frame, table: pd.DataFrame, shares: Mapping[str, float]) -> Figure:
    """Draw the figure from the cells of the answer table.

    Raises:
        RecordsMissingError: if no cell has both of its arms.
    """
    known = table[table.n > 0]
    if known.empty:
        missing = f"{frame.folder / frame.profile} has no two runs of answer to compare"
        raise RecordsMissingError(f"{missing}: run `{command(frame, 'run answer')}`")
    datasets = list(dict.fromkeys(table["data"]))
    figure = Figure(figsize=(6.5, 0.7 + 1.5 * len(datasets)), layout="constrained")
    panels = figure.subplots(len(datasets), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, data in zip(panels, datasets, strict=True):
        _panel(axes, table[table["data"] == data], shares)
        axes.set_title(DATA[data], loc="left")
    _scale(panels[0], known)
    panels[-1].set_xticks(range(len(OPTIMISERS)), [arms.OPTIMISERS[name] for name in OPTIMISERS])
    figure.supylabel("test error, random / pretrained start", size=7)
    _legend(figure, {} if frame.small else shares)
    house.head(figure, frame, _about(frame, known))
    return figure


def _panel(axes: Axes, cells: pd.DataFrame, shares: Mapping[str, float]) -> None:
    """The ratios of one data set; a dash where there are none."""
    axes.axhline(1, color="k", lw=0.7, zorder=0)
    axes.axhline(NOT_WORSE, color=house.GREY, lw=0.7, ls=":", zorder=0)
    for cell in cells.itertuples():
        x = OPTIMISERS.index(cell.optimiser) + ASIDE * _side(cell.share, shares)
        at = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom", "size": 5.5}
        if not cell.n:
            axes.text(x, 0.02, "–", color=house.GREY, **at)
            continue
        colour = arms.COLOURS[cell.random_start]
        look = {"color": colour, "marker": arms.MARKERS[cell.optimiser], "gid": cell.random_variant}
        face = colour if shares[cell.share] == 1 else "white"
        axes.plot([x], [cell.ratio], ms=5, mfc=face, ls="", **look)
        if cell.low == cell.low:
            axes.plot([x, x], [cell.low, cell.high], color=colour, lw=1, zorder=1)
        star = "*" if cell.doubt else ""
        errors = f"n {cell.n}{star}\n{_number(cell.random_error)}\n{_number(cell.pretrained_error)}"
        axes.text(x, 0.02, errors, color=house.GREY, **at)


def _side(share: str, shares: Mapping[str, float]) -> float:
    """Where a share stands in its column, the smallest left."""
    return sorted(shares, key=lambda name: shares[name]).index(share) * 2 / max(1, len(shares) - 1) - 1


def _scale(axes: Axes, known: pd.DataFrame) -> None:
    """A logarithmic axis that holds all intervals, 1 and the words below."""
    ends = pd.concat([known.ratio, known.low, known.high]).dropna()
    low, high = min(0.95, ends.min()), max(1.1, ends.max())
    room = (high / low) ** 0.1
    axes.set(yscale="log", ylim=(low / (high / low) ** 0.4 / room, high * room))
    axes.set_xlim(-0.6, len(OPTIMISERS) - 0.4)
    axes.yaxis.set(minor_locator=NullLocator())
    ticks = [tick for tick in TICKS if low / room <= tick <= high * room]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def _legend(figure: Figure, shares: Mapping[str, float]) -> None:
    starts = {arms.STARTS[name]: arms.COLOURS[name] for name in ("sparse", "glorot")}
    handles: list[Any] = [
        Line2D([], [], ls="", marker="o", color=colour, label=f"best random start: {name}")
        for name, colour in starts.items()
    ]
    for part in shares.values():
        face, name = ("#333333", "all") if part == 1 else ("white", f"{100 * part:g} %")
        look = {"ls": "", "marker": "o", "color": "#333333", "mfc": face}
        handles.append(Line2D([], [], label=f"{name} of the recipe's operations", **look))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handletextpad=0)


def _about(frame: Frame, known: pd.DataFrame) -> str:
    runs = frame.runs[frame.runs.variant.isin([*known.random_variant, *known.pretrained_variant])]
    runs = runs[runs.experiment == "answer"]
    words = [
        ", ".join(DATA[data] for data in known["data"].unique()),
        "" if known.doubt.astype(bool).any() else "equal operations, rates chosen alike",
    ]
    low, high = known.n.min(), known.n.max()
    words += [f"n {low}" if low == high else f"n {low} to {high}", ", ".join(runs.device.unique())]
    words.append("above 1 the pretrained start ends lower")
    words.append(
        f"bars: 95 % interval, where larger than the mark; dotted: {NOT_WORSE:g}, counts as no worse"
    )
    words.append("below: n, error from the random start, from the pretrained one")
    words.append("*: does not count, see results/tables/answer.md" if known.doubt.astype(bool).any() else "")
    return house.DOT.join(filter(None, words))


def _number(value: float) -> str:
    return f"{value:.3g}"
