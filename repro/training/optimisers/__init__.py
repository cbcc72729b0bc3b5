"""How a network descends: one typed choice for each optimiser."""

from __future__ import annotations

from typing import Literal

from repro.training.optimisers.conjugate_gradient import ConjugateGradient
from repro.training.optimisers.first_order import SGD, Adam, FirstOrder, Muon, Nesterov
from repro.training.optimisers.hessian_free import HessianFree
from repro.training.optimisers.kfac import KFAC
from repro.training.optimisers.line_search import WolfePowell
from repro.typed import choice


@choice
class LBFGS:
    """Quasi-Newton steps with optax's line search."""

    memory_size: int = 10
    kind: Literal["lbfgs"] = "lbfgs"


Optimiser = ConjugateGradient | SGD | Nesterov | Adam | Muon | KFAC | HessianFree | LBFGS

__all__ = [
    "KFAC",
    "LBFGS",
    "SGD",
    "Adam",
    "ConjugateGradient",
    "FirstOrder",
    "HessianFree",
    "Muon",
    "Nesterov",
    "Optimiser",
    "WolfePowell",
]
