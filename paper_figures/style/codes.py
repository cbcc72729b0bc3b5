"""2-D codes as points, a colour for each class: what Figs. 3 and 4 share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from paper_figures.style import house

# Petroff's ten colours for colour-blind readers (arXiv 2107.02270)
COLOURS = ["#3f90da", "#ffa90e", "#717581", "#bd1f01", "#832db6"]
COLOURS += ["#92dadd", "#a96b59", "#e76300", "#b9ac70", "#94a4a2"]
BRIGHT = [colour for colour in COLOURS if colour not in ("#717581", "#94a4a2")]  # no greys
OTHERS = "#dddddd"
Looks = Mapping[int, tuple[str, str]]  # a class's name and colour


def scatter(axes: Axes, arrays: Mapping[str, np.ndarray], looks: Looks) -> None:
    """Codes in units of the shown range, so that all panels are squares from 0 to 1, and names of classes.

    Limits are the 0.5th and 99.5th percentile of each axis and a margin, because a linear code unit may send
    a few cases far away. Classes without a look are light grey and lie behind. A name stands at its class's
    median, pushed aside where two would overlap.
    """
    codes, labels = arrays["codes"], arrays["code_labels"]
    low, high = np.percentile(codes, [0.5, 99.5], axis=0)
    codes = (codes - low) / (high - low)
    order = np.random.default_rng(0).permutation(len(codes))  # no class lies on top
    order = order[np.argsort(np.isin(labels[order], list(looks)), kind="stable")]
    x, y = codes[order].T
    palette = {c: looks[c][1] if c in looks else OTHERS for c in np.unique(labels)}
    how = {
        "s": np.clip(17500 / len(codes), 3.5, 8),
        "alpha": 0.6,
        "linewidth": 0,
        "legend": False,
        "rasterized": True,
    }
    sns.scatterplot(x=x, y=y, hue=labels[order], palette=palette, ax=axes, **how)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xticks=[], yticks=[], aspect="equal")
    sns.despine(ax=axes, top=False, right=False)
    medians = np.stack([np.median(codes[labels == c], axis=0) for c in looks])
    longest = max(len(name) for name, _ in looks.values())
    shape, edge = (max(1, longest / 2), 1), 0.013 * longest  # a name's width in heights; half of it
    places = shape * house.apart(medians / shape, 0.06, np.divide(edge, shape), np.divide(1 - edge, shape))
    outline = [withStroke(linewidth=2.5, foreground="white")]
    for place, (name, _) in zip(places, looks.values(), strict=True):
        axes.text(*place, name, ha="center", va="center", weight="bold", size=8, path_effects=outline)


def legend(figure: Figure, looks: Looks, ncols: int = 10) -> None:
    """The classes below the panels."""
    dots = [
        Line2D([], [], ls="", marker="o", ms=4, color=colour, label=name) for name, colour in looks.values()
    ]
    figure.legend(handles=dots, loc="outside lower center", ncols=ncols, handlelength=2, handletextpad=0)
