"""Few labels, many digits: does what was learnt without labels help? (claim C5)

Left the test error against the number of labels, a line for each network, dotted those of one hidden layer,
all with Adam: means over n draws of the labels with the 95 % interval as a bar; hollow, the published errors
of one RBM and of a random start. Rate and epoch are chosen on the validation digits. Right what learning
without labels gains: the error of the best network from random weights less that of the best that had learnt
before, paired by draw, each the one with the lowest mean error where rate and epoch were chosen: filled, on
the validation digits, and hollow, by cross-validation within the labels. With all labels both ways are one.
Dotted, the gain that claim C5 asks for with few. What to look for: whether the gain lies above it there, and
is gone with all labels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from experiments import all_experiments
from experiments.few_labels import ALL, FEW, MUCH, SIZES, gain
from paper_figures.style import arms, house, lines
from paper_figures.style.classifying import ERROR, LEARNT, NAME, dropout
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import about, query
from repro.report.frame import Frame, select
from repro.report.verdicts import Evidence

LINE = ["start", "widths"]  # what the points of a line share
SHALLOW = (0, (1, 1))  # dashes of one hidden layer
CHOSEN = "left: rate and epoch chosen on the validation digits"
ASKED = f"dotted: {MUCH:g} points, of claim C5"
TUNED = {"chosen on the validation digits": False, "chosen within the labels": True}
ONE_KIND = "no gain without both kinds of start"
ASIDE, APART = 1.06, 1.05  # times a number of labels: how far points of one number stand from it, and apart


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    table = scores(frame, ERROR, among=select(frame.rows, experiment="few_labels"))
    require(frame, table, "few_labels", "any network")
    table = table.assign(n_labels=table.n_labels.fillna(ALL).astype(int))
    figure = Figure(figsize=(6.5, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(11, 10))
    _errors(left, frame, table)
    _gains(right, Evidence(frame, all_experiments()), table)
    sizes = [*SIZES, ALL]
    for axes, side in ((left, "left"), (right, "right")):
        figure.legend(
            *axes.get_legend_handles_labels(), loc=f"outside lower {side}", ncols=1 + (axes is left)
        )
        axes.set(xscale="log", xlabel="labels", xlim=(0.8 * sizes[0], 1.25 * sizes[-1]))
        axes.set_xticks(sizes, [f"{n / 1000:g}k" if n >= 1000 else f"{n}" for n in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
    bars = "bars: 95 % interval over the draws" if (table.n > 1).any() else ""
    keys = " and ".join(table.dropna(subset="published").key.unique())
    theirs = f"hollow, on the right grey: published, {keys}" if keys else ""
    house.head(figure, frame, about(table, CHOSEN, bars, ASKED, theirs, query(table)))
    return figure


def _errors(axes: Axes, frame: Frame, table: pd.DataFrame) -> None:
    """A line for each network, those from random weights first, of each kind the best at the end first."""
    of_line = [own.sort_values("n_labels") for _, own in table.groupby(LINE, sort=False)]
    of_line.sort(key=lambda own: (own.start.iloc[0] in LEARNT, own.value.iloc[-1]))
    for place, own in enumerate(of_line):
        first = own.iloc[0]
        dashes = SHALLOW if first.n_layers == 1 else "-"
        name = f"{arms.start(first)}{dropout(frame, first)}  {first.widths}"
        look = arms.Look(name, arms.colour(first), arms.marker(first), dashes)
        x = own.n_labels * APART ** (place - (len(of_line) - 1) / 2)
        spread = np.abs(own[["low", "high"]].to_numpy(float).T - own.value.to_numpy(float))
        axes.errorbar(
            x, own.value, spread, gid=first.variant, label=name, ms=4, mew=0, elinewidth=1, **look.line
        )
        hollow = {"mec": look.colour, "mfc": "white", "ms": 4.5, "ls": "", "zorder": 3}
        axes.plot(x, own.published, marker=look.marker, **hollow)
    lines.scale_errors(axes, [*table.value, *table.published])
    axes.set_ylabel(NAME)


def _gains(axes: Axes, evidence: Evidence, table: pd.DataFrame) -> None:
    """What learning without labels gains at each number of labels, chosen in both ways, and in print."""
    axes.axhline(0, color="k", lw=0.7, zorder=0)
    axes.plot(FEW, [MUCH] * len(FEW), ":", lw=0.9, color=house.GREY)
    look = {"color": "k", "ms": 4.5, "lw": 0.8, "capsize": 2}
    for (name, within), aside in zip(TUNED.items(), (1 / ASIDE, ASIDE), strict=True):
        gains = {n * aside: gain(evidence, n, within) for n in sorted(set(table.n_labels))}
        gains = {x: found for x, found in gains.items() if len(found.values)}
        if not gains:
            continue
        means = [found.number for found in gains.values()]
        ends = np.array([found.interval for found in gains.values()]).T
        look |= {"marker": "s", "mfc": "white", "ls": ":"} if within else {"marker": "o", "ls": "-"}
        axes.errorbar([*gains], means, np.abs(ends - means), label=name, **look)
    if not axes.containers:
        axes.text(0.5, 0.5, ONE_KIND, transform=axes.transAxes, ha="center", color=house.GREY)
    theirs = _in_print(table)
    if len(theirs):
        axes.errorbar(theirs.index, theirs, fmt="D", ms=4, mec=house.GREY, mfc="white", label="published")
    axes.set_ylabel("gain from learning without labels (points)")


def _in_print(table: pd.DataFrame) -> pd.Series:
    """The published gains, by number of labels."""
    learnt = table.start.isin(LEARNT)
    direct, learnt = (table[kind].dropna(subset="published") for kind in (~learnt, learnt))
    return (direct.set_index("n_labels").published - learnt.set_index("n_labels").published).dropna()
