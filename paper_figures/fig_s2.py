"""Fig. S2 of hinton2006science: curves learnt by a deep and a shallow network of about as many parameters.

Both are pretrained and fine-tuned with conjugate gradients; lines are means over n seeds with the range as
a band. Parameters are the weights and biases of encoder and decoder. What to look for: whether the deep
network ends lower, with no more parameters, as it does in the paper.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import ERROR, not_run, of_run, of_variants, runs_of
from paper_figures.style.wording import INPUTS, about, network, number, parentheses, query, result
from repro.report.frame import Frame, curves

NETWORKS = {"pretrained-cg-100-50-25-6": "deep", "pretrained-cg-108-6": "shallow"}


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    table = of_variants(frame, "curves", [*NETWORKS])
    trained = curves(frame, runs_of(frame, table), [ERROR])
    figure = Figure(figsize=(6.5, 3), layout="constrained")
    axes = figure.subplots()
    for i, (look, score) in enumerate(zip(arms.looks(table), table.itertuples(), strict=True)):
        own = of_run(trained, score)
        lines.learning(axes, "epoch", own, look._replace(label=_label(score)), (i, len(table)))
    lines.scale_epochs(axes, trained)
    axes.set_ylabel(lines.NAME)
    axes.set_title(_against_the_paper(table))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    house.head(figure, frame, about(table, not_run(table, [*NETWORKS]), parentheses(table), query(table)))
    return figure


def _against_the_paper(table: pd.DataFrame) -> str:
    """Which network ends lower here; in the paper it is the deep one."""
    if len(table) < 2:
        return ""
    low, high = table.sort_values("value", kind="stable").itertuples()
    ours = f"here the {NETWORKS[low.variant]} network ends lower, {number(low.value)} < {number(high.value)}"
    return f"{ours}; in the paper {'too' if NETWORKS[low.variant] == 'deep' else 'it is the deep one'}"


def _label(score: Any) -> str:
    sizes = [INPUTS[score.data], *map(int, score.widths.split("-"))]
    return f"{NETWORKS[score.variant]}: {network(score)}, {parameters(sizes):,} parameters  {result(score)}"


def parameters(sizes: list[int]) -> int:
    """Weights and biases of an encoder with these layers and its mirror image."""
    weights = sum(below * above for below, above in pairwise(sizes))
    return 2 * weights + sum(sizes[1:]) + sum(sizes[:-1])
