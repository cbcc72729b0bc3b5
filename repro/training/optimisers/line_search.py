"""The line search of the 2006 program: Wolfe-Powell conditions by polynomial inter- and extrapolation.

The method and its constants are those of Carl Rasmussen's `minimize` of 2001, to which the authors' program
points; the code is ours. It never evaluates anything: it says what to try next.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from repro.typed import choice


@choice
class WolfePowell:
    """When a line search ends and where it looks; defaults are those of `minimize` of 2001."""

    rho: float = 0.01  # Armijo: the value must fall by this fraction of what the slope promises
    sig: float = 0.5  # curvature: the slope must shrink to this fraction
    ratio: float = 100.0  # at most this much longer a first step than the last line search's
    interpolate: float = 0.1  # stay this fraction of the bracket away from its ends
    extrapolate: float = 3.0  # at most this many times the current step
    max_evaluations: int = 20  # per line search, after the first trial


SEPTEMBER_2006 = WolfePowell(rho=0.05, sig=0.1, ratio=10.0)  # the constants of that release of `minimize`


class Point(NamedTuple):
    """The function on the line, at one step from the start."""

    step: Float[Array, ""]
    value: Float[Array, ""]
    slope: Float[Array, ""]


class Line(NamedTuple):
    """State of a line search, before a trial."""

    origin: Point  # step 0; its slope must be negative
    base: Point  # the point on the left from which the trial is reached
    limit: Float[Array, ""]  # the smallest step known to be too far; infinite until there is one
    step: Float[Array, ""]  # of the trial
    evaluations: Int[Array, ""]  # of this search so far


def start_of(origin: Point, first_step: Float[Array, ""]) -> Line:
    """A search from its origin."""
    return Line(origin, origin, jnp.full_like(origin.value, jnp.inf), first_step, jnp.int32(0))


def accepted(how: WolfePowell, trial: Point, origin: Point) -> Bool[Array, ""]:
    """Whether the trial satisfies the Wolfe-Powell conditions."""
    return ~_too_far(how, trial, origin) & (trial.slope > how.sig * origin.slope)


def further(how: WolfePowell, line: Line, trial: Point) -> Line:
    """The search before its next trial, when this one was not accepted."""
    too_far = _too_far(how, trial, line.origin)
    limit = jnp.where(too_far, trial.step, line.limit)
    step = jnp.where(too_far, _interpolate(how, line, trial), _extrapolate(how, line, trial))
    base = jax.tree.map(lambda a, b: jnp.where(too_far, a, b), line.base, trial)
    return Line(line.origin, base, limit, step, line.evaluations + 1)


def _too_far(how: WolfePowell, trial: Point, origin: Point):
    """Beyond a minimum: the value is too high (or not a number) or the slope already rises too much."""
    low_enough = trial.value <= origin.value + trial.step * how.rho * origin.slope
    return ~low_enough | (trial.slope > -how.sig * origin.slope)


def _cubic(trial: Point, base: Point):
    """Coefficients of the cubic through both points with both slopes."""
    width = base.step - trial.step  # negative: the base lies to the left
    A = 6 * (trial.value - base.value) / width + 3 * (trial.slope + base.slope)
    B = 3 * (base.value - trial.value) - width * (base.slope + 2 * trial.slope)
    return A, B, width


def _interpolate(how: WolfePowell, line: Line, trial: Point):
    """The minimum of a polynomial between base and trial, kept off both ends."""
    base = line.base
    A, B, width = _cubic(trial, base)
    quadratic = width - 0.5 * base.slope * width**2 / (base.slope * width + trial.value - base.value)
    cubic = (jnp.sqrt(B * B - A * trial.slope * width**2) - B) / A
    move = jnp.where(trial.value > line.origin.value, quadratic, cubic)
    move = jnp.where(jnp.isfinite(move), move, width / 2)
    return trial.step + jnp.clip(move, (1 - how.interpolate) * width, how.interpolate * width)


def _extrapolate(how: WolfePowell, line: Line, trial: Point):
    """The minimum of a cubic beyond the trial, within `extrapolate` and short of the known limit."""
    limit = line.limit
    A, B, width = _cubic(trial, line.base)
    move = -trial.slope * width**2 / (B + jnp.sqrt(B * B - A * trial.slope * width**2))
    bounded = jnp.isfinite(limit)
    farthest = jnp.where(bounded, limit - trial.step, trial.step * (how.extrapolate - 1))
    least, most = -how.interpolate * width, (1 - how.interpolate) * farthest
    inside = jnp.where(move < least, least, jnp.where(bounded & (move < most), most, move))
    fallback = jnp.where(bounded, farthest / 2, farthest)
    usable = jnp.isfinite(move) & (move >= 0) & (move <= farthest)
    return trial.step + jnp.where(usable, inside, fallback)
