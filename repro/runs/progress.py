"""While a long run goes on: progress is shown, and checkpoints are kept so that it can be resumed."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import sys
import threading
import time
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from repro.atomic import write_atomically
from repro.errors import OutOfTimeError, UserError
from repro.runs.checkpoint import Checkpoints, find_artefact, keep_artefact
from repro.training.fit import Fitted, Monitor

SECONDS_BETWEEN_LINES = 10.0  # without a terminal
SECONDS_BETWEEN_CHECKPOINTS = 30.0
LARGE = 2**28  # bytes of a checkpoint; those n times as large are kept after n times as many seconds alone
PROCESSES = "processes"  # the folder beside the checkpoints that says who has worked
LATEST = (
    "valid_log_probability",
    "test_squared_error",
    "test_error_percent",
    "valid_error_percent",
    "valid_cross_entropy",
)
LATEST += ("reconstruction_error", "loss", "log_probability", "bound", "energy_gap")
LATEST += ("generator_loss",)  # scores that are shown, the first that there is
FINISHED = "finished"  # what an artefact's folder holds when it is made; until then checkpoints of its phase


class Watch(Monitor):
    """Shows one run's progress and keeps its checkpoints in a folder of its own; use as a context.

    Work that runs may share is kept in the folder `artefacts`, and stays when this run is over. `about` says
    which process this is; it is kept beside the checkpoints, with the time it has worked.

    Training ends at the last report that comes before the time `until`, of `time.monotonic`: a checkpoint is
    kept, and `OutOfTimeError` is raised.

    Within, Ctrl-C is heeded at the next report, when nothing is being computed: an exception in the middle of
    a computation has ended in a segmentation fault. A second Ctrl-C ends the process at once. Another event
    that is to be heeded so may be given as `stop`.
    """

    def __init__(
        self,
        title: str,
        folder: Path,
        artefacts: Path,
        console: Console,
        about: dict | None = None,
        until: float = math.inf,
        stop: threading.Event | None = None,
    ):
        self.title, self.folder, self.artefacts, self.console = title, folder, artefacts, console
        self.process = Process(folder / PROCESSES, about or {})
        self.until = until
        self.stop = stop or threading.Event()  # Ctrl-C was pressed
        self.taken: list[dict] = []  # artefacts that this run started from, and what made them
        self.diverged: dict[str, list[int]] = {}  # phase -> `Fitted.diverged`, of those where a seed did
        self.shared = False  # whether `folder` is that of an artefact
        self.open: list[Checkpoints] = []  # of the current phase
        self.began = self.said = self.kept = time.monotonic()
        self.restored = 0  # epochs of the current phase that an earlier process did
        self.compiled = False  # whether what the current phase needs has been: it is after its first report
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Watch:
        self.process.log()
        self.bar.start()
        self.handler = None
        if threading.current_thread() is threading.main_thread():
            self.handler = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self.bar.stop()
            self._close()
            self.process.log()
        finally:
            if self.handler is not None:
                signal.signal(signal.SIGINT, self.handler)
        if self.stop.is_set() and exception[0] is None:
            raise KeyboardInterrupt

    def restore(self, phase: str, start: Fitted) -> Fitted:
        """What there is of this phase, if it fits: an artefact, or the latest checkpoint of an interrupted
        run; else `start`.

        Raises:
            OutOfTimeError: if the time is over.
        """
        self._close()
        if time.monotonic() >= self.until:
            raise OutOfTimeError
        fitted = self._finished(phase, start) or self._latest(phase, start)
        if _some(fitted.diverged):
            self.diverged[phase] = fitted.diverged.tolist()
        self.began = self.kept = time.monotonic()
        self.restored, self.compiled = fitted.n_epochs, False
        for task in self.bar.task_ids:
            self.bar.remove_task(task)
        return fitted

    def _finished(self, phase: str, start: Fitted) -> Fitted | None:
        found = find_artefact(self.folder / FINISHED, start, self._say) if self.shared else None
        if not found:
            return None
        fitted, made = found
        self.taken.append({"phase": phase, "identity": self.folder.name, "made": made})
        self._say(f"{phase} has been trained before, for {fitted.n_epochs} epochs")
        return fitted

    def _latest(self, phase: str, start: Fitted) -> Fitted:
        self.open.append(Checkpoints(self.folder / re.sub("[^a-z0-9.]+", "-", phase)))
        fitted = self.open[0].latest(start, self._say)
        if fitted.n_epochs > start.n_epochs:
            self._say(f"{phase} goes on from epoch {fitted.n_epochs}, done before")
        return fitted

    def epoch_done(self, phase: str, fitted: Fitted, n_epochs: int) -> None:
        """Show where we are; keep a checkpoint now and then, and at the end of a phase unless it is large.

        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed.
            OutOfTimeError: if the next report would come too late.
        """
        now, finished = time.monotonic(), fitted.over(n_epochs)
        late = now + float(fitted.seconds[-1]) > self.until
        self._show(phase, fitted, n_epochs, now)
        if finished and self.shared:
            self._close()
            keep_artefact(self.folder / FINISHED, fitted, self.process.entry())
        elif late or self.stop.is_set() or self._due(fitted, finished, now - self.kept):
            self.open[0].save(fitted)
            self.process.log()
            self.kept = time.monotonic()
        if self.stop.is_set():
            raise KeyboardInterrupt
        if late and not finished:
            raise OutOfTimeError

    def _due(self, fitted: Fitted, finished: bool, since: float) -> bool:
        """Whether to keep a checkpoint, so many seconds after the last one."""
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(fitted.state)) / LARGE
        return since > SECONDS_BETWEEN_CHECKPOINTS * max(1.0, size) or (finished and size <= 1)

    def sharing(self, work: str) -> Watch:
        """The same, but for the artefact of this identity."""
        other = copy(self)
        other.folder, other.shared = self.artefacts / work, True
        return other

    def processes(self) -> list[dict]:
        """Every process that has worked on this run, the first one first: what it said about itself, when it
        `began`, and the `seconds` it worked, those lost after its last checkpoint not counted.
        """
        self.process.log()
        return _processes(self.folder)

    def forget(self) -> None:
        """Remove the run's own checkpoints: the record has been written."""
        self._close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _show(self, phase: str, fitted: Fitted, n_epochs: int, now: float) -> None:
        finished = fitted.over(n_epochs)
        if not self.compiled:
            self.began, self.compiled = now - float(fitted.seconds[-1]), True
        left = (now - self.began) / (fitted.n_epochs - self.restored) * (n_epochs - fitted.n_epochs)
        state = _latest_error(fitted) + ("" if finished else f", {timedelta(seconds=round(left))} left")
        if self.console.is_terminal:
            self._draw(phase, fitted.n_epochs, n_epochs, state)
        elif finished or now - self.said > SECONDS_BETWEEN_LINES:
            self._say(f"{phase} epoch {fitted.n_epochs}/{n_epochs}, {state}")
            self.said = now
        diverged = fitted.diverged.tolist()
        if _some(fitted.diverged) and diverged != self.diverged.get(phase):
            self.diverged[phase] = diverged
            self._say(f"{phase} has diverged, {_where(diverged)}")

    def _interrupted(self, *_: object) -> None:
        if self.stop.is_set():
            os.write(2, b"repro: stopped at once; the same command goes on from the last checkpoint\n")
            os._exit(130)
        self.stop.set()
        if sys.stderr.isatty():
            os.write(2, b"\nrepro: stops at the next report; Ctrl-C again stops at once\n")

    def _close(self) -> None:
        while self.open:
            self.open.pop().close()

    def _draw(self, phase: str, done: int, n_epochs: int, state: str) -> None:
        [task] = self.bar.task_ids or [self.bar.add_task("", total=n_epochs, state="")]
        self.bar.update(task, description=f"{self.title}: {phase}", completed=done, state=state)

    def _say(self, line: str) -> None:
        self.console.print(f"{self.title}: {line}", highlight=False, markup=False, soft_wrap=True)


class Process:
    """An entry in the log of the processes that have worked on a run: a file for each, in one folder."""

    def __init__(self, folder: Path, about: dict):
        self.folder, self.about = folder, about
        self.now, self.clock = datetime.now(UTC), time.perf_counter()

    def entry(self) -> dict:
        """What it is and how long it has worked."""
        seconds = round(time.perf_counter() - self.clock, 2)
        return {"began": f"{self.now:%Y-%m-%dT%H:%M:%SZ}", "seconds": seconds, **self.about}

    def log(self) -> None:
        """Write or renew its file."""
        name = f"{self.now:%Y%m%dT%H%M%S.%f}.{os.getpid()}"
        write_atomically(self.folder / name, json.dumps(self.entry()).encode())


def _processes(folder: Path) -> list[dict]:
    return [_logged(path) for path in sorted((folder / PROCESSES).glob("[!.]*"))]


def _logged(path: Path) -> dict:
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        return entry | {"seconds": float(entry["seconds"])}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} is damaged ({error}): delete it") from error


def seconds_spent(folder: Path) -> float:
    """How long processes have worked on the run whose checkpoints are in this folder; 0 if there are none."""
    return sum((process["seconds"] for process in _processes(folder)), 0.0)


def _some(diverged: np.ndarray) -> bool:
    return bool((diverged >= 0).any())


def _where(diverged: list[int]) -> str:
    """At which epoch, of how many seeds, and what follows."""
    epochs = [str(epoch) for epoch in diverged if epoch >= 0]
    at = f"from epoch {', '.join(epochs)} on its values are not numbers"
    if len(diverged) == 1:
        return f"{at}: it stops here"
    rest = "all stop here" if len(epochs) == len(diverged) else "the others go on"
    return f"{len(epochs)} of {len(diverged)} seeds, {at.replace('its', 'the')}: {rest}"


def _latest_error(fitted: Fitted) -> str:
    """The score of the last epoch that says most, mean over the seeds."""
    for name in LATEST:
        if name in fitted.curves:
            return f"{name.replace('_', ' ')} {fitted.curves[name][:, -1].mean():.4g}"
    return ""
