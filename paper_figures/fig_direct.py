"""Was pretraining needed? Test squared error of every arm against updates, operations and seconds.

One row of panels for each data set with direct runs, pretraining counted in; one colour for each arm. Curves
are means over n seeds. Thin lines: the mean image, and dashed the paper's pretrained network. What to look
for: which direct arms come below the pretrained ones, and on which of the three axes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from paper_figures.style import arms, house, lines
from paper_figures.style.eras import best, of_eras
from paper_figures.style.evidence import scores
from repro.errors import RecordsMissingError

AXES = {"updates": "updates", "flops": "operations (flops)", "seconds": "seconds of training"}
NAMES = {"curves": "curves", "mnist": "MNIST", "faces": "faces"}


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the tables of a profile.

    Raises:
        RecordsMissingError: if no direct arm has been trained.
    """
    runs, targets = best(of_eras(results, profile, "curves")), of_eras(results, profile, "targets")
    datasets = [data for data in NAMES if "direct" in set(runs.experiment[runs.data == data])]
    if not datasets:
        raise RecordsMissingError(
            f"no {profile} records of direct: run `repro run direct --profile {profile}`"
        )
    figure = Figure(figsize=(6.5, 1.0 + 2.3 * len(datasets)), layout="constrained")
    rows, seen = figure.subplots(len(datasets), len(AXES), sharey="row", squeeze=False), {}
    for panels, data in zip(rows, datasets, strict=True):
        own = runs[runs.data == data]
        heights = references(results, profile, data, targets)
        for axes, (x, name) in zip(panels, AXES.items(), strict=True):
            seen |= panel(axes, own, x)
            for height, dashes in heights.items():
                axes.axhline(height, lw=0.6, ls=dashes, color=house.GREY, zorder=1)
            axes.set_xlabel(name)
        lines.scale_errors(panels[0], [*own.value[own.updates > 0], *heights])
        panels[0].set_ylabel(f"{NAMES[data]}: {lines.ERROR}")
    figure.legend(seen.values(), seen, loc="outside lower center", ncols=3)
    house.mark(figure, profile)
    return figure


def panel(axes: Axes, runs: pd.DataFrame, x: str) -> dict:
    """Every arm's curve; its name and the line for the legend."""
    seen = {}
    for (variant, _), run in runs.groupby(["variant", "device"], sort=False):
        run = run[run[x] > 0]
        look = {"color": arms.colour(variant), "gid": variant, "ls": arms.dashes(variant)}
        [seen[arms.label(variant)]] = axes.plot(run[x], run.value, **look)
    axes.set(xscale="log")
    axes.xaxis.set(major_locator=LogLocator(numticks=5), minor_locator=NullLocator())
    return seen


def references(results: Path, profile: str, data: str, targets: pd.DataFrame) -> dict[float, object]:
    """Heights of thin lines: the mean image's error, and dashed the published one."""
    table = scores(results, profile, data)
    mean = {table.value["mean-image"]: "-"} if "mean-image" in table.index else {}
    return mean | dict.fromkeys(targets[targets.data == data].target.unique(), (0, (6, 4)))
