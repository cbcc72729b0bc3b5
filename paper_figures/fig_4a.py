"""Fig. 4A of hinton2006science: how many of the documents that a code finds are of the query's class.

Every test document is a query, for which all others are ranked by the cosine of their codes; up goes the
fraction of the first 1, 3, 7, ... that are of the same class, averaged over queries and over n seeds, with
the 95 % interval over seeds as a band. Grey: what documents drawn by chance would give. The paper's curves
are not known as numbers. What to look for: whether the ten numbers of the autoencoder lie above those of
LSA at every rank, and above LSA's fifty; and whether a network that was not pretrained comes as far.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines
from paper_figures.style.corpus import corpus, precision_at
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import about, effort
from repro.evaluation.retrieval import RANKS
from repro.report.frame import Frame, select

NUMBERS = (10, 50)  # code sizes of the paper's Fig. 4A


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    data = corpus(frame)
    own = select(frame.rows, experiment="documents", data=data)
    own = own[own.code_size.isin(NUMBERS)]
    tables = {k: scores(frame, precision_at(k), among=own) for k in RANKS}
    tables = {k: table for k, table in tables.items() if len(table)}  # not more than there are documents
    require(frame, own[own.metric == precision_at(1)], "documents", "retrieval")
    first = tables[1].sort_values("value", ascending=False, kind="stable")
    figure = Figure(figsize=(6.5, 3.4), layout="constrained")
    axes = figure.subplots()
    for look, score in zip(arms.looks(first), first.itertuples(), strict=True):
        rows = pd.concat([select(table, variant=score.variant) for table in tables.values()])
        look = look._replace(label=f"{look.label}\n{effort(score)}")
        lines.scored(axes, look, score.variant, tables, rows)
    level = chance(frame, data)
    if level:
        axes.axhline(level, color=house.GREY, lw=0.8, ls=(0, (6, 4)), label=f"by chance\n{level:.2f}")
    axes.set_xscale("function", functions=(lambda k: np.log2(k + 1), lambda x: 2**x - 1))
    axes.set(xticks=[*tables], xlabel="retrieved documents", ylabel="fraction in the query's class")
    axes.set(xlim=(0.8, 1.2 * max(tables)), ylim=(0, None))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1.05))
    house.head(figure, frame, about(first, "autoencoders of 10 code units"))
    return figure


def chance(frame: Frame, data: str) -> float | None:
    """The fraction of all other test documents that are of a document's class, averaged over documents; None
    if no record says how large the classes are.
    """
    for path in select(frame.runs, experiment="documents", data=data).path:
        arrays = frame.arrays(path)
        if "class_sizes" in arrays:
            n = arrays["class_sizes"].astype(float)
            return float(np.sum(n * (n - 1)) / (n.sum() * (n.sum() - 1)))
    return None
