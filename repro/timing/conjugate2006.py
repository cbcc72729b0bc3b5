"""Conjugate gradients as in the program of 2006: Rasmussen's `minimize` of 2001, from its description.

Polak-Ribière directions; along each a line search until the Wolfe-Powell conditions hold, the next step
guessed from parabolas and cubics through the points seen. Plain NumPy; nothing from the rest of the library.

Where it differs from his: after a failed search the next goes down the gradient at x (his: the gradient at
the last point tried); a value that is not a number is too far (his: not far enough).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

FALL = 0.01  # the value must fall by this fraction of what the first slope promises
FLATTEN = 0.5  # and the slope shrink to this fraction of the first
MARGIN = 0.1  # new steps keep this fraction of an interval away from its ends
STRETCH = 3.0  # and go at most this many times as far as the last
LONGER = 100.0  # the first step of a line search against the last of the one before
PATIENCE = 20  # evaluations in a line search after its first


class Point(NamedTuple):
    """The function at one step along the line."""

    step: float
    value: float
    slope: float
    gradient: np.ndarray


def minimise(function: Callable, x: np.ndarray, n_searches: int) -> tuple[np.ndarray, int]:
    """So many line searches from x; returns the last point accepted and the evaluations it took.

    `function` gives value and gradient. After a failed search the next goes down the gradient; after two in
    a row x stays where it is.
    """
    value, gradient = function(x)
    evaluations, failed = 1, False
    direction, slope, step = steepest(gradient)
    for _ in range(n_searches):

        def along(step, x=x, direction=direction):
            value, gradient = function(x + step * direction)
            return Point(step, value, float(gradient @ direction), gradient)

        found, good, spent = search(along, Point(0.0, value, slope, gradient), step)
        evaluations += spent
        if not good and failed:
            break
        failed = not good
        if failed:
            direction, slope, step = steepest(gradient)
            continue
        x = x + found.step * direction
        direction, new_slope = conjugate(direction, gradient, found.gradient)
        step = found.step * min(LONGER, slope / (new_slope - np.finfo(float).tiny))
        value, slope, gradient = found.value, new_slope, found.gradient
    return x, evaluations


def steepest(gradient: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Straight down: direction, slope along it, first step."""
    slope = -float(gradient @ gradient)
    return -gradient, slope, 1 / (1 - slope)


def conjugate(direction: np.ndarray, old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, float]:
    """The Polak-Ribière direction and the slope along it; straight down where it would go up."""
    onward = (new @ new - old @ new) / (old @ old) * direction - new
    slope = float(new @ onward)
    return (onward, slope) if slope <= 0 else steepest(new)[:2]


def search(along: Callable, start: Point, first_step: float) -> tuple[Point, bool, int]:
    """One line search: the last point tried, whether it is good enough, and how many were tried."""
    left, here, wall = start, along(first_step), math.inf
    for tried in range(1, PATIENCE + 1):
        if too_far(here, start):
            wall = here.step
            step = between(left, here, start)
        elif too_steep(here, start):
            step = beyond(left, here, wall)
            left = here
        else:
            return here, True, tried
        here = along(step)
    return here, not (too_far(here, start) or too_steep(here, start)), PATIENCE + 1


def too_far(here: Point, start: Point) -> bool:
    """The value has not fallen enough (NaN never has), or already the slope rises too much."""
    fallen = here.value <= start.value + here.step * FALL * start.slope
    return not fallen or here.slope > -FLATTEN * start.slope


def too_steep(here: Point, start: Point) -> bool:
    """Still going down too fast to stop."""
    return not here.slope > FLATTEN * start.slope


def between(left: Point, here: Point, start: Point) -> float:
    """A step between left and here, which is too far."""
    width = here.step - left.step
    if here.value > start.value:
        fall = left.slope * width  # the parabola has the value and slope of left and the value of here
        move = 0.5 * fall * width / (fall - (here.value - left.value))
    else:
        move = width + to_cubic_minimum(left, here)
    if not math.isfinite(move):
        move = width / 2
    return left.step + min(max(move, MARGIN * width), (1 - MARGIN) * width)


def beyond(left: Point, here: Point, wall: float) -> float:
    """A step beyond here, which is not far enough, and before the wall, if one was met."""
    walled = math.isfinite(wall)
    room = wall - here.step if walled else (STRETCH - 1) * here.step
    least = MARGIN * (here.step - left.step)
    move = to_cubic_minimum(left, here)
    if not 0 <= move <= room:
        move = room / 2 if walled else room
    elif move < least:
        move = least
    elif walled and move < (1 - MARGIN) * room:
        move = (1 - MARGIN) * room  # close to the wall, not away from it: so it stands in the original
    return here.step + move


def to_cubic_minimum(left: Point, here: Point) -> float:
    """From here to the minimum of the cubic with both values and slopes; NaN if it has none."""
    width = here.step - left.step
    rise = (here.value - left.value) / width
    bend = (2 * here.slope + left.slope - 3 * rise) / width
    twist = (here.slope + left.slope - 2 * rise) / width / width
    inside = bend * bend - 3 * twist * here.slope
    below = bend + math.sqrt(inside) if inside >= 0 else math.nan
    return -here.slope / below if below else math.nan
