"""A second layer and the variational bound: claim C4.

A panel for each way to start the second RBM and to make it learn. Blue, the bound; black, log p(v) itself:
both exact, averaged over the training images, less log p(v) of the first RBM alone, the grey line; a line for
each seed. Above each panel, over all seeds: what the bound lost when the second RBM was added, if anything,
and how often an update lowered it. What to look for: whether the bound begins on the grey line, ever goes
down, and ends above that line; the space between blue and black is how loose the bound is.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import arms, house
from paper_figures.style.evidence import require, runs_of, scores
from paper_figures.style.wording import about
from repro.report.frame import Frame, select
from repro.runs.config import Bound, from_json
from repro.runs.record import Record

TIGHT = 1e-6  # nats, of claim C4
LOOKS = {  # of the curves: name, colour and width
    "log_probability": ("log p(v)", "black", 0.6),
    "bound": ("its bound", arms.COLOURS["pretrained"], 0.9),
}


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    table = scores(frame, "gain", among=select(frame.rows, experiment="bound", kind="bound"))
    require(frame, table, "bound", "any second layer")
    runs = [
        [frame.record(path) for path in own.sort_values("seed").path]
        for _, own in runs_of(frame, table).groupby("variant")
    ]
    runs.sort(key=lambda records: _place(_config(records[0])))
    n_rows = -(-len(runs) // 2)
    figure = Figure(figsize=(6.5, 0.6 + 2.0 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, min(2, len(runs)), sharex=True, sharey="row", squeeze=False)
    for axes, records in zip(panels.flat, runs, strict=False):
        _panel(axes, records)
    for axes in panels.flat[len(runs) :]:
        axes.set_visible(False)
    for axes in panels[-1]:
        axes.set_xlabel("updates of the second layer")
    for axes in panels[:, 0]:
        axes.set_ylabel("nats, from the first layer's log p(v)")
    panels[0, 0].legend(loc="best")
    exact = "all sums exact, float64"
    house.head(figure, frame, about(table, exact, "grey: the first layer alone", "a line for each seed"))
    return figure


def _config(record: Record) -> Bound:
    config = from_json(record.config)
    assert isinstance(config, Bound)
    return config


def _place(config: Bound) -> tuple:
    """The conditions of the theory first, then what gives up one of them."""
    return config.start.kind != "tied", config.gradient != "exact", -config.widths[1]


def _panel(axes: Axes, records: list[Record]) -> None:
    """Every seed's bound and log p(v) against updates."""
    config = _config(records[0])
    axes.axhline(0, color=house.GREY, lw=0.8, alpha=0.6)
    for metric, (name, colour, width) in LOOKS.items():
        for i, record in enumerate(records):
            has = record.curves
            height = np.array(has[metric]) - record.metrics["log_probability_before"]
            how = {"color": colour, "lw": width, "alpha": 0.6, "gid": metric}
            axes.plot(has["updates"], height, label=None if i else name, **how)
    axes.set_title(f"{_words(config)}\n{_falls(records)}", loc="left")


def _words(config: Bound) -> str:
    """How the second RBM starts and learns."""
    start = "first layer turned over" if config.start.kind == "tied" else "random start"
    learns = "exact gradient" if config.gradient == "exact" else "CD-1"
    return f"{start}, {config.widths[1]} units, {learns}"


def _falls(records: list[Record]) -> str:
    """What lowered the bound."""
    change, fell, percent = (
        np.array([record.metrics[name] for record in records])
        for name in ("change_at_start", "fell", "falls_percent")
    )
    cost = f"adding it cost {-change.mean():.2f} nats; " if change.mean() < -TIGHT else ""
    if not fell.any():
        return f"{cost}never fell in {len(records)} seeds"
    return f"{cost}fell in {fell.sum():.0f} of {len(records)} seeds, in {percent.mean():.0f} % of updates"
