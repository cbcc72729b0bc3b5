"""Layerwise pretraining versus direct backprop, reproduced.

Reading order: shapes, data, models, training, evaluation, runs, estimators, timing, report, cli.
A module imports from its own room and from rooms to its left, never from its right.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.estimators import DeepAutoencoder as DeepAutoencoder
    from repro.estimators import StackedRBM as StackedRBM
    from repro.estimators import load as load

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The estimators, imported when they are asked for: JAX takes seconds.

    Raises:
        AttributeError: if it is anything else.
    """
    if name not in ("DeepAutoencoder", "StackedRBM", "load"):
        raise AttributeError(f"module 'repro' has no attribute {name!r}")
    from repro import estimators

    return getattr(estimators, name)
