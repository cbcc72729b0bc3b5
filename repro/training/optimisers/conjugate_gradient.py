"""Nonlinear conjugate gradients as the 2006 program used them: Polak-Ribière directions, a fixed number of
line searches on each minibatch, restarted at each.

No kept library has this exact method: optax keeps no conjugate gradients, optimistix's has another line
search. An epoch is one loop of one evaluation a turn, in which every seed is at a minibatch and a line search
of its own: seeds side by side cost as many turns as the one that needs most in all, not in each search.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PyTree

from repro.training.fit import Trainer
from repro.training.optimisers.line_search import Line, Point, WolfePowell, accepted, further, start_of
from repro.typed import choice

TURNS = 16  # between two questions to the host of an accelerator whether the epoch is over


@choice
class ConjugateGradient:
    """Defaults are those of the authors' program   [hinton2006code, backprop.m]."""

    n_line_searches: int = 3  # for each minibatch
    line_search: WolfePowell = WolfePowell()
    kind: Literal["cg"] = "cg"


class ConjugateGradientState(NamedTuple):
    """Nothing else is carried from one minibatch to the next."""

    params: PyTree


class _Turn(NamedTuple):
    """Before an evaluation: of the loss at the start of a minibatch, or of a trial on a line."""

    minibatch: Int[Array, ""]
    fresh: Bool[Array, ""]  # nothing has been evaluated on this minibatch
    params: Float[Array, " P"]  # where the line begins
    gradient: Float[Array, " P"]  # there
    direction: Float[Array, " P"]
    line: Line
    n_searches: Int[Array, ""]  # over, on this minibatch
    failures: Int[Array, ""]  # line searches that failed since the last that did not
    losses: Float[Array, " batches"]  # before the update
    evaluations: Int[Array, " batches"]
    failed: Int[Array, " batches"]  # line searches


def conjugate_gradient_trainer(loss: Callable[..., Float[Array, ""]], how: ConjugateGradient) -> Trainer:
    """Descends `loss(params, batch)` by conjugate gradients   [hinton2006code, minimize.m and backprop.m].

    The network's weights are one vector. The first search on a minibatch goes down the gradient g with first
    step 1 / (1 + |g|²); after a failed search the next goes down the gradient again; after two in a row there
    is no other. Info: `loss`, before the update; `evaluations` of the loss with its gradient;
    `failed_searches`.
    """

    def init(key, params, inputs):
        del key, inputs
        return ConjugateGradientState(params)

    def epoch(key, state, inputs, order, n_before):
        del key, n_before
        params, unravel = ravel_pytree(state.params)
        n_turns = 1 if jax.default_backend() == "cpu" else TURNS

        def unfinished(turn):
            return turn.minibatch < len(order)

        def evaluate(turn):
            batch = inputs[order[jnp.minimum(turn.minibatch, len(order) - 1)]]
            along = turn.params + turn.line.step * turn.direction
            at = jnp.where(turn.fresh, turn.params, along)  # the direction may be no number
            return at, *jax.value_and_grad(lambda flat: loss(unravel(flat), batch))(at)

        def advance(_, turn):
            after = _after(how, turn, *evaluate(turn))
            return jax.tree.map(lambda new, old: jnp.where(unfinished(turn), new, old), after, turn)

        zero, none, nowhere = jnp.zeros((), params.dtype), jnp.int32(0), jnp.zeros_like(params)
        begun = _Turn(
            minibatch=none,
            fresh=jnp.bool(True),
            params=params,
            gradient=nowhere,
            direction=nowhere,
            line=start_of(Point(zero, zero, zero), zero),
            n_searches=none,
            failures=none,
            losses=jnp.zeros(len(order), params.dtype),
            evaluations=jnp.zeros(len(order), jnp.int32),
            failed=jnp.zeros(len(order), jnp.int32),
        )
        ended = jax.lax.while_loop(unfinished, partial(jax.lax.fori_loop, 0, n_turns, advance), begun)
        infos = {"loss": ended.losses, "evaluations": ended.evaluations, "failed_searches": ended.failed}
        return ConjugateGradientState(unravel(ended.params)), infos

    return Trainer(init, epoch)


def _after(how: ConjugateGradient, turn: _Turn, at, value, gradient) -> _Turn:
    """What follows from an evaluation: the next trial, the next line search, or the next minibatch."""
    line = turn.line
    trial = Point(line.step, value, gradient @ turn.direction)
    success = ~turn.fresh & accepted(how.line_search, trial, line.origin)
    failure = ~turn.fresh & ~success & (line.evaluations >= how.line_search.max_evaluations)
    onward = turn.fresh | success  # the next line begins here
    here = jnp.where(onward, gradient, turn.gradient)
    steepest = _steepest(here, jnp.where(onward, value, line.origin.value))
    conjugate = _conjugate(how.line_search, turn, trial, gradient)
    direction, begun = jax.tree.map(lambda a, b: jnp.where(success, a, b), conjugate, steepest)
    over = onward | failure
    searched = further(how.line_search, line, trial)
    n_searches = jnp.where(success | failure, turn.n_searches + 1, turn.n_searches)
    failures = jnp.where(failure, turn.failures + 1, jnp.where(onward, 0, turn.failures))
    done = (n_searches == how.n_line_searches) | (failures == 2)
    next_line = jax.tree.map(lambda a, b: jnp.where(over, a, b), begun, searched)
    return _Turn(
        minibatch=jnp.where(done, turn.minibatch + 1, turn.minibatch),
        fresh=done,
        params=jnp.where(success, at, turn.params),
        gradient=here,
        direction=jnp.where(over, direction, turn.direction),
        line=next_line._replace(step=jnp.where(done, 0, next_line.step)),
        n_searches=jnp.where(done, 0, n_searches),
        failures=jnp.where(done, 0, failures),
        losses=turn.losses.at[turn.minibatch].set(jnp.where(turn.fresh, value, turn.losses[turn.minibatch])),
        evaluations=turn.evaluations.at[turn.minibatch].add(1),
        failed=turn.failed.at[turn.minibatch].add(failure.astype(jnp.int32)),
    )


def _steepest(gradient, value) -> tuple[Float[Array, " P"], Line]:
    """The line down the gradient."""
    slope = -(gradient @ gradient)
    return -gradient, start_of(Point(jnp.zeros_like(value), value, slope), 1 / (1 - slope))


def _conjugate(how: WolfePowell, turn: _Turn, trial: Point, gradient) -> tuple[Float[Array, " P"], Line]:
    """The line in the Polak-Ribière direction from the trial point."""
    old, slope_before = turn.gradient, turn.line.origin.slope
    beta = (gradient @ gradient - old @ gradient) / (old @ old)
    direction = beta * turn.direction - gradient
    direction = jnp.where(gradient @ direction <= 0, direction, -gradient)
    slope = gradient @ direction
    tiny = jnp.finfo(slope.dtype).tiny
    first_step = trial.step * jnp.minimum(how.ratio, slope_before / (slope - tiny))
    return direction, start_of(Point(jnp.zeros_like(trial.value), trial.value, slope), first_step)
