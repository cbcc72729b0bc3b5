"""Fig. 2B of hinton2006science: test digits and what is left of them after 30 numbers.

From top to bottom: the first test digit of each class, and its reconstruction by the pretrained deep
autoencoder, by logistic PCA and by PCA, all with 30 code units. The squared error is summed over pixels and
averaged over all test digits and over n seeds; the published one stands in parentheses; the pictures are of
the lowest seed. What to look for: the order autoencoder, logistic PCA, PCA, and whether the autoencoder's
digits are the sharpest of the three.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures.style import mosaic
from repro.report.frame import Frame

VARIANTS = ["pretrained-cg", "logistic-pca", "pca"]


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    return mosaic.draw(frame, "mnist", "test digit", VARIANTS)
