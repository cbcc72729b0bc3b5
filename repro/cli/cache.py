"""`repro cache`."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from repro.cli.options import console
from repro.errors import UserError

app = typer.Typer(help="Show and clear what is kept in the cache folder.\n\nExample: repro cache list")


@app.command("list")
def list_cache() -> None:
    """Show the compiled programs and the prepared data sets, with their sizes and places.

    Example: repro cache list
    """
    from repro.atomic import n_bytes

    for what, folders in _kept().items():
        for folder in folders:
            console.print(f"{what:<9} {n_bytes(folder) / 1e6:8.1f} MB in {folder}")
        if not folders:
            console.print(f"{what:<9} none")


@app.command()
def clear(
    programs: Annotated[bool, typer.Option("--programs", help="The compiled programs.")] = False,
    data: Annotated[bool, typer.Option("--data", help="The prepared data sets.")] = False,
) -> None:
    """Remove compiled programs or prepared data sets; they are made again when they are needed.

    Example: repro cache clear --programs
    """
    from repro.atomic import n_bytes

    chosen = {"programs": programs, "data": data}
    if not any(chosen.values()):
        raise UserError("say what to clear: --programs, --data, or both")
    for what, folders in _kept().items():
        if not chosen[what]:
            continue
        freed = 0
        for folder in folders:
            freed += n_bytes(folder)
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise UserError(f"{folder} cannot be removed: {error.strerror}") from error
        console.print(f"{what}: {freed / 1e6:.1f} MB freed")


def _kept() -> dict:
    """The folders of each kind."""
    from repro.data.prepared import prepared_sets
    from repro.runs.compiler import programs_dir

    place = programs_dir()
    return {"programs": sorted(place.iterdir()) if place.is_dir() else [], "data": prepared_sets()}
