"""Was pretraining needed? Test squared error of every arm against updates, operations and seconds.

One row of panels for each data set with direct runs; a colour for each start, a marker for each optimiser.
Updates are those of fine-tuning; operations and seconds count pretraining in, and a pretrained arm begins
where its pretraining ends. Curves are means over n seeds. Thin lines, named: the mean image, and the
published error of the pretrained network. Seconds are those of runs that had their machine to themselves,
dotted on the second machine. What to look for: which direct arms come below the pretrained ones, and on
which of the three axes.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
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
            _thin(axes, heights, named=x == "seconds")
        shown = pd.concat(own.values())
        lines.scale_errors(panels[0], [*shown[ERROR][shown.epoch > 0], *heights.values()])
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
    axes.xaxis.set(major_locator=LogLocator(numticks=5), minor_locator=NullLocator())


def references(frame: Frame, data: str) -> dict[str, float]:
    """Heights of thin lines by name: the mean image's error, and the published one."""
    table = scores(frame, among=select(frame.rows, experiment=data, kind="pca", code_size=0))
    target = targets().get(data)
    heights = {arms.MEAN_IMAGE: table.value.iloc[0]} if len(table) else {}
    return heights | ({f"paper {number(target)}": target} if target else {})


def _thin(axes: Axes, heights: dict[str, float], *, named: bool) -> None:
    for name, height in heights.items():
        solid = name == arms.MEAN_IMAGE
        axes.axhline(height, lw=0.6, ls="-" if solid else (0, (6, 4)), color=house.GREY, zorder=1)
        if named:
            x, side = (0.99, "right") if solid else (0.01, "left")  # where the panel has least in it
            outline = [withStroke(linewidth=2, foreground="white")]
            how = {
                "va": "top" if solid else "bottom",
                "size": 6,
                "color": house.GREY,
                "path_effects": outline,
                "zorder": 5,
            }
            axes.text(x, height, name, transform=axes.get_yaxis_transform(), ha=side, **how)


def _machines(devices: list[str]) -> str:
    """Which machine each kind of line on the axis of seconds is of."""
    kinds = ("solid", "dotted", "dashed")
    words = [f"{kind} {device}" for kind, device in zip(kinds, devices, strict=False)]
    return f"seconds: {', '.join(words)}, undisturbed runs only" if words else "no run was undisturbed"
