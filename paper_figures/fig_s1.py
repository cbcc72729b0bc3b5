"""Fig. S1 of hinton2006science: curves learnt with and without pretraining, by a deep and a shallow
network.

Left the deep autoencoder, right the shallow one, each fine-tuned with conjugate gradients from the
pretrained stack and from the random one that pretraining begins with. Lines are means over n seeds with the
range as a band; all end with the shortest, and where a run went on, its last error is in the legend; random
networks begin above the axis. The thin line is the error of the mean image; a published number stands in
parentheses. What to look for: without pretraining the deep network never leaves the line of the mean image,
and the shallow one does.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import ERROR, not_run, of_run, of_variants, require, runs_of
from paper_figures.style.wording import (
    about,
    counted,
    effort,
    network,
    number,
    ours_and_theirs,
    parentheses,
    query,
)
from repro.report.frame import Frame, curves

PANELS = {
    "deep": ["pretrained-cg", "gaussian-cg"],
    "shallow": ["pretrained-cg-shallow", "gaussian-cg-shallow"],
}
VARIANTS = [variant for panel in PANELS.values() for variant in panel]


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile.

    Raises:
        RecordsMissingError: if there is no deep network, or no shallow one.
    """
    table = of_variants(frame, "curves", [*VARIANTS, "mean-image"])
    scored, mean = table[table.epochs > 0], table[table.kind == "pca"]
    for name, variants in PANELS.items():
        require(frame, scored[scored.variant.isin(variants)], "curves", f"a trained {name} network")
    trained, common = curves(frame, runs_of(frame, scored), [ERROR]), scored.epochs.min()
    trained = trained[trained.epoch <= common]
    figure = Figure(figsize=(6.5, 3.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (name, variants) in zip(panels, PANELS.items(), strict=True):
        rows = scored[scored.variant.isin(variants)]
        for i, score in enumerate(rows.itertuples()):
            own = of_run(trained, score)
            look = arms.Look(_label(score, own, common), arms.colour(score), arms.marker(score), "-")
            lines.learning(axes, "epoch", own, look, (i, len(rows)))
        _mean_image(axes, mean)
        lines.scale_epochs(axes, trained, mean.value)
        axes.set_title(f"{name}: {network(rows.iloc[0])}" if len(rows) else name)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    panels[0].set_ylabel(lines.NAME)
    more = lines.ABOVE, not_run(table, VARIANTS), parentheses(table), query(table)
    house.head(figure, frame, about(table, *more))
    return figure


def _mean_image(axes: Axes, mean: pd.DataFrame) -> None:
    for score in mean.itertuples():
        look = {"color": arms.colour(score), "gid": score.variant}
        name = f"{arms.label(score)}  {number(score.value)}, {effort(score)}"
        axes.axhline(score.value, lw=0.6, zorder=1, label=name, **look)


def _label(score: Any, trained: pd.DataFrame, common: int) -> str:
    """The error where all lines end, and the last one of a run that went on."""
    if score.epochs == common:
        return f"{arms.label(score)}  {ours_and_theirs(score)}, {effort(score)}"
    here = trained[trained.epoch == common][ERROR].mean()
    later = f"{ours_and_theirs(score)} after {counted(score.epochs, 'epoch')}, n {score.n}"
    return f"{arms.label(score)}  {number(here)} here, {later}"
