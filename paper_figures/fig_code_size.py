"""Test squared error against the size of the code: hinton2006science's extension of PCA (p. 505).

One panel for each data set: deep autoencoders as in Figs. 2A and 2B but for the size of their code layer, and
both kinds of PCA. Points are means over n seeds, with the 95 % interval as a band; both axes are logarithmic.
What to look for: whether the pretrained autoencoder lies below both kinds of PCA at every size, and how many
more numbers those need for the same error.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import effort

PANELS = {"mnist": "MNIST", "curves": "curves"}
ARMS = ["pretrained-adam", "glorot-adam", "logistic-pca", "pca"]


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the table of a profile."""
    table = scores(results, profile, "code_size")
    table[["line", "size"]] = table.index.str.extract(r"(.*)-(\d+)$").set_axis(table.index)
    table = table.astype({"size": int}).sort_values("size")
    shown = [data for data in PANELS if table.line.str.startswith(f"{data}/").any()]
    require([f"{data}/pca" for data in shown], [*table.line], "code_size", profile)
    figure = Figure(figsize=(6.5, 3.4), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, data in zip(panels, shown, strict=True):
        _panel(axes, table[table.line.str.startswith(f"{data}/")])
        axes.set_title(PANELS[data])
    panels[0].set_ylabel(lines.ERROR)
    house.mark(figure, profile)
    return figure


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    for line in sorted(set(table.line), key=lambda line: ARMS.index(arms.arm(line))):
        rows = table[table.line == line]
        efforts = dict.fromkeys(effort(row) for _, row in rows.iterrows())
        lines.scored(axes, line, rows["size"], rows, f"{arms.label(line)}  {'; '.join(efforts)}")
    lines.scale_errors(axes, table.value)
    axes.set(xscale="log", xlabel="size of the code", xticks=table["size"].unique())
    axes.xaxis.set(major_formatter="{x:g}", minor_locator=NullLocator())
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
