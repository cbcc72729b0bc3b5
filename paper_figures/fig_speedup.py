"""Do GPUs favour one arm? Speed-ups of CD-1 and of backprop by the number of weights.

Each point divides two times of the same machine and run: seconds a case on one core over seconds a case on
all cores, or on the GPU, by the JAX program; or of the program of 2006 over the JAX program, both on one
core. Bars are the range of the timed calls. Grey: published speed-ups, of CD-1 from the table of
[raina2009large], typed and not yet compared with it again, and of backprop the one that the abstract of
[steinkraus2005using] has. What to look for: whether a
GPU's lines in the two panels lie at the same height.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import house
from paper_figures.style.eras import speedups
from paper_figures.style.evidence import command
from repro.errors import RecordsMissingError
from repro.report.frame import Frame
from repro.timing.machines import published_speeds

COLOURS = {"GPU over one core": "#0072b2", "all cores over one": "#009e73"}
COLOURS |= {"JAX over the 2006 program": "#d55e00"}
SPEEDUPS = {  # in print, of no size that is said: metric, and over what
    "cd1": ("speedup_over_2_cores", "over 2 cores, at most"),
    "backprop": ("speedup_over_a_pentium_4", "over a 3 GHz Pentium 4, more than"),
}
CITED = {"raina2009large": "Raina et al. 2009", "steinkraus2005using": "Steinkraus et al. 2005"}
TITLES = {"cd1": "CD-1", "backprop": "backprop"}
DOTS = {"cd1": ":", "backprop": "-."}
MARKERS = "osD^v<>p*h"


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the timings of the frame of a profile.

    Raises:
        RecordsMissingError: if no two times can be compared.
    """
    pairs = speedups(frame)
    pairs = pairs[pairs.workload.isin([*TITLES])]
    if pairs.empty:
        where = f"{frame.folder / frame.profile} has no two timings to compare"
        raise RecordsMissingError(f"{where}: run `{command(frame, 'time')}`")
    figure = Figure(figsize=(6.5, 3.9), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, (workload, title) in zip(panels, TITLES.items(), strict=True):
        curves(axes, pairs[pairs.workload == workload])
        published(axes, workload)
        axes.set(xscale="log", yscale="log", xlabel="weights of the layer", title=title)
        axes.axhline(1, color=house.GREY, lw=0.5, zorder=0)
        axes.yaxis.set_major_formatter("{x:g}")
    panels[0].set_ylabel("times as fast")
    named = {}
    for axes in panels:
        lines, names = axes.get_legend_handles_labels()
        named |= dict(zip(names, lines, strict=True))
    figure.legend(named.values(), named, loc="outside lower center", ncols=2)
    about = ["a timed minibatch of each size", "JAX in float32, the 2006 program in float64", "n 1 on each"]
    about += ["bars: range of the calls", "grey: in print, typed once and not compared again"]
    house.head(figure, frame, house.DOT.join(about))
    return figure


def curves(axes: Axes, pairs: pd.DataFrame) -> None:
    """A line for each kind of speed-up and machine; a bar is the range of the timed calls."""
    for marker, (_, of_host) in zip(MARKERS, pairs.groupby("host", sort=False), strict=False):
        for kind, own in of_host.groupby("kind", sort=False):
            own = own.assign(weights=own.sizes.map(_weights)).sort_values("weights")
            spread = np.abs(own[["low", "high"]].to_numpy(float).T - own.value.to_numpy(float))
            look = {"color": COLOURS[kind], "marker": marker, "ms": 4, "capsize": 2}
            axes.errorbar(own.weights, own.value, spread, label=f"{kind}, {_machine(own)}", lw=1.2, **look)


def _machine(own: pd.DataFrame) -> str:
    """The device, and of a CPU how many cores it has here."""
    first = own.iloc[0]
    return first.device if first.part == "gpu" else f"{first.device}, {first.cores} cores"


def _weights(sizes: str) -> int:
    numbers = [int(size) for size in sizes.split("x")]
    return sum(a * b for a, b in pairwise(numbers))


def published(axes: Axes, workload: str) -> None:
    """The speed-ups in print: over one core by size, and dotted the one that is said of no size."""
    printed = published_speeds()
    if workload == "cd1":
        _over_one_core(axes, printed[printed.metric == "seconds_per_million_cases"])
    metric, over = SPEEDUPS[workload]
    for speed in printed[printed.metric == metric].itertuples():
        label = f"{speed.machine} {over}, {CITED.get(speed.key, speed.key)}"
        axes.axhline(speed.value, ls=DOTS[workload], lw=0.9, color=house.GREY, zorder=0, label=label)


def _over_one_core(axes: Axes, speeds: pd.DataFrame) -> None:
    one, *others = speeds.groupby("machine", sort=False)
    for marker, (name, own) in zip("xP", others, strict=False):
        sizes = (own.visible * own.hidden).to_numpy()
        times = one[1].value.to_numpy() / own.value.to_numpy()
        label = f"{name} over one core, {CITED.get(own.key.iloc[0], own.key.iloc[0])}"
        axes.plot(sizes, times, ls="--", lw=1, color=house.GREY, marker=marker, ms=4, label=label)
