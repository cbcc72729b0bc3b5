"""What it cost then and what it costs now: error against time, from seconds to a PhD.

One panel for each data set, pretraining included. Solid: measured, on the machine named below; a curve begins
when pretraining ends. Dashed, in the same colour: computed, not measured; the same run at 1 GFLOP/s, about
what the papers of 2006 imply for one processor. Thin: the paper's error; a triangle: how long the direct run
published in 2013 would have taken at that rate, computed. What to look for: which arms come to the paper's
error at all, and on which side of "an afternoon" and of "a week" they do so, now and then.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from paper_figures.style import arms, house, lines
from paper_figures.style.eras import best, direct_seconds, of_eras
from repro.errors import RecordsMissingError
from repro.timing.machines import Machine, of_2006

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 365 * 86_400  # seconds
TICKS = {"1 s": 1, "1 min": MINUTE, "1 h": HOUR, "1 day": DAY, "1 month": 30 * DAY, "1 year": YEAR}
MARKS = {"an afternoon": 4 * HOUR, "a week": 7 * DAY, "a PhD": 4 * YEAR}


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the tables of a profile.

    Raises:
        RecordsMissingError: if no arm has been trained.
    """
    runs, targets, then = (of_eras(results, profile, part) for part in ("curves", "targets", "2006"))
    runs = best(runs)
    if runs.empty:
        raise RecordsMissingError(f"no {profile} records of any arm: run `repro run --profile {profile}`")
    datasets = [data for data in ("curves", "mnist", "faces") if data in set(runs.data)]
    figure = Figure(figsize=(6.5, 0.7 + 2.1 * len(datasets)), layout="constrained")
    panels, rate, seen = figure.subplots(len(datasets), 1, sharex=True, squeeze=False)[:, 0], of_2006()[0], {}
    for axes, data in zip(panels, datasets, strict=True):
        own = runs[runs.data == data]
        for variant, run in own.groupby("variant", sort=False):
            seen |= panel_of(axes, variant, run, rate)
        scale(axes, own, targets[targets.data == data].target)
        axes.set_title(data, loc="left")
        in_print(axes, targets[targets.data == data].target, direct_seconds(then, data, rate))
    words = f"solid: measured, {_clock(runs)}; dashed: computed, {rate.name}"
    panels[-1].set_xlabel(f"time of training, pretraining included\n{words}")
    figure.legend(seen.values(), seen, loc="outside lower center", ncols=4)
    house.mark(figure, profile)
    return figure


def panel_of(axes: Axes, variant: str, run: pd.DataFrame, rate: Machine) -> dict[str, Line2D]:
    """An arm's curves, measured for each machine and computed once; its name and the line for the legend."""
    look = {"color": arms.colour(variant), "gid": variant}
    trained = run[run.seconds > 0]
    drawn = [axes.plot(own.seconds, own.value, **look) for _, own in trained.groupby("device", sort=False)]
    once = run[(run.device == run.device.iloc[0]) & (run.flops > 0)]
    axes.plot(once.flops / (rate.sustained_gflops * 1e9), once.value, ls=(0, (4, 1.5)), lw=1, **look)
    return {arms.label(variant): drawn[0][0]}


def scale(axes: Axes, runs: pd.DataFrame, target: pd.Series) -> None:
    """Errors to the worst after an epoch, time from seconds to a PhD, and marks along it."""
    lines.scale_errors(axes, [*runs.value[runs.updates > 0], *target])
    shortest = min(1, runs.seconds[runs.seconds > 0].min())
    axes.set(xscale="log", xlim=(shortest, 6 * YEAR), ylabel=lines.ERROR)
    axes.xaxis.set(minor_locator=NullLocator())
    axes.set_xticks([*TICKS.values()], [*TICKS])
    for name, seconds in MARKS.items():
        axes.axvline(seconds, color=house.GREY, lw=0.5, ls=":", zorder=0)
        how = {"transform": axes.get_xaxis_transform(), "ha": "center", "size": 7, "color": house.GREY}
        axes.text(seconds, 1.01, name, **how)


def in_print(axes: Axes, target: pd.Series, direct_seconds: pd.Series) -> None:
    """The paper's error; how long the direct runs in print would have taken, a triangle on the axis."""
    for error in target.iloc[:1]:
        axes.axhline(error, color="k", lw=0.6, zorder=1)
        at = {"xycoords": axes.get_yaxis_transform(), "va": "bottom", "size": 7}
        axes.annotate(f"paper: {error:.2f}", (0.005, error), **at)
    across = axes.get_xaxis_transform()
    for seconds in direct_seconds:
        at = {"xycoords": across, "textcoords": "offset points", "size": 7}
        axes.plot([seconds], [0.9], "k^", ms=5, mfc="none", transform=across)
        axes.annotate("direct run of 2013,\ncomputed", (seconds, 0.9), (6, 0), va="center", **at)


def _clock(runs: pd.DataFrame) -> str:
    """The machines, and whether other work ran on them."""
    return ", ".join(runs.device.unique()) + (" (busy: times too long)" if runs.busy.any() else "")
