"""Cases from the files that people have: .npy, .npz, sparse .npz, .csv, folders of images."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse
from jaxtyping import Int32
from PIL import Image, UnidentifiedImageError
from scipy.sparse import csr_array

from repro.errors import UserError

IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".webp"}
REMEDIES = {".npy": "as numbers", ".npz": "as numbers", ".csv": "in UTF-8, each line with as many cells"}
FORMATS = ".npy, .npz (also of a scipy.sparse matrix), .csv, or a folder of images"


class Table(NamedTuple):
    """A row for each case, in the units of the file."""

    values: np.ndarray | csr_array  # [N V], finite numbers
    shape: tuple[int, int] | None = None  # rows and columns of a picture, where cases are pictures
    folders: tuple[str, ...] = ()  # of each picture, where they lie in several: its class
    said: str = ""  # what was done to come to these values


def read(path: Path) -> Table:
    """The cases of a file or of a folder of images.

    Raises:
        UserError: if it is not there, of no known format, or not of numbers, naming the place.
    """
    if not path.exists():
        raise UserError(f"{path} is not there: name a file ({FORMATS})")
    if path.is_dir():
        return _images(path)
    readers = {".npy": _npy, ".npz": _npz, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise UserError(f"{path} is of no known format: make it {FORMATS}")
    try:
        table = readers[path.suffix.lower()](path)
    except (OSError, EOFError, ValueError, pd.errors.ParserWarning, csv.Error, zipfile.BadZipFile) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} cannot be read ({said}): save it anew, {REMEDIES[path.suffix.lower()]}"
        ) from error
    return table._replace(values=_finite(path, table.values))


def sizes(values: np.ndarray | csr_array) -> tuple[int, int]:
    """Cases, and numbers of each."""
    assert values.shape is not None, "what SciPy says of a sparse array may be None"
    return values.shape[0], values.shape[1]


def read_labels(path: Path, n_cases: int) -> tuple[Int32[np.ndarray, " N"], tuple[str, ...]]:
    """The class of each case, as a number, and the names of the classes, in order.

    Raises:
        UserError: if the file cannot be read, or does not have one label for each case.
    """
    if not path.is_file():
        raise UserError(f"--labels {path} is not there: name a .npy file, or a .csv file with one column")
    try:
        if path.suffix == ".npy":
            labels = np.load(path, allow_pickle=False)
        else:
            how = {"header": None, "dtype": str, "keep_default_na": False, "skip_blank_lines": False}
            labels = pd.read_csv(path, **how).to_numpy()
    except (OSError, EOFError, ValueError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"--labels {path} cannot be read ({said}): make it .npy or .csv") from error
    labels = labels.reshape(len(labels), -1) if labels.ndim else labels.reshape(1, 1)
    if labels.shape[1] == 1 and len(labels) == n_cases + 1 and path.suffix == ".csv":
        labels = labels[1:]  # below the column's name
    if labels.shape != (n_cases, 1):
        shape = " x ".join(map(str, labels.shape))
        raise UserError(f"--labels {path} has {shape} labels for {n_cases} cases: give one for each case")
    for i, label in enumerate(labels[:, 0]):
        if label == "" or label != label:
            raise UserError(f"--labels {path} has none for case {i + 1}: fill it in, or leave the case out")
    return numbered(labels[:, 0])


def numbered(labels: np.ndarray) -> tuple[Int32[np.ndarray, " N"], tuple[str, ...]]:
    """Labels of any type as numbers from 0, and their names in order."""
    names, numbers = np.unique(labels, return_inverse=True)
    return numbers.astype(np.int32), tuple(map(str, names))


def _npy(path: Path) -> Table:
    return _array(path, np.load(path, mmap_mode="r", allow_pickle=False))


def _npz(path: Path) -> Table:
    """A sparse matrix, or the one array that is in it.

    Raises:
        UserError: if it is anything else.
    """
    with np.load(path, allow_pickle=False) as arrays:
        names = list(arrays)
        if "format" not in names and len(names) == 1:
            return _array(path, arrays[names[0]])
    if "format" not in names:
        raise UserError(
            f"{path} has the arrays {', '.join(names) or 'none'}: save the one with the cases alone"
        )
    values = csr_array(scipy.sparse.load_npz(path))
    if values.dtype.kind not in "buif":
        raise UserError(f"{path} has values of type {values.dtype}: save numbers")
    return Table(values)


def _array(path: Path, values: np.ndarray) -> Table:
    """One row a case: of pictures the pixels row by row.

    Raises:
        UserError: if it is anything else.
    """
    if values.dtype.kind not in "buif":
        raise UserError(f"{path} has values of type {values.dtype}: save numbers")
    if values.ndim == 3:
        return Table(values.reshape(len(values), -1), (values.shape[1], values.shape[2]))
    if values.ndim != 2:
        axes = " x ".join(map(str, values.shape)) or "one number"
        raise UserError(f"{path} is {axes}: make it cases x numbers, or cases x rows x columns of pictures")
    return Table(values)


def _csv(path: Path) -> Table:
    """Numbers separated by commas, with names of the columns in the first line or without.

    Raises:
        UserError: if it is anything else.
    """
    with path.open(encoding="utf-8-sig") as file:
        first = next(csv.reader(file), [])
    if len(first) == 1 and any(mark in first[0] for mark in ";\t"):
        raise UserError(f"{path} is separated by semicolons or tabs: separate by commas, decimals by points")
    if len(first) > 1 and first[0] == "":
        raise UserError(f"{path} has a first column without a name, an index: leave it out")
    named = first == list(map(str, range(len(first)))) or not any(map(_number, first))
    with warnings.catch_warnings(
        action="error", category=pd.errors.ParserWarning
    ):  # cells that would be lost
        cells = pd.read_csv(path, header=0 if named else None, index_col=False)
    columns = []
    for place, name in enumerate(cells.columns):
        column = cells[name].to_numpy()
        wrong = [i for i, cell in enumerate(column) if not _number(cell)] if _doubtful(column) else []
        if wrong:
            at = f"line {wrong[0] + 1 + named}, column {name if named else place + 1}"
            raise UserError(f"{path}, {at}: {str(column[wrong[0]])!r} is no number: mend it, or leave it out")
        columns.append(column.astype(np.float64))
    return Table(np.column_stack(columns))


def _doubtful(column: np.ndarray) -> bool:
    """Whether there may be something else than numbers in it."""
    return column.dtype.kind not in "buif" or (column.dtype.kind == "f" and bool(np.isnan(column).any()))


def _number(cell: object) -> bool:
    """Whether a cell is one."""
    try:
        return not np.isnan(float(str(cell)))
    except ValueError:
        return False


def _images(folder: Path) -> Table:
    """Every image below a folder in grey, in order of names; those of a folder within are of its class.

    Raises:
        UserError: if it is anything else.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGES)
    if not paths:
        raise UserError(f"{folder} has no images ({', '.join(sorted(IMAGES))}): name a folder that has")
    pictures, modes = [], set()
    for path in paths:
        try:
            with Image.open(io.BytesIO(path.read_bytes())) as image:
                modes.add(image.mode)
                pictures.append(_grey(path, image))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise UserError(f"{path} is no image that can be read: mend or remove it") from error
        if pictures[-1].shape != pictures[0].shape:
            found, first = (" x ".join(map(str, p.shape)) for p in (pictures[-1], pictures[0]))
            raise UserError(f"{path} is {found} pixels, {paths[0].name} {first}: make all the same size")
    within = tuple(str(path.parent.relative_to(folder)) for path in paths)
    images = np.stack(pictures)
    rows, columns = images.shape[1:]
    folders = within if len(set(within)) > 1 else ()
    said = "" if modes <= {"L", "1"} else "colour is made grey, and what is transparent white"
    return Table(images.reshape(len(images), -1), (rows, columns), folders, said)


def _grey(path: Path, image: Image.Image) -> np.ndarray:
    """The image as 8-bit grey, on white where it is transparent.

    Raises:
        UserError: if its pixels have more than 8 bits.
    """
    if image.mode.startswith(("I", "F")):
        raise UserError(
            f"{path} has pixels of more than 8 bits: save it with 8, or all images as one .npy file"
        )
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image.convert("L"))


def _finite(path: Path, values: np.ndarray | csr_array) -> np.ndarray | csr_array:
    """The values, of which each is a number, and there are some.

    Raises:
        UserError: if not.
    """
    if not all(sizes(values)):
        raise UserError(f"{path} is empty: name a file with cases in it")
    if isinstance(values, csr_array):
        bad = values.tocoo()
        places = np.argwhere(~np.isfinite(bad.data))[:1].ravel()
        where = [(int(bad.row[i]), int(bad.col[i])) for i in places]
    else:
        whole = values.dtype.kind != "f" or bool(np.isfinite(values).all())
        where = [] if whole else [tuple(map(int, np.argwhere(~np.isfinite(values))[0]))]
    for row, column in where:
        at = f"case {row + 1}, column {column + 1}"
        raise UserError(f"{path}, {at}: not a finite number: fill it in, or leave the case out")
    return values
