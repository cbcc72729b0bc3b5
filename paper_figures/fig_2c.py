"""Fig. 2C of hinton2006science: patches of the faces of people never seen, after 30 numbers.

From top to bottom: the first patch of each of the ten test persons, as it was cut, some lying on their
side; and their reconstructions by the pretrained deep autoencoder and by PCA, both with 30 code units.
Black and white are the first and the last percent of the test patches' grey values, in all rows. The
squared error, in units of the data's variance, is summed over pixels and averaged over all test patches and
over n seeds; the published one stands in parentheses; the pictures are of the lowest seed. What to look
for: which row keeps more of a face, and whether its error says so.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures.style import mosaic
from repro.report.frame import Frame

VARIANTS = ["pretrained-cg", "pca"]


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    return mosaic.draw(frame, "faces", "test patch", VARIANTS)
