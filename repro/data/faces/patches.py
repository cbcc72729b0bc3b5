"""Cuts patches out of pictures: rotated, scaled, cropped and subsampled, 25 × 25 pixels each.

hinton2006science had 165,600 of them made from 400 pictures: "rotating (-90 to +90 degrees), scaling (1.4
to 1.8), cropping, subsampling", at random. Here a patch samples a square window of 25 WINDOW / scale source
pixels, at 25 × 25 places evenly spaced, each bilinearly interpolated. Its centre is drawn uniformly from all
places at which the turned window lies wholly inside the picture. WINDOW is not known and is chosen so that
the published error of PCA returns; nothing else is chosen.

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
WINDOW = 2.413  # source pixels per pixel of a patch at scale 1; [C]: PCA-30 test SE 135.02, published 135
SCALES = (1.4, 1.8)
FINE = 11  # bits of a coordinate behind the point; 8 + 2 * 11 of them still fit into 32


def cut(pictures: UInt8[np.ndarray, "N 64 64"], per_picture: int) -> UInt8[np.ndarray, "M 625"]:
    """`per_picture` random patches of each picture, in the pictures' order; rows in row-major order."""
    chance = np.random.Generator(np.random.PCG64(SEED)).random((len(pictures), per_picture, 4))
    low, high = SCALES
    angles, scales = 180 * chance[:, :, 0] - 90, low + (high - low) * chance[:, :, 1]
    margin = reach(angles, scales)[:, :, None]
    centres = margin + (SIDE - 1 - 2 * margin) * chance[:, :, 2:]
    return np.concatenate([windows(*one) for one in zip(pictures, angles, scales, centres, strict=True)])


def reach(angles: Float64[np.ndarray, "*K"], scales: Float64[np.ndarray, "*K"]) -> Float64[np.ndarray, "*K"]:
    """How far a window at these angles (degrees) and scales goes from its centre, down as to the right; in
    source pixels, to the centre of its outermost one.
    """
    turn = np.deg2rad(angles)
    return (PATCH - 1) / 2 * WINDOW / scales * (np.abs(np.cos(turn)) + np.abs(np.sin(turn)))


def windows(
    picture: UInt8[np.ndarray, "64 64"],
    angles: Float64[np.ndarray, " K"],
    scales: Float64[np.ndarray, " K"],
    centres: Float64[np.ndarray, "K 2"],
) -> UInt8[np.ndarray, "K 625"]:
    """One patch per angle (degrees, counterclockwise rotation of what is seen), scale and centre (row and
    column in the picture, 0 to SIDE - 1).

    A patch pixel (r, c), counted from the patch's centre, lies at centre + (WINDOW / scale) R (r, c), where
    R turns a step to the right into a step (sine down, cosine right).
    """
    turn, step = np.deg2rad(angles)[:, None], WINDOW / scales[:, None]
    down, right = (z.reshape(1, -1) for z in np.mgrid[:PATCH, :PATCH] - (PATCH - 1) / 2)
    row = centres[:, :1] + step * (np.cos(turn) * down + np.sin(turn) * right)
    column = centres[:, 1:] + step * (np.cos(turn) * right - np.sin(turn) * down)
    return bilinear(picture, *(np.rint(z * 2**FINE).astype(np.int32) for z in (row, column)))


def bilinear(picture: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The picture at places given in units of 2^-FINE pixels, rounded to whole grey levels, halves up."""
    side = SIDE + 1  # a place in the last row or column also reads from beyond it, with weight 0
    at = (row >> FINE) * side + (column >> FINE)
    below, right = row & (2**FINE - 1), column & (2**FINE - 1)
    grey = np.pad(picture, (0, 1)).reshape(-1).astype(np.int32)
    corners = [grey.take(at + step) for step in (0, 1, side, side + 1)]
    upper, lower = ((a << FINE) + right * (b - a) for a, b in (corners[:2], corners[2:]))
    return (((upper << FINE) + below * (lower - upper) + (1 << 2 * FINE - 1)) >> 2 * FINE).astype(np.uint8)
