"""Whole runs: from a data set and a configuration to scores, curves and pictures."""

from repro.arms.arm import run_arm
from repro.arms.config import Arm
from repro.arms.linear import PrincipalComponents, SemanticAnalysis, run_lsa, run_pca
from repro.arms.outcome import Outcome
from repro.arms.rates import RateChoice, choose_rate, rate_choice

PROGRAMS = {
    Arm: run_arm,
    PrincipalComponents: run_pca,
    SemanticAnalysis: run_lsa,
    RateChoice: choose_rate,
}

__all__ = [
    "PROGRAMS",
    "Arm",
    "Outcome",
    "PrincipalComponents",
    "RateChoice",
    "SemanticAnalysis",
    "rate_choice",
    "run_pca",
]
