"""Images and what is left of them, row by row, with each row's squared error: the layout of Fig. 2."""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import arms, house
from paper_figures.style.evidence import Shown, shown
from paper_figures.style.wording import in_print, number
from repro.errors import UserError

# right ends, in widths of the mosaic
COLUMNS = {"squared error": 1.21, "(published)": 1.41, "epochs": 1.55, "n": 1.61}
WIDE = 3.4  # inches
GAP = 3  # white pixels between images


@house.style()
def draw(results: Path, profile: str, experiment: str, noun: str, variants: list[str]) -> Figure:
    """A row of test images, called `noun`, and one of reconstructions for each variant."""
    rows = [shown(results, profile, experiment, variant) for variant in variants]
    images = _images(rows)
    mosaic, look = _mosaic(images)
    high = WIDE * mosaic.shape[0] / mosaic.shape[1]
    tall = high + (0.47 if profile == "quick" else 0.3)
    figure = Figure(figsize=(6.5, tall))
    axes = figure.add_axes((0.15, 0.05 / tall, WIDE / 6.5, high / tall), frame_on=False)
    axes.imshow(mosaic, **look)
    middles = (images.shape[2] - 1) / 2 + (images.shape[2] + GAP) * np.arange(len(images))
    axes.set_yticks(middles, [noun, *_names(rows)])
    axes.tick_params(length=0, labelsize=7.5)
    axes.set_xticks([])
    for name, x in COLUMNS.items():
        _write(axes, x, -images.shape[2] / 4, name, color=house.GREY)
    for row, y, name in zip(rows, middles[1:], axes.get_yticklabels()[1:], strict=True):
        name.set(color=arms.colour(row.variant), gid=row.variant)
        for x, text in zip(COLUMNS.values(), _numbers(row), strict=True):
            _write(axes, x, y, text)
    house.mark(figure, profile)
    return figure


def _images(rows: list[Shown]) -> np.ndarray:
    """Test images, then each row's reconstructions: [row, image, pixel, pixel].

    Raises:
        UserError: if the rows are not of the same images.
    """
    inputs, first = rows[0].arrays["example_inputs"], rows[0]
    for row in rows:
        if not np.array_equal(row.arrays["example_inputs"], inputs):
            again = f"run {row.record.experiment} again"
            raise UserError(f"{row.variant} and {first.variant} were not shown the same images: {again}")
    images = np.stack([inputs, *(row.arrays["example_reconstructions"] for row in rows)])
    side = isqrt(images.shape[-1])
    return images.reshape(*images.shape[:2], side, side)


def _mosaic(images: np.ndarray) -> tuple[np.ndarray, dict]:
    """All images as one, and its grey levels: 255ths of ink, or light of which the test images' first and
    last percent are black and white.
    """
    if images.dtype == np.uint8:
        blank, look = 0, {"cmap": "gray_r", "vmin": 0, "vmax": 255}
    else:
        black, blank = np.percentile(images[0], [1, 99])
        look = {"cmap": "gray", "vmin": black, "vmax": blank}
    tiles = np.pad(images, [(0, 0), (0, 0), (0, GAP), (0, GAP)], constant_values=blank)
    high = len(images) * (images.shape[2] + GAP)
    return tiles.transpose(0, 2, 1, 3).reshape(high, -1)[:-GAP, :-GAP], look


def _names(rows: list[Shown]) -> list[str]:
    """What made each row, with the size of its code where sizes differ."""
    kinds = [arms.arm(row.variant) for row in rows]
    names = ["autoencoder" if kind == "pretrained-cg" else arms.label(kind) for kind in kinds]
    sizes = [row.code_size for row in rows]
    sized = [f"{name}-{size}" for name, size in zip(names, sizes, strict=True)]
    return sized if len(set(sizes)) > 1 else names


def _numbers(row: Shown) -> list[str]:
    """One for each of COLUMNS."""
    epochs = str(row.score.epochs) if row.score.epochs else "–"
    return [number(row.score.value), in_print(row.score), epochs, str(row.score.n)]


def _write(axes: Axes, x: float, y: float, text: str, **how) -> None:
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center_baseline", **how)
