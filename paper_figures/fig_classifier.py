"""Does a classifier of digits need a pretrained start? Test errors of 784-500-500-2000-10 (claim C2b).

A row for each start and optimiser, first those from random weights, of each kind the best first: a dot for
the test error of each seed, the mean with its 95 % interval, and a grey tick where an error was published.
Rate and epoch are chosen alike for all, on the validation digits. What to look for: whether the best
random start lies left of the best pretrained one, and both of 1.2 %.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from paper_figures.style import classifying
from repro.report.frame import Frame


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    return classifying.draw(frame, "classifier")
