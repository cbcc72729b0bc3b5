"""While a long run goes on: progress is shown, and checkpoints are kept so that it can be resumed."""

from __future__ import annotations

import io
import re
import shutil
import time
from copy import copy
from datetime import timedelta
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from repro.atomic import write_atomically
from repro.training.fit import Fitted, Monitor

SECONDS_BETWEEN_LINES = 10.0  # without a terminal
SECONDS_BETWEEN_CHECKPOINTS = 30.0
CLOCK = ("seconds", "epochs", "compile_seconds")  # of `Fitted`


class Watch(Monitor):
    """Shows one run's progress and keeps its checkpoints in a folder of its own; use as a context.

    Work that runs may share is kept in a folder that they share, and stays when this run is over.
    """

    def __init__(self, title: str, folder: Path, shared: Path, console: Console):
        self.title, self.folder, self.shared, self.console = title, folder, shared, console
        self.began = self.said = self.kept = time.monotonic()
        self.restored = 0  # epochs of the current phase that an earlier process did
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
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def restore(self, phase: str, start: Fitted) -> Fitted:
        """The checkpoint of this phase, if an interrupted run left one that fits; else `start`."""
        fitted = read_checkpoint(self._checkpoint(phase), start)
        if fitted.n_epochs:
            self._say(f"{phase} goes on from epoch {fitted.n_epochs}, done before")
        self.began, self.restored = time.monotonic(), fitted.n_epochs
        for task in self.bar.task_ids:
            self.bar.remove_task(task)
        return fitted

    def epoch_done(self, phase: str, fitted: Fitted, n_epochs: int) -> None:
        """Show where we are; keep a checkpoint now and then, and always at the end of a phase."""
        now, finished = time.monotonic(), fitted.n_epochs == n_epochs
        if finished or now - self.kept > SECONDS_BETWEEN_CHECKPOINTS:
            write_checkpoint(self._checkpoint(phase), fitted)
            self.kept = now
        left = (now - self.began) / (fitted.n_epochs - self.restored) * (n_epochs - fitted.n_epochs)
        state = _latest_error(fitted) + ("" if finished else f", {timedelta(seconds=round(left))} left")
        if self.console.is_terminal:
            self._draw(phase, fitted.n_epochs, n_epochs, state)
        elif finished or now - self.said > SECONDS_BETWEEN_LINES:
            self._say(f"{phase} epoch {fitted.n_epochs}/{n_epochs}, {state}")
            self.said = now

    def sharing(self, work: str) -> Watch:
        """The same, but with the checkpoints of this work."""
        other = copy(self)
        other.folder = self.shared / work
        return other

    def forget(self) -> None:
        """Remove the checkpoints: the record has been written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _draw(self, phase: str, done: int, n_epochs: int, state: str) -> None:
        [task] = self.bar.task_ids or [self.bar.add_task("", total=n_epochs, state="")]
        self.bar.update(task, description=f"{self.title}: {phase}", completed=done, state=state)

    def _say(self, line: str) -> None:
        self.console.print(f"{self.title}: {line}", highlight=False, markup=False, soft_wrap=True)

    def _checkpoint(self, phase: str) -> Path:
        return self.folder / f"{re.sub('[^a-z0-9.]+', '-', phase)}.npz"


def write_checkpoint(path: Path, fitted: Fitted) -> None:
    """Keep everything that training needs to go on bit for bit."""
    content = io.BytesIO()
    leaves = {f"leaf{i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(fitted.state))}
    curves = {f"curve_{name}": curve for name, curve in fitted.curves.items()}
    clock = {name: np.asarray(getattr(fitted, name)) for name in CLOCK}
    np.savez(content, allow_pickle=False, **leaves, **curves, **clock)
    write_atomically(path, content.getvalue())


def read_checkpoint(path: Path, start: Fitted) -> Fitted:
    """What was kept at `path`, shaped like `start`; `start` itself if nothing of that shape was."""
    if not path.is_file():
        return start
    leaves, structure = jax.tree.flatten(start.state)
    with np.load(path, allow_pickle=False) as kept:
        state = [kept[name] for name in kept.files if name.startswith("leaf")]
        if [leaf.shape for leaf in state] != [leaf.shape for leaf in leaves]:
            return start
        curves = {name.removeprefix("curve_"): kept[name] for name in kept.files if name.startswith("curve_")}
        state = jax.tree.unflatten(structure, [jax.device_put(leaf) for leaf in state])
        seconds, epochs, compile_seconds = (kept[name] for name in CLOCK)
        return Fitted(state, curves, seconds, epochs, float(compile_seconds))


def _latest_error(fitted: Fitted) -> str:
    """The score of the last epoch that says most, mean over the seeds."""
    for name in ("test_squared_error", "valid_cross_entropy", "reconstruction_error"):
        if name in fitted.curves:
            return f"{name.replace('_', ' ')} {fitted.curves[name][:, -1].mean():.4g}"
    return ""
