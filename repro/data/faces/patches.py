"""Cuts patches out of pictures: rotated, scaled, cropped and subsampled, 25 × 25 pixels each.

hinton2006science had 165,600 of them made from 400 pictures: "rotating (-90 to +90 degrees), scaling (1.4
to 1.8), cropping, subsampling", at random. Here a patch samples a square window of 25 WINDOW / scale source
pixels around the centre of the picture, at 25 × 25 places evenly spaced, each bilinearly interpolated.
WINDOW is not known and is chosen so that the published error of PCA returns.

Coordinates are rounded to 1/2048 of a pixel, and everything after that is arithmetic of whole numbers: the
same stream of random numbers gives the same bytes on every machine, but for a sine that another library
rounds otherwise exactly at such a step, a matter of one chance in a thousand for the whole set.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, UInt8

SEED = 2006
SIDE = 64  # pixels of a picture
PATCH = 25  # pixels of a patch
WINDOW = 2.25  # source pixels per pixel of a patch at scale 1; [C]: PCA-30 test SE 134.89, published 135
SCALES = (1.4, 1.8)
FINE = 11  # bits of a coordinate behind the point; 8 + 2 * 11 of them still fit into 32


def cut(pictures: UInt8[np.ndarray, "N 64 64"], per_picture: int) -> UInt8[np.ndarray, "M 625"]:
    """`per_picture` random patches of each picture, in the pictures' order; rows in row-major order."""
    chance = np.random.Generator(np.random.PCG64(SEED)).random((len(pictures), per_picture, 2))
    low, high = SCALES
    angles, scales = 180 * chance[:, :, 0] - 90, low + (high - low) * chance[:, :, 1]
    return np.concatenate([windows(*one) for one in zip(pictures, angles, scales, strict=True)])


def windows(
    picture: UInt8[np.ndarray, "64 64"], angles: Float64[np.ndarray, " K"], scales: Float64[np.ndarray, " K"]
) -> UInt8[np.ndarray, "K 625"]:
    """One patch per angle (degrees, counterclockwise rotation of what is seen) and scale.

    A patch pixel (r, c), counted from the patch's centre, lies at centre + (WINDOW / scale) R (r, c), where
    R turns a step to the right into a step (sine down, cosine right).
    """
    turn = np.deg2rad(angles)[:, None]
    down, right = (z.reshape(1, -1) for z in np.mgrid[:PATCH, :PATCH] - (PATCH - 1) / 2)
    step = WINDOW / scales[:, None]
    row = (SIDE - 1) / 2 + step * (np.cos(turn) * down + np.sin(turn) * right)
    column = (SIDE - 1) / 2 + step * (np.cos(turn) * right - np.sin(turn) * down)
    return bilinear(picture, *(np.rint(z * 2**FINE).astype(np.int32) for z in (row, column)))


def bilinear(picture: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The picture at places given in units of 2^-FINE pixels, rounded to whole grey levels, halves up."""
    at = (row >> FINE) * SIDE + (column >> FINE)
    below, right = row & (2**FINE - 1), column & (2**FINE - 1)
    grey = picture.reshape(-1).astype(np.int32)
    corners = [grey.take(at + step) for step in (0, 1, SIDE, SIDE + 1)]
    upper, lower = ((a << FINE) + right * (b - a) for a, b in (corners[:2], corners[2:]))
    return (((upper << FINE) + below * (lower - upper) + (1 << 2 * FINE - 1)) >> 2 * FINE).astype(np.uint8)
