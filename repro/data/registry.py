"""The registry of data sets: what can be loaded, whence, and where it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from repro.atomic import n_bytes
from repro.data import curves, documents, faces, mnist, prepared
from repro.data import embedded as samples
from repro.data.dataset import Cases, Dataset
from repro.data.recipe import SPLITS, Arrays, Recipe, decoded
from repro.data.sources import data_folder
from repro.errors import DataUnavailableError, UserError, known

FULL = (mnist.RECIPE, curves.RECIPE, faces.RECIPE, documents.REUTERS21578, documents.RCV1)
RECIPES = {recipe.name: recipe for recipe in FULL}
SAMPLES = {sample.name: sample for sample in (samples.MNIST, curves.SAMPLE, faces.SAMPLE, documents.SAMPLE)}
NAMES = tuple(RECIPES)


class Status(NamedTuple):
    """One line of `repro data list`."""

    name: str
    source: str  # "full" or "embedded"
    kind: str  # kind of visible unit
    origin: str
    path: Path | None  # the cache folder, or the file of an installed package; None: not installed
    ready: bool  # can be loaded without any raw file
    damaged: bool  # something lies there that cannot be loaded
    size: int  # bytes on disk, 0 if there are none
    checksum: str  # the SHA-256 that the arrays must have; empty if none is registered


def load(name: str, *, embedded: bool = False, data_dir: str | Path | None = None) -> Dataset:
    """A data set by name, verified; prepared first if it is not in the cache.

    Args:
        name: one of `NAMES`.
        embedded: take the small real sample that an installed package carries instead.
        data_dir: folder of raw files, `<data_dir>/<name>/...`; else REPRO_DATA_DIR, else they are
            downloaded. Consulted only when there is something to prepare.

    A UserError says so in one line if the name is unknown or the data cannot be had as asked.

    """
    recipe = find(name, embedded)
    arrays = fetch(recipe, data_dir)
    return Dataset(
        name=recipe.name,
        source=recipe.source,
        kind=recipe.kind,
        checksum=prepared.settled(recipe),
        **{split: cases(recipe, arrays, split) for split in SPLITS},
        classes=documents.names(arrays, "classes"),
        vocabulary=documents.names(arrays, "vocabulary"),
    )


def checksum(name: str, *, embedded: bool = False) -> str:
    """The SHA-256 that a data set's arrays must have; empty if none is registered and it is not prepared."""
    return prepared.settled(find(name, embedded))


def prepare(name: str, data_dir: str | Path | None = None) -> Path:
    """Fill the cache with a data set unless it is there; the folder, verified. Fails as `load` does."""
    recipe = find(name)
    fetch(recipe, data_dir)
    return prepared.folder(recipe)


def at_hand(name: str, *, embedded: bool = False) -> bool:
    """Whether a data set is here, or the raw files that it is made of may be: nothing need be downloaded."""
    recipe = find(name, embedded)
    return bool(embedded or prepared.folder(recipe).exists() or data_folder(None))


def packed(name: str, data_dir: str | Path | None = None) -> dict[str, bytes]:
    """The files of a data set, prepared first if it is not, for `unpack` on another machine. Fails as `load`
    does.
    """
    prepare(name, data_dir)
    return prepared.packed(find(name))


def unpack(name: str, files: dict[str, bytes]) -> None:
    """Put a data set into the cache that another machine has `packed`.

    Raises:
        UserError: the cache cannot be written.
    """
    prepared.unpack(find(name), files)


def verify(name: str, *, embedded: bool = False) -> str:
    """The checksum of a data set that is ready, after every stored byte has been checked.

    Raises:
        UserError: it is not prepared, or has been altered.

    """
    recipe = find(name, embedded)
    if not embedded and not prepared.folder(recipe).exists():
        raise UserError(f"{name} is not prepared in {prepared.cache_dir()}: run `repro data prepare {name}`")
    fetch(recipe, None)
    return prepared.settled(recipe)


def status() -> list[Status]:
    """Every data set and sample, where it is and whether it is ready; its bytes are not verified."""
    return [status_of(recipe) for recipe in (*RECIPES.values(), *SAMPLES.values())]


def status_of(recipe: Recipe) -> Status:
    """Where one data set is, and whether it is ready."""
    path = recipe.installed() if recipe.installed else prepared.folder(recipe)
    size = n_bytes(path) if path else 0
    damaged = not recipe.installed and prepared.folder(recipe).exists() and not prepared.opens(recipe)
    return Status(
        name=recipe.name,
        source=recipe.source,
        kind=recipe.kind,
        origin=recipe.origin,
        path=path,
        ready=size > 0 and not damaged,
        damaged=damaged,
        size=size,
        checksum=recipe.checksum,
    )


def find(name: str, embedded: bool = False) -> Recipe:
    """The recipe of a data set, or of its embedded sample.

    Raises:
        UserError: there is none of that name.
        DataUnavailableError: it has no embedded sample.

    """
    if name not in RECIPES:
        raise UserError(f"no data set {name!r}; {known(name, NAMES)}")
    if embedded and name not in SAMPLES:
        raise DataUnavailableError(
            f"{name} has no embedded sample: choose one of {', '.join(SAMPLES)}, or the full set"
        )
    return (SAMPLES if embedded else RECIPES)[name]


def fetch(recipe: Recipe, data_dir: str | Path | None) -> Arrays:
    """The stored arrays, verified: out of an installed package, or from the cache."""
    if recipe.installed:
        return decoded(recipe, Path(), None)
    return prepared.fetch(recipe, data_folder(data_dir))


def cases(recipe: Recipe, arrays: Arrays, split: str) -> Cases:
    """One split in the types and units that are learnt from."""
    if recipe.kind == "count":
        return documents.cases(arrays, split)
    inputs = np.array(arrays[f"{split}_inputs"], np.float32)
    inputs /= np.float32(recipe.unit)
    inputs = recipe.finish(inputs, arrays) if recipe.finish else inputs
    return Cases(inputs, np.array(arrays[f"{split}_labels"], np.int32))
