"""What could be trained, and what could not: start by optimiser, on the deep network of curves.

Each cell is the test squared error at the end of the longest run of that start with that optimiser, at the
best learning rate that was run, with the number of updates below it; the colour is logarithmic, from the mean
image (nothing learnt) down. Empty cells have not been run. What to look for: whole rows that no optimiser of
the time rescues, and whole rows that almost any does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from paper_figures.style import house
from paper_figures.style.evidence import scores
from paper_figures.style.wording import number
from repro.errors import RecordsMissingError

STARTS = {
    "gaussian": "N(0, .1²)  2006",
    "gaussian.01": "N(0, .01²)  2006",
    "fan-in": "1/√fan-in  1998",
    "glorot": "Glorot  2010",
    "sparse": "sparse  2010",
    "he": "He, rectified  2015",
    "pretrained": "pretrained  2006",
}
OPTIMISERS = {"sgd": "SGD", "momentum": "momentum", "cg": "CG", "lbfgs": "L-BFGS", "hf": "HF", "nag": "NAG"}
OPTIMISERS |= {"adam": "Adam", "kfac": "K-FAC", "muon": "Muon"}


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the tables of a profile.

    Raises:
        RecordsMissingError: if nothing but the paper's own arms has been run.
    """
    found = pd.concat([_cells(results, profile, name) for name in ("direct", "untrainable", "curves")])
    found = found.sort_values("value").drop_duplicates(["start", "optimiser"])
    shape = {"index": [*STARTS], "columns": [*OPTIMISERS]}
    errors, updates = (
        found.pivot(index="start", columns="optimiser", values=v).reindex(**shape)
        for v in ("value", "updates")
    )
    words = [
        [_words(*pair) for pair in zip(*rows, strict=True)]
        for rows in zip(errors.to_numpy(), updates.to_numpy(), strict=True)
    ]
    figure = Figure(figsize=(6.5, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("#eeeeee")
    limits = LogNorm(0.9 * np.nanmin(errors), np.nanmax(errors))
    how = {"annot": np.array(words), "fmt": "", "annot_kws": {"size": 6}, "linewidths": 0.8}
    sns.heatmap(
        errors, norm=limits, cmap="viridis_r", ax=axes, cbar_kws={"label": "test squared error"}, **how
    )
    axes.set(xlabel="", ylabel="", xticklabels=OPTIMISERS.values(), yticklabels=STARTS.values())
    axes.tick_params(length=0, rotation=0)
    house.mark(figure, profile)
    return figure


def _cells(results: Path, profile: str, experiment: str) -> pd.DataFrame:
    """Error and updates by start and optimiser, of the network of Fig. 2A alone.

    Raises:
        RecordsMissingError: if the experiment is `direct` and has no table; without the others it goes.
    """
    try:
        table = scores(results, profile, experiment)
    except RecordsMissingError:
        if experiment == "direct":
            raise
        return pd.DataFrame()
    names = table.index.str.removeprefix("curves/").to_series(index=table.index)
    pattern = f"^({'|'.join(map(str, STARTS))})-({'|'.join(OPTIMISERS)})(?:-[0-9.]+)?$".replace(
        ".01", r"\.01"
    )
    parts = names.str.extract(pattern).set_axis(["start", "optimiser"], axis=1)
    return pd.concat([table[["value", "updates"]], parts], axis=1).dropna(subset=["start"])


def _words(error: float, updates: float) -> str:
    if error != error:
        return ""
    return number(error) + (f"\n{updates:.0f}" if updates == updates else "")
