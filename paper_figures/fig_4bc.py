"""Figs. 4B and 4C of hinton2006science: test documents as two numbers.

Left by LSA, right by the pretrained autoencoder with a code of two units, of the lowest seed; up to 500
documents of each class. The eight classes with the most test documents have a colour and stand named
where they are densest; where two would overlap they are pushed aside, and a line leads back. All others are
light grey and lie behind. Limits are the 0.5th and 99.5th percentile of each axis and a margin. Above each:
which fraction of a document's seven nearest are of its class, over all test documents and n seeds. What to
look for: whether the classes lie apart in the autoencoder's picture where they lie upon each other in LSA's.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import arms, codes, house
from paper_figures.style.evidence import pictured, require, scores
from paper_figures.style.retrieval import corpus, precision_at
from paper_figures.style.wording import about, effort
from repro.report.frame import Frame, select

KINDS = ("lsa", "autoencoding")
COLOURED = 8
NEAREST = 7


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    own = select(frame.rows, experiment="documents", data=corpus(frame), code_size=2)
    own = own[(own.kind == "lsa") | (own.start == "pretrained").fillna(False)]
    table = scores(frame, precision_at(NEAREST), among=own)
    require(frame, table, "documents", "codes of two numbers")
    table = table.sort_values("kind", key=lambda kinds: kinds.map(KINDS.index), ignore_index=True)
    panels = pictured(frame, table)
    looks = _looks(panels[0].arrays)
    figure = Figure(figsize=(6.5, 3.95), layout="constrained")
    for axes, panel in zip(figure.subplots(1, 2).flat, panels, strict=False):
        beyond = codes.scatter(axes, panel.arrays, looks)
        name = "LSA" if panel.score.kind == "lsa" else "autoencoder"
        found = f"{100 * panel.score.value:.0f} % of the {NEAREST} nearest are of the same class"
        how = [f"{name}, {effort(panel.score)}", *filter(None, [beyond])]
        look = {"color": arms.colour(panel.score), "gid": panel.score.variant, "size": 7.5}
        axes.set_title(f"{'; '.join(how)}\n{found}", **look)
    for axes in figure.axes[len(panels) :]:
        axes.axis("off")
    others = sum(panels[0].arrays["class_sizes"] > 0) - len(looks)
    codes.legend(figure, looks, f"{others} other classes" if others else None, ncols=5)
    missing = "" if len(table) > 1 else "the other has not been run"
    house.head(figure, frame, about(table, f"codes of seed {table.seed.min()}", missing))
    return figure


def _looks(arrays: dict[str, np.ndarray]) -> codes.Looks:
    """Names and colours of the largest classes, the largest first."""
    sizes = arrays["class_sizes"]
    largest = [c for c in np.argsort(-sizes, kind="stable")[:COLOURED] if sizes[c]]
    return {c: (arrays["class_names"][c], codes.COLOURS[i]) for i, c in enumerate(largest)}
