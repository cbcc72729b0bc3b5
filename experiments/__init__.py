"""The questions: one file per artefact or claim. A module names its EXPERIMENT; `claims` has the verdicts."""

import importlib
import pkgutil

from repro.claims import Claim
from repro.conduct import Experiment


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if module.name != "claims")
    return {name: importlib.import_module(f"experiments.{name}").EXPERIMENT for name in sorted(names)}


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the order of the table of verdicts."""
    return importlib.import_module("experiments.claims").CLAIMS
