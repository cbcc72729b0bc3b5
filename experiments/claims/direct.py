"""C2 and C11: what replaced pretraining, and whether local minima spoil it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from experiments import spread
from experiments.claims.quantities import RECIPE_OF_2006, within
from repro.evaluation.uncertainty import interval
from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine

DIRECT = ("sparse-nag", "sparse-hf", "sparse-kfac", "sparse-adam", "glorot-nag", "glorot-adam")


def at_matched_cost(evidence: Evidence, data: str) -> Measured:
    """Test error of the direct arm that has the lowest training error, over that of the 2006 recipe, with as
    many flops.
    """
    recipe = RECIPE_OF_2006[data]
    flops, error = evidence.score(*recipe, "flops"), evidence.score(*recipe)
    train = {arm: within(evidence, f"{data}/{arm}", flops, "train_squared_error") for arm in DIRECT}
    measured = {arm: part.values.mean() for arm, part in train.items() if len(part.values)}
    missing = frozenset().union(*(part.lacks for part in train.values()))
    if not measured:
        return Measured(np.zeros(0), missing | error.lacks)
    best = within(
        evidence, f"{data}/{min(measured, key=lambda arm: measured[arm])}", flops, "test_squared_error"
    )
    over = combine(np.divide, best, error)
    return over._replace(lacks=over.lacks | missing)


def counted(evidence: Evidence, text: str, holds: Callable[[np.ndarray], bool]) -> tuple[str, Measured]:
    """On how many data sets something holds of the ratio of errors, and the ratios in words."""
    ratios = {data: at_matched_cost(evidence, data) for data in RECIPE_OF_2006}
    seen = {data: part.values for data, part in ratios.items() if len(part.values)}
    words = ", ".join(f"{data} {values.mean():.2f}" for data, values in seen.items())
    lacks = frozenset().union(*(part.lacks for part in ratios.values()))
    count = np.array([float(sum(map(holds, seen.values())))]) if seen else np.zeros(0)
    return f"{text} (now: {words or 'nothing'})", Measured(count, lacks)


def upper(values: np.ndarray) -> float:
    """The upper end of the one-sided 95 % interval of the mean; the value, if there is one."""
    return interval(values, level=0.9)[1] if len(values) > 1 else values[0]


def as_good(evidence: Evidence) -> Iterator[Condition]:
    """C2, upheld."""
    text = "data sets with direct over pretrained at most 1.05, one-sided 95 %"
    yield Condition(*counted(evidence, text, lambda values: upper(values) <= 1.05), low=3)


def worse(evidence: Evidence) -> Iterator[Condition]:
    """C2, refuted."""
    text = "data sets with direct over pretrained above 1.10"
    yield Condition(*counted(evidence, text, lambda values: values.mean() > 1.10), low=2)


def finals(evidence: Evidence, data: str) -> Measured:
    """The final training losses over many starts."""
    variant = f"{data}/sparse-nag"
    found = evidence.score("spread", variant, "train_cross_entropy")
    lacks = evidence.lacks("spread", variant, spread.SEEDS) if len(found.values) else frozenset()
    return found._replace(lacks=found.lacks | lacks)


def of_all(part: Measured, function: Callable[[np.ndarray], float]) -> Measured:
    """One quantity of all starts; none of fewer than two."""
    return part._replace(values=np.array([function(part.values)]) if len(part.values) > 1 else np.zeros(0))


def variation(part: Measured) -> Measured:
    """Standard deviation over mean."""
    return of_all(part, lambda x: x.std(ddof=1) / x.mean())


def no_harm(evidence: Evidence) -> Iterator[Condition]:
    """C11, upheld."""
    for data in ("curves", "mnist"):
        found = finals(evidence, data)
        yield Condition(f"{data}: coefficient of variation of the loss", variation(found), high=0.1)
        yield Condition(f"{data}: worst loss over best", of_all(found, lambda x: x.max() / x.min()), high=1.3)


def harm(evidence: Evidence) -> Iterator[Condition]:
    """C11, refuted."""
    for data in ("curves", "mnist"):
        yield Condition(
            f"{data}: coefficient of variation of the loss", variation(finals(evidence, data)), low=0.5
        )


CLAIMS = (
    Claim(
        key="C2",
        statement="Directly optimising gave similar or even better results",
        upheld_if="with the flops of the 2006 recipe, tuning not counted, the best direct arm (NAG, HF, "
        "K-FAC or Adam from random weights, best by training error) has test error ≤ 1.05 × the pretrained "
        "one, one-sided 95 %, on ≥ 3 of 4 data sets",
        refuted_if="it is > 1.10 × on ≥ 2 of 4",
        upholding=as_good,
        refuting=worse,
    ),
    Claim(
        key="C11",
        statement="Non-convexity did not hurt in practice",
        upheld_if="over 20 sparse random starts the final training loss has a coefficient of variation "
        "≤ 10 % and the worst is ≤ 1.3 × the best, on curves and MNIST",
        refuted_if="its coefficient of variation is > 50 % on either",
        upholding=no_harm,
        refuting=harm,
    ),
)
