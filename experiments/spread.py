"""Did non-convexity hurt? The final error over many random starts.

Claim       Deep networks have local minima, but training from a good random start ends at about the same
            error wherever it began
Deviations  22, 23. As in experiments/direct.py.
Tuning      As in experiments/direct.py: the rate is chosen with seed 0 for all seeds.
Run         repro run spread --profile paper
"""

from __future__ import annotations

from experiments import direct
from repro.runs.experiment import Experiment

SEEDS = 20
VARIANTS = {name: direct.VARIANTS[name] for name in ("curves/sparse-nag", "mnist/sparse-nag")}


def quick(config):
    """On 2,500 curves, with a few epochs."""
    return direct.shorter_direct(config, n_epochs=5) if config.data == "curves" else None


# test squared errors of the quick profile, as in experiments/mnist.py
EXPECTED = {"curves/sparse-nag": (15.9, 16.4)}  # still the mean image


EXPERIMENT = Experiment(
    name="spread",
    claim="Where a good random start begins does not decide where training ends",
    artefact="claim C11",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_squared_error"): limits for variant, limits in EXPECTED.items()},
    seeds={"quick": 3, "paper": SEEDS},
    figures=("fig_spread",),
    claims=("C11",),
)
