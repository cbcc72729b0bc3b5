"""What the commands share: where they print, and options that mean the same in each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False, soft_wrap=True, markup=False)
Profile = Annotated[str, typer.Option(help="quick (small, labelled so) or paper (full scale).")]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder of raw data files; else REPRO_DATA_DIR, else download.")
]
Results = Annotated[Path, typer.Option(help="Folder of records, tables and the quick profile's figures.")]
