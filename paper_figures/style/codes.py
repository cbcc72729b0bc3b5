"""2-D codes as points, a colour for each class: what Figs. 3 and 4 share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from scipy.spatial import KDTree

from paper_figures.style import house

# ten hues that colour-blind readers can tell apart, found by a search; tests/test_figures.py holds them apart
COLOURS = ["#5c35fe", "#f5bb13", "#37deb4", "#f11e0d", "#40877b"]
COLOURS += ["#814493", "#97c16c", "#e55dfc", "#a82a28", "#dcb8f7"]
OTHERS = "#dddddd"
LIMITS = (-0.05, 1.05)  # of both axes, in such units as `framed` gives
Looks = Mapping[int, tuple[str, str]]  # a class's name and colour


def scatter(axes: Axes, arrays: Mapping[str, np.ndarray], looks: Looks) -> str:
    """Codes in units of the shown range, so that all panels are squares from 0 to 1, and names of classes.

    Limits are the 0.5th and 99.5th percentile of each axis and a margin, because a linear code unit may send
    a few cases far away: these are left out, and counted in what is returned. Classes without a look are
    light grey and lie behind. A name stands where its class is densest; where two would overlap they are
    pushed aside, and a line leads back.
    """
    codes, labels = framed(arrays["codes"]), arrays["code_labels"]
    middles = np.stack([densest(codes[labels == c]) for c in looks])
    inside = np.all(np.abs(codes - 0.5) < 0.54, axis=1)
    n_out = int(np.sum(~inside))
    codes, labels = codes[inside], labels[inside]
    order = np.random.default_rng(0).permutation(len(codes))  # no class lies on top
    order = order[np.argsort(np.isin(labels[order], list(looks)), kind="stable")]
    x, y = codes[order].T
    palette = {c: looks[c][1] if c in looks else OTHERS for c in np.unique(labels)}
    size = np.clip(17500 / max(1, len(codes)), 3.5, 8)
    how = {"s": size, "alpha": 0.6, "linewidth": 0, "legend": False, "rasterized": True}
    sns.scatterplot(x=x, y=y, hue=labels[order], palette=palette, ax=axes, **how)
    axes.set(xlim=LIMITS, ylim=LIMITS, xticks=[], yticks=[], aspect="equal")
    axes.set(xlabel="", ylabel="")
    sns.despine(ax=axes, top=False, right=False)
    _names(axes, middles, looks)
    return f"{n_out} of {n_out + len(codes)} beyond the frame" if n_out else ""


def framed(codes: np.ndarray) -> np.ndarray:
    """Codes [N 2] in units of the range from their 0.5th to their 99.5th percentile, of each axis its own."""
    low, high = np.percentile(codes, [0.5, 99.5], axis=0)
    return (codes - low) / (high - low)


def densest(points: np.ndarray) -> np.ndarray:
    """The point of a class around which the smallest circle holds a quarter of it: a class that lies around
    others has its median among those.
    """
    radii, _ = KDTree(points).query(points, k=[max(1, len(points) // 4)])
    return points[np.argmin(radii)]


def _names(axes: Axes, middles: np.ndarray, looks: Looks) -> None:
    longest = max(len(name) for name, _ in looks.values())
    shape, edge = (max(1, longest / 2), 1), 0.013 * longest  # a name's width in heights; half of it
    limits = np.divide(edge, shape), np.divide(1 - edge, shape)
    moved = np.linalg.norm(shape * house.apart(middles / shape, 0.06, *limits) - middles, axis=1) > 0.03
    places = shape * house.apart(middles / shape, 0.06, *limits, middles[moved] / shape)
    outline = [withStroke(linewidth=2.5, foreground="white")]
    for place, middle, (name, colour) in zip(places, middles, looks.values(), strict=True):
        if np.linalg.norm(place - middle) > 0.03:
            for look in ({"color": "white", "lw": 2.4}, {"color": "#222222", "lw": 0.8}):
                axes.plot(*np.transpose([place, middle]), **look)
            axes.plot(*middle, "o", ms=4, mfc=colour, mec="#222222", mew=0.8, zorder=4)  # over all names
        axes.text(*place, name, ha="center", va="center", weight="bold", size=8, path_effects=outline)


def legend(figure: Figure, looks: Looks, others: str | None = None, ncols: int = 10) -> None:
    """The classes below the panels, and what the light grey ones are."""
    named = [*looks.values()] + ([(others, OTHERS)] if others else [])
    dots = [Line2D([], [], ls="", marker="o", ms=4, color=colour, label=name) for name, colour in named]
    figure.legend(handles=dots, loc="outside lower center", ncols=ncols, handlelength=2, handletextpad=0)
