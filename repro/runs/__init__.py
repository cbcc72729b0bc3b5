"""Whole runs: from a data set and a configuration to scores, curves and pictures."""

from repro.runs.autoencoding import run_arm
from repro.runs.config import Arm
from repro.runs.linear import PrincipalComponents, SemanticAnalysis, run_lsa, run_pca
from repro.runs.outcome import Outcome
from repro.runs.tuning import RateChoice, choose_rate, rate_choice

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
