"""How large must a random start be? The sparse start, scaled, on curves.

Claim       The scale of the start decides whether the deep network trains at all: Nesterov momentum from the
            sparse start times 1/4, 1/2, 1, 2, 4 ends at training errors of 16, 16, .074, .083, .35
            [sutskever2013importance, table 2]
Deviations  22, 23. As in experiments/direct.py.
Tuning      As in experiments/direct.py, for each scale anew.
Run         repro run init_scale --profile paper
"""

from __future__ import annotations

from dataclasses import replace

from experiments import direct
from repro.runs.config import Sparse
from repro.runs.experiment import Experiment

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
NAG = direct.VARIANTS["curves/sparse-nag"]
VARIANTS = {f"x{factor:g}": replace(NAG, start=Sparse(factor=factor)) for factor in FACTORS}


def quick(config):
    """The smallest and the published scale on 2,500 curves, with a few epochs."""
    return direct.quick_nesterov(config) if config.start.factor in (0.25, 1.0) else None


# test squared errors of the quick profile, as in experiments/mnist.py
EXPECTED = {"x0.25": (15.2, 15.7), "x1": (5.5, 9.0)}  # the first is still the mean image


EXPERIMENT = Experiment(
    name="init_scale",
    claim="The scale of the random start decides whether a deep network trains",
    artefact="sutskever2013importance, Table 2",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_squared_error"): limits for variant, limits in EXPECTED.items()},
)
