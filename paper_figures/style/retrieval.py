"""Documents: which stand for the paper's, and how many that a code finds are of the query's class."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines
from paper_figures.style.evidence import require, scores
from paper_figures.style.wording import about, effort
from repro.evaluation.retrieval import RANKS
from repro.report.frame import Frame, select

CORPORA = ("rcv1", "reuters21578")  # the paper's first


def precision_at(k: int) -> str:
    """The metric: the fraction of the k nearest documents that are of the query's class."""
    return f"test_precision_at_{k}"


def corpus(frame: Frame) -> str:
    """RCV1, the paper's, if a network was pretrained on it; else Reuters-21578.

    Raises:
        RecordsMissingError: if there are records of neither.
    """
    runs = select(frame.runs, experiment="documents")
    require(frame, runs, "documents", "any variant")
    pretrained = select(runs, kind="autoencoding", start="pretrained")
    known = set((pretrained if len(pretrained) else runs)["data"])
    return next(data for data in CORPORA if data in known)


@house.style()
def draw(frame: Frame, own: pd.DataFrame, what: str, *more: str, experiment: str = "documents") -> Figure:
    """The fraction of the first 1, 3, 7, ... retrieved documents that are of the query's class: a line for
    each variant among these rows of the frame, the best at rank 1 first, with the 95 % interval over seeds as
    a band; and the level of chance. `what` the rows are of, and what `more` the line above says.
    """
    tables = {k: scores(frame, precision_at(k), among=own) for k in RANKS}
    tables = {k: table for k, table in tables.items() if len(table)}  # not more than there are documents
    require(frame, own[own.metric == precision_at(1)], experiment, what)
    first = tables[1].sort_values("value", ascending=False, kind="stable")
    figure = Figure(figsize=(6.5, 3.4), layout="constrained")
    axes = figure.subplots()
    for look, score in zip(arms.looks(first), first.itertuples(), strict=True):
        rows = pd.concat([select(table, variant=score.variant) for table in tables.values()])
        look = look._replace(label=f"{look.label}\n{effort(score)}")
        lines.scored(axes, look, score.variant, tables, rows)
    level = chance(frame, first["data"].iloc[0], experiment)
    if level:
        axes.axhline(level, color=house.GREY, lw=0.8, ls=(0, (6, 4)), label=f"by chance\n{level:.2f}")
    axes.set_xscale("function", functions=(lambda k: np.log2(k + 1), lambda x: 2**x - 1))
    axes.set(xticks=[*tables], xlabel="retrieved documents", ylabel="fraction in the query's class")
    axes.set(xlim=(0.8, 1.2 * max(tables)), ylim=(0, min(1, axes.get_ylim()[1])))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1.05))
    bands = lines.BAND if (first.n > 1).any() else ""
    house.head(figure, frame, about(first, *more, bands))
    return figure


def chance(frame: Frame, data: str, experiment: str = "documents") -> float | None:
    """The fraction of all other test documents that are of a document's class, averaged over documents; None
    if no record says how large the classes are.
    """
    for path in select(frame.runs, experiment=experiment, data=data).path:
        arrays = frame.arrays(path)
        if "class_sizes" in arrays:
            n = arrays["class_sizes"].astype(float)
            return float(np.sum(n * (n - 1)) / (n.sum() * (n.sum() - 1)))
    return None
