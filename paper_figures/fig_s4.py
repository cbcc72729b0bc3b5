"""Fig. S4 of hinton2006science: test digits as the two numbers of the pretrained 784-1000-500-250-2
autoencoder, each drawn as itself.

As Fig. S3, of the lowest seed. What to look for: digits of a class stand together, and change gradually from
one to the next.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures.style import digits
from repro.report.frame import Frame


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    return digits.draw(frame, "pretrained-cg-2d", "784-1000-500-250-2 autoencoder")
