"""Did non-convexity hurt? Where training ends from many random starts.

A dot for each start: how far its final training cross-entropy is from the mean of all starts; the bar is one
standard deviation to either side. What to look for: whether any start ends far from the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from paper_figures.style import arms, house
from repro.errors import RecordsMissingError
from repro.report.tables import groups, longest

NAMES = {"curves": "curves", "mnist": "MNIST"}


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the records of a profile.

    Raises:
        RecordsMissingError: if there are no two starts of any data set.
    """
    found = {data: finals(results, profile, f"{data}/sparse-nag") for data in NAMES}
    found = {data: losses for data, losses in found.items() if len(losses) > 1}
    if not found:
        raise RecordsMissingError(
            f"no {profile} records of spread: run `repro run spread --profile {profile}`"
        )
    figure = Figure(figsize=(6.5, 0.9 + 0.8 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (data, losses) in zip(panels, found.items(), strict=True):
        ratio, look = losses / losses.mean(), {"color": arms.colour("sparse-nag"), "gid": "sparse-nag"}
        deviation = ratio.std(ddof=1)
        axes.plot([-deviation, deviation], [0, 0], lw=6, alpha=0.25, solid_capstyle="butt", **look)
        sns.swarmplot(x=ratio - 1, y=np.zeros(len(ratio)), orient="h", ax=axes, size=4, color=look["color"])
        axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
        extremes = f"worst over best {ratio.max() / ratio.min():.2f}"
        words = f"n {len(ratio)}, deviation {100 * deviation:.1f} %, {extremes}"
        axes.set_title(f"{NAMES[data]}, {arms.label('sparse-nag')}: {words}", loc="left")
        axes.set(yticks=[], ylabel="")
        axes.spines["left"].set_visible(False)
    panels[-1].set_xlabel("final training cross-entropy, from the mean of all starts")
    house.mark(figure, profile)
    return figure


def finals(results: Path, profile: str, variant: str) -> np.ndarray:
    """The final training cross-entropy of every seed of the variant's longest run; none if there is none."""
    group = longest(groups(results / profile, "spread")).get(variant)
    return np.array([record.metrics["train_cross_entropy"] for record in group.records] if group else [])
