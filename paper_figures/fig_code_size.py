"""Test squared error against the size of the code: hinton2006science's extension of PCA (p. 505).

One panel for each data set: deep autoencoders as in Figs. 2A and 2B but for the size of their code layer,
and both kinds of PCA. Points are means over n seeds, with the 95 % interval as a band; both axes are
logarithmic. What to look for: whether the pretrained autoencoder lies below both kinds of PCA at every
size, and how many more numbers those need for the same error.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import DATA, about, counted, span
from repro.report.frame import Frame, select

LINE = ["start", "optimiser", "kind", "n_layers"]  # what the points of a line share


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    table = scores(frame, among=select(frame.rows, experiment="code_size"))
    require(frame, table, "code_size", "any size")
    datasets = [data for data in DATA if data in set(table["data"])]
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    panels = figure.subplots(1, len(datasets), squeeze=False)[0]
    for axes, data in zip(panels, datasets, strict=True):
        _panel(axes, select(table, data=data))
        axes.set_title(DATA[data])
    panels[0].set_ylabel(lines.NAME)
    house.head(figure, frame, about(table))
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    """A line for each arm, the lowest at the largest code first."""
    of_line = [own.sort_values("code_size") for _, own in table.groupby(LINE, dropna=False, sort=False)]
    of_line.sort(key=lambda own: own.value.iloc[-1])
    for own in of_line:
        first = own.iloc[0]
        length = f"{counted(span(own.epochs), 'epoch')}, " if own.epochs.max() else ""
        name = f"{arms.label(first)}  {length}n {span(own.n)}"
        look = arms.Look(name, arms.colour(first), arms.marker(first), "-")
        lines.scored(axes, look, first.variant, own.code_size, own)
    lines.scale_errors(axes, table.value)
    axes.set(xscale="log", xlabel="size of the code", xticks=sorted(table.code_size.unique()))
    axes.xaxis.set(major_formatter="{x:g}", minor_locator=NullLocator())
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
