"""Which program carries out which kind of run."""

from __future__ import annotations

from collections.abc import Callable

from repro.runs.autoencoding import autoencode
from repro.runs.by_hand import train_by_hand
from repro.runs.config import (
    Autoencoding,
    ByHand,
    LocallyLinear,
    PrincipalComponents,
    SemanticAnalysis,
    Tuning,
)
from repro.runs.embedding import run_lle
from repro.runs.linear import run_lsa, run_pca
from repro.runs.outcome import Outcome
from repro.runs.tuning import choose_rate

PROGRAMS: dict[type, Callable[..., Outcome]] = {
    Autoencoding: autoencode,
    PrincipalComponents: run_pca,
    SemanticAnalysis: run_lsa,
    LocallyLinear: run_lle,
    Tuning: choose_rate,
    ByHand: train_by_hand,
}
