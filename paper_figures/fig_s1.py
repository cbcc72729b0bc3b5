"""Fig. S1 of hinton2006science: curves learnt with and without pretraining, by a deep and a shallow network.

Left the deep autoencoder, right the shallow one, each fine-tuned with conjugate gradients from the
pretrained stack and from the random one that pretraining begins with. Lines are means over n seeds with the
range as a band; random networks begin above the axis. The thin line is the error of the mean image; a
published number stands in parentheses. What to look for: without pretraining the deep network never leaves
the line of the mean image, and the shallow one does.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import Shown, curves, shown
from paper_figures.style.wording import result

PANELS = {
    "deep": ["pretrained-cg", "gaussian-cg"],
    "shallow": ["pretrained-cg-shallow", "gaussian-cg-shallow"],
}


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the records and tables of a profile."""
    mean = shown(results, profile, "curves", "mean-image")
    trained = curves(results, profile, "curves")
    trained = trained[trained.variant.isin([variant for panel in PANELS.values() for variant in panel])]
    figure = Figure(figsize=(6.5, 3.3), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (name, variants) in zip(panels, PANELS.items(), strict=True):
        rows = [shown(results, profile, "curves", variant) for variant in variants]
        labels = {row.variant: _label(row) for row in rows}
        lines.learning(axes, "epoch", trained, labels)
        lines.scale_epochs(axes, trained, [mean.score.value])
        look = {"color": arms.colour(mean.variant), "gid": mean.variant, "label": _label(mean)}
        axes.axhline(mean.score.value, lw=0.6, zorder=1, **look)
        axes.set_title(f"{name}: {rows[0].network}")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    panels[0].set_ylabel(lines.ERROR)
    house.mark(figure, profile)
    return figure


def _label(row: Shown) -> str:
    return f"{arms.label(row.variant)}  {result(row.score)}"
