"""The 400 pictures of the Olivetti faces, from a data folder or from the address scikit-learn downloads.

There are 40 people and 10 pictures of each in turn; AT&T Laboratories Cambridge, cut and equalised by
S. Roweis. Several files of the same pictures are about, in MATLAB's format and in those that scikit-learn and
its users keep them in, hence what is verified is the pictures that a file decodes to, not the file.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from scipy.io import loadmat

from repro.data.sources import Source, file_of, obtain, read, unreachable
from repro.errors import DataUnavailableError, UserError

FOLDERS = ("faces", "olivetti")  # below the data folder, either
URL = "https://ndownloader.figshare.com/files/5976027"
# Neither size nor checksum: the file varies, its content does not.
SOURCE = Source(URL, 0, "", "olivettifaces.mat", ("olivetti_py3.pkz", "olivetti.pkz", "olivetti_faces.npy"))
BRIGHTEST = 242  # of the grey levels, which scikit-learn divides them by
# of the upright pictures, shape (400, 64, 64), in row-major order:
SHA256 = "a3f75007cc103363b61a63e06bec8ea4846407682ef6e7c9ae1eb9c1bd0e8a00"


def pictures(scratch: Path, data_dir: Path | None) -> UInt8[np.ndarray, "400 64 64"]:
    """The pictures, upright and verified; grey levels 0..255. A download is written into `scratch`.

    Raises:
        DataUnavailableError: the file is not in the data folder, or cannot be downloaded.
        UserError: it is unreadable, damaged, or another one.

    """
    path = obtain(_folder(data_dir), SOURCE, scratch, data_dir)
    try:
        return decode(read(path), path.suffix)
    except ValueError as error:
        if data_dir is None:
            raise DataUnavailableError(unreachable(FOLDERS[0], (SOURCE,), f"what came {error}")) from error
        raise UserError(f"{path} {error}; fetch it again from {URL}") from error


def _folder(data_dir: Path | None) -> str:
    """That which has a file of the pictures, else one that is there, else the first."""
    if data_dir is None:
        return FOLDERS[0]
    found = [name for name in FOLDERS if file_of(SOURCE, data_dir / name)]
    return (found or [name for name in FOLDERS if (data_dir / name).is_dir()] or FOLDERS)[0]


class Format(NamedTuple):
    """One way in which the pictures are kept."""

    kind: str
    read: Callable[[bytes], np.ndarray]
    shape: tuple[int, ...]
    upright: Callable[[np.ndarray], np.ndarray]  # from that shape to (400, 64, 64)


def joblib_array(content: bytes) -> UInt8[np.ndarray, "400 4096"]:
    """The array in a file of `joblib.dump`: its bytes stand at the end, before the one that stops the pickle.

    Nothing is unpickled, because a pickle may call any function.
    """
    return np.frombuffer(zlib.decompress(content)[-1 - 400 * 4096 : -1], np.uint8).reshape(400, 4096)


def from_columns(faces: np.ndarray) -> np.ndarray:
    """Pictures of which each is a row, column-major."""
    return faces.reshape(400, 64, 64).transpose(0, 2, 1)


FORMATS = {
    ".mat": Format(
        "MATLAB file with a matrix `faces`",
        lambda content: loadmat(io.BytesIO(content), variable_names=["faces"])["faces"],
        (4096, 400),
        lambda faces: from_columns(faces.T),
    ),
    ".pkz": Format("file of scikit-learn's", joblib_array, (400, 4096), from_columns),
    ".npy": Format(
        "array of NumPy's",
        lambda content: np.load(io.BytesIO(content), allow_pickle=False),
        (400, 64, 64),
        lambda faces: faces,
    ),
}


def decode(content: bytes, suffix: str = ".mat") -> UInt8[np.ndarray, "400 64 64"]:
    """The pictures in a file of one of the FORMATS; greys from 0 to 1 are multiples of 1 / BRIGHTEST.

    Raises:
        ValueError: what is wrong with the file, as the end of a sentence that begins with its name.

    """
    kept = FORMATS[suffix]
    try:
        faces = np.asarray(kept.read(content))
    except Exception as error:  # readers fail in many ways on bytes of another format
        reason = " ".join(f"{type(error).__name__} {error}".split()[:20])
        raise ValueError(f"is truncated, or no {kept.kind} ({reason})") from error
    if faces.shape != kept.shape or faces.dtype.kind not in "uif":
        raise ValueError(
            f"is another file: its array is {faces.dtype} of shape {faces.shape}, expected greys {kept.shape}"
        )
    if strange := int(np.sum(~((faces >= 0) & (faces <= 255)))):  # not a number is neither
        raise ValueError(f"is altered: {strange} of its grey levels are not finite, or not within 0..255")
    greys = np.rint(faces * BRIGHTEST) if faces.max() <= 1 else faces
    upright = kept.upright(greys).astype(np.uint8)
    check(upright, SHA256)
    return upright


def check(pictures: np.ndarray, sha256: str) -> None:
    """Pass if the bytes of some pictures, in row-major order, are the registered ones.

    Raises:
        ValueError: they are not; worded as in `decode`.

    """
    found = hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()
    if found != sha256:
        raise ValueError(f"is altered: its pictures have SHA-256 {found}, expected {sha256}")
