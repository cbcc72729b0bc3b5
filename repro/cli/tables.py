"""`repro tables`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repro.cli.options import Results, console, experiments
from repro.errors import UserError

if TYPE_CHECKING:  # imported where it is needed: `repro --help` answers at once
    from repro.report.frame import Frame
    from repro.report.readme import Questions


def tables(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if anything is stale.")] = False,
    profile: Annotated[
        str | None, typer.Option(help="quick or paper; default paper, or quick if only it has records.")
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Build the tables, the README's block and the index of experiments from the records.

    Example: repro tables --check
    """
    from experiments import all_claims
    from experiments.answer import RECIPE, SHARES
    from repro.atomic import write_atomically
    from repro.report.frame import read
    from repro.report.readme import Questions, generated
    from repro.report.tables import pages, tables_folder
    from repro.runs.experiment import check_profile

    check_profile(profile or "paper")
    frame = read(results, profile or "paper")
    if profile is None and not frame.records and (quick := read(results, "quick")).records:
        frame = quick
    asked = Questions(experiments(None), all_claims(), RECIPE, SHARES)
    contents, folder = generated(frame, asked), tables_folder(results, frame.profile)
    left = [path for path in pages(folder, asked.experiments) if path.exists() and path not in contents]
    stale = [
        path
        for path, text in contents.items()
        if not path.is_file() or path.read_bytes() != text.encode("utf-8")
    ]
    if check:
        options = f"--profile {frame.profile} --results {results}"
        remedies = [(stale + left, f"`repro tables {options}` rebuilds them")]
        remedies += [(stale_page(frame, asked), f"`repro report {options}` writes it again")]
        said = [f"{', '.join(map(str, paths))}; {remedy}" for paths, remedy in remedies if paths]
        if said:
            raise UserError(f"stale: {'; '.join(said)}")
    for path in stale:
        write_atomically(path, contents[path].encode("utf-8"))
        console.print(f"wrote {path}")
    for path in left:
        path.unlink()
        console.print(f"removed {path}: its experiment has no records")
    console.print(f"{len(contents)} files up to date, tables in {folder}")


def stale_page(frame: Frame, asked: Questions) -> list[Path]:
    """The page of these records, if there is one and it would be another today."""
    from paper_figures import captions
    from repro.report.page import build, page_path

    path = page_path(frame.folder, frame.profile)
    fresh = not path.is_file() or path.read_bytes() == build(frame, asked, captions()).encode("utf-8")
    return [] if fresh else [path]
