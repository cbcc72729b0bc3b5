"""Quantities that several claims are decided by."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from repro.report.verdicts import Evidence, Lack, Measured, combine


def ratio(evidence: Evidence, experiment: str, ours: str, theirs: str) -> Measured:
    """Test squared error of one variant over that of another."""
    return combine(np.divide, *(evidence.score(experiment, variant) for variant in (ours, theirs)))


def largest(parts: list[Measured]) -> Measured:
    """The largest of some quantities, seed by seed."""
    return combine(lambda *values: np.max(values, axis=0), *parts)


RECIPE_OF_2006 = {  # pretrained, then conjugate gradients: experiment and variant
    "curves": ("curves", "pretrained-cg"),
    "mnist": ("mnist", "pretrained-cg"),
    "faces": ("faces", "pretrained-cg"),
    "reuters21578": ("documents", "reuters21578/pretrained-cg"),
}


def smallest(parts: Iterable[Measured]) -> Measured:
    """The smallest of those quantities that were measured, seed by seed; it lacks what any of them lacks."""
    parts = list(parts)
    measured = [part.values for part in parts if len(part.values)]
    n = min(map(len, measured), default=0)
    lacks = frozenset().union(*(part.lacks for part in parts))
    return Measured(np.min([values[:n] for values in measured], axis=0) if n else np.zeros(0), lacks)


def worst_seed(part: Measured) -> Measured:
    """The smallest value of any seed, for conditions on all seeds."""
    return part._replace(values=part.values.min(keepdims=True) if len(part.values) else part.values)


def within(
    evidence: Evidence,
    variant: str,
    flops: Measured,
    metric: str,
    experiment: str = "direct",
    *,
    lowest: bool = False,
) -> Measured:
    """The score of each seed when no more than so many flops had been spent, or at the end of runs that spent
    fewer; with `lowest` the lowest until then.
    """
    records, name = evidence.records(experiment, variant), f"{experiment} {variant}"
    if not records or not len(flops.values):
        return Measured(np.zeros(0), flops.lacks | (set() if records else {Lack("no records", name)}))
    budget = flops.values.mean()
    lacks = evidence.lacks(experiment, variant) | flops.lacks
    spent = min(record.curves["flops"][-1] for record in records) / budget
    if spent < 1:
        lacks |= {Lack(f"{spent:.2g} of the flops allowed", name)}
    in_time = [np.searchsorted(record.curves["flops"], budget, side="right") for record in records]
    scores = [record.curves[metric][: max(n, 1)] for record, n in zip(records, in_time, strict=True)]
    return Measured(np.array([min(each) if lowest else each[-1] for each in scores]), lacks)
