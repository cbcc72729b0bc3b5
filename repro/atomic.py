"""Files that are there whole or not at all, and what they need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from repro.errors import UserError

ROOM = 1 << 23  # bytes that a results folder must have room for: records, and the checkpoints of a small run
LITTER = ".writing-"  # how the names of files begin that are not whole yet


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename: whoever stops us, no reader ever sees half a file.

    Raises:
        UserError: if it cannot be written.
    """
    with written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, path.name)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f"{LITTER}{path.name}.{os.getpid()}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(beside).chmod(0o644)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Within, `path` is written to.

    Raises:
        UserError: if the system says that it cannot be: no room, no permission, no folder.
    """
    try:
        yield
    except OSError as error:
        remedy = "make room, mend its permissions, or name another folder"
        raise UserError(f"{path} cannot be written ({error.strerror}): {remedy}") from error


def sweep(folder: Path, name: str = "") -> None:
    """Remove what processes that were killed left half written below a folder; or of one file in it."""
    found = folder.glob(f"{LITTER}{escape(name)}.*") if name else folder.rglob(f"{LITTER}*")
    for left in list(found):
        if not _is_written(left):
            left.unlink(missing_ok=True)


def _is_written(beside: Path) -> bool:
    """Whether the process whose number is in a name is another one, and still there."""
    try:
        number = int(beside.name.split(".")[-2])
        if number <= 0:
            return False
        os.kill(number, 0)
    except (ValueError, IndexError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:  # it is somebody else's
        return True
    return number != os.getpid()


def n_bytes(place: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [place] if place.is_file() else place.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def check_writable(folder: Path, results: Path, option: str = "--results") -> None:
    """See that records can be written to a folder of the results, or to the one that it will be made in,
    before any are made; nothing is left there. The results are what the user named by this option.

    Raises:
        UserError: if not, naming the option and the remedy.
    """
    place = next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
    reason = "" if place.is_dir() else "Not a directory"
    try:
        if not reason:
            with tempfile.TemporaryFile(dir=place) as probe:  # it has no name, and goes with the process
                probe.write(bytes(ROOM))
    except OSError as error:
        reason = error.strerror
    if reason:
        remedy = "name another folder, or make room in this one"
        raise UserError(f"{option} {results} cannot be written to ({reason}): {remedy}")
