"""C1, C1b and C13: what could not be trained in 2005, and what changed that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from experiments import untrainable
from experiments.claims.quantities import RECIPE_OF_2006, ratio, smallest, within, worst_seed
from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine

TARGET = 1.44  # of curves [hinton2006science, fig. 2A]
OF = {name: [v for v in untrainable.VARIANTS if v.startswith(f"{name}-")] for name in untrainable.OF_2005}
SMALL = [
    variant for name in ("gaussian", "gaussian.01") for variant in OF[name] if variant != untrainable.LONG
]
OLD = [*SMALL, *OF["fan-in"]]


def best_of(evidence: Evidence, variants: Iterable[str]) -> Measured:
    """The lowest test error of any of these variants of `untrainable`."""
    return smallest(evidence.score("untrainable", variant) for variant in variants)


def over_mean_image(evidence: Evidence, error: Measured) -> Measured:
    """An error over that of the mean image."""
    return combine(np.divide, error, evidence.score("curves", "mean-image"))


def could_not_be_trained(evidence: Evidence) -> Iterator[Condition]:
    """C1, upheld."""
    best = worst_seed(over_mean_image(evidence, best_of(evidence, SMALL)))
    yield Condition("best error from small random starts over the mean image's, best seed", best, low=0.9)
    pretrained = ratio(evidence, "curves", "pretrained-cg", "pca-18")
    yield Condition("pretrained error over that of PCA-18", pretrained, high=0.35)


def could_be_trained(evidence: Evidence) -> Iterator[Condition]:
    """C1, refuted."""
    over = combine(np.divide, best_of(evidence, SMALL), evidence.score("curves", "pretrained-cg"))
    yield Condition("best error from small random starts over the pretrained error", over, high=2)


def times_the_flops(evidence: Evidence, factor: float) -> Measured:
    """So many times the flops of the 2006 recipe."""
    return combine(lambda x: factor * x, evidence.score(*RECIPE_OF_2006["curves"], "flops"))


def in_ten_times_the_flops(evidence: Evidence) -> dict[str, Measured]:
    """The lowest test error of each variant with a start of before 2006, within that."""
    budget, score = times_the_flops(evidence, 10), "test_squared_error"
    return {variant: within(evidence, variant, budget, score, "untrainable", lowest=True) for variant in OLD}


def it_was_the_start(evidence: Evidence) -> Iterator[Condition]:
    """C1b, upheld: by every variant, with all those flops."""
    best = worst_seed(smallest(in_ten_times_the_flops(evidence).values()))
    yield Condition("best error from a start of before 2006, best seed", best, low=TARGET)


def it_was_not_the_start(evidence: Evidence) -> Iterator[Condition]:
    """C1b, refuted: by one variant, whatever the others lack and however few flops it needed."""
    found = in_ten_times_the_flops(evidence)
    measured = {variant: part for variant, part in found.items() if len(part.values)}
    best = smallest(found.values())
    if measured:
        first = min(measured, key=lambda variant: measured[variant].values.mean())
        lacks = evidence.lacks("untrainable", first) | times_the_flops(evidence, 10).lacks
        best = measured[first]._replace(lacks=lacks)
    yield Condition("best error from a start of before 2006", best, high=TARGET)


def thousandfold(evidence: Evidence) -> Measured:
    """The error of the recipe of 2005 with a thousand times the flops of the pretrained network."""
    budget = times_the_flops(evidence, 1000)
    return within(evidence, untrainable.LONG, budget, "test_squared_error", "untrainable")


def compute_alone(evidence: Evidence) -> Iterator[Condition]:
    """C13, upheld."""
    reached = combine(np.divide, thousandfold(evidence), evidence.score("curves", "pretrained-cg"))
    yield Condition("error of the recipe of 2005 over the pretrained error", reached, high=1)


def not_compute_alone(evidence: Evidence) -> Iterator[Condition]:
    """C13, refuted."""
    over = over_mean_image(evidence, thousandfold(evidence))
    yield Condition("error of the recipe of 2005 over the mean image's", over, low=0.9)


CLAIMS = (
    Claim(
        key="C1",
        statement="Very deep autoencoders could not be trained with the optimisation of the time",
        upheld_if="on curves the best error from N(0, .1²) or N(0, .01²) with SGD, momentum, CG or L-BFGS, "
        "500 epochs or more and six learning rates, is ≥ .9 × the mean image's on all seeds, and pretrained "
        "≤ .35 × PCA-18",
        refuted_if="any of them gets ≤ 2 × the pretrained error",
        upholding=could_not_be_trained,
        refuting=could_be_trained,
    ),
    Claim(
        key="C1b",
        statement="It was the start, not the optimiser",
        upheld_if="no start published before 2006, 1/√fan-in included, reaches 1.44 on curves within 10 × "
        "the flops of the 2006 recipe",
        refuted_if="one does",
        upholding=it_was_the_start,
        refuting=it_was_not_the_start,
    ),
    Claim(
        key="C13",
        statement="It was compute alone that drove the switch",
        upheld_if="the recipe of 2005 (logistic units, small start, SGD with momentum) reaches the "
        "pretrained error on curves with 1000 × its flops",
        refuted_if="it stays at the mean image",
        upholding=compute_alone,
        refuting=not_compute_alone,
    ),
)
