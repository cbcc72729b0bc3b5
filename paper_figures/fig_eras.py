"""What it cost then and what it costs now: error against time, from seconds to a PhD.

One panel for each data set, pretraining included. Solid: measured on one machine's processor; dotted:
measured on a GPU; runs beside which the machine did other work are left out. A curve begins when
pretraining ends. Dashed, in the same colour: computed, not measured; the same run at 1 GFLOP/s, about what
the papers of 2006 imply for one processor. Thin: the paper's error. A triangle on the lower axis: how long
the direct run published in 2013 would have taken at that rate, computed; it says nothing of its error. What
to look for: which arms come to the paper's error at all, and on which side of "an afternoon" and of "a
week" they do so, now and then.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from paper_figures.style import arms, eras, house, lines
from paper_figures.style.evidence import ERROR, require
from paper_figures.style.wording import DATA, about, number
from repro.report.axis import MARKS, TICKS, YEAR
from repro.report.frame import RUN, Frame, select
from repro.timing.machines import Machine, of_2006
from repro.timing.target import targets

ROOM = 0.25  # below the errors, for what stands on the axis


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile.

    Raises:
        RecordsMissingError: if no arm has been trained.
    """
    by_device = eras.of_arms(frame, "device")
    require(frame, by_device, "mnist", "a trained network")
    once, timed, rate = eras.of_arms(frame), eras.quiet(by_device), of_2006()[0]
    aims, looks = targets(), eras.looks(once)
    datasets = [data for data in eras.NETWORKS if data in set(once["data"])]
    figure = Figure(figsize=(6.5, 1 + 2.1 * len(datasets)), layout="constrained")
    panels = figure.subplots(len(datasets), 1, sharex=True, squeeze=False)[:, 0]
    for axes, data in zip(panels, datasets, strict=True):
        own = once[once["data"] == data]
        for _, run in own.groupby(RUN, sort=False):
            computed(axes, run, rate)
        for _, run in timed[timed["data"] == data].groupby(RUN, sort=False):
            measured(axes, run)
        scale(axes, own, select(timed, data=data), timed, aims[data])
        axes.set_title(DATA[data], loc="left")
        in_print(axes, aims[data], eras.direct_seconds(data, rate))
    words = f"{_clock(timed)}; dashed: computed, {rate.name}"
    panels[-1].set_xlabel(f"time of training, pretraining included\n{words}")
    eras.legend(figure, [look._replace(dashes="-") for look in looks.values()])
    busy = by_device.identity.nunique() - timed.identity.nunique()
    left_out = f"{busy} busy runs have no measured time" if busy else ""
    house.head(figure, frame, about(eras.one_each(once), left_out))
    return figure


def computed(axes: Axes, run: pd.DataFrame, rate: Machine) -> None:
    """An arm's curve at the rate of 2006."""
    first, line = run.iloc[0], eras.means(run)
    line = line[line.flops > 0]
    seconds = line.flops / (rate.sustained_gflops * 1e9)
    axes.plot(seconds, line.value, ls=(0, (4, 1.5)), lw=1, **_look(first, len(line)))


def measured(axes: Axes, run: pd.DataFrame) -> None:
    """An arm's curve on one machine: dotted of a GPU."""
    first, line = run.iloc[0], eras.means(run)
    line = line[line.seconds > 0]
    axes.plot(line.seconds, line.value, ls="-" if first.platform == "cpu" else ":", **_look(first, len(line)))


def _look(run: pd.Series, n: int) -> dict:
    look = {"color": arms.colour(run), "marker": arms.marker(run), "gid": run.variant}
    return look | {"ms": 3.5, "mew": 0, "markevery": max(1, n // 4)}


def scale(axes: Axes, runs: pd.DataFrame, clocked: pd.DataFrame, timed: pd.DataFrame, target: float) -> None:
    """Errors of what is drawn, time from seconds to a PhD as for `timed`, and marks along it."""
    lines.scale_errors(axes, [*runs[ERROR][runs.flops > 0], *clocked[ERROR][clocked.seconds > 0], target])
    low, high = axes.get_ylim()
    axes.set_ylim(low * (low / high) ** ROOM, high)
    shortest = min([1.0, *timed.seconds[timed.seconds > 0]])
    axes.set(xscale="log", xlim=(0.6 * shortest, 10 * YEAR), ylabel=lines.NAME)
    axes.xaxis.set(minor_locator=NullLocator())
    axes.set_xticks([*TICKS.values()], [*TICKS])
    for name, seconds in MARKS.items():
        axes.axvline(seconds, color=house.GREY, lw=0.5, ls=":", zorder=0)
        how = {"transform": axes.get_xaxis_transform(), "ha": "center", "size": 7, "color": house.GREY}
        axes.text(seconds, 1.01, name, **how)


def in_print(axes: Axes, target: float, direct_seconds: float) -> None:
    """The paper's error; how long the direct run in print would have taken, a triangle on the lower axis."""
    axes.axhline(target, color="k", lw=0.6, zorder=1)
    at = {"xycoords": axes.get_yaxis_transform(), "va": "bottom", "size": 7}
    axes.annotate(f"paper: {number(target)}", (0.005, target), **at)
    across = axes.get_xaxis_transform()
    axes.plot([direct_seconds], [0], "k^", ms=6, clip_on=False, transform=across, zorder=5)
    at = {"xycoords": across, "textcoords": "offset points", "size": 7, "ha": "right"}
    at["bbox"] = {"fc": "white", "ec": "none", "pad": 0.6}  # over the marks of time
    axes.annotate("length of the direct run\nof 2013, computed", (direct_seconds, 0), (-6, 4), **at)


def _clock(timed: pd.DataFrame) -> str:
    """The machines on which time was measured."""
    kinds = {"solid": timed[timed.platform == "cpu"], "dotted": timed[timed.platform != "cpu"]}
    words = [f"{kind}: measured, {', '.join(own.device.unique())}" for kind, own in kinds.items() if len(own)]
    return "; ".join(words) or "no undisturbed run was measured"
