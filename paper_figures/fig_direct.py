"""Was pretraining needed? Test squared error of every arm against updates, operations and seconds.

One row of panels for each data set with direct runs; a colour for each start, a marker for each optimiser.
Updates are those of fine-tuning; operations and seconds count pretraining in, and a pretrained arm begins
where its pretraining ends. Curves are means over n seeds. Thin lines, named: the mean image, and the
published error of the pretrained network. Seconds are those of runs that had their machine to themselves,
dotted on the second machine. What to look for: which direct arms come below the pretrained ones, and on
which of the three axes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from paper_figures.style import arms, eras, house, lines
from paper_figures.style.evidence import ERROR, require, scores
from paper_figures.style.wording import DATA, about, number
from repro.report.frame import RUN, Frame, select
from repro.timing.target import targets

AXES = {
    "updates": "updates of fine-tuning",
    "flops": "operations (flops), pretraining incl.",
    "seconds": "seconds, pretraining incl.",
}
FAR = 3  # times the worst error: what lies above is named, and not drawn
DASHES = ("-", ":", "--")  # of the machines on the axis of seconds


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile.

    Raises:
        RecordsMissingError: if no direct arm has been trained.
    """
    trained = select(frame.runs, experiment="direct", kind="autoencoding")
    require(frame, trained, "direct", "a trained network")
    runs, timed = eras.of_arms(frame), eras.quiet(eras.of_arms(frame, "device"))
    devices = list(dict.fromkeys(timed.device))
    direct = set(select(runs, experiment="direct")["data"])
    datasets = [data for data in eras.NETWORKS if data in direct]
    runs, timed = (rows[rows["data"].isin(datasets)] for rows in (runs, timed))
    figure = Figure(figsize=(6.5, 1.2 + 2.3 * len(datasets)), layout="constrained")
    rows, looks = (
        figure.subplots(len(datasets), len(AXES), sharey="row", squeeze=False),
        eras.looks(runs, timed),
    )
    for panels, data in zip(rows, datasets, strict=True):
        own = {x: select(timed if x == "seconds" else runs, data=data) for x in AXES}
        heights = references(frame, data)
        for axes, (x, name) in zip(panels, AXES.items(), strict=True):
            panel(axes, own[x], x, looks, devices)
            axes.set_xlabel(name)
            _thin(axes, heights)
        drawn = [
            *own["updates"][ERROR][own["updates"].epoch > 0],
            *own["flops"][ERROR][own["flops"].flops > 0],
        ]
        near = [height for height in heights.values() if height < FAR * np.nanmax(drawn)]
        lines.scale_errors(panels[0], [*drawn, *near])
        name_thin(panels[-1], heights)
        panels[0].set_ylabel(f"{DATA[data]}: {lines.NAME}")
    eras.legend(figure, looks.values())
    house.head(figure, frame, about(eras.one_each(runs), _machines(devices)))
    return figure


def panel(axes: Axes, runs: pd.DataFrame, x: str, looks: dict, devices: list[str]) -> None:
    """Every arm's curve."""
    each = [own for _, own in runs.groupby(RUN, sort=False)]
    for i, own in enumerate(each):
        first, line = own.iloc[0], eras.means(own)
        line["updates"] -= line.updates.iloc[0]  # of pretraining
        line = line[line[x] > 0]
        look, step = looks[eras.arm(first)].line, max(1, len(line) // 5)
        if x == "seconds":
            look["ls"] = DASHES[min(devices.index(first.device), 2)]
        how = {"ms": 4, "mew": 0, "lw": 1.2, "markevery": (i % step, step)}
        axes.plot(line[x], line.value, gid=first.variant, **look, **how)
    axes.set(xscale="log")
    _ticks(axes)


def _ticks(axes: Axes) -> None:
    """Powers of ten; on an axis of few of them others too, as plain numbers where these are short."""
    low, high = axes.get_xlim()
    subs = (1,) if high > 300 * low else (1, 3) if high > 10 * low else (1, 1.2, 1.5, 2, 3, 5)
    axes.xaxis.set(major_locator=LogLocator(subs=subs, numticks=5), minor_locator=NullLocator())
    if len(subs) > 1 and high < 1e5:
        axes.xaxis.set_major_formatter("{x:,g}")


def references(frame: Frame, data: str) -> dict[str, float]:
    """Heights of thin lines by name: the mean image's error, and the published one."""
    table = scores(frame, among=select(frame.rows, experiment=data, kind="pca", code_size=0))
    target = targets().get(data)
    heights = {arms.MEAN_IMAGE: table.value.iloc[0]} if len(table) else {}
    return heights | ({f"paper {number(target)}": target} if target else {})


def _thin(axes: Axes, heights: dict[str, float]) -> None:
    for name, height in heights.items():
        dashes = "-" if name == arms.MEAN_IMAGE else (0, (6, 4))
        axes.axhline(height, lw=0.6, ls=dashes, color=house.GREY, zorder=1)


def name_thin(axes: Axes, heights: dict[str, float]) -> None:
    """The names of the thin lines beside the last panel; of one that lies above it also its height."""
    top = axes.get_ylim()[1]
    beyond = {name: f"{name}:\n{number(height)}, above" for name, height in heights.items() if height > top}
    names = [(min(height, top), beyond.get(name, name), house.GREY, "") for name, height in heights.items()]
    house.name_heights(axes, names)


def _machines(devices: list[str]) -> str:
    """Which machine each kind of line on the axis of seconds is of."""
    kinds = ("solid", "dotted", "dashed")
    words = [f"{kind} {device}" for kind, device in zip(kinds, devices, strict=False)]
    return f"seconds: {', '.join(words)}, undisturbed runs only" if words else "no run was undisturbed"
