"""Images and what is left of them, row by row, with each row's squared error: the layout of Fig. 2."""

from __future__ import annotations

from math import isqrt

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures.style import arms, house
from paper_figures.style.evidence import Picture, not_run, of_variants, pictured, same_images
from paper_figures.style.wording import about, in_print, number, query
from repro.report.frame import Frame

COLUMNS = {"squared error": 0.85, "(published)": 1.52, "epochs": 2.0, "n": 2.25}  # inches behind the images
LEFT, LETTER = 0.98, 0.062  # inches before the images; of a letter of their names
DOTS, WIDE = 200, 620  # dots per inch of a PNG; dots that a row of images may be wide
GAP = 3  # white pixels between images


@house.style()
def draw(
    frame: Frame, experiment: str, noun: str, variants: list[str], shape: tuple[int, int] | None = None
) -> Figure:
    """A row of test images, called `noun`, and one of reconstructions for each variant that has been run; the
    images have so many rows and columns, or are square.
    """
    table = of_variants(frame, experiment, variants)
    rows = pictured(frame, table)
    same_images(rows)
    images = _images(rows, shape)
    mosaic, look = _mosaic(images)
    scale = _dots(mosaic.shape[1])
    high, wide = (scale * n / DOTS for n in mosaic.shape)
    above = 0.4 + (0.14 if frame.small else 0)
    tall = round(DOTS * (high + above + 0.05)) / DOTS
    figure, names = Figure(figsize=(6.5, tall)), [noun, *_names(rows)]
    left = max(LEFT, LETTER * max(map(len, names)))
    axes = figure.add_axes((left / 6.5, 0.05 / tall, wide / 6.5, high / tall), frame_on=False)
    axes.imshow(mosaic, interpolation="nearest", **look)
    middles = (images.shape[2] - 1) / 2 + (images.shape[2] + GAP) * np.arange(len(images))
    axes.set_yticks(middles, names)
    axes.tick_params(length=0, labelsize=7.5)
    axes.set_xticks([])
    printed = any(map(in_print, table.itertuples()))
    ends = {name: 1 + x / wide for name, x in COLUMNS.items() if printed or name != "(published)"}
    for column, x in ends.items():
        _write(axes, x, -images.shape[2] / 4, column, color=house.GREY)
    for row, y, name in zip(rows, middles[1:], axes.get_yticklabels()[1:], strict=True):
        name.set(color=arms.colour(row.score), gid=row.score.variant)
        numbers = _numbers(row)
        for column, x in ends.items():
            _write(axes, x, y, numbers[column])
    seed = f"pictures of seed {table.seed.min()}"
    house.head(
        figure, frame, about(table, seed, verdict(table), not_run(table, variants), query(table)), y=0.04
    )
    return figure


def verdict(table: pd.DataFrame) -> str:
    """Which row has the lowest error, and whether that is the pretrained autoencoder, the first row."""
    best = min(table.itertuples(), key=lambda row: row.value)
    lowest = f"lowest error: {_name(best, table)}"
    if arms.family(best) == "pretrained" or arms.family(table.iloc[0]) != "pretrained":
        return lowest
    return f"{lowest}, not the autoencoder"


def _dots(width: int) -> float:
    """Dots a pixel: whole ones, unless images are wider than there is room for."""
    return WIDE // width or WIDE / width


def _images(rows: list[Picture], shape: tuple[int, int] | None) -> np.ndarray:
    """Test images, then each row's reconstructions: [row, image, pixel, pixel]."""
    inputs = rows[0].arrays["example_inputs"]
    images = np.stack([inputs, *(row.arrays["example_reconstructions"] for row in rows)])
    return images.reshape(*images.shape[:2], *(shape or [isqrt(images.shape[-1])] * 2))


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


def _names(rows: list[Picture]) -> list[str]:
    """What made each row, with the size of its code where sizes differ."""
    table = pd.DataFrame([row.score for row in rows])
    return [_name(row.score, table) for row in rows]


def _name(score, table: pd.DataFrame) -> str:
    alone = [arms.family(row) for row in table.itertuples()].count("pretrained") == 1
    name = "autoencoder" if alone and arms.family(score) == "pretrained" else arms.label(score)
    return f"{name}-{score.code_size}" if table.code_size.nunique() > 1 else name


def _numbers(row: Picture) -> dict[str, str]:
    """One for each of COLUMNS."""
    epochs = str(row.score.epochs) if row.score.epochs else "–"
    found = number(row.score.value), in_print(row.score), epochs, str(row.score.n)
    return dict(zip(COLUMNS, found, strict=True))


def _write(axes: Axes, x: float, y: float, text: str, **how) -> None:
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center_baseline", **how)
