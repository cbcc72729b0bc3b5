"""Test squared error of every arm during fine-tuning, behind Fig. 2B of hinton2006science.

Left against epochs, right against seconds of training (no compiling, no measuring), where a pretrained arm
begins when its pretraining ends and the others have no point at 0. Curves are means over n seeds with the
range as a band; a dot here and there shows which arms lie under another. Thin lines are baselines; thin
dashed lines and numbers in parentheses are published. The axis ends a little above the worst error after
an epoch; random networks start higher. What to look for: arms that never leave the line of the mean image,
and which arm is lowest, after how long.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from paper_figures import arms, house
from paper_figures.evidence import curves, in_print, require, scores


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the tables of a profile."""
    table, trained = scores(results, profile, "mnist"), curves(results, profile, "mnist")
    require(["pretrained-cg", "pca", "mean-image"], table.index, "mnist", profile)
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _curves(left, "epoch", trained, table)
    _curves(right, "seconds", trained[trained.seconds > 0], table)
    _scales(left, right, trained, table)
    _references(left, right, table, {*trained.variant})
    columns = 3 if trained.device.nunique() == 1 else 2
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    house.mark(figure, profile)
    return figure


def _curves(axes: Axes, x: str, trained: pd.DataFrame, table: pd.DataFrame) -> None:
    """Best arm first, in the legend too."""
    shown = table[table.index.isin(trained.variant)].sort_values("value")
    for i, (variant, score) in enumerate(shown.iterrows()):
        rows = trained[trained.variant == variant]
        device = f"  {score.device}" if trained.device.nunique() > 1 else ""
        every = (i % rows.epoch.nunique(), max(6, len(shown)))
        look = {"color": arms.colour(variant), "ls": arms.dashes(variant), "gid": variant}
        look |= {"marker": "o", "ms": 3.5, "mew": 0, "markevery": every}
        look["label"] = f"{arms.label(variant)}  {house.number(score.value)}{device}"
        sns.lineplot(rows, x=x, y="test_squared_error", errorbar=("pi", 100), ax=axes, legend=False, **look)


def _scales(left: Axes, right: Axes, trained: pd.DataFrame, table: pd.DataFrame) -> None:
    shown = [*trained.test_squared_error[trained.epoch > 0], *table.value, *table.published]
    left.set(yscale="log", ylim=(0.85 * np.nanmin(shown), 1.15 * np.nanmax(shown)), xlim=(0, None))
    left.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
    left.yaxis.set_major_formatter("{x:g}")
    left.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
    left.set(xlabel="fine-tuning epoch", ylabel="test squared error per image")
    clock = ", ".join(trained.device.unique()) + (", busy: times too long" if _busy(trained) else "")
    right.set(xscale="log", xlabel=f"seconds, pretraining included\n{clock}")
    right.xaxis.set_major_formatter("{x:g}")


def _busy(trained: pd.DataFrame) -> bool:
    """Whether other work ran on the machine: more than 1.1 threads for each core waited to run."""
    return bool(trained.load_per_core.max() > 1.1)


def _references(left: Axes, right: Axes, table: pd.DataFrame, trained: set[str]) -> None:
    """Lines, named, of what is not trained and of what is published."""
    names = []
    for variant, score in table.iterrows():
        lines = {} if variant in trained else {"-": score.value}
        ours = [house.number(value) for value in lines.values()]
        lines |= {(0, (6, 4)): score.published} if in_print(score) else {}
        for axes in (left, right):
            for dashes, height in lines.items():
                axes.axhline(height, lw=0.6, ls=dashes, zorder=1, color=arms.colour(variant), gid=variant)
        if lines:
            name = " ".join([arms.label(variant), *ours, in_print(score)])
            names.append((max(lines.values()), name, variant))
    house.name_heights(right, names)
