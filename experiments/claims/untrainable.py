"""C1, C1b and C13: what could not be trained in 2005, and what changed that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from experiments import untrainable
from experiments.claims.quantities import RECIPE_OF_2006, ratio, smallest, within, worst_seed
from repro.claims import Claim, Condition, Evidence, Measured, combine

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


def in_ten_times_the_flops(evidence: Evidence) -> Measured:
    """The lowest test error from a start of before 2006 within ten times the flops of the 2006 recipe."""
    ten_times = combine(lambda x: 10 * x, evidence.score(*RECIPE_OF_2006["curves"], "flops"))
    return smallest(
        within(evidence, variant, ten_times, "test_squared_error", "untrainable") for variant in OLD
    )


def it_was_the_start(evidence: Evidence) -> Iterator[Condition]:
    """C1b, upheld."""
    best = worst_seed(in_ten_times_the_flops(evidence))
    yield Condition("best error from a start of before 2006, best seed", best, low=TARGET)


def it_was_not_the_start(evidence: Evidence) -> Iterator[Condition]:
    """C1b, refuted."""
    yield Condition("best error from a start of before 2006", in_ten_times_the_flops(evidence), high=TARGET)


def thousandfold(evidence: Evidence) -> tuple[Measured, Measured]:
    """The error of the recipe of 2005 and its flops over those of the pretrained network."""
    long = evidence.score("untrainable", untrainable.LONG)
    spent = evidence.score("untrainable", untrainable.LONG, "flops")
    return long, combine(np.divide, spent, evidence.score(*RECIPE_OF_2006["curves"], "flops"))


def compute_alone(evidence: Evidence) -> Iterator[Condition]:
    """C13, upheld."""
    error, cost = thousandfold(evidence)
    reached = combine(np.divide, error, evidence.score("curves", "pretrained-cg"))
    yield Condition("error of the recipe of 2005 over the pretrained error", reached, high=1)
    yield Condition("its flops over those of the pretrained network", cost, high=1000)


def not_compute_alone(evidence: Evidence) -> Iterator[Condition]:
    """C13, refuted."""
    error, cost = thousandfold(evidence)
    over = over_mean_image(evidence, error)
    over = over._replace(lacks=over.lacks | cost.lacks)
    yield Condition("error of the recipe of 2005 over the mean image's", over, low=0.9)


CLAIMS = (
    Claim(
        key="C1",
        statement="Very deep autoencoders could not be trained with the optimisation of the time",
        upheld_if="on curves the best error from N(0, .1²) or N(0, .01²) with SGD, momentum, CG or L-BFGS, "
        "500 epochs and six learning rates, is ≥ .9 × the mean image's on all seeds, and pretrained ≤ .35 × "
        "PCA-18",
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
