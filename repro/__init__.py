"""Layerwise pretraining versus direct backprop, reproduced.

Reading order: shapes, data, models, training, evaluation, runs, timing, report, cli.
A module imports from its own room and from rooms to its left, never from its right.
"""

__version__ = "0.1.0"
