"""What all figures share: the look, the line above, where labels go and how a picture is saved."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib import style as styles
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from repro.atomic import write_atomically
from repro.report.frame import Frame

QUICK = "quick profile: small data, few epochs, not evidence"
GREY = "#555555"
DOT = " · "


@contextmanager
def style() -> Iterator[None]:
    """The house's look, whatever the reader's matplotlibrc says; also a decorator."""
    with styles.context(["default", Path(__file__).with_name("house.mplstyle")]):
        yield


def head(figure: Figure, frame: Frame, about: str, *, y: float | None = None) -> None:
    """The line above a figure: data, length, n and device; of the quick profile also that it proves nothing.

    `y` is its upper edge in inches from the top, where the figure has no layout of its own.
    """
    about, look = in_lines(about), {"color": GREY, "size": 6.5}
    if frame.small:
        about, look = f"{QUICK}\n{about}", look | {"color": "#b2182b", "fontstyle": "italic"}
    place = {} if y is None else {"y": 1 - y / figure.get_figheight(), "va": "top"}
    figure.suptitle(about, **look, **place)


def in_lines(about: str, length: int = 125) -> str:
    """Parts of a text that are no longer together than a figure is wide."""
    lines = [""]
    for part in about.split(DOT):
        longer = f"{lines[-1]}{DOT}{part}" if lines[-1] else part
        lines = [*lines[:-1], longer] if len(longer) <= length else [*lines, part]
    return "\n".join(lines)


def apart(
    points: np.ndarray,
    gap: float,
    low: ArrayLike = -np.inf,
    high: ArrayLike = np.inf,
    marks: np.ndarray | None = None,
) -> np.ndarray:
    """The points [N D], moved as little as it takes for no two to be nearer than `gap`, none nearer than half
    of it to one of the marks [M D], and none beyond the limits: places for labels.
    """
    points = np.array(points, float)
    n, marks = len(points), points[:0] if marks is None else marks
    gaps = 1.001 * gap * np.repeat([1, 0.5], [n, len(marks)]) * (1 - np.eye(n, n + len(marks)))
    share = np.repeat([0.5, 1], [n, len(marks)])  # of a push: two points part, a mark stays
    for _ in range(200):
        step = points[:, None] - np.concatenate([points, marks])
        step[..., -1] += 1e-9 * np.sign(np.subtract.outer(range(n), range(n + len(marks))))
        distance = np.linalg.norm(step, axis=-1) + np.eye(n, n + len(marks))
        push = np.clip(gaps - distance, 0, None) * share
        points = np.clip(points + np.sum((push / distance)[..., None] * step, axis=1), low, high)
    return points


def name_heights(axes: Axes, names: list[tuple[float, str, str, str]]) -> None:
    """Names (height, name, colour, variant) to the right of log-scaled axes, as near to their heights as they
    fit.
    """
    low, high = np.log(axes.get_ylim())
    places = np.array([[(np.log(height) - low) / (high - low)] for height, *_ in names])
    for (place,), (_, name, colour, variant) in zip(apart(places, 0.06), names, strict=True):
        how = {"va": "center", "size": 7, "transform": axes.transAxes, "gid": variant}
        axes.text(1.02, place, name, color=colour, **how)


@style()
def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write PNG and PDF, whole or not at all, with the same bytes whenever the same figure is drawn again."""
    silent = {"png": {"Software": None}, "pdf": dict.fromkeys(["Creator", "Producer", "CreationDate"])}
    paths = [folder / f"{name}.{kind}" for kind in silent]
    for path, (kind, metadata) in zip(paths, silent.items(), strict=True):
        content = io.BytesIO()
        figure.savefig(content, format=kind, metadata=metadata)
        write_atomically(path, content.getvalue())
    return paths
