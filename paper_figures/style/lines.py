"""Lines of scores, with what the seeds differ by as a band, and the axis of squared errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from paper_figures.style import arms

ERROR = "test squared error per image"


def learning(axes: Axes, x: str, trained: pd.DataFrame, labels: Mapping[str, str]) -> None:
    """Test squared error of the labelled variants against epochs or seconds: means over seeds, the range as
    a band, and dots here and there, in turn, to show which arms lie under another.
    """
    for i, (variant, label) in enumerate(labels.items()):
        errors = trained[trained.variant == variant].groupby(x).test_squared_error
        every = (i % len(errors), max(6, len(labels)))
        line = pd.DataFrame({"value": errors.mean(), "low": errors.min(), "high": errors.max()})
        scored(axes, variant, line.index, line, label, markevery=every)


def scored(axes: Axes, variant: str, x: Iterable[float], rows: pd.DataFrame, label: str, **how) -> None:
    """A value at each x, and a band from low to high."""
    x, look = [*x], {"color": arms.colour(variant), "gid": variant}
    dots = {"marker": "o", "ms": 3.3, "mew": 0, **how}
    axes.plot(x, rows.value, ls=arms.dashes(variant), label=label, **look, **dots)
    axes.fill_between(x, *rows[["low", "high"]].to_numpy(float).T, alpha=0.2, lw=0, **look)


def scale_errors(axes: Axes, errors: Iterable[float]) -> None:
    """A logarithmic axis that ends a little below and above the errors; NaN does not count."""
    low, high = 0.85 * np.nanmin(errors), 1.15 * np.nanmax(errors)
    axes.set(yscale="log", ylim=(low, high))
    ticks = (1, 2, 5) if high > 10 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)
    axes.yaxis.set(major_locator=LogLocator(subs=ticks), minor_locator=NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")


def scale_epochs(axes: Axes, trained: pd.DataFrame, others: Iterable[float] = ()) -> None:
    """Epochs from 0, and errors to the worst after an epoch: random networks start higher."""
    scale_errors(axes, [*trained.test_squared_error[trained.epoch > 0], *others])
    axes.set(xlabel="fine-tuning epoch", xlim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True))
