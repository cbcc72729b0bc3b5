"""Few labelled cases of new classes: how well features tell digits apart that nothing was learnt from.

Per cent of test digits 5 to 9 misclassified, against the number of labelled ones of each: left by the
nearest class mean, right by logistic regression. The features were learnt without labels from the digits 0
to 4: codes of a network, dashed where only its start was learnt or drawn; PCA; or they are the pixels.
Points are means over n seeds, each of many episodes, with the 95 % interval as a band; guessing errs on
80 %. What to look for: whether any code is below the pixels, and whether the pretrained network is below
the one trained directly.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import about, effort
from repro.report.frame import Frame, select

CLASSIFIERS = {"mean": "nearest class mean", "logistic": "logistic regression"}
LABELS = {"pca": arms.PCA, "pixels": arms.PIXELS}  # of features that are no network's


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    own = select(frame.rows, experiment="transfer")
    require(frame, own, "transfer", "any features")
    figure = Figure(figsize=(6.5, 3.8), layout="constrained")
    panels = figure.subplots(1, len(CLASSIFIERS), sharey=True)
    for axes, (classifier, title) in zip(panels, CLASSIFIERS.items(), strict=True):
        table = _errors(frame, own, classifier)
        _panel(axes, table)
        axes.set_title(title)
    panels[0].set(ylabel="test error (%)", ylim=(0, None))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    bands = lines.BAND if (table.n > 1).any() else ""
    house.head(figure, frame, about(table.drop_duplicates("variant"), bands))
    return figure


def _errors(frame: Frame, own: pd.DataFrame, classifier: str) -> pd.DataFrame:
    """Scores by variant and `shots`, of one classifier."""
    named = {name: re.fullmatch(rf"error_percent_{classifier}_(\d+)_shot", name) for name in own.metric}
    shots = {name: int(match[1]) for name, match in named.items() if match}
    return pd.concat([scores(frame, name, among=own).assign(shots=k) for name, k in shots.items()])


def _panel(axes: Axes, table: pd.DataFrame) -> None:
    """A line for each kind of features, the lowest with most labelled cases first."""
    of_variants = [some.sort_values("shots") for _, some in table.groupby("variant", sort=False)]
    for some in sorted(of_variants, key=lambda some: some.value.iloc[-1]):
        first = some.iloc[0]
        lines.scored(axes, _look(first), first.variant, some.shots, some)
    axes.set(xscale="log", xlabel="labelled cases of each class", xticks=sorted(table.shots.unique()))
    axes.xaxis.set(major_formatter="{x:g}", minor_locator=NullLocator())


def _look(run: Any) -> arms.Look:
    """The colour and the marker of a run that the features are of; dashed where nothing was fine-tuned."""
    if run.features in LABELS:
        return arms.Look(f"{LABELS[run.features]}, n {run.n}", arms.COLOURS[LABELS[run.features]], ".", "-")
    if run.features == "as started":
        how = "not fine-tuned" if run.start == "pretrained" else "untrained"
        return arms.Look(f"{arms.STARTS[run.start]}, {how}, n {run.n}", arms.COLOURS[run.start], ".", "--")
    return arms.Look(f"{arms.label(run)}, {effort(run)}", arms.colour(run), arms.marker(run), "-")
