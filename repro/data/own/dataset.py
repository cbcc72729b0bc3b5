"""A user's cases as a data set."""

from __future__ import annotations

from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from repro.data.dataset import OWN, Cases, Dataset
from repro.data.own.files import Table, numbered, read, read_labels, sizes
from repro.data.own.scaling import Scaling, propose, standardised
from repro.data.recipe import checksum, describe
from repro.errors import UserError
from repro.shapes import VisibleKind

SEED = 2006  # of the order in which cases are dealt out
FEWEST = 20  # cases that can be split
SMALLEST = 8  # side of a picture that is not said to be one
TEST, VALID = 5, 10  # a fifth and a tenth of the cases


def split_three_ways(n: int) -> dict[str, np.ndarray]:
    """Which of n cases train, validate (a tenth) and test (a fifth), in an order that is random but always
    the same: that of n raw 64-bit draws of PCG64, a stream that NumPy promises never to change.
    """
    order = np.argsort(np.random.PCG64(SEED).random_raw(n), kind="stable")
    test, valid = n // TEST, n // VALID
    return {"test": order[:test], "valid": order[test : test + valid], "train": order[test + valid :]}


class Own(NamedTuple):
    """The data set of a file or folder, and what was made of its cases."""

    data: Dataset
    scaling: Scaling
    shape: tuple[int, int] | None  # rows and columns, of pictures
    said: str  # what was found in the file, and what is done with it


def load_own(path: Path, kind: VisibleKind | None = None, labels: Path | None = None) -> Own:
    """The data set of a file or folder. Kind and divisor are seen from all cases, mean and deviation of real
    values from the training cases. Binary cases of a square number of pixels are taken for square pictures.

    Without labels, and without folders within a folder of images, all cases are of one class.

    Raises:
        UserError: if anything is wrong with the files, or the cases cannot be of the kind asked for.
    """
    table = read(path)
    n, _ = sizes(table.values)
    if n < FEWEST:
        raise UserError(f"{path} has {n} cases: {FEWEST} are the fewest that can train, validate and test")
    numbers, classes = np.zeros(n, np.int32), ()
    if labels is not None:
        numbers, classes = read_labels(labels, n)
    elif table.folders:
        numbers, classes = numbered(np.array(table.folders))
    places = split_three_ways(n)
    try:
        scaling = propose(table.values, kind)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if scaling.kind == "real":
        scaling = standardised(table.values[places["train"]], scaling.said)
    split = {name: Cases(scaling.apply(table.values[some]), numbers[some]) for name, some in places.items()}
    arrays = {f"{name}_{part}": x for name, cases in split.items() for part, x in _parts(cases).items()}
    content = checksum({name: describe(x) for name, x in arrays.items()})
    three = split["train"], split["valid"], split["test"]
    data = Dataset(f"{path.name}{'/' * path.is_dir()}", OWN, scaling.kind, content, *three, classes)
    said = "; ".join(filter(None, [scaling.said, table.said]))
    return Own(data, scaling, table.shape or (_square(table) if scaling.kind == "binary" else None), said)


def _square(table: Table) -> tuple[int, int] | None:
    _, width = sizes(table.values)
    side = isqrt(width)
    return (side, side) if side * side == width and side >= SMALLEST else None


def _parts(cases: Cases) -> dict[str, np.ndarray]:
    """The arrays that the cases consist of."""
    x = cases.inputs
    inputs = (
        {"data": x.data, "indices": x.indices, "indptr": x.indptr} if isinstance(x, csr_array) else {"": x}
    )
    return inputs | {"labels": cases.labels}
