"""The questions: one file per artefact or claim.

A module has an EXPERIMENT, or CLAIMS with the criteria that decide them, or both.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import traceback
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
        source = (Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8", errors="replace")
        try:
            calls = list(_experiments_in(source))
        except (SyntaxError, ValueError) as error:
            raise UserError(_said(error, name)) from error
        for made in calls:
            try:
                words = {word.arg: word.value for word in made.keywords}
                found[name] = {about: ast.literal_eval(words[about]) for about in ("claim", "artefact")}
            except (KeyError, ValueError) as error:
                reason = (
                    f"{error.args[0]}: field required"
                    if isinstance(error, KeyError)
                    else "claim and artefact must be plain texts"
                )
                raise UserError(f"experiments/{name}.py, line {made.lineno}: {reason}") from error
    return found


def _experiments_in(source: str) -> Iterator[ast.Call]:
    """The call that makes its EXPERIMENT, if it has one."""
    for line in ast.parse(source).body:
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call):
            yield from [line.value] * (getattr(line.targets[0], "id", None) == "EXPERIMENT")


def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name.

    Raises:
        UserError: if one is not what its file's name says.
    """
    from repro.runs.experiment import Experiment

    found = {name: module.EXPERIMENT for name, module in modules() if hasattr(module, "EXPERIMENT")}
    for name, experiment in found.items():
        if not isinstance(experiment, Experiment) or experiment.name != name:
            raise UserError(f"experiments/{name}.py: EXPERIMENT must be an Experiment whose name is {name!r}")
    return found


def all_claims() -> tuple[Claim, ...]:
    """Every claim, in the order of the table of verdicts: C1, C1b, C2, ...

    Raises:
        UserError: if a module has something else for them.
    """
    from repro.report.verdicts import Claim

    claims = []
    for name, module in modules():
        found = getattr(module, "CLAIMS", ())
        if not isinstance(found, tuple) or not all(isinstance(claim, Claim) for claim in found):
            raise UserError(f"experiments/{name}.py: CLAIMS must be a tuple of claims")
        claims += found
    return tuple(sorted(claims, key=lambda claim: (int("".join(filter(str.isdigit, claim.key))), claim.key)))


def modules() -> Iterator[tuple[str, ModuleType]]:
    """Every module of this package by name.

    Raises:
        UserError: if one cannot be imported, in one line that names the file, where it is wrong, and of a
            configuration the choices.
    """
    for name in NAMES:
        try:
            yield name, importlib.import_module(f"experiments.{name}")
        except ValidationError as error:
            raise UserError(f"{_line(error, name)}: {in_one_line(error)}") from error
        except (Exception, SystemExit) as error:  # whatever may be wrong in a user's file
            raise UserError(_said(error, name)) from error


def _said(error: BaseException, name: str) -> str:
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"{_line(error, name)}: {reason}: mend or remove it"


def _line(error: BaseException, name: str) -> str:
    """The file of a module, and the last line of it that led to an error, if one did."""
    frames = traceback.extract_tb(error.__traceback__)
    file = str(Path(__path__[0]) / f"{name}.py")
    lines = [frame.lineno for frame in frames if frame.filename == file]
    if isinstance(error, SyntaxError) and error.filename in ("<unknown>", file):
        lines.append(error.lineno)
    return f"experiments/{name}.py" + (f", line {lines[-1]}" if lines else "")
