"""`repro report`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from repro.cli.options import Profile, Results, console, experiments


def report(
    profile: Profile = "paper",
    results: Results = Path("results"),
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the page: answer, verdicts, tables, figures, and where each number is from, in one file.

    Example: repro report --open
    """
    from experiments import all_claims
    from experiments.answer import RECIPE, SHARES
    from paper_figures import captions
    from repro.atomic import write_atomically
    from repro.report.frame import read
    from repro.report.page import build, page_path
    from repro.report.readme import Questions
    from repro.runs.experiment import check_profile

    check_profile(profile)
    frame = read(results, profile)
    asked = Questions(experiments(None), all_claims(), RECIPE, SHARES)
    path, text = page_path(results, profile), build(frame, asked, captions())
    write_atomically(path, text.encode("utf-8"))
    console.print(f"wrote {path}")
    if show:
        webbrowser.open(path.absolute().as_uri())
