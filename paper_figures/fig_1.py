"""Fig. 1 of hinton2006science: pretraining, unrolling, fine-tuning, and what each of them achieves on
MNIST.

Left a stack of RBMs, each learning the hidden activities of the one below; in the middle the same weights
as an autoencoder, whose decoder has them transposed; right the autoencoder once errors that backpropagate
have adjusted them. Boxes are layers with their number of units, as wide as its square root; a tint goes
with its weights. Below, the test squared error of the untrained stack unrolled, of the pretrained one, and
after fine-tuning, means over n seeds, each of the longest run. What to look for: how much of the way
pretraining goes alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from paper_figures.style import arms, house
from paper_figures.style.evidence import BEFORE, ERROR, of_variants, require
from paper_figures.style.wording import INPUTS, about, counted, in_print, number, query
from repro.report.frame import Frame, select

LAYER, WEIGHTS, CAPTION = 0.17, 0.27, 0.8  # inches
RBMS, UNROLLED, FINETUNED = 1.4, 3.5, 5.55  # middles of the columns
VARIANTS = ["gaussian-cg", "pretrained-cg"]
SIDE = {"ha": "right", "va": "center", "color": house.GREY}
ARROW = {"arrowstyle": "->", "color": house.GREY, "lw": 0.8, "shrinkA": 1, "shrinkB": 1}


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile.

    Raises:
        RecordsMissingError: if the pretrained network has not been run.
    """
    before, after = (of_variants(frame, "mnist", VARIANTS, metric) for metric in (BEFORE, ERROR))
    untrained, unrolled = (arm(before, start) for start in ("gaussian", "pretrained"))
    finetuned = arm(after, "pretrained")
    require(frame, finetuned, "mnist", "pretrained-cg")
    found = next(finetuned.itertuples())
    sizes = [INPUTS[found.data], *map(int, found.widths.split("-"))]
    tall = CAPTION + 2 * (len(sizes) - 1) * (LAYER + WEIGHTS) + LAYER + (0.4 if frame.small else 0.25)
    figure = Figure(figsize=(6.5, tall))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 6.5), ylim=(0, tall))
    axes.axis("off")
    _columns(axes, sizes)
    _caption(axes, RBMS, "pretraining", untrained, "before it: ", "random weights, unrolled")
    _caption(axes, UNROLLED, "unrolling", unrolled, "", f"{found.pretraining} epochs for each RBM")
    _caption(axes, FINETUNED, "fine-tuning", finetuned, "", counted(found.epochs, "epoch"))
    stages = [untrained.assign(epochs=0), unrolled.assign(epochs=0), finetuned]
    house.head(figure, frame, about(pd.concat(stages, ignore_index=True), query(finetuned)), y=0.04)
    return figure


def arm(table: pd.DataFrame, start: str) -> pd.DataFrame:
    """The row of the network that begins so, if it has been run."""
    return select(table, start=start)


def _columns(axes: Axes, sizes: list[int]) -> None:
    """The stack of RBMs, and the autoencoder before and after fine-tuning."""
    n = len(sizes) - 1
    tints = sns.light_palette(arms.COLOURS["pretrained"], n + 4)[1:-3]
    names = [f"W_{i}" for i in range(1, n + 1)]
    step = (2 * n - 1) * (LAYER + WEIGHTS) / (n - 1)
    for i, (pair, name, tint) in enumerate(zip(pairwise(sizes), names, tints, strict=True)):
        bottom = CAPTION + i * step
        _network(axes, RBMS, bottom, pair, [name], [tint])
        top = i == n - 1
        axes.text(0.58, bottom + LAYER + WEIGHTS / 2, "top RBM" if top else "RBM", **SIDE)
        if not top:
            axes.annotate("", (RBMS, bottom + step), (RBMS, bottom + 2 * LAYER + WEIGHTS), arrowprops=ARROW)
    names += [rf"{name}^\top" for name in reversed(names)]
    adjusted = [rf"{name}+\varepsilon_{i}" for i, name in enumerate(names, start=1)]
    for x, weights in ((UNROLLED, names), (FINETUNED, adjusted)):
        _network(axes, x, CAPTION, sizes + sizes[-2::-1], weights, tints + tints[::-1])
    code = CAPTION + n * (LAYER + WEIGHTS) + LAYER / 2
    axes.text(2.6, code, "code layer", **SIDE)
    for name, end in (("encoder", CAPTION), ("decoder", 2 * code - CAPTION)):
        near = code + (LAYER if end > code else -LAYER)
        axes.plot([2.6, 2.6], [near, end], color=house.GREY, lw=0.8)
        axes.text(2.54, (near + end) / 2, name, rotation=90, **SIDE)


def _network(
    axes: Axes, x: float, bottom: float, sizes: Sequence[int], weights: list[str], tints: list
) -> None:
    """Layers from the bottom up, each pair joined by weights with a name and a tint."""
    halves = [0.0237 * size**0.5 for size in sizes]
    for i, (size, half) in enumerate(zip(sizes, halves, strict=True)):
        y = bottom + i * (LAYER + WEIGHTS)
        axes.add_patch(Rectangle((x - half, y), 2 * half, LAYER, fc="white", ec="#333333", lw=0.7))
        axes.text(x, y + LAYER / 2, size, ha="center", va="center_baseline", size=7)
    for i, ((below, above), name, tint) in enumerate(zip(pairwise(halves), weights, tints, strict=True)):
        low = bottom + LAYER + i * (LAYER + WEIGHTS)
        high = low + WEIGHTS
        corners = [(x - below, low), (x + below, low), (x + above, high), (x - above, high)]
        axes.add_patch(Polygon(corners, fc=tint, lw=0))
        axes.text(x, (low + high) / 2, f"${name}$", ha="center", va="center", size=7.5)


def _caption(axes: Axes, x: float, stage: str, row: pd.DataFrame, when: str, how: str) -> None:
    """The name of a stage, the error of what stands there, and what it took."""
    look = {"ha": "center", "va": "baseline"}
    axes.text(x, 0.5, stage, weight="bold", size=8.5, **look)
    for score in row.itertuples():
        error = f"{when}test squared error {number(score.value)}"
        axes.text(x, 0.3, error, color=arms.colour(score), gid=score.variant, **look)
        theirs = f"; published: {in_print(score)}" if in_print(score) else ""
        how = f"{how}, n {score.n}{theirs}"
    axes.text(x, 0.12, how if len(row) else "not run", color=house.GREY, **look)
