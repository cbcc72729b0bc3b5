"""The questions: one file per artefact or claim.

A module has an EXPERIMENT, or CLAIMS with the criteria that decide them, or both.
"""

from __future__ import annotations

import ast
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
    return tuple(summaries())


def summaries() -> dict[str, dict[str, str]]:
    """Claim and artefact of every experiment as its file has them, without importing what computes.

    Raises:
        UserError: if a file is no Python, or has something else there than a plain text.
    """
    found = {}
    for name in NAMES:
        try:
            for made in _experiments_in((Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8")):
                words = {word.arg: word.value for word in made.keywords}
                found[name] = {about: ast.literal_eval(words[about]) for about in ("claim", "artefact")}
        except (SyntaxError, ValueError, KeyError) as error:
            raise UserError(
                f"experiments/{name}.py: claim and artefact are no plain texts ({error})"
            ) from error
    return found


def _experiments_in(source: str) -> Iterator[ast.Call]:
    """The call that makes its EXPERIMENT, if it has one."""
    for line in ast.parse(source).body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call):
            yield from [line.value] * (getattr(line.targets[0], "id", None) == "EXPERIMENT")


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
