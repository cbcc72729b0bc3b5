"""Models of binarised digits, what they dream and what they are worth: claims C6b and its like.

A row for each model, the best first: the probabilities of the pixels in its first samples, none picked, of
the lowest seed; chains of Boltzmann machines begin at the ends of annealing. Behind it log p of the test
digits in nats, the mean over n seeds, and in parentheses the published number. A ≤ says that the estimate is
on average too high, as log Z from below makes it, a ≥ that it is a lower bound; the page of the table has the
intervals, and estimates from the other side. What to look for: whether the samples that look best are of the
models that are worth most.
"""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from paper_figures.style import house
from paper_figures.style.evidence import pictured, require, scores
from paper_figures.style.wording import about, in_print, query
from repro.report import densities
from repro.report.frame import Frame, select
from repro.runs.config import Density, from_json

N_SHOWN = 12  # samples in a row
SIGNS = {"too high": "≤ ", "too low": "≥ ", "exact": "", "either": "≈ "}
ENDS = {"nats": 1.2, "(published)": 1.46, "n": 1.52}  # right ends of the columns, in widths of the pictures


@house.style()
def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    table = scores(frame, densities.SCORE, among=select(frame.rows, experiment="densities"))
    require(frame, table, "densities", "any model")
    rows = pictured(frame, table.sort_values("value", ascending=False, ignore_index=True))
    figure = Figure(figsize=(6.5, 0.6 + 0.27 * len(rows)))
    tall = figure.get_figheight()
    axes = figure.add_axes((0.36, 0.04 / tall, 0.41, 0.27 * len(rows) / tall), frame_on=False)
    images = [_strip(row.arrays["samples"]) for row in rows]
    high = images[0].shape[0]
    axes.imshow(
        np.concatenate(images), cmap="gray_r", vmin=0, vmax=255, interpolation="nearest", aspect="auto"
    )
    middles = high * np.arange(len(rows)) + (high - 1) / 2
    axes.set_yticks(middles, [_name(frame, row.score) for row in rows])
    axes.set_xticks([])
    axes.tick_params(length=0, labelsize=7)
    for column, x in ENDS.items():
        _write(axes, x, -high / 3, column, house.GREY)
    for row, y in zip(rows, middles, strict=True):
        _, _, side = densities.about(_config(frame, row.score).model)
        values = f"{SIGNS[side]}{row.score.value:.2f}", in_print(row.score), str(row.score.n)
        for x, text in zip(ENDS.values(), values, strict=True):
            _write(axes, x, y, text, gid=row.score.variant)
    house.head(figure, frame, about(table, f"samples of seed {table.seed.min()}", query(table)), y=0.04)
    return figure


def _config(frame: Frame, score: Any) -> Density:
    config = from_json(frame.record(score.path).config)
    assert isinstance(config, Density)
    return config


def _name(frame: Frame, score: Any) -> str:
    name = densities.about(_config(frame, score).model)[0]
    return name.replace("variational autoencoder, ", "VAE ").replace("deep Boltzmann machine", "DBM")


def _strip(samples: np.ndarray) -> np.ndarray:
    """The first samples side by side, with white pixels between."""
    side = isqrt(samples.shape[1])
    images = samples[:N_SHOWN].reshape(-1, side, side)
    return np.concatenate(list(np.pad(images, ((0, 0), (1, 1), (1, 1)))), axis=1)


def _write(axes, x: float, y: float, text: str, color: str = "black", gid: str | None = None) -> None:
    how = {"ha": "right", "va": "center", "fontsize": 7, "color": color, "gid": gid}
    axes.text(x, y, text, transform=axes.get_yaxis_transform(), **how)
