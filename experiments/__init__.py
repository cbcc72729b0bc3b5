"""The questions: one file per artefact or claim.

A module has an EXPERIMENT, or CLAIMS with the criteria that decide them, or both.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from repro.errors import UserError
from repro.typed import in_one_line

if TYPE_CHECKING:
    from repro.report.verdicts import Claim
    from repro.runs.experiment import Experiment

NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def experiment_names() -> tuple[str, ...]:
    """The names of the experiments, without importing what computes."""
    sources = {name: (Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8") for name in NAMES}
    return tuple(name for name, source in sources.items() if "\nEXPERIMENT = " in source)


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    return {name: module.EXPERIMENT for name, module in modules() if hasattr(module, "EXPERIMENT")}


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the order of the table of verdicts: C1, C1b, C2, ..."""
    claims = [claim for _, module in modules() for claim in getattr(module, "CLAIMS", ())]
    return tuple(sorted(claims, key=lambda claim: (int("".join(filter(str.isdigit, claim.key))), claim.key)))


def modules() -> Iterator[tuple[str, ModuleType]]:
    """Every module of this package by name.

    Raises:
        UserError: if a configuration in one is not a valid one, in one line that names the choices.
    """
    for name in NAMES:
        try:
            yield name, importlib.import_module(f"experiments.{name}")
        except ValidationError as error:
            raise UserError(f"experiments/{name}.py: {in_one_line(error)}") from error
