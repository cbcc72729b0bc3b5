"""What the commands share: where they print, and options that mean the same in each."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer
from rich.console import Console

from repro.errors import UserError, known

if TYPE_CHECKING:
    from repro.runs.config import Precision

console = Console(highlight=False, soft_wrap=True, markup=False)


def completions() -> list[str]:
    """Those that a shell may complete."""
    from experiments import experiment_names

    return list(experiment_names())


Profile = Annotated[str, typer.Option(help="quick (small, labelled so) or paper (full scale).")]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of raw data files; else REPRO_DATA_DIR, else download.")
]
Results = Annotated[Path, typer.Option(help="Folder of records, tables and the quick profile's figures.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Experiments; none means all of them.", autocompletion=completions),
]


def duration(text: str) -> timedelta:
    """A time such as 90s, 8m, 1h or 1h30m."""
    units = {"h": "hours", "m": "minutes", "s": "seconds"}
    found = re.fullmatch("".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in units), text)
    numbers = {units[unit]: float(n) for unit, n in found.groupdict().items() if n} if found else {}
    if not any(numbers.values()):
        raise typer.BadParameter(f"{text!r} is not a time: write it as 90s, 8m, 1h or 1h30m")
    try:
        return timedelta(**numbers)
    except OverflowError as error:
        raise typer.BadParameter(f"{text!r} is too long a time") from error


For = Annotated[
    timedelta | None,
    typer.Option(
        "--for", parser=duration, metavar="TIME", help="Do what can be done in this time, such as 8m."
    ),
]


def precision_of(text: str) -> Precision:
    """Of two names, for pretraining and fine-tuning.

    Raises:
        UserError: if it is anything else.
    """
    from repro.runs.config import Matmul, Precision

    names, choices = [name.strip() for name in text.split(",")], get_args(Matmul)
    if len(names) != 2 or not {*names} <= {*choices}:
        raise UserError(f"--precision {text!r} is not two of {', '.join(choices)} with a comma between")
    return Precision(*cast("list[Matmul]", names))


def experiments(names: list[str] | None) -> dict:
    """The experiments of these names, or all."""
    from experiments import all_experiments, experiment_names

    asked = chosen(names, dict.fromkeys(experiment_names()), "experiment")
    return chosen(list(asked), all_experiments(), "experiment")  # imports what computes


def chosen(names: list[str] | None, available: dict, noun: str) -> dict:
    """Those named, or all.

    Raises:
        UserError: if one is not available.
    """
    for name in names or ():
        if name not in available:
            raise UserError(f"no {noun} {name!r}; {known(name, available)}")
    return {name: available[name] for name in names or available}
