"""Files that are there whole or not at all, and what they need."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from repro.errors import UserError

ROOM = 1 << 23  # bytes that a results folder must have room for: records, and the checkpoints of a small run
LITTER = ".writing-"  # how the names of files begin that are not whole yet


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename: whoever stops us, no reader ever sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f"{LITTER}{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(beside).chmod(0o644)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what processes left half written below a folder that were killed; none may be writing there."""
    for left in folder.rglob(f"{LITTER}*"):
        left.unlink()


def n_bytes(place: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [place] if place.is_file() else place.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def check_writable(folder: Path, results: Path) -> None:
    """See that records can be written to a folder of the results, or to the one that it will be made in,
    before any are made; nothing is left there.

    Raises:
        UserError: if not, naming the option and the remedy.
    """
    place = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    reason = "" if place.is_dir() else "Not a directory"
    try:
        if not reason:
            write_atomically(place / ".writable", bytes(ROOM))
            (place / ".writable").unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror
    if reason:
        remedy = "name another folder, or make room in this one"
        raise UserError(f"--results {results} cannot be written to ({reason}): {remedy}")
