"""The questions: one file per artefact or claim. Each module names its EXPERIMENT."""

import importlib
import pkgutil

from repro.conduct import Experiment


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"experiments.{name}").EXPERIMENT for name in sorted(names)}
