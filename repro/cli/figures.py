"""`repro figures`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repro.cli.options import Profile, Results, chosen, console
from repro.errors import DataUnavailableError, RecordsMissingError, UserError

Figures = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Figures; none means all of them.")]


def figures(names: Figures = None, profile: Profile = "paper", results: Results = Path("results")) -> None:
    """Draw the figures from the records.

    Example: repro figures fig_2b --profile quick
    """
    from paper_figures import figure, figure_names

    asked = chosen(names, dict.fromkeys(figure_names()), "figure")  # before what takes seconds to import
    from paper_figures.style.evidence import command
    from paper_figures.style.house import save
    from repro.report.frame import read
    from repro.report.tables import figures_folder
    from repro.runs.experiment import check_profile

    check_profile(profile)
    frame = read(results, profile)
    if not frame.records:
        below = (results / profile).absolute()
        raise UserError(f"no records below {below}: `{command(frame, 'run')}` makes them")
    folder, drawn = figures_folder(results, profile), 0
    for name in asked:
        try:
            paths = save(figure(name).draw(frame), folder, name)
        except (RecordsMissingError, DataUnavailableError) as error:
            if names:
                raise
            console.print(f"{name} is not drawn: {error}")
            continue
        drawn += 1
        for path in paths:
            console.print(f"wrote {path}")
    if not drawn:
        raise UserError(f"the records below {results / profile} are enough for no figure")
