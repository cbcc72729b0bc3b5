"""The 400 pictures of the Olivetti faces, from a data folder or from the address scikit-learn downloads.

There are 40 people and 10 pictures of each in turn; AT&T Laboratories Cambridge, cut and equalised by
S. Roweis. Several MATLAB files of the same pictures are about, hence what is verified is the pictures
that a file decodes to, not the file.
"""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from scipy.io import loadmat

from repro.data.sources import PATIENCE, Source, unreachable
from repro.errors import DataUnavailableError, UserError

FOLDER = "olivetti"  # below the data folder
FILE = "olivettifaces.mat"
URL = "https://ndownloader.figshare.com/files/5976027"
SOURCES = (Source(URL, 0, "", FILE),)  # neither size nor checksum: the file varies, its content does not
# of the upright pictures, shape (400, 64, 64), in row-major order:
SHA256 = "a3f75007cc103363b61a63e06bec8ea4846407682ef6e7c9ae1eb9c1bd0e8a00"


def pictures(data_dir: Path | None) -> UInt8[np.ndarray, "400 64 64"]:
    """The pictures, upright and verified; grey levels 0..255.

    Raises:
        DataUnavailableError: the file cannot be downloaded.
        UserError: it is missing, damaged, or another one.

    """
    if data_dir is None:
        content = download()
        try:
            return decode(content)
        except ValueError as error:
            raise DataUnavailableError(unreachable(FOLDER, SOURCES, f"what came {error}")) from error
    path = data_dir / FOLDER / FILE
    try:
        return decode(local(path))
    except ValueError as error:
        raise UserError(f"{path} {error}; fetch it again from {URL}") from error


def local(path: Path) -> bytes:
    """The file in a data folder.

    Raises:
        DataUnavailableError: it is missing.
        UserError: it cannot be read.

    """
    if not path.is_file():
        data_dir = path.parents[1]
        absent = "" if data_dir.is_dir() else f" (the data folder {data_dir} does not exist)"
        raise DataUnavailableError(
            f"{path.parent} lacks {path.name}{absent}: fetch it from {URL}, "
            f"or leave out --data-dir and REPRO_DATA_DIR to download"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend its permissions") from error


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


def download() -> bytes:
    """The file at URL, whose host has PATIENCE seconds to begin its answer, name resolution included.

    It is asked in a daemon thread because no time limit of a socket covers name resolution.

    Raises:
        DataUnavailableError: no answer, a refusal, or one that breaks off; names the ways to do
            without the network.

    """
    outcome: list[Any] = []
    asker = threading.Thread(target=lambda: outcome.append(answer()), daemon=True)
    asker.start()
    asker.join(PATIENCE)
    reply = outcome[0] if outcome else f"no answer within {PATIENCE:g} s"
    if isinstance(reply, str):
        raise DataUnavailableError(unreachable(FOLDER, SOURCES, reply))
    try:
        return reply.content
    except OSError as error:  # every exception of requests is one
        raise DataUnavailableError(unreachable(FOLDER, SOURCES, type(error).__name__)) from error


def answer() -> Any:
    """The beginning of the host's answer, or why there is none, in a few words.

    By GET: the host forwards to an address that is signed for this method and refuses the question HEAD.
    """
    import requests  # what tensorflow-datasets downloads with: same proxies, same certificates

    try:
        reply = requests.get(URL, timeout=PATIENCE, stream=True)
    except Exception as error:
        return type(error).__name__
    return reply if reply.status_code == requests.codes.ok else f"HTTP status {reply.status_code}"
