"""Fig. 4A of hinton2006science: how many of the documents that a code finds are of the query's class.

Every test document is a query, for which all others are ranked by the cosine of their codes; up goes the
fraction of the first 1, 3, 7, ... that are of the same class, averaged over queries and over n seeds, with
the 95 % interval over seeds as a band. The paper's curves are not known as numbers. What to look for: whether
the ten numbers of the autoencoder lie above those of LSA at every rank, and above LSA's fifty; and whether a
network that was not pretrained comes as far.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paper_figures.style import arms, house, lines
from paper_figures.style.corpus import NAMES, corpus, precision_at
from paper_figures.style.evidence import require, scores, shown
from paper_figures.style.wording import effort
from repro.evaluation.retrieval import RANKS

ARMS = ["pretrained-cg", "pretrained-adam", "glorot-adam", "lsa-50", "lsa-10"]


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the tables of a profile."""
    tables = {k: scores(results, profile, "documents", precision_at(k)) for k in RANKS}
    tables = {k: table for k, table in tables.items() if len(table)}  # not more than there are documents
    data = corpus(results, profile, ARMS[0])
    variants = [f"{data}/{arm}" for arm in ARMS]
    require(variants, tables[1].index, "documents", profile)
    code = shown(results, profile, "documents", variants[0], precision_at(1)).code_size
    figure = Figure(figsize=(6.5, 3), layout="constrained")
    axes = figure.subplots()
    for variant in variants:
        rows = pd.DataFrame([table.loc[variant] for table in tables.values()])
        label = f"{arms.label(variant)}\n{effort(rows.iloc[0])}"
        lines.scored(axes, variant, tables, rows, label)
    axes.set_xscale("function", functions=(lambda k: np.log2(k + 1), lambda x: 2**x - 1))
    axes.set(xticks=[*tables], xlabel="retrieved documents", ylabel="fraction in the query's class")
    axes.set_title(f"{NAMES[data]}, autoencoders of {code} code units")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    house.mark(figure, profile)
    return figure
