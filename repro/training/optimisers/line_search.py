"""The line search of the 2006 program: Wolfe-Powell conditions by polynomial inter- and extrapolation.

The method and its constants are those of Carl Rasmussen's `minimize` of 2001, to which the authors' program
points; the code is ours. One function value with its gradient is computed per turn of a single loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

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


class Point(NamedTuple):
    """The function on the line, at one step from the start."""

    step: Float[Array, ""]
    value: Float[Array, ""]
    slope: Float[Array, ""]


class Search(NamedTuple):
    """State of a line search."""

    trial: Point
    gradient: PyTree  # at the trial point
    base: Point  # the point on the left from which the trial was reached
    limit: Float[Array, ""]  # the smallest step known to be too far; infinite until there is one
    evaluations: Int[Array, ""]


def dot(a: PyTree, b: PyTree) -> Float[Array, ""]:
    """The inner product of two parameter vectors."""
    return jnp.asarray(optax.tree.vdot(a, b))


def line_search(
    how: WolfePowell,
    value_and_grad: Callable,
    params: PyTree,
    direction: PyTree,
    origin: Point,
    first_step: Float[Array, ""],
) -> tuple[Search, Bool[Array, ""]]:
    """Search along `direction` from `params`; returns the last trial and whether it satisfies Wolfe-Powell.

    `origin` is the function at step 0; its slope must be negative. All in the units of the loss.
    """

    def evaluate(step):
        value, gradient = value_and_grad(optax.tree.add_scale(params, step, direction))
        return Point(step, value, dot(gradient, direction)), gradient

    def advance(search):
        too_far = _too_far(how, search.trial, origin)
        limit = jnp.where(too_far, search.trial.step, search.limit)
        step = jnp.where(too_far, _interpolate(how, search, origin), _extrapolate(how, search))
        base = jax.tree.map(lambda a, b: jnp.where(too_far, a, b), search.base, search.trial)
        return Search(*evaluate(step), base, limit, search.evaluations + 1)

    def unfinished(search):
        return ~_accepted(how, search.trial, origin) & (search.evaluations <= how.max_evaluations)

    start = Search(*evaluate(first_step), origin, jnp.full_like(first_step, jnp.inf), jnp.int32(1))
    search = jax.lax.while_loop(unfinished, advance, start)
    return search, _accepted(how, search.trial, origin)


def _too_far(how: WolfePowell, trial: Point, origin: Point):
    """Beyond a minimum: the value is too high (or not a number) or the slope already rises too much."""
    low_enough = trial.value <= origin.value + trial.step * how.rho * origin.slope
    return ~low_enough | (trial.slope > -how.sig * origin.slope)


def _accepted(how: WolfePowell, trial: Point, origin: Point):
    return ~_too_far(how, trial, origin) & (trial.slope > how.sig * origin.slope)


def _cubic(trial: Point, base: Point):
    """Coefficients of the cubic through both points with both slopes."""
    width = base.step - trial.step  # negative: the base lies to the left
    A = 6 * (trial.value - base.value) / width + 3 * (trial.slope + base.slope)
    B = 3 * (base.value - trial.value) - width * (base.slope + 2 * trial.slope)
    return A, B, width


def _interpolate(how: WolfePowell, search: Search, origin: Point):
    """The minimum of a polynomial between base and trial, kept off both ends."""
    trial, base = search.trial, search.base
    A, B, width = _cubic(trial, base)
    quadratic = width - 0.5 * base.slope * width**2 / (base.slope * width + trial.value - base.value)
    cubic = (jnp.sqrt(B * B - A * trial.slope * width**2) - B) / A
    move = jnp.where(trial.value > origin.value, quadratic, cubic)
    move = jnp.where(jnp.isfinite(move), move, width / 2)
    return trial.step + jnp.clip(move, (1 - how.interpolate) * width, how.interpolate * width)


def _extrapolate(how: WolfePowell, search: Search):
    """The minimum of a cubic beyond the trial, within `extrapolate` and short of the known limit."""
    trial, limit = search.trial, search.limit
    A, B, width = _cubic(trial, search.base)
    move = -trial.slope * width**2 / (B + jnp.sqrt(B * B - A * trial.slope * width**2))
    bounded = jnp.isfinite(limit)
    farthest = jnp.where(bounded, limit - trial.step, trial.step * (how.extrapolate - 1))
    least, most = -how.interpolate * width, (1 - how.interpolate) * farthest
    inside = jnp.where(move < least, least, jnp.where(bounded & (move < most), most, move))
    fallback = jnp.where(bounded, farthest / 2, farthest)
    usable = jnp.isfinite(move) & (move >= 0) & (move <= farthest)
    return trial.step + jnp.where(usable, inside, fallback)
