"""One process at a time trains in a results folder: two would mix their checkpoints and their clocks."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from repro.atomic import sweep
from repro.errors import UserError

_HELD: dict[Path, FileLock] = {}  # by this process


def claim(folder: Path) -> None:
    """Keep other processes from training in `folder` until this one has ended, however it ends; what they
    left half written is removed.

    Raises:
        UserError: if another process trains there.
    """
    if (folder := folder.resolve()) in _HELD:
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        remedy = "wait until it is over, or name another folder"
        raise UserError(f"another command trains in {folder}: {remedy}") from error
    _HELD[folder] = lock
    sweep(folder)
