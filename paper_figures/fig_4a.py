"""Fig. 4A of hinton2006science: how many of the documents that a code finds are of the query's class.

Every test document is a query, for which all others are ranked by the cosine of their codes; up goes the
fraction of the first 1, 3, 7, ... that are of the same class, averaged over queries and over n seeds, with
the 95 % interval over seeds as a band. Grey: what documents drawn by chance would give. The paper's curves
are not known as numbers. What to look for: whether the ten numbers of the autoencoder lie above those of
LSA at every rank, and above LSA's fifty; and whether a network that was not pretrained comes as far.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures.style import retrieval
from repro.report.frame import Frame, select

NUMBERS = (10, 50)  # code sizes of the paper's Fig. 4A
KINDS = ("autoencoding", "lsa")


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    own = select(frame.rows, experiment="documents", data=retrieval.corpus(frame))
    own = own[own.code_size.isin(NUMBERS) & own.kind.isin(KINDS)]
    return retrieval.draw(frame, own, "retrieval", "autoencoders of 10 code units")
