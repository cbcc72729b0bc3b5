"""Convolutional deep belief networks: what their bases look like, and how many settings work (claim C8).

Above the bases of the first layer of three machines, which are filters, and below those of the second, which
are weighted sums of the first layer's; grey is 0, and each has a scale of its own. Below, of every setting
drawn at random, the test error after learning from 1,000 labels and from all: a point for each setting of
the machine, whose features a linear support vector machine judges, and of the supervised network; beside
them settings that were chosen, filters that are random, and an RBM without convolutions, a point for each
seed. The line is the published error; left of the edge of the grey an error is as near to it as is asked for,
and a setting works whose errors are so in both. What to look for: how many points lie there, and how far the
rest are scattered.
"""

from __future__ import annotations

from math import isqrt

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.convolution import ERROR, NUMBERS, published
from paper_figures.style import arms, house
from paper_figures.style.evidence import Picture, pictured, require, scores
from paper_figures.style.wording import DATA, QUERY, about
from repro.report.frame import Frame, select, shown

MACHINE, NETWORK = arms.COLOURS["pretrained"], arms.COLOURS["he"]
ARMS = {  # by kind of features, and whether their settings are drawn: name and colour, from above
    ("convolutional", True): ("machine, settings drawn", MACHINE),
    ("convolutional networks", True): ("network, settings drawn", NETWORK),
    ("convolutional", False): ("machine, setting chosen", MACHINE),
    ("random filters", False): ("random filters", house.GREY),
    ("rbm", False): ("RBM without convolutions", arms.COLOURS["glorot"]),
}
LABELS = {"1000_labels": "1,000 labels", "all_labels": "all labels"}
SHADES, GAP = 127, 1  # of a base on either side of 0; pixels between bases
LEAST = 0.5  # per cent, where the axis begins
ROOM = 4.0  # times the largest error, where it ends: for what is written there


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    rows = select(frame.rows, experiment="convolution")
    table = scores(frame, f"{ERROR}_all_labels", among=rows)
    learnt = scores(frame, "reconstruction_error_layer2", among=rows)
    require(frame, pd.concat([table, learnt]), "convolution", "any machine or network")
    panels = _machines(pictured(frame, learnt))
    figure = Figure(figsize=(6.5, 2.3 + 3.6 * bool(panels)), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(3.6 * bool(panels) + 1e-3, 2.3))
    if panels:
        for (upper, lower), (name, arrays) in zip(
            above.subplots(2, len(panels), squeeze=False).T, panels, strict=True
        ):
            _bases(upper, arrays["bases_layer1"], f"{name}: first layer")
            _bases(lower, arrays["bases_layer2"], f"{name}: second layer")
    for axes, labels in zip(below.subplots(1, len(LABELS), sharex=True, sharey=True), LABELS, strict=True):
        _outcomes(axes, rows, labels)
    worst = rows.value[rows.metric.isin([f"{ERROR}_{labels}" for labels in LABELS])].max()
    axes.set_xlim(LEAST, ROOM * max(worst, 1))
    n_seen = f"bases of seed {learnt.seed.min()}" if panels else ""
    house.head(figure, frame, about(pd.concat([table, learnt]), n_seen, "line: published?", QUERY))
    return figure


def _machines(pictures: list[Picture]) -> list[tuple[str, dict[str, np.ndarray]]]:
    """A machine for each data set: of several the one whose setting was chosen."""
    found = {}
    for picture in sorted(pictures, key=lambda picture: picture.score.pretraining == "drawn"):
        found.setdefault(DATA[picture.score.data], picture.arrays)
    return sorted(found.items(), key=lambda item: item[0] != DATA["mnist"])


def _bases(axes: Axes, bases: np.ndarray, title: str) -> None:
    """Side by side, in as many rows as columns or more."""
    n_rows = isqrt(len(bases))
    n_rows = next(n for n in range(n_rows, 0, -1) if len(bases) % n == 0)
    padded = np.pad(bases.astype(float), ((0, 0), (0, GAP), (0, GAP)), constant_values=SHADES)
    _, high, wide = padded.shape
    picture = padded.reshape(n_rows, -1, high, wide).swapaxes(1, 2).reshape(n_rows * high, -1)
    picture = picture[:-GAP, :-GAP]
    axes.imshow(picture, cmap="gray", vmin=-SHADES, vmax=SHADES, interpolation="nearest", gid=title)
    axes.set_title(title, loc="left")
    axes.set_axis_off()


def _outcomes(axes: Axes, rows: pd.DataFrame, labels: str) -> None:
    """A row of points for each arm; those that diverged, or are beyond chance, count in its name."""
    metric = f"{ERROR}_{labels}"
    found = shown(rows[rows.metric == metric])
    limit = published(labels) + NUMBERS[labels]
    axes.axvspan(LEAST, limit, color=house.GREY, alpha=0.12, lw=0)
    axes.axvline(published(labels), color="black", lw=0.8)
    for place, (about_arm, (_, colour)) in enumerate(ARMS.items()):
        own = found[np.array([_arm(row) == about_arm for row in found.itertuples()], bool)]
        errors = np.sort(own.value.dropna().to_numpy(float))
        heights = (
            -place + np.linspace(-0.28, 0.28, len(errors)) if len(errors) > 1 else [-place] * len(errors)
        )
        look = {"ls": "", "ms": 3.5, "mew": 0, "alpha": 0.75, "color": colour}
        axes.plot(errors, heights, "o", gid=f"{labels} {place}", **look)
        if len(own):
            works = f"{np.sum(errors <= limit)} of {len(own)}"
            where = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
            axes.text(0.99, -place, works, fontsize=6.5, color=colour, **where)
    axes.set_yticks([-place for place in range(len(ARMS))], [name for name, _ in ARMS.values()])
    axes.set(xscale="log", ylim=(0.6 - len(ARMS), 0.6), xlabel="test error, per cent")
    axes.set_title(f"{LABELS[labels]}; right: how many in the grey", loc="left")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="y", length=0)


def _arm(row) -> tuple[str, bool]:
    """Its kind, and whether its settings are drawn."""
    if row.kind != "convolution":
        return row.kind, True
    return row.features, row.pretraining == "drawn"
