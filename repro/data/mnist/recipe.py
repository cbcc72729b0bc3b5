"""MNIST: 70,000 handwritten digits of 28 × 28 pixels [lecun1998gradient]; CC BY-SA 3.0.

The last 10,000 of the 60,000 training images are held out for every choice; the order is the files' own.
Files in a data folder may be gzipped by whomever, or not at all, and be called `train-images.idx3-ubyte` too.
"""

from __future__ import annotations

from pathlib import Path

from repro.data.builders import build
from repro.data.recipe import Arrays, Recipe
from repro.data.sources import Source, check_reachable, host, located, registered, verified

SOURCES = registered(Path(__file__).with_name("checksums.tsv"))  # as the host has them
UNPACKED = registered(Path(__file__).with_name("unpacked.tsv"))  # what counts of files in a data folder
VERSION = "1.0.0"


def decode(scratch: Path, data_dir: Path | None) -> Arrays:
    """Pixels 0..255 in rows of 784, row-major, and digits 0..9; all uint8."""
    if data_dir is None:
        check_reachable("mnist", SOURCES)
        return build("mnist", SOURCES, scratch)
    paths = located("mnist", tuple(map(spelt, UNPACKED)), data_dir)
    for path, source in zip(paths, UNPACKED, strict=True):
        verified(path, source)
    names = (source.filename for source in SOURCES)
    return build("mnist", SOURCES, scratch, dict(zip(names, paths, strict=True)))


def spelt(source: Source) -> Source:
    """A file with the other names that it goes by."""
    plain = source.filename.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    return source._replace(others=(plain, f"{dotted}.gz", dotted))


RECIPE = Recipe(
    name="mnist",
    source="full",
    version=VERSION,
    kind="binary",
    origin=host(SOURCES),
    unit=255,
    checksum="ac49cc49bcc194e2a87b5f4d44b97f677d936ed553d2322066b142c6494073b7",
    decode=decode,
)
