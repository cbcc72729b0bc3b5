"""Learning by Markov chains and by backpropagation at growing widths: beside claim C6.

Left, how far estimates of the gradient of log p are from it, as multiples of its length: the distance (solid)
and its systematic part (dashed), of a deep Boltzmann machine by mean field and persistent chains, and of a
variational autoencoder by reparameterisation. Right, the autocorrelation time of the machine's chains, of the
free energy (solid) and of the slowest pixel (dashed). Points are means over seeds, bars their 95 % intervals.
What to look for: which lines rise with the width.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import arms, house
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import about
from repro.report.frame import Frame, select

LOOKS = {  # of the models: name and colour
    "deep boltzmann": ("deep Boltzmann machine", arms.COLOURS["pretrained"]),
    "variational": ("variational autoencoder", arms.COLOURS["glorot"]),
}
ERRORS = {"relative_distance": "-", "relative_bias": "--"}
TIMES = {"autocorrelation_free_energy_steps": "-", "autocorrelation_pixel_steps": "--"}


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    rows = select(frame.rows, experiment="scaling", kind="gradient error")
    tables = {metric: scores(frame, metric, among=rows) for metric in ERRORS | TIMES}
    table = tables["relative_distance"]
    require(frame, table, "scaling", "any error of a gradient")
    figure = Figure(figsize=(6.5, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, looks in ((left, ERRORS), (right, TIMES)):
        for metric, dashes in looks.items():
            _lines(axes, tables[metric], metric, dashes)
        axes.set_xscale("log", base=2)
        axes.set_xlabel("units of the first hidden layer")
    left.set(ylabel="distance / gradient's length", title="error of the gradient")
    right.set(ylabel="Gibbs steps", title="autocorrelation time")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    house.head(figure, frame, about(table, "solid: distance, free energy", "dashed: bias, slowest pixel"))
    return figure


def _lines(axes: Axes, table: pd.DataFrame, metric: str, dashes: str) -> None:
    """A line for each model, by width."""
    for model, own in table.groupby("model"):
        name, colour = LOOKS[str(model)]
        width = own.widths.str.split("-").str[0].astype(int)
        own = own.assign(width=width).sort_values("width")
        bars = [own.value - own.low, own.high - own.value]
        label = name if dashes == "-" else None
        look = {"color": colour, "ls": dashes, "gid": f"{metric} {model}", "label": label}
        axes.errorbar(own.width, own.value, yerr=bars, marker="o", ms=3, lw=1, capsize=2, **look)
