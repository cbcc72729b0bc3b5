"""The claims and what decides each of them, one file per group; verdicts are in results/tables/claims.md."""

from __future__ import annotations

from experiments.claims import baselines, direct, eras, untrainable

_ALL = (*untrainable.CLAIMS, *direct.CLAIMS, *eras.CLAIMS, *baselines.CLAIMS)
CLAIMS = tuple(sorted(_ALL, key=lambda claim: (int(claim.key[1:].rstrip("b")), claim.key)))
