"""In the process that is struck: what it is asked for, and when it strikes itself.

Nothing of `repro` is imported before the command begins.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import sys
from pathlib import Path
from typing import NamedTuple

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime"}


class Order(NamedTuple):
    """One command, and what is done to its process."""

    words: tuple[str, ...]  # after `repro`
    folder: str  # of the case: files `out`, `err`, `began` and `changes` are written into it
    env: dict[str, str]
    core: int  # that it runs on
    watched: tuple[str, ...] = ()  # folders, changes to whose files are counted
    strike_at: int = 0  # the number of the change before which the process is struck; 0: not so
    strike_with: int = signal.SIGKILL
    often: bool = False  # a checkpoint is kept at every report
    file_bytes: int = 0  # what a file may hold at most, as on a full disk; 0: anything


def obey(order: Order) -> None:
    """Carry out an order in this process, which belongs to it alone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {order.core})
    for descriptor, name in ((1, "out"), (2, "err")):
        file = os.open(Path(order.folder, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, descriptor)
    for name, value in order.env.items():  # an empty one is none
        os.environ.pop(name, None)
        os.environ |= {name: value} if value else {}
    os.chdir(order.folder)
    if order.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.file_bytes, order.file_bytes))
    if order.often:
        import repro.runs.progress

        repro.runs.progress.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    Path(order.folder, "began").touch()
    count = _strike(order) if order.watched else None
    sys.argv = ["repro", *order.words]
    try:
        runpy.run_module("repro.cli", run_name="__main__", alter_sys=True)
    finally:
        if count:
            Path(order.folder, "changes").write_text(str(count[0]), encoding="utf-8")


def _strike(order: Order) -> list[int]:
    """Count the changes to files in the watched folders, and strike before the one that is named."""
    count = [0]

    def heed(event, args):
        if event == "open":
            path, _, flags = args
            if not isinstance(flags, int) or not flags & WRITES:
                return
        elif event in CHANGES:
            path = args[0]
        else:
            return
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(tuple(order.watched)):
            count[0] += 1
            if count[0] == order.strike_at:
                os.kill(os.getpid(), order.strike_with)

    sys.addaudithook(heed)
    return count


if __name__ == "__main__":
    obey(Order(**json.loads(sys.argv[1])))
