"""Commands, each in a process of its own: forked from one that has imported everything, or begun cold."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.chaos.child import Order, obey

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("child.py")
PATIENCE = 900.0  # seconds until a command that has not ended counts as hanging
CG, PCA, ADAM = "pretrained-cg-108-6", "pca-18", "glorot-adam"  # ADAM with a choice of the rate
SHORT = ("--epochs", "2", "--pretraining-epochs", "2")
TABLES = ("tables", "--profile", "quick")
FIGURES = ("figures", "fig_2a", "--profile", "quick")
_FORKS = multiprocessing.get_context("forkserver")
_CORES: queue.Queue[int] = queue.Queue()
_TURN = threading.Lock()


class Done(NamedTuple):
    """How a command ended, and what it said."""

    words: tuple[str, ...]
    code: int | None  # None: it hung
    out: str
    err: str
    seconds: float
    changes: int  # to files in the watched folders

    def __str__(self) -> str:
        """Everything that helps to understand it."""
        shown = "\n".join(f"      {line}" for line in (self.out[-800:] + self.err[-3000:]).splitlines())
        return (
            f"    `repro {' '.join(self.words)}` ended with {self.code} after {self.seconds:.1f} s\n{shown}"
        )


def run(*variants: str) -> tuple[str, ...]:
    """The words that train some variants of the curves, for a few seconds."""
    return ("run", "curves", *(word for variant in variants for word in ("--only", variant)), *SHORT)


def ready(cores: list[int]) -> None:
    """Name the cores that commands run on, one each; the server of warm processes is begun."""
    for name in ("XLA_FLAGS", "REPRO_DATA_DIR", "REPRO_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR"):
        os.environ.pop(name, None)
    os.environ |= {"PYTHONPATH": str(ROOT), "REPRO_COMMIT": "chaos", "JAX_PLATFORMS": "cpu", "COLUMNS": "120"}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cores[0]})  # inherited: libraries make as many threads as there are cores
    _FORKS.set_forkserver_preload(["tests.chaos.warm"])
    carry_out_nothing = _FORKS.Process(target=int)
    carry_out_nothing.start()
    carry_out_nothing.join()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(cores))
    while not _CORES.empty():
        _CORES.get()
    for core in cores:
        _CORES.put(core)


@contextmanager
def _core() -> Iterator[int]:
    core = _CORES.get()
    try:
        yield core
    finally:
        _CORES.put(core)


def carry_out(
    words: tuple[str, ...],
    folder: Path,
    env: dict[str, str] | None = None,
    *,
    cold: bool = False,
    strike_after: float | None = None,
    strike_when: Callable[[], bool] | None = None,
    **how,
) -> Done:
    """Run `repro` with these words in a folder; it is struck from outside `strike_after` so many seconds, or
    when something is so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("began", "changes", "out", "err"):
        (folder / name).unlink(missing_ok=True)
    with _core() as core:
        order = Order(tuple(map(str, words)), str(folder), env or {}, core, **how)
        process = _Cold(order) if cold else _Warm(order)
        began = time.monotonic()
        if strike_after is not None:
            while not (folder / "began").exists() and process.alive():
                time.sleep(0.005)
            process.wait(strike_after)
            process.strike(order.strike_with)
        while strike_when and process.alive():
            if strike_when():
                process.strike(order.strike_with)
                break
        code = process.wait(PATIENCE)
        if code is None:
            process.strike(signal.SIGKILL)
            process.wait(PATIENCE)
    seconds, changes = time.monotonic() - began, folder / "changes"
    said = [
        (folder / name).read_text(errors="replace") if (folder / name).exists() else ""
        for name in ("out", "err")
    ]
    return Done(order.words, code, *said, seconds, int(changes.read_text()) if changes.exists() else 0)


class _Warm:
    """Its methods take turns with those of others: whoever starts a process also asks after all the others,
    and how one ended can be heard only once.
    """

    def __init__(self, order: Order):
        with _TURN:
            self.process = _FORKS.Process(target=obey, args=(order,))
            self.process.start()

    def alive(self) -> bool:
        return self.wait(0) is None

    def wait(self, seconds: float) -> int | None:
        until = time.monotonic() + seconds
        while True:
            with _TURN:
                code = self.process.exitcode
            if code is not None or time.monotonic() > until:
                return code
            time.sleep(0.005)

    def strike(self, number: int) -> None:
        if self.alive():
            os.kill(self.process.pid, number)


class _Cold:
    def __init__(self, order: Order):
        env = {name: value for name, value in (os.environ | order.env).items() if value}
        words = [sys.executable, "-P", CHILD, json.dumps(order._asdict())]
        self.process = subprocess.Popen(words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL)

    def alive(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float) -> int | None:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def strike(self, number: int) -> None:
        self.process.send_signal(number)
