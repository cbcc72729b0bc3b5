"""Did non-convexity hurt? Where training ends from many random starts.

One row for each data set. Left the training cross-entropy of every start during training; right, a dot for
each start, the best lowest, how far its final training cross-entropy is from the mean of all starts. The
bar is one standard deviation to either side; dotted, 1.3 times the best, which claim C11 allows the worst.
What to look for: whether any start ends far from the others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from paper_figures.style import arms, house
from paper_figures.style.eras import NETWORKS
from paper_figures.style.evidence import command
from paper_figures.style.wording import DATA, about
from repro.errors import RecordsMissingError
from repro.report.frame import Frame, curves, select, shown

LOSS = "train_cross_entropy"
WORST_OVER_BEST = 1.3  # of claim C11


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile.

    Raises:
        RecordsMissingError: if there are no two starts of any data set.
    """
    rows = shown(select(frame.rows, experiment="spread", metric=LOSS))
    found = [own.sort_values("seed") for _, own in rows.groupby("variant") if own.seed.nunique() > 1]
    found.sort(key=lambda own: [*NETWORKS].index(own["data"].iloc[0]))
    if not found:
        where = f"{frame.folder / frame.profile} has no two starts of spread"
        raise RecordsMissingError(f"{where}: run `{command(frame, 'run spread')}`")
    figure = Figure(figsize=(6.5, 0.5 + 2.1 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), 2, squeeze=False)
    for (left, right), own in zip(panels, found, strict=True):
        _training(left, curves(frame, own, [LOSS]), own)
        _finals(right, own)
    scores = pd.DataFrame([own.iloc[0].to_dict() | {"n": len(own)} for own in found])
    bar, dotted = "bar: one standard deviation to either side", f"dotted: {WORST_OVER_BEST} times the best"
    house.head(figure, frame, about(scores, bar, f"{dotted}, which C11 allows the worst"))
    return figure


def _training(axes: Axes, trained: pd.DataFrame, own: pd.DataFrame) -> None:
    """Every start's loss during training, or why there is none."""
    first = own.iloc[0]
    for _, start in trained[trained.epoch > 0].groupby("seed"):
        axes.plot(start.epoch, start[LOSS], color=arms.colour(first), gid=first.variant, lw=0.8, alpha=0.6)
    axes.set_title(f"{DATA[first['data']]}: {arms.label(first)}", loc="left")
    axes.set(xlabel="fine-tuning epoch", ylabel="training cross-entropy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if trained.empty:
        axes.annotate("not kept", (0.5, 0.5), xycoords="axes fraction", ha="center", color=house.GREY)


def _finals(axes: Axes, own: pd.DataFrame) -> None:
    """Every start's last loss against their mean, in order."""
    losses, look = np.sort(own.value.to_numpy(float)), {"color": arms.colour(own.iloc[0])}
    ratio = losses / losses.mean()
    deviation = ratio.std(ddof=1)
    axes.axvspan(-deviation, deviation, alpha=0.2, lw=0, **look)
    axes.plot(ratio - 1, 1 + np.arange(len(ratio)), "o", ms=4, mew=0, gid=own.variant.iloc[0], **look)
    axes.axvline(WORST_OVER_BEST * ratio[0] - 1, ls=":", lw=0.8, color=house.GREY)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    words = f"deviation {100 * deviation:.2g} %, worst over best {losses[-1] / losses[0]:.3f}"
    axes.set_title(f"n {len(losses)}, {words}", loc="left")
    axes.set(ylabel="starts, best first", xlabel="last training cross-entropy, from the mean")
