"""The claims and what decides each of them, one file per group; verdicts are in results/tables/claims.md."""

from __future__ import annotations

from experiments.claims import baselines, eras

CLAIMS = (*eras.CLAIMS, *baselines.CLAIMS)
