"""The questions: one file per artefact or claim. Each module names its EXPERIMENT, `claims` the verdicts."""

import importlib
import pkgutil

from repro.report.verdicts import Claim
from repro.runs.run import Experiment


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if module.name != "claims")
    return {name: importlib.import_module(f"experiments.{name}").EXPERIMENT for name in sorted(names)}


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the order of the table of verdicts."""
    return importlib.import_module("experiments.claims").CLAIMS
