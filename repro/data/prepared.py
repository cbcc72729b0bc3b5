"""The on-disk cache: each data set prepared once, memory-mapped afterwards, verified by checksum.

A prepared set is one folder, `<cache>/<name>-<version>`, with a `.npy` file per array and a
`manifest.json`. It can be carried to another machine as it is, and reading it needs NumPy alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from repro.data.recipe import Arrays, Recipe, checksum, decoded, describe
from repro.errors import UserError

MANIFEST = "manifest.json"
ALIVE = ".alive"  # locked in a workspace while its process lives


def cache_dir() -> Path:
    """REPRO_CACHE_DIR, else `repro` in XDG_CACHE_HOME, else `~/.cache/repro`.

    Raises:
        UserError: if it is in the home of a user whom the system does not know.
    """
    chosen = os.environ.get("REPRO_CACHE_DIR") or Path(
        os.environ.get("XDG_CACHE_HOME") or "~/.cache", "repro"
    )
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise UserError(f"the cache {chosen}: {error} Name another folder in REPRO_CACHE_DIR") from error


def folder(recipe: Recipe) -> Path:
    """Where the arrays of a recipe are cached, whether they are there yet or not."""
    return cache_dir() / f"{recipe.name}-{recipe.version}"


def fetch(recipe: Recipe, data_dir: Path | None) -> Arrays:
    """The arrays of a recipe, memory-mapped and verified; prepared first if they are not yet cached.

    The working copy of tensorflow-datasets (for MNIST: downloads and array_record files, some 70 MB) lies
    in a temporary folder inside the cache and is deleted as soon as the arrays are stored. The folder
    of arrays appears whole or not at all, also when two processes prepare at once.
    """
    target = folder(recipe)
    if not target.exists():
        with workspace() as work:
            arrays = decoded(recipe, work, data_dir) if recipe.checksum else recipe.decode(work, data_dir)
            write(recipe, arrays, work / "arrays")
            publish(work / "arrays", target)
    return read(recipe)


@contextmanager
def workspace() -> Generator[Path, None, None]:
    """A private folder inside the cache, gone on leaving, or with the next one if the process is killed.

    Raises:
        UserError: the cache cannot be written.

    """
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        for left in cache_dir().glob(f".preparing-*/{ALIVE}"):
            with suppress(Timeout), FileLock(left, timeout=0):
                shutil.rmtree(left.parent)
        temporary = tempfile.TemporaryDirectory(dir=cache_dir(), prefix=".preparing-")
        with temporary as work, FileLock(Path(work) / ALIVE):
            yield Path(work)
    except OSError as error:
        raise UserError(
            f"the cache {cache_dir()} cannot be written ({error}): name another folder in REPRO_CACHE_DIR"
        ) from error


def prepared_sets() -> list[Path]:
    """The folder of every data set that is in the cache, of whatever version."""
    return sorted(path.parent for path in cache_dir().glob(f"*/{MANIFEST}"))


def write(recipe: Recipe, arrays: Arrays, where: Path) -> None:
    """Store arrays and their manifest in a new folder."""
    where.mkdir()
    for name, x in arrays.items():
        np.save(where / f"{name}.npy", x, allow_pickle=False)
    content = manifest(recipe, {name: describe(x) for name, x in arrays.items()})
    (where / MANIFEST).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def manifest(recipe: Recipe, arrays: dict[str, Any]) -> dict[str, Any]:
    """What the manifest says of a recipe whose arrays are so described."""
    return {"name": recipe.name, "version": recipe.version, "checksum": checksum(arrays), "arrays": arrays}


def packed(recipe: Recipe) -> dict[str, bytes]:
    """The files of a prepared set, to be sent to another machine."""
    return {path.name: path.read_bytes() for path in sorted(folder(recipe).iterdir())}


def unpack(recipe: Recipe, files: dict[str, bytes]) -> None:
    """Put a set that another machine has prepared into the cache; whoever reads it verifies it.

    Raises:
        UserError: the cache cannot be written.
    """
    with workspace() as work:
        staged = work / "arrays"
        staged.mkdir()
        for name, content in files.items():
            (staged / name).write_bytes(content)
        publish(staged, folder(recipe))


def settled(recipe: Recipe) -> str:
    """The checksum of a recipe: the registered one, or where none is the one it was first prepared with."""
    path = folder(recipe) / MANIFEST
    return recipe.checksum or (checksum(listed(recipe, path)) if path.parent.exists() else "")


def publish(staged: Path, target: Path) -> None:
    """Move a finished folder into place, unless another process was faster: then theirs is as good.

    Raises:
        OSError: it cannot be moved.

    """
    try:
        staged.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def read(recipe: Recipe) -> Arrays:
    """The cached arrays of a recipe, memory-mapped, after every byte has been verified.

    Raises:
        UserError: a file is missing, damaged, or not what the manifest or the code registers.

    """
    where = folder(recipe)
    arrays = {}
    for name, description in listed(recipe, where / MANIFEST).items():
        path = where / f"{name}.npy"
        try:
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, EOFError, ValueError) as error:
            raise UserError(altered(recipe, path)) from error
        if describe(arrays[name]) != description:
            raise UserError(altered(recipe, path))
    return arrays


def opens(recipe: Recipe) -> bool:
    """Whether every array that the code registers is in the cache, of its type and shape and as long; what is
    in them is not verified.
    """
    where = folder(recipe)
    try:
        for name, description in listed(recipe, where / MANIFEST).items():
            x = np.load(where / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if (x.dtype.str, list(x.shape)) != (description["dtype"], description["shape"]):
                return False
    except (UserError, OSError, EOFError, ValueError):
        return False
    return True


def listed(recipe: Recipe, path: Path) -> dict[str, Any]:
    """The descriptions of the arrays in a manifest, which must be the ones registered for the recipe.

    Where none are registered they need only agree with one another.

    Raises:
        UserError: the manifest is missing, damaged, or lists other arrays.

    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        arrays = content["arrays"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(altered(recipe, path)) from error
    if checksum(arrays) != (recipe.checksum or checksum(arrays)) or content != manifest(recipe, arrays):
        raise UserError(altered(recipe, path))
    return arrays


def altered(recipe: Recipe, path: Path) -> str:
    """What to say of a cached file that is not the one once prepared."""
    return (
        f"{path} is missing, damaged or altered: its SHA-256 is not the one registered for {recipe.name} "
        f"{recipe.version}; delete the folder {path.parent} and run `repro data prepare {recipe.name}`"
    )
