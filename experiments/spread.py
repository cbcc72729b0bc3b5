"""Did non-convexity hurt? The final error over many random starts.

Claim       Deep networks have local minima, but training from a good random start ends at about the same
            error wherever it began
Deviations  22, 23. As in experiments/direct.py.
Tuning      As in experiments/direct.py: the rate is chosen with seed 0 for all seeds.
Run         repro run spread --profile paper
"""

from __future__ import annotations

from dataclasses import replace

from experiments import direct
from repro.runs.run import Experiment

SEEDS = 20
VARIANTS = {f"{data}/sparse-nag": direct.arm(data, "sparse-nag") for data in ("curves", "mnist")}


def quick(config):
    """On 2,500 curves, with a few epochs."""
    if config != VARIANTS["curves/sparse-nag"]:
        return None
    return replace(config, n_epochs=5, n_reports=None, rates=config.rates[1:3], rate_epochs=1)


# test squared errors of the quick profile, as in experiments/mnist.py
EXPECTED = {"curves/sparse-nag": (15.9, 16.4)}  # still the mean image


EXPERIMENT = Experiment(
    name="spread",
    claim="Where a good random start begins does not decide where training ends",
    artefact="claim C11",
    data="",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_squared_error"): limits for variant, limits in EXPECTED.items()},
    seeds={"quick": 3, "paper": SEEDS},
    figures=("fig_spread",),
    claims=("C11",),
)
