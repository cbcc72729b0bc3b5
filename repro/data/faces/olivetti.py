"""The 400 pictures of the Olivetti faces, from a data folder or from the address scikit-learn downloads.

There are 40 people and 10 pictures of each in turn; AT&T Laboratories Cambridge, cut and equalised by
S. Roweis. Several MATLAB files of the same pictures are about, hence what is verified is the pictures
that a file decodes to, not the file.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from scipy.io import loadmat

from repro.data.sources import Source, obtain, read, unreachable
from repro.errors import DataUnavailableError, UserError

FOLDER = "olivetti"  # below the data folder
URL = "https://ndownloader.figshare.com/files/5976027"
SOURCE = Source(URL, 0, "", "olivettifaces.mat")  # neither size nor checksum: only its content is always same
# of the upright pictures, shape (400, 64, 64), in row-major order:
SHA256 = "a3f75007cc103363b61a63e06bec8ea4846407682ef6e7c9ae1eb9c1bd0e8a00"


def pictures(scratch: Path, data_dir: Path | None) -> UInt8[np.ndarray, "400 64 64"]:
    """The pictures, upright and verified; grey levels 0..255. A download is written into `scratch`.

    Raises:
        DataUnavailableError: the file is not in the data folder, or cannot be downloaded.
        UserError: it is unreadable, damaged, or another one.

    """
    path = obtain(FOLDER, SOURCE, scratch, data_dir)
    try:
        return decode(read(path))
    except ValueError as error:
        if data_dir is None:
            raise DataUnavailableError(unreachable(FOLDER, (SOURCE,), f"what came {error}")) from error
        raise UserError(f"{path} {error}; fetch it again from {URL}") from error


def decode(content: bytes) -> UInt8[np.ndarray, "400 64 64"]:
    """The pictures in a MATLAB file: columns of `faces`, shape (4096, 400), each column-major.

    Raises:
        ValueError: what is wrong with the file, as the end of a sentence that begins with its name.

    """
    try:
        faces = np.asarray(loadmat(io.BytesIO(content), variable_names=["faces"])["faces"])
    except Exception as error:  # the reader fails in many ways on bytes that are no MATLAB file
        reason = " ".join(f"{type(error).__name__} {error}".split()[:20])
        raise ValueError(f"is truncated, or no MATLAB file with a matrix `faces` ({reason})") from error
    if faces.shape != (4096, 400) or faces.dtype.kind not in "uif":
        raise ValueError(
            f"is another file: `faces` is {faces.dtype} of shape {faces.shape}, expected greys (4096, 400)"
        )
    if strange := int(np.sum(~((faces >= 0) & (faces <= 255)))):  # not a number is neither
        raise ValueError(f"is altered: {strange} of its grey levels are not finite, or not within 0..255")
    upright = faces.T.reshape(400, 64, 64).transpose(0, 2, 1).astype(np.uint8)
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
