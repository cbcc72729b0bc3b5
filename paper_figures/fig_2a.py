"""Fig. 2A of hinton2006science: test curves and what is left of them after a few numbers.

From top to bottom: the first ten test curves, and their reconstructions by the pretrained deep autoencoder
and by logistic PCA with 6 numbers, then by logistic PCA and by PCA with 18. The squared error is summed
over pixels and averaged over all test curves and over n seeds; the published one stands in parentheses; the
pictures are of the lowest seed. What to look for: whether the autoencoder's 6 numbers are worth more than
the 18 of the others.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures.style import mosaic
from repro.report.frame import Frame

VARIANTS = ["pretrained-cg", "logistic-pca-6", "logistic-pca-18", "pca-18"]


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    return mosaic.draw(frame, "curves", "test curve", VARIANTS)
