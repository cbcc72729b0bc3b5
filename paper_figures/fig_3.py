"""Fig. 3 of hinton2006science: 500 test digits of each class as two numbers.

Left the first two principal components, right the codes of the pretrained 784-1000-500-250-2 autoencoder,
of the lowest seed. Each class has a colour, and its digit stands where it is densest; where two would overlap
they are pushed aside, and a line leads back. Limits are the 0.5th and 99.5th percentile of each axis and a
margin, because a linear code unit may send a few digits far away: these are left out, and counted above.
What to look for: the autoencoder's classes lie apart where those of PCA lie upon each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import arms, codes, house
from paper_figures.style.evidence import not_run, of_variants, pictured
from paper_figures.style.wording import about, network, query, result
from repro.report.frame import Frame

VARIANTS = ["pca-2d", "pretrained-cg-2d"]


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    table = of_variants(frame, "mnist", VARIANTS)
    panels = pictured(frame, table)
    looks = {c: (f"{c}", codes.COLOURS[c]) for c in np.unique(panels[0].arrays["code_labels"])}
    figure = Figure(figsize=(6.5, 3.85), layout="constrained")
    for axes, panel in zip(figure.subplots(1, 2).flat, panels, strict=False):
        beyond = codes.scatter(axes, panel.arrays, looks)
        lines = [_what(panel.score), f"test squared error {result(panel.score)}", beyond]
        look = {"color": arms.colour(panel.score), "gid": panel.score.variant}
        axes.set_title("\n".join(filter(None, lines)), size=7.5, **look)
    for axes in figure.axes[len(panels) :]:
        axes.axis("off")
    codes.legend(figure, looks)
    seed = f"codes of seed {table.seed.min()}"
    house.head(figure, frame, about(table, seed, not_run(table, VARIANTS), query(table)))
    return figure


def _what(score: Any) -> str:
    pretrained = score.kind == "autoencoding"
    return f"{network(score)} autoencoder" if pretrained else "first two principal components"
