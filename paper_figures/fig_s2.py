"""Fig. S2 of hinton2006science: curves learnt by a deep and a shallow network of about as many parameters.

Both are pretrained and fine-tuned with conjugate gradients; lines are means over n seeds with the range as a
band. Parameters are the weights and biases of encoder and decoder. What to look for: whether the deep network
ends lower, with no more parameters, as it does in the paper.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from paper_figures.style import house, lines
from paper_figures.style.evidence import Shown, curves, shown
from paper_figures.style.wording import result

NETWORKS = {"deep": "pretrained-cg-100-50-25-6", "shallow": "pretrained-cg-108-6"}


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the records and tables of a profile."""
    rows = {name: shown(results, profile, "curves", variant) for name, variant in NETWORKS.items()}
    trained = curves(results, profile, "curves")
    trained = trained[trained.variant.isin(NETWORKS.values())]
    figure = Figure(figsize=(6.5, 2.8), layout="constrained")
    axes = figure.subplots()
    lines.learning(axes, "epoch", trained, {row.variant: _label(name, row) for name, row in rows.items()})
    lines.scale_epochs(axes, trained)
    axes.set_ylabel(lines.ERROR)
    axes.legend(loc="upper right")
    house.mark(figure, profile)
    return figure


def _label(name: str, row: Shown) -> str:
    return f"{name}: {row.network}, {_parameters(row.sizes):,} parameters  {result(row.score)}"


def _parameters(sizes: list[int]) -> int:
    """Weights and biases of an encoder with these layers and its mirror image."""
    weights = sum(below * above for below, above in pairwise(sizes))
    return 2 * weights + sum(sizes[1:]) + sum(sizes[:-1])
