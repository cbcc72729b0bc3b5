"""Quantities that several claims are decided by."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from repro.claims import Evidence, Lack, Measured, combine


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
    evidence: Evidence, variant: str, flops: Measured, metric: str, experiment: str = "direct"
) -> Measured:
    """The score when no more than so many flops had been spent, or at the end of runs that spent fewer."""
    records = evidence.records(experiment, variant)
    if not records or not len(flops.values):
        missing = set() if records else {Lack("no records", f"{experiment} {variant}")}
        return Measured(np.zeros(0), flops.lacks | missing)
    budget, spent = flops.values.mean(), records[0].curves["flops"]
    lacks = evidence.lacks(experiment, variant) | flops.lacks
    if spent[-1] < budget and len(spent):
        lacks |= {Lack(f"{spent[-1] / budget:.2g} of the flops allowed", f"{experiment} {variant}")}
    at = max(np.searchsorted(spent, budget, side="right") - 1, 0)
    return Measured(np.array([record.curves[metric][at] for record in records]), lacks)
