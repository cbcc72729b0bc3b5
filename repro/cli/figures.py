"""`repro figures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.cli.options import Profile, Results, chosen, console
from repro.errors import RecordsMissingError

Figures = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Figures; none means all of them.")]


def figures(names: Figures = None, profile: Profile = "paper", results: Results = Path("results")) -> None:
    """Draw the figures from the tables and records.

    Example: repro figures fig_2b --profile quick
    """
    from paper_figures import all_figures, figures_folder, save
    from repro.runs.experiment import check_profile

    check_profile(profile)
    modules, folder = chosen(names, all_figures(), "figure"), figures_folder(results, profile)
    for name, module in modules.items():
        try:
            paths = save(module.draw(results, profile), folder, name)
        except RecordsMissingError as error:
            if names:
                raise
            console.print(f"{name} is not drawn: {error}")
            continue
        for path in paths:
            console.print(f"wrote {path}")
