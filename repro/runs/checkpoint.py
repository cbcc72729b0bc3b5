"""What training has reached, on disk: checkpoints of what goes on, and artefacts, which are finished.

A checkpoint is known by its folder, whose name holds what decides its content: configuration, data, kind of
device and FORMAT_VERSION. An artefact is a trained layer, from which every run of a results folder may start.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from repro.atomic import n_bytes, write_atomically
from repro.errors import UserError
from repro.training.fit import Fitted

logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax logs whole stacks of what it raises anyway

FORMAT_VERSION = 1  # one more when older checkpoints cannot be read any longer
KEPT = 2  # checkpoints of one phase
ARTEFACT_BYTES = 4 * 2**30  # of a results folder and profile; beyond, the least recently used goes
CHECKSUM = "checksum"  # the file in a checkpoint's folder that vouches for all others


class Trained(NamedTuple):
    """What is left of a trainer's state when training is over."""

    params: Any


class Checkpoints:
    """The latest checkpoints of one phase. Training waits while one is written: what it is timed by is not
    disturbed, and what cannot be written is known at once.
    """

    def __init__(self, folder: Path, keep: int = KEPT):
        self.folder = folder.resolve()
        with _written(self.folder):
            self.manager = ocp.CheckpointManager(
                self.folder,
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=keep,
                    cleanup_tmp_directories=True,
                    save_root_metadata=False,
                    enable_async_checkpointing=False,
                ),
            )

    def save(self, fitted: Fitted) -> None:
        """Keep everything that training needs to go on bit for bit.

        Raises:
            UserError: if it cannot be written.
        """
        shown = {name: value for name, value in fitted._asdict().items() if name != "state"}
        kept = ocp.args.Composite(
            shapes=ocp.args.JsonSave(_shapes(fitted.state)),
            state=ocp.args.StandardSave(_numbered(fitted.state)),
            shown=ocp.args.StandardSave(shown),
        )
        with _written(self.folder):
            self.manager.save(fitted.n_epochs, args=kept)
        path = self.folder / str(fitted.n_epochs)
        write_atomically(path / CHECKSUM, _checksum(path).encode())

    def latest(self, start: Fitted, say: Callable[[str], None]) -> Fitted:
        """The latest checkpoint that is whole and shaped like `start`, on the devices of `start`; `start`
        itself if there is none. The others are named and set aside.
        """
        for step in sorted(self.manager.all_steps(), reverse=True):
            try:
                return self._read(step, start)
            except Exception as error:  # of many kinds, as many as there are ways to damage a file
                self._set_aside(step, f"{error}".partition("\n")[0] or type(error).__name__, say)
        return start

    def close(self) -> None:
        """Let go of the threads that orbax has."""
        self.manager.close()

    def _read(self, step: int, start: Fitted) -> Fitted:
        path = self.folder / str(step)
        vouched = path / CHECKSUM  # there is none if the process died right after writing
        if vouched.exists() and vouched.read_text(encoding="utf-8") != _checksum(path):
            raise ValueError("its content is not what was written")
        if not all((path / item).is_dir() for item in ("shapes", "state", "shown")):
            raise ValueError("it is not whole")
        args = ocp.args.Composite(shapes=ocp.args.JsonRestore(), shown=ocp.args.StandardRestore())
        about = self.manager.restore(step, args=args)
        if about["shapes"] != _shapes(start.state):
            raise ValueError("it is of another network or trainer")
        like = ocp.args.StandardRestore(jax.tree.map(_abstract, _numbered(start.state)))
        kept = self.manager.restore(step, args=ocp.args.Composite(state=like))["state"]
        leaves, structure = jax.tree.flatten(start.state)
        leaves = [kept.get(name, leaf) for name, leaf in zip(_shapes(start.state), leaves, strict=True)]
        return Fitted(state=jax.tree.unflatten(structure, leaves), **about["shown"])

    def _set_aside(self, step: int, reason: str, say: Callable[[str], None]) -> None:
        path, aside = self.folder / str(step), self.folder / f"{step}.damaged"
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        self.manager.reload()
        say(f"the checkpoint {path} cannot be used ({reason}); it is set aside as {aside.name}")


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    """Within, orbax writes to a folder.

    Raises:
        UserError: if it cannot.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and "os_error_code" not in str(error):
            raise
        remedy = "make room, mend its permissions, or name another folder with --results"
        raise UserError(f"{folder} cannot be written ({_reason(error)}): {remedy}") from error


def _reason(error: Exception) -> str:
    """What the system said, or else the first line of what orbax says."""
    if number := re.search(r"os_error_code='(\d+)'", str(error)):
        return os.strerror(int(number[1]))
    said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return said or type(error).__name__


def find_artefact(folder: Path, start: Fitted, say: Callable[[str], None]) -> tuple[Fitted, dict] | None:
    """The finished training of this folder, of whose state only the parameters are kept, and the process
    that made it; None if it is not there, or not whole.
    """
    if not folder.is_dir():
        return None
    try:
        made = json.loads((folder / "made").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        say(f"{folder / 'made'} cannot be used ({error}): what it says of is trained again")
        shutil.rmtree(folder)
        return None
    checkpoints = Checkpoints(folder, keep=1)
    found = checkpoints.latest(start._replace(state=Trained(start.state.params)), say)
    checkpoints.close()
    os.utime(folder.parent)
    return (found, made) if found.n_epochs else None


def keep_artefact(folder: Path, fitted: Fitted, made: dict) -> None:
    """Keep what training has come to, and which process made it; the checkpoints beside `folder` go."""
    write_atomically(folder / "made", json.dumps(made).encode())
    checkpoints = Checkpoints(folder, keep=1)
    checkpoints.save(fitted._replace(state=Trained(fitted.state.params)))
    checkpoints.close()
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other)
    drop_least_recent(folder.parents[2].glob("*/*"), ARTEFACT_BYTES)


def drop_least_recent(folders: Iterable[Path], limit: int) -> None:
    """Remove the folders used longest ago, until the others need `limit` bytes at most."""
    folders = sorted(folders, key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    total = 0
    for folder in folders:
        total += n_bytes(folder)
        if total > limit and folder != folders[0]:
            shutil.rmtree(folder)


def _shapes(state: Any) -> dict[str, str]:
    """Number of each leaf -> what it is: a state by its numbers is of a structure that orbax knows."""
    leaves = map(jnp.asarray, jax.tree.leaves(state))
    return {f"{i:06}": f"{leaf.dtype}{list(leaf.shape)}" for i, leaf in enumerate(leaves)}


def _numbered(state: Any) -> dict[str, jax.Array]:
    """The leaves by number, without the empty ones, which orbax refuses."""
    numbered = zip(_shapes(state), map(jnp.asarray, jax.tree.leaves(state)), strict=True)
    return {name: leaf for name, leaf in numbered if leaf.size}


def _abstract(leaf: jax.Array) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)


def _checksum(checkpoint: Path) -> str:
    """Of every file with its name, but for the checksum itself."""
    digest = hashlib.sha256()
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path != checkpoint / CHECKSUM:
            digest.update(str(path.relative_to(checkpoint)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
