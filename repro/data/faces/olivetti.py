"""The 400 pictures of the Olivetti faces, from a data folder or from the address scikit-learn downloads.

Several MATLAB files of the same pictures are about (one compressed, one not), hence it is the decoded
pictures that are verified, never the file. The pictures are of 40 people, 10 of each in turn; AT&T
Laboratories Cambridge, cut and equalised by S. Roweis.
"""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from scipy.io import loadmat

from repro.data.sources import PATIENCE, Source, unreachable
from repro.errors import UserError

FOLDER = "olivetti"  # below the data folder
FILE = "olivettifaces.mat"
URL = "https://ndownloader.figshare.com/files/5976027"
SHA256 = "?"  # of the pictures' bytes, row-major


def pictures(data_dir: Path | None) -> UInt8[np.ndarray, "400 64 64"]:
    """The pictures, verified; grey levels 0..255 as they stand upright.

    Raises:
        UserError: the file is missing, damaged, or another one; or it cannot be downloaded.

    """
    if data_dir is None:
        return decode(download(), URL)
    path = data_dir / FOLDER / FILE
    try:
        return decode(path.read_bytes(), str(path))
    except FileNotFoundError as error:
        absent = "" if data_dir.is_dir() else f" (the data folder {data_dir} does not exist)"
        raise UserError(
            f"{path.parent} lacks {FILE}{absent}: fetch it from {URL}, "
            f"or leave out --data-dir and REPRO_DATA_DIR to download"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend its permissions") from error


def decode(content: bytes, whence: str) -> UInt8[np.ndarray, "400 64 64"]:
    """The pictures in a MATLAB file: columns of `faces`, shape (4096, 400), each column-major.

    Raises:
        UserError: it is truncated, altered, or another file; `whence` says which.

    """
    try:
        faces = np.asarray(loadmat(io.BytesIO(content), variable_names=["faces"])["faces"])
    except Exception as error:  # the reader fails in many ways on bytes that are no MATLAB file
        reason = " ".join(f"{type(error).__name__}: {error}".split()[:20])
        raise UserError(
            f"{whence} is truncated, or no MATLAB file with a matrix `faces` ({reason}): fetch it from {URL}"
        ) from error
    if faces.shape != (4096, 400) or faces.dtype.kind not in "uif":
        raise UserError(
            f"{whence} is another file: its `faces` have shape {faces.shape} and type {faces.dtype}, "
            f"expected (4096, 400) grey levels; fetch it from {URL}"
        )
    if strange := int(np.sum(~((faces >= 0) & (faces <= 255)))):  # NaN is neither
        raise UserError(
            f"{whence} is altered: {strange} of its grey levels are not finite or not within 0..255; "
            f"fetch it from {URL}"
        )
    found = faces.T.reshape(400, 64, 64).transpose(0, 2, 1).astype(np.uint8)
    return verified(found, SHA256, whence, f"fetch it from {URL}")


def verified(pictures: np.ndarray, sha256: str, whence: str, remedy: str) -> np.ndarray:
    """The same pictures, if they are the registered ones.

    Raises:
        UserError: they are not.

    """
    found = hashlib.sha256(np.ascontiguousarray(pictures).data).hexdigest()
    if found != sha256:
        raise UserError(
            f"{whence} is altered, or another file: its pictures have SHA-256 {found}, expected {sha256}; {remedy}"
        )
    return pictures


def download() -> bytes:
    """The file from URL, whose host has PATIENCE seconds to begin its answer, name resolution included.

    Asked in a daemon thread because no time limit of a socket covers name resolution; asked by GET because
    the host forwards to an address that is signed for nothing else.

    Raises:
        UserError: no answer, a refusal, or an answer that breaks off.

    """
    outcome: list[bytes | str] = []
    asker = threading.Thread(target=lambda: outcome.append(ask()), daemon=True)
    asker.start()
    asker.join(PATIENCE)
    ...
