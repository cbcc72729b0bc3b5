"""Quantities that several claims are decided by."""

from __future__ import annotations

import numpy as np

from repro.claims import Evidence, Measured, combine


def ratio(evidence: Evidence, experiment: str, ours: str, theirs: str) -> Measured:
    """Test squared error of one variant over that of another."""
    return combine(np.divide, *(evidence.score(experiment, variant) for variant in (ours, theirs)))


def largest(parts: list[Measured]) -> Measured:
    """The largest of some quantities, seed by seed."""
    return combine(lambda *values: np.max(values, axis=0), *parts)
