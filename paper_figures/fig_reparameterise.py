"""Two gradients of one bound, and what each makes of the same network: claim C7.

Left, along the reparameterised training: the variance of the score function's gradient over that of the
reparameterised one, at equal operations, a line for each seed; the dotted line is the claim's. Variances are
over draws of the latent units, summed over all parameters, or over those of the recognition network. Right,
the bound while each gradient trains the network, averaged over the minibatches since the last report, against
the operations spent; in the legend log p of the test images, mean over the n seeds. What to look for: whether
the left lines stay above the dotted one, and how far the right ones end from each other.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from paper_figures.style import house
from paper_figures.style.evidence import require, runs_of, scores
from paper_figures.style.wording import about
from repro.report.frame import Frame, select
from repro.runs.record import Record

CLAIMED = 10.0  # times the variance, of claim C7
RATIOS = {
    "variance_ratio": ("all parameters", "black"),
    "variance_ratio_recognition": ("recognition", "#56b4e9"),
}
ESTIMATORS = {"reparameterised": "#0072b2", "score function": "#d55e00"}
SPAN = 60.0  # nats: what lies further below the best is cut off, for training begins far down


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    among = select(frame.rows, experiment="reparameterise", kind="directed")
    table = scores(frame, "test_log_probability", among=among)
    require(frame, table, "reparameterise", "any gradient")
    of_estimators = _by_estimator(frame, table)
    figure = Figure(figsize=(6.5, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    _ratios(left, of_estimators.get("reparameterised", []))
    _bounds(right, of_estimators)
    trained = "gradients with one draw for each image"
    house.head(figure, frame, about(table, trained, "a line for each seed"))
    return figure


def _by_estimator(frame: Frame, table: pd.DataFrame) -> dict[str, list[Record]]:
    """The records of each gradient, by seed."""
    records = [frame.record(path) for path in runs_of(frame, table).sort_values("seed").path]
    found = {name: [r for r in records if r.config["estimator"] == name] for name in ESTIMATORS}
    return {name: some for name, some in found.items() if some}


def _ratios(axes: Axes, records: list[Record]) -> None:
    """Of both variances, along the reparameterised training."""
    axes.axhline(CLAIMED, color=house.GREY, lw=0.8, ls=":")
    for metric, (name, colour) in RATIOS.items():
        for i, record in enumerate(records):
            how = {"color": colour, "lw": 0.9, "alpha": 0.7, "gid": metric}
            axes.plot(record.curves["updates"], record.curves[metric], label=None if i else name, **how)
    axes.set(yscale="log", xlabel="updates", ylabel="variance, score function / reparameterised")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if records:
        axes.legend(loc="best")


def _bounds(axes: Axes, of_estimators: dict[str, list[Record]]) -> None:
    """Against operations, by each gradient."""
    for name, records in of_estimators.items():
        nats = np.mean([record.metrics["test_log_probability"] for record in records])
        label = f"{name}: log p {nats:.1f}, n {len(records)}"
        for i, record in enumerate(records):
            how = {"color": ESTIMATORS[name], "lw": 0.9, "alpha": 0.7, "gid": name}
            axes.plot(record.curves["flops"], record.curves["bound"], label=None if i else label, **how)
    best = max(np.nanmax(r.curves["bound"]) for some in of_estimators.values() for r in some)
    axes.set(xlabel="operations of training", ylabel="bound of training images (nats)")
    axes.set_ylim(max(axes.get_ylim()[0], best - SPAN), None)
    axes.legend(loc="lower right")
