"""The idx format of the four MNIST files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from repro.data.sources import unpacked
from repro.errors import UserError

UNSIGNED_BYTE = 0x08  # the only element type that MNIST uses


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array in an idx file, gzipped or not, of whatever shape its header declares.

    Layout: two zero bytes, the element type, the number of axes; one big-endian uint32 per axis; the
    elements in row-major order.

    Raises:
        UserError: it is no whole gzip file, no idx file of unsigned bytes, or of another length.

    """
    content = unpacked(path)
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or len(content) < start:
        raise UserError(f"{path} is no idx file of unsigned bytes: it begins with {content[:4].hex()}")
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], dtype=">u4"))
    elements = np.frombuffer(content[start:], dtype=np.uint8)
    if len(elements) != math.prod(shape):
        raise UserError(f"{path} declares shape {shape} but holds {len(elements)} elements: fetch it again")
    return elements.reshape(shape)
