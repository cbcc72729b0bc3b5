"""Figs. 4B and 4C of hinton2006science: test documents as two numbers.

Left by LSA, right by the pretrained autoencoder with a code of two units, of the lowest seed; up to 500
documents of each class. The eight classes with the most test documents have a colour and stand named at
their medians (pushed aside where two would overlap); all others are light grey and lie behind. Limits are the
0.5th and 99.5th percentile of each axis and a margin. Above each: which fraction of a document's seven
nearest are of its class, over all test documents and n seeds. What to look for: whether the classes lie
apart in the autoencoder's picture where they lie upon each other in LSA's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import arms, codes, house
from paper_figures.style.corpus import NAMES, corpus, precision_at
from paper_figures.style.evidence import shown
from paper_figures.style.wording import effort

ARMS = {"lsa-2d": "LSA", "pretrained-cg-2d": "autoencoder"}
COLOURED = 8
NEAREST = 7


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the records and tables of a profile."""
    data = corpus(results, profile, "pretrained-cg-2d")
    metric = precision_at(NEAREST)
    panels = [shown(results, profile, "documents", f"{data}/{arm}", metric) for arm in ARMS]
    looks = _looks(panels[0].arrays)
    figure = Figure(figsize=(6.5, 3.5), layout="constrained")
    for axes, panel, name in zip(figure.subplots(1, 2), panels, ARMS.values(), strict=True):
        codes.scatter(axes, panel.arrays, looks)
        found = f"{100 * panel.score.value:.0f} % of the {NEAREST} nearest are of the same class"
        title = f"{NAMES[data]}, {name}, {effort(panel.score)}\n{found}"
        axes.set_title(title, color=arms.colour(panel.variant), gid=panel.variant)
    codes.legend(figure, looks)
    house.mark(figure, profile)
    return figure


def _looks(arrays: dict[str, np.ndarray]) -> codes.Looks:
    """Names and colours of the largest classes, the largest first."""
    sizes = arrays["class_sizes"]
    largest = [c for c in np.argsort(-sizes, kind="stable")[:COLOURED] if sizes[c]]
    return {c: (arrays["class_names"][c], codes.BRIGHT[i]) for i, c in enumerate(largest)}
