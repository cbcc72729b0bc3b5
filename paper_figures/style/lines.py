"""Lines of scores, with what the seeds differ by as a band, and the axis of squared errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from paper_figures.style.arms import Look
from paper_figures.style.evidence import ERROR

NAME = "test squared error per image"
ABOVE = "random networks begin above the frame"
BAND = "bands: 95 % interval over seeds"
RANGE = "bands: range of the seeds"
MARKS = 6  # on a line, about


def learning(
    axes: Axes,
    x: str,
    trained: pd.DataFrame,
    look: Look,
    place: tuple[int, int] = (0, 1),
    metric: str = ERROR,
) -> None:
    """The test error of one run against epochs or what was spent: means over seeds, the range as a band.

    `place`, the how-manieth of how many, sets its markers apart from those of others that lie under it.
    """
    seeds = trained.groupby("epoch")
    errors = seeds[metric]
    line = pd.DataFrame({"value": errors.mean(), "low": errors.min(), "high": errors.max()})
    at = line.index if x == "epoch" else seeds[x].mean()
    step = max(1, len(line) // MARKS)
    scored(axes, look, trained.variant.iloc[0], at, line, markevery=(place[0] * step // place[1], step))


def scored(axes: Axes, look: Look, variant: str, x: Iterable[float], rows: pd.DataFrame, **how: Any) -> None:
    """A value at each x, and a band from low to high."""
    x = [*x]
    dots = {"ms": 4, "mew": 0, **how}
    axes.plot(x, rows.value, label=look.label, gid=variant, **look.line, **dots)
    band = rows[["low", "high"]].to_numpy(float).T
    axes.fill_between(x, *band, alpha=0.2, lw=0, color=look.colour, gid=variant)


def scale_errors(axes: Axes, errors: Iterable[float], along: str = "y") -> None:
    """A logarithmic axis that ends a little below and above the errors; NaN does not count."""
    low, high = 0.85 * np.nanmin([*errors]), 1.15 * np.nanmax([*errors])
    axes.set(**{f"{along}scale": "log", f"{along}lim": (low, high)})
    ticks = (1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)
    axis = axes.xaxis if along == "x" else axes.yaxis
    axis.set(major_locator=LogLocator(subs=ticks), minor_locator=NullLocator())
    axis.set_major_formatter("{x:g}")


def scale_epochs(axes: Axes, trained: pd.DataFrame, others: Iterable[float] = ()) -> None:
    """Epochs from 0, and errors to the worst of a pretrained network, or after an epoch: random ones start
    higher.
    """
    shown = (trained.epoch > 0) | (trained.start == "pretrained").fillna(False)
    scale_errors(axes, [*trained[ERROR][shown.astype(bool)], *others])
    axes.set(xlabel="fine-tuning epoch", xlim=(-0.01 * trained.epoch.max(), None))
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
