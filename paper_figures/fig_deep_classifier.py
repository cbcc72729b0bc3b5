"""Could only stacks train a deep classifier? Test errors with five hidden layers (claim C12).

A row for each start of the same network, all with Adam, first those from random weights, of each kind the
best first: a dot for the test error of each seed, the mean with its 95 % interval, and a grey tick where an
error was published, of a network of about this depth; dotted, 1.5 %, which claim C12 says that only stacks
reach. What to look for: whether any random start comes as low.
"""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.deep_classifier import WORKS
from paper_figures.style import classifying
from repro.report.frame import Frame


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    return classifying.draw(frame, "deep_classifier", WORKS)
