"""Fig. S3 of hinton2006science: test digits as their first two principal components, each drawn as itself.

Of the first 500 test digits of each class, in an order drawn by lot, each is drawn with its middle at its
code if there is room, so that no two overlap. Limits are those of Fig. 3, with each axis in units of its own
range; digits that do not lie whole in them are left out, and counted above. That Figs. S3 and S4 are 2-D
codes drawn as digits is known from a secondary source; that S3 is of PCA and S4 of the autoencoder, and the
rule of who has room, are from general knowledge and not confirmed. What to look for: digits of different
classes stand side by side where in Fig. S4 they stand apart.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures.style import digits
from repro.report.frame import Frame


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    return digits.draw(frame, "pca-2d", "first two principal components")
