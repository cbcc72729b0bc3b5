"""Curves: 30,000 drawn parabolas of 28 × 28 pixels [hinton2006science, Fig. 2A]; see `pen` for the drawing.

Curves 0..19,999 of the stream are for training, the last 4,000 of them held out for every choice; curves
20,000..29,999 for testing. The small sample is the next 3,000 of the same stream, in none of these.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from repro.data.curves import pen
from repro.data.recipe import Arrays, Recipe

VERSION = "2.0.0"
FULL = {"train": (0, 16_000), "valid": (16_000, 20_000), "test": (20_000, 30_000)}
SMALL = {"train": (30_000, 32_000), "valid": (32_000, 32_500), "test": (32_500, 33_000)}


def drawn(ranges: dict[str, tuple[int, int]]) -> Arrays:
    """Pixels 0..255 in rows of 784, and labels that are all 0, for curves have no classes; all uint8."""
    arrays = {}
    for split, (start, stop) in ranges.items():
        arrays[f"{split}_inputs"] = pen.draw(start, stop)
        arrays[f"{split}_labels"] = np.zeros(stop - start, np.uint8)
    return arrays


def decode(scratch: Path, data_dir: Path | None) -> Arrays:
    """The full set, drawn in some seconds; there are no raw files."""
    del scratch, data_dir
    return drawn(FULL)


def decode_sample(scratch: Path, data_dir: Path | None) -> Arrays:
    """The small sample, drawn in a fraction of a second, hence never cached."""
    del scratch, data_dir
    return drawn(SMALL)


RECIPE = Recipe(
    name="curves",
    source="full",
    version=VERSION,
    kind="binary",
    origin="drawn by repro",
    unit=255,
    checksum="63314d4032a8b5d0b03144122c6b28c0178d3ed7a0ce3ffae3feaba94a491bea",
    decode=decode,
)
SAMPLE = Recipe(
    name="curves",
    source="embedded",
    version=VERSION,
    kind="binary",
    origin="drawn by repro",
    unit=255,
    checksum="4424b807ed2fbd3a3009e4a895f96d1cf2ae81aeb5eee524377a5223268a85f5",
    decode=decode_sample,
    installed=lambda: Path(pen.__file__),
)
