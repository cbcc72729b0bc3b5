"""2-D codes drawn as the pictures that they are codes of: what Figs. S3 and S4 share."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import repro.data
from paper_figures.style import arms, codes, house
from paper_figures.style.evidence import Picture, of_variants, pictured
from paper_figures.style.mosaic import DOTS
from paper_figures.style.wording import about, query, result
from repro.errors import DataUnavailableError, UserError
from repro.report.frame import Frame
from repro.runs.outcome import coded

SIDE = 1232  # dots of the square that they are drawn in, one for each pixel of a picture: 44 pictures
ORDER = 0  # seed of the order in which pictures take their places


@house.style()
def draw(frame: Frame, variant: str, name: str) -> Figure:
    """The test digits of a variant of mnist with a code of two units, `name`, each at its code.

    Raises:
        DataUnavailableError: if the pictures are not on this machine.
    """
    table = of_variants(frame, "mnist", [variant])
    [panel] = pictured(frame, table)
    images = images_of(frame, panel)
    corners, inside = places(panel.arrays["codes"], images.shape[1])
    shown = inside[with_room(corners[inside], images.shape[1])]
    wide, above = SIDE / DOTS, 0.63 if frame.small else 0.5
    figure = Figure(figsize=(6.5, wide + above + 0.06))
    tall = figure.get_figheight()
    axes = figure.add_axes(((6.5 - wide) / 13, 0.06 / tall, wide / 6.5, wide / tall), xticks=[], yticks=[])
    axes.imshow(canvas(images[shown], corners[shown]), cmap="gray_r", vmin=0, vmax=255)
    axes.images[0].set(interpolation="nearest", gid=variant)
    axes.spines[:].set_visible(True)
    look = {"color": arms.colour(panel.score), "gid": variant, "size": 7.5}
    axes.set_title(f"{name}, test squared error {result(panel.score)}", **look)
    n, beyond = len(images), len(images) - len(inside)
    counts = f"{len(shown)} of {n} digits: those with room, in random order; {beyond} beyond the frame"
    house.head(figure, frame, about(table, f"codes of seed {table.seed.min()}", counts, query(table)), y=0.04)
    return figure


def images_of(frame: Frame, panel: Picture) -> np.ndarray:
    """The pictures [N side side] that the codes of a run are of, in 255ths. Records have the codes alone, so
    they are taken from the data set, which must be the one that the record was made from.

    Raises:
        DataUnavailableError: if the data set is not on this machine: no figure downloads anything.
        UserError: if it is another one.
    """
    name, record = panel.score.data, frame.record(panel.score.path)
    ready = {status.name for status in repro.data.status() if status.source == "full" and status.ready}
    if not frame.small and name not in ready:
        raise DataUnavailableError(f"the pictures of {name} are not here: run `repro data prepare {name}`")
    data = repro.data.load(name, embedded=frame.small)
    members = coded(data.test.labels)
    same = data.checksum == record.provenance["data_sha256"]
    if not same or not np.array_equal(data.test.labels[members], panel.arrays["code_labels"]):
        path = Path(panel.score.path).name
        raise UserError(f"{path} has codes of other pictures than {name} has: run {record.experiment} again")
    images = np.rint(255 * np.asarray(data.test.inputs)[members]).astype(np.uint8)
    return images.reshape(len(images), *[isqrt(images.shape[1])] * 2)


def places(points: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The upper left corners (row, column) of pictures with their middles at these codes, and which of them
    lie whole in the frame, whose limits are those of `codes.scatter`.
    """
    x, y = (codes.framed(points).T - codes.LIMITS[0]) / np.ptp(codes.LIMITS)
    corners = np.rint(SIDE * np.stack([1 - y, x], axis=1) - side / 2).astype(int)
    return corners, np.flatnonzero(np.all((corners >= 0) & (corners <= SIDE - side), axis=1))


def with_room(corners: np.ndarray, side: int) -> np.ndarray:
    """Which of the pictures are drawn: in an order drawn by lot, each that overlaps none before it."""
    kept: list[int] = []
    for i in np.random.default_rng(ORDER).permutation(len(corners)):
        if np.all(np.abs(corners[kept] - corners[i]).max(axis=1) >= side):
            kept.append(i)
    return np.array(kept, int)


def canvas(images: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The pictures at their corners on blank paper."""
    paper = np.zeros((SIDE, SIDE), np.uint8)
    for image, (row, column) in zip(images, corners, strict=True):
        paper[row : row + len(image), column : column + len(image)] = image
    return paper
