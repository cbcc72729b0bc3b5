"""Backprop of a convolutional network coded by hand, against automatic differentiation: claim C14.

Left, for each kind of layer and for the whole network, how far the derivatives written out by hand are from
JAX's in float64 on real minibatches: a dot for each seed, of the array that is furthest away; a hollow dot at
the edge where every number is the same. Dashed, the error that C14 allows; dotted, what rounding one number
may make of it. Right, both networks trained from the same start on the same minibatches: test error, a line
for each seed, JAX's dashed upon ours; and how far their parameters are from each other. What to look for:
whether any dot comes near the dashed line, and whether the lines part.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from experiments.by_hand import EXACT
from paper_figures.style import arms, house
from paper_figures.style.evidence import require, runs_of, scores
from paper_figures.style.wording import about, counted, span
from repro.report.frame import Frame, curves, select, shown

ROUNDING = np.finfo(np.float64).eps
EDGE = 1e-18  # of the axis; what is 0 stands there
KINDS = {
    "convolution": "convolution",
    "rectifier": "rectifier",
    "pooling": "pooling",
    "connection": "full connection",
    "cross_entropy": "softmax with\ncross-entropy",
    "network": "whole network",
}
ERROR, DIFFERENCE = "test_error_percent", "relative_difference"
COLOUR = arms.COLOURS["he"]  # the start of both


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    rows = select(frame.rows, experiment="by_hand")
    table = scores(frame, "relative_error_largest", among=rows)
    require(frame, table, "by_hand", "any training")
    figure = Figure(figsize=(6.5, 3.2), layout="constrained")
    panels = figure.subplot_mosaic([["errors", "both"], ["errors", "difference"]], width_ratios=[1.2, 1])
    _errors(panels["errors"], shown(rows))
    trained = curves(frame, runs_of(frame, table), [ERROR, f"{ERROR}_jax", DIFFERENCE])
    _trajectories(panels["both"], panels["difference"], trained[trained.epoch > 0])
    length = f"{counted(span(table.epochs), 'epoch')} of training"
    line = "dashed: allowed by C14", "dotted: one rounding of float64"
    house.head(figure, frame, about(table.assign(epochs=0), length, *line))
    return figure


def _errors(axes: Axes, rows: pd.DataFrame) -> None:
    """A row of dots for each kind of layer, the first layer on top."""
    for height, kind in enumerate(KINDS):
        own = select(rows, metric=f"relative_error_{kind}")
        same = own.value == 0
        how = {"gid": kind, "clip_on": False, "ls": "", "marker": "o", "ms": 4, "color": COLOUR}
        axes.plot(own.value[~same], [height] * int(sum(~same)), alpha=0.6, mew=0, **how)
        axes.plot([EDGE] * int(sum(same)), [height] * int(sum(same)), mfc="white", **how)
        if same.all():
            axes.annotate("0", (EDGE, height), xytext=(5, 0), textcoords="offset points", va="center")
    for error, dashes in ((EXACT, "--"), (ROUNDING, ":")):
        axes.axvline(error, ls=dashes, lw=0.8, color=house.GREY, zorder=1)
    axes.set(xscale="log", xlim=(EDGE, 10 * EXACT), xlabel="relative error, |ours − JAX's| / |JAX's|")
    axes.set(yticks=range(len(KINDS)), yticklabels=KINDS.values(), ylim=(len(KINDS) - 0.5, -0.5))
    axes.xaxis.set(major_locator=LogLocator(numticks=7), minor_locator=NullLocator())


def _trajectories(both: Axes, difference: Axes, trained: pd.DataFrame) -> None:
    """Every seed's test error by hand and by JAX, and how far the parameters are apart."""
    looks = ((ERROR, "by hand", COLOUR, "-", 2.4, 0.5), (f"{ERROR}_jax", "JAX", "black", "--", 0.8, 1.0))
    for metric, name, colour, dashes, width, alpha in looks:
        how = {"color": colour, "ls": dashes, "lw": width, "alpha": alpha, "gid": metric}
        for i, (_, seed) in enumerate(trained.groupby("seed")):
            both.plot(seed.epoch, seed[metric], label=None if i else name, **how)
    both.set(ylabel="test error (%)", xticklabels=[])
    both.legend()
    for _, seed in trained.groupby("seed"):
        difference.plot(seed.epoch, seed[DIFFERENCE], color=COLOUR, lw=0.8, alpha=0.6, gid=DIFFERENCE)
    difference.axhline(ROUNDING, ls=":", lw=0.8, color=house.GREY)
    difference.set(yscale="log", ylim=(ROUNDING / 10, EXACT), xlabel="epoch")
    difference.set_ylabel("relative difference\nof the parameters")
    for axes in (both, difference):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    difference.yaxis.set(major_locator=LogLocator(numticks=5), minor_locator=NullLocator())
