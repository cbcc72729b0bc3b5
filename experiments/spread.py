"""Did non-convexity hurt? The final error over many random starts.

Claim       Deep networks have local minima, but training from a good random start ends at about the same
            error wherever it began
Deviations  22, 23. As in experiments/direct.py.
Tuning      As in experiments/direct.py: the rate is chosen with seed 0 for all seeds.
Run         repro run spread --profile paper
"""

from __future__ import annotations

from collections.abc import Iterator

from experiments import direct
from repro.report.verdicts import Claim, Condition, Evidence, How, Measured, within
from repro.runs.experiment import Experiment

SEEDS = 20
VARIANTS = {name: direct.VARIANTS[name] for name in ("curves/sparse-nag", "mnist/sparse-nag")}


def quick(config):
    """On 2,500 curves, with a few epochs."""
    return direct.quick_nesterov(config) if config.data == "curves" else None


# test squared errors of the quick profile, as in experiments/mnist.py
EXPECTED = {"curves/sparse-nag": (5.5, 9.4)}


EXPERIMENT = Experiment(
    name="spread",
    claim="Where a good random start begins does not decide where training ends",
    artefact="claim C11",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_squared_error"): limits for variant, limits in EXPECTED.items()},
    seeds={"quick": 2, "paper": SEEDS},
    figures=("fig_spread",),
    claims=("C11",),
)


def finals(evidence: Evidence, data: str, how: How) -> Measured:
    """The training losses of all starts when the operations of the 2006 recipe had been spent."""
    [variant] = [name for name, config in VARIANTS.items() if config.data == data]
    budget = evidence.score(data, "pretrained-cg", "flops")
    found = within(evidence, ("spread", variant), budget, "train_cross_entropy", n_seeds=SEEDS)
    return found._replace(how=how)


def no_harm(evidence: Evidence) -> Iterator[Condition]:
    """C11, upheld."""
    for data in ("curves", "mnist"):
        text = f"{data}: coefficient of variation of the loss"
        yield Condition(text, finals(evidence, data, "variation"), high=0.1)
        yield Condition(f"{data}: worst loss over best", finals(evidence, data, "spread"), high=1.3)


def harm(evidence: Evidence) -> Iterator[Condition]:
    """C11, refuted."""
    for data in ("curves", "mnist"):
        text = f"{data}: coefficient of variation of the loss"
        yield Condition(text, finals(evidence, data, "variation"), low=0.5)


CLAIMS = (
    Claim(
        key="C11",
        statement="Non-convexity did not hurt in practice",
        upheld_if=f"over {SEEDS} sparse random starts, with the operations of the 2006 recipe, the final "
        "training loss has a coefficient of variation ≤ 10 % and the worst is ≤ 1.3 × the best, on curves "
        "and MNIST",
        refuted_if="its coefficient of variation is > 50 % on either",
        upholding=no_harm,
        refuting=harm,
    ),
)
