"""Fig. 3 of hinton2006science: 500 test digits of each class as two numbers.

Left the first two principal components, right the codes of the pretrained 784-1000-500-250-2 autoencoder,
of the lowest seed. Each class has a colour, and its digit stands at its median (pushed aside where two
would overlap). Limits are the 0.5th and 99.5th percentile of each axis and a margin, because a linear code
unit may send a few digits far away: these fall outside the picture. What to look for: the autoencoder's
classes lie apart where those of PCA lie upon each other.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from paper_figures import arms, house
from paper_figures.evidence import Shown, shown

# Petroff's ten colours for colour-blind readers (arXiv 2107.02270); 3, 5 and 8 lie together, and 4, 7 and 9
CLASSES = ["#3f90da", "#ffa90e", "#717581", "#bd1f01", "#832db6"]
CLASSES += ["#92dadd", "#a96b59", "#e76300", "#b9ac70", "#94a4a2"]


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the records and tables of a profile."""
    panels = [shown(results, profile, "mnist", variant) for variant in ("pca-2d", "pretrained-cg-2d")]
    figure = Figure(figsize=(6.5, 3.5), layout="constrained")
    for axes, panel in zip(figure.subplots(1, 2), panels, strict=True):
        _scatter(axes, panel)
        axes.set_title(_title(panel), color=arms.colour(panel.variant), gid=panel.variant)
    classes = np.unique(panels[0].arrays["code_labels"])
    dots = [Line2D([], [], ls="", marker="o", ms=4, color=CLASSES[c], label=f"{c}") for c in classes]
    figure.legend(handles=dots, loc="outside lower center", ncols=10, handletextpad=0, columnspacing=1.2)
    house.mark(figure, profile)
    return figure


def _scatter(axes: Axes, panel: Shown) -> None:
    """Codes in units of the shown range, so that both panels are squares from 0 to 1."""
    codes, labels = panel.arrays["codes"], panel.arrays["code_labels"]
    low, high = np.percentile(codes, [0.5, 99.5], axis=0)
    codes = (codes - low) / (high - low)
    order = np.random.default_rng(0).permutation(len(codes))  # no class lies on top
    x, y = codes[order].T
    colours = dict(enumerate(CLASSES))
    sns.scatterplot(
        x=x,
        y=y,
        hue=labels[order],
        palette=colours,
        s=3.5,
        alpha=0.6,
        linewidth=0,
        legend=False,
        rasterized=True,
        ax=axes,
    )
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xticks=[], yticks=[], aspect="equal")
    sns.despine(ax=axes, top=False, right=False)
    classes = np.unique(labels)
    medians = np.stack([np.median(codes[labels == c], axis=0) for c in classes])
    for c, place in zip(classes, house.apart(medians, 0.06), strict=True):
        outline = [withStroke(linewidth=2.5, foreground="white")]
        axes.text(*place, f"{c}", ha="center", va="center", weight="bold", size=9, path_effects=outline)


def _title(panel: Shown) -> str:
    error = f"test squared error {house.number(panel.score.value)}"
    if panel.record.config["kind"] == "PrincipalComponents":
        return f"first two principal components\n{error}"
    widths = [panel.arrays["example_inputs"].shape[-1], *panel.record.config["widths"]]
    network = "-".join(map(str, widths))
    return f"{network} autoencoder\n{error} after {panel.score.epochs} epochs"
