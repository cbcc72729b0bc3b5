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

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import curves, require, scores
from paper_figures.style.wording import in_print, number


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the tables of a profile."""
    table, trained = scores(results, profile, "mnist"), curves(results, profile, "mnist")
    require(["pretrained-cg", "pca", "mean-image"], table.index, "mnist", profile)
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    labels = _labels(trained, table)
    lines.learning(left, "epoch", trained, labels)
    lines.learning(right, "seconds", trained[trained.seconds > 0], labels)
    lines.scale_epochs(left, trained, [*table.value, *table.published])
    left.set_ylabel(lines.ERROR)
    right.set(xscale="log", xlabel=f"seconds, pretraining included\n{_clock(trained)}")
    right.xaxis.set_major_formatter("{x:g}")
    _references(left, right, table, {*trained.variant})
    columns = 3 if trained.device.nunique() == 1 else 2
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    house.mark(figure, profile)
    return figure


def _labels(trained: pd.DataFrame, table: pd.DataFrame) -> dict[str, str]:
    """Best arm first."""
    many = trained.device.nunique() > 1
    return {
        variant: f"{arms.label(variant)}  {number(score.value)}, n {score.n}"
        + (f", {score.device}" if many else "")
        for variant, score in table[table.index.isin(trained.variant)].sort_values("value").iterrows()
    }


def _clock(trained: pd.DataFrame) -> str:
    """The machine, and whether other work ran on it: more than 1.1 threads for each core waited to run."""
    busy = trained.load_per_core.max() > 1.1
    return ", ".join(trained.device.unique()) + (", busy: times too long" if busy else "")


def _references(left: Axes, right: Axes, table: pd.DataFrame, trained: set[str]) -> None:
    """Lines, named, of what is not trained and of what is published."""
    names = []
    for variant, score in table.iterrows():
        heights = {} if variant in trained else {"-": score.value}
        ours = [number(value) for value in heights.values()]
        heights |= {(0, (6, 4)): score.published} if in_print(score) else {}
        for axes in (left, right):
            for dashes, height in heights.items():
                axes.axhline(height, lw=0.6, ls=dashes, zorder=1, color=arms.colour(variant), gid=variant)
        if heights:
            name = " ".join([arms.label(variant), *ours, in_print(score)])
            names.append((max(heights.values()), name, variant))
    house.name_heights(right, names)
