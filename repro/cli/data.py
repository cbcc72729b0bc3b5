"""`repro data`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from repro.cli.options import DataDir, console

if TYPE_CHECKING:
    from repro.data import Status

app = typer.Typer(help="List, prepare and verify the data sets.\n\nExample: repro data list")


@app.command("list")
def list_data() -> None:
    """Show each data set, where it is cached and whether it is ready; `verify` checks every byte.

    Example: repro data list
    """
    import repro.data

    console.print(f"{'name':<13} {'source':<9} {'units':<7} {'checksum':<13} state")
    for s in repro.data.status():
        console.print(f"{s.name:<13} {s.source:<9} {s.kind:<7} {s.checksum[:12] or '-':<13} {state(s)}")


def state(s: Status) -> str:
    """Whether a data set is ready, and if not how it gets so."""
    if s.damaged:
        return f"damaged: delete the folder {s.path} and run `repro data prepare {s.name}`"
    return f"ready, {s.size / 1e6:.1f} MB in {s.path}" if s.ready else f"not prepared; from {s.origin}"


@app.command()
def prepare(names: list[str], data_dir: DataDir = None) -> None:
    """Prepare data sets in the cache, from files or by download.

    Example: repro data prepare mnist curves --data-dir my-files
    """
    import repro.data

    for name in names:
        console.print(f"{name} is ready in {repro.data.prepare(name, data_dir)}")


@app.command()
def verify(name: str) -> None:
    """Check every stored byte of a prepared data set.

    Example: repro data verify mnist
    """
    import repro.data

    console.print(f"{name} is whole: SHA-256 {repro.data.verify(name)}")
