"""How one data set is made: what the registry in `repro.data` holds, one entry per data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.shapes import VisibleKind

SPLITS = ("train", "valid", "test")
Arrays = dict[str, np.ndarray]  # "<split>_inputs", shape (N, V), and "<split>_labels", shape (N,)


@dataclass(frozen=True)
class Recipe:
    """The making of one data set, and the checksum that it must arrive at.

    `decode(scratch, data_dir)` returns the arrays as they are stored. It may write below `scratch`,
    an empty folder that is deleted afterwards, and takes the raw files from `data_dir` when there is one.
    """

    name: str
    source: str  # "full" or "embedded", as in Dataset
    version: str  # raise it whenever the stored arrays change
    kind: VisibleKind
    origin: str  # where the data come from, for people
    unit: int  # stored inputs are counted in 1/unit: 255 for 8-bit pixels
    checksum: str  # what the decoded arrays must give
    decode: Callable[[Path, Path | None], Arrays]
    installed: Callable[[], Path | None] | None = None  # embedded: the file in the package, if it is there
    finish: Callable[[np.ndarray, Arrays], np.ndarray] | None = None  # at loading: stored units in, final out


def describe(x: np.ndarray) -> dict[str, Any]:
    """Type, shape and SHA-256 (of the bytes in row-major order) of an array, fit for JSON."""
    content = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
    return {"dtype": x.dtype.str, "shape": list(x.shape), "sha256": hashlib.sha256(content.data).hexdigest()}


def checksum(descriptions: dict[str, dict[str, Any]]) -> str:
    """One SHA-256 for a set of arrays: that of their descriptions, written as JSON in order of name."""
    return hashlib.sha256(json.dumps(descriptions, sort_keys=True).encode()).hexdigest()


def decoded(recipe: Recipe, scratch: Path, data_dir: Path | None) -> Arrays:
    """The arrays of a recipe, fresh from its raw files and checked.

    Raises:
        UserError: the raw files are missing or wrong, or decode to something else than is registered.

    """
    arrays = recipe.decode(scratch, data_dir)
    found = checksum({name: describe(x) for name, x in arrays.items()})
    if found != recipe.checksum:
        raise UserError(
            f"{recipe.name} from {recipe.origin} decodes to arrays with SHA-256 {found}, but "
            f"{recipe.checksum} is registered: install the versions in constraints.txt and try again"
        )
    return arrays
