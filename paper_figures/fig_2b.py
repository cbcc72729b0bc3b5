"""Fig. 2B of hinton2006science: test digits and what is left of them after 30 numbers.

From top to bottom: the first test digit of each class, and its reconstruction by the pretrained deep
autoencoder, by logistic PCA and by PCA, all with 30 code units. The squared error is summed over pixels
and averaged over all test digits and over n seeds; the published one stands in parentheses; the pictures
are of the lowest seed. What to look for: the order autoencoder, logistic PCA, PCA, and whether the
autoencoder's digits are the sharpest of the three.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paper_figures import arms, house
from paper_figures.evidence import Shown, in_print, shown
from repro.errors import UserError

ROWS = {"pretrained-cg": "autoencoder", "logistic-pca": "logistic PCA", "pca": "PCA"}
# right ends, in axes widths
COLUMNS = {"squared error": 1.21, "(published)": 1.39, "epochs": 1.53, "n": 1.59}
GAP = 3  # white pixels between digits


@house.style()
def draw(results: Path, profile: str) -> Figure:
    """Draw the figure from the records and tables of a profile."""
    rows = [shown(results, profile, "mnist", variant) for variant in ROWS]
    mosaic = _mosaic(rows)
    tall = 1.9 if profile == "quick" else 1.7  # inches
    figure = Figure(figsize=(6.5, tall))
    high = 0.54 * 6.5 / tall * mosaic.shape[0] / mosaic.shape[1]  # square pixels
    axes = figure.add_axes((0.13, 0.03, 0.54, high), frame_on=False)
    axes.imshow(mosaic, vmin=0, vmax=255)
    height = 28 + GAP
    axes.set_yticks(13.5 + height * np.arange(len(rows) + 1), ["test digit", *ROWS.values()])
    axes.tick_params(length=0, labelsize=7.5)
    axes.set_xticks([])
    for name, x in COLUMNS.items():
        _write(axes, x, -height / 4, name, color=house.GREY)
    for i, row in enumerate(rows, start=1):
        axes.get_yticklabels()[i].set(color=arms.colour(row.variant), gid=row.variant)
        for x, text in zip(COLUMNS.values(), _numbers(row), strict=True):
            _write(axes, x, 13.5 + height * i, text)
    house.mark(figure, profile)
    return figure


def _mosaic(rows: list[Shown]) -> np.ndarray:
    """Test digits, then each row's reconstructions, as one picture in 255ths of ink.

    Raises:
        UserError: if the rows are not of the same digits.
    """
    digits = rows[0].arrays["example_inputs"]
    for row in rows:
        if not np.array_equal(row.arrays["example_inputs"], digits):
            raise UserError(
                f"{row.variant} and {rows[0].variant} were not shown the same digits: run mnist again"
            )
    images = np.stack([digits, *(row.arrays["example_reconstructions"] for row in rows)])
    tiles = np.pad(images.reshape(*images.shape[:2], 28, 28), [(0, 0), (0, 0), (0, GAP), (0, GAP)])
    return tiles.transpose(0, 2, 1, 3).reshape(len(images) * (28 + GAP), -1)[:-GAP, :-GAP]


def _numbers(row: Shown) -> list[str]:
    """One for each of COLUMNS."""
    epochs = str(row.score.epochs) if row.score.epochs else "–"
    return [house.number(row.score.value), in_print(row.score), epochs, str(row.score.n)]


def _write(axes: Axes, x: float, y: float, text: str, **how) -> None:
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), ha="right", va="center", **how)
