"""Test squared error of every arm of MNIST during fine-tuning, behind Fig. 2B of hinton2006science.

Left against epochs, on an axis of square roots, right against the operations spent, pretraining counted in:
a pretrained arm begins when its pretraining ends, and the others have no point at 0. A colour for each
start, a marker for each optimiser. Curves are means over n seeds with the range as a band. Thin lines are
baselines; thin dashed lines and numbers in parentheses are published. The axis ends a little above the
worst error after an epoch; random networks start higher. What to look for: arms that never leave the line
of the mean image, and which arm is lowest, after how much.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import arms, eras, house, lines
from paper_figures.style.evidence import of_run, require, runs_of, scores
from paper_figures.style.wording import about, effort, in_print, number, parentheses, query
from repro.report.frame import Frame, select

TICKS = (0, 1, 5, 20, 50, 100, 200)  # epochs


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    table = scores(frame, among=select(frame.rows, experiment="mnist"))
    table = table.sort_values("value", kind="stable", ignore_index=True)
    require(frame, table[table.epochs > 0], "mnist", "a trained network")
    trained = eras.spent(frame, runs_of(frame, table))
    looks = [look._replace(label=_label(look, *row)) for look, *row in _rows(table)]
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for i, (look, score) in enumerate(zip(looks, table.itertuples(), strict=True)):
        own = of_run(trained, score)
        if len(own):
            lines.learning(left, "epoch", own, look, (i, len(table)))
            lines.learning(right, "flops", own[own.flops > 0], look, (i, len(table)))
    lines.scale_epochs(left, trained, [*table.value, *table.published])
    left.set_xlim(0)
    left.set_xscale("function", functions=(np.sqrt, np.square))  # short runs and long ones
    left.set_xticks([n for n in TICKS if n <= trained.epoch.max()])
    left.set_ylabel(lines.NAME)
    right.set(xscale="log", xlabel="operations (flops), pretraining included")
    _references(left, right, table)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    printed = f"dashed, {parentheses(table)}" if parentheses(table) else ""
    house.head(figure, frame, about(table, lines.ABOVE, printed, query(table)))
    return figure


def _rows(table: pd.DataFrame) -> list[tuple]:
    return [*zip(arms.looks(table), table.itertuples(), strict=True)]


def _label(look: arms.Look, score) -> str:
    return f"{look.label}  {number(score.value)}, {effort(score)}"


def _references(left: Axes, right: Axes, table: pd.DataFrame) -> None:
    """Lines, named, of what is not trained and of what is published."""
    names = []
    for look, score in _rows(table):
        heights = {} if score.epochs else {"-": score.value}
        ours = [number(value) for value in heights.values()]
        heights |= {(0, (6, 4)): score.published} if in_print(score) else {}
        for axes in (left, right):
            for dashes, height in heights.items():
                axes.axhline(height, lw=0.6, ls=dashes, zorder=1, color=look.colour, gid=score.variant)
        if heights:
            name = " ".join(filter(None, [look.label, *ours, in_print(score)]))
            names.append((max(heights.values()), name, look.colour, score.variant))
    if names:
        house.name_heights(right, names)
