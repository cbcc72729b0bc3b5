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
from matplotlib.figure import Figure

from paper_figures.style import arms, codes, house
from paper_figures.style.evidence import Shown, shown
from paper_figures.style.wording import result


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the records and tables of a profile."""
    panels = [shown(results, profile, "mnist", variant) for variant in ("pca-2d", "pretrained-cg-2d")]
    looks = {c: (f"{c}", codes.COLOURS[c]) for c in np.unique(panels[0].arrays["code_labels"])}
    figure = Figure(figsize=(6.5, 3.5), layout="constrained")
    for axes, panel in zip(figure.subplots(1, 2), panels, strict=True):
        codes.scatter(axes, panel.arrays, looks)
        axes.set_title(_title(panel), color=arms.colour(panel.variant), gid=panel.variant)
    codes.legend(figure, looks)
    house.mark(figure, profile)
    return figure


def _title(panel: Shown) -> str:
    how = "first two principal components"
    if panel.score.epochs:
        how = f"{panel.network} autoencoder"
    return f"{how}\ntest squared error {result(panel.score)}"
