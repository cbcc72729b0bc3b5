"""Nonlinear conjugate gradients as the 2006 program used them, as an optax transformation.

No kept library has this exact method: optax keeps no conjugate gradients, optimistix's has another line
search. Polak-Ribière directions, a fixed number of line searches per minibatch, restarted at each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from repro.training.optimisers.line_search import Point, WolfePowell, dot, line_search
from repro.typed import choice


@choice
class ConjugateGradient:
    """Defaults are those of the authors' program   [hinton2006code, backprop.m]."""

    n_line_searches: int = 3  # for each minibatch
    line_search: WolfePowell = WolfePowell()
    kind: Literal["cg"] = "cg"


class ConjugateGradientState(NamedTuple):
    """Nothing is carried from one minibatch to the next; this is what the last one cost."""

    evaluations: Int[Array, ""]  # of the loss with its gradient


class _Turn(NamedTuple):
    """Between two line searches."""

    params: PyTree
    gradient: PyTree
    direction: PyTree
    here: Point  # step 0 on the coming line
    first_step: Float[Array, ""]
    failures: Int[Array, ""]  # line searches that failed since the last that did not
    evaluations: Int[Array, ""]


def conjugate_gradient(how: ConjugateGradient) -> optax.GradientTransformationExtraArgs:
    """Polak-Ribière conjugate gradients   [hinton2006code, minimize.m and backprop.m].

    The network's weights are one vector. `update` takes optax's extra arguments `value` and `value_fn`
    (the loss of this minibatch as a function of the parameters) and returns the whole way travelled.
    The first search goes down the gradient g with first step 1 / (1 + |g|²); after a failed search the
    next goes down the gradient again; after two in a row there is no other.
    """

    def init(params):
        del params
        return ConjugateGradientState(jnp.int32(0))

    def update(updates, state, params=None, **extra_args):
        del state
        start = _steepest(updates, extra_args["value"])
        turn = _Turn(params, updates, *start, failures=jnp.int32(0), evaluations=jnp.int32(1))
        body = _next_turn(how.line_search, jax.value_and_grad(extra_args["value_fn"]))

        def unfinished(numbered):
            return (numbered[0] < how.n_line_searches) & (numbered[1].failures < 2)

        _, turn = jax.lax.while_loop(unfinished, lambda n: (n[0] + 1, body(n[1])), (0, turn))
        return optax.tree.sub(turn.params, params), ConjugateGradientState(turn.evaluations)

    return optax.GradientTransformationExtraArgs(init, update)


def _steepest(gradient, value):
    """Down the gradient: direction, origin of the line, first step."""
    slope = -dot(gradient, gradient)
    return optax.tree.scale(-1, gradient), Point(jnp.zeros_like(value), value, slope), 1 / (1 - slope)


def _next_turn(how: WolfePowell, value_and_grad: Callable) -> Callable[[_Turn], _Turn]:
    """One line search and the choice of the next direction."""

    def turn(old: _Turn) -> _Turn:
        search, success = line_search(
            how, value_and_grad, old.params, old.direction, old.here, old.first_step
        )
        evaluations = old.evaluations + search.evaluations
        params = optax.tree.add_scale(old.params, search.trial.step, old.direction)
        onward = _conjugate(how, old, search.trial, search.gradient)
        forward = _Turn(params, search.gradient, *onward, jnp.int32(0), evaluations)
        again = _steepest(old.gradient, old.here.value)
        back = _Turn(old.params, old.gradient, *again, old.failures + 1, evaluations)
        return jax.tree.map(lambda a, b: jnp.where(success, a, b), forward, back)

    return turn


def _conjugate(how: WolfePowell, old: _Turn, trial: Point, gradient: PyTree):
    """The Polak-Ribière direction from the trial point, its line's origin and first step."""
    beta = (dot(gradient, gradient) - dot(old.gradient, gradient)) / dot(old.gradient, old.gradient)
    direction = optax.tree.add_scale(optax.tree.scale(-1, gradient), beta, old.direction)
    downhill = dot(gradient, direction) <= 0
    direction = jax.tree.map(lambda d, g: jnp.where(downhill, d, -g), direction, gradient)
    slope = dot(gradient, direction)
    tiny = jnp.finfo(slope.dtype).tiny
    first_step = trial.step * jnp.minimum(how.ratio, old.here.slope / (slope - tiny))
    return direction, Point(jnp.zeros_like(trial.value), trial.value, slope), first_step
