"""Hessian-free optimisation: Newton steps by conjugate gradients on Gauss-Newton products  [martens2010hf].

No kept library has it. Left out: the diagonal preconditioner of section 4.7.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, PyTree

from repro.training.fit import Trainer, by_minibatch
from repro.training.objective import Objective, gauss_newton, n_chunks, new_damping
from repro.typed import choice

PRODUCT, FORWARD = 4 / 3, 1 / 3  # matrix products of one product G v, one loss, over those of one gradient


@choice
class HessianFree:
    """Defaults are those of the author's program for these networks   [martens2010code]."""

    damping: float = 45.0  # at first
    damp: float = 1.5  # by which damping grows or shrinks  [martens2010hf, section 4.1]
    max_iterations: int = 250  # of conjugate gradients
    tolerance: float = 0.0005  # relative progress per iteration at which they stop
    decay: float = 0.95  # of the last solution, where the next search starts
    share: float = 0.25  # of the minibatch that curvature is measured on
    keep: float = 1.3  # iterates number ⌈keep^j⌉ are kept for backtracking  [martens2010hf, section 4.6]
    shrink: float = 0.8  # of the line search along the step
    promise: float = 0.01  # what of the slope's promise ends it
    max_shrinks: int = 60
    kind: Literal["hf"] = "hf"


class HessianFreeState(NamedTuple):
    """What the next update needs."""

    params: PyTree
    solution: Float[Array, " P"]  # of the last conjugate gradients
    damping: Float[Array, ""]


class Solved(NamedTuple):
    """Conjugate gradients while they run: A x ≈ b."""

    x: Float[Array, " P"]
    residual: Float[Array, " P"]  # b - A x
    direction: Float[Array, " P"]
    values: Float[Array, " I"]  # φ(x) = ½ x.A.x - b.x after each iteration
    kept: Float[Array, "K P"]  # iterates for backtracking
    n_kept: Int[Array, ""]
    iterations: Int[Array, ""]


def hessian_free_trainer(objective: Objective, config: HessianFree) -> Trainer:
    """One Newton step per minibatch, which should be large: gradient and loss are those of all its cases,
    curvature that of the first `share` of them, which the shuffling draws anew for every update.

    Info: `loss`, before the update; `damping`; `iterations` of conjugate gradients; `evaluations`, all
    matrix products in units of those of the loss with its gradient.
    """

    def init(key, params, inputs):
        del key
        flat, _ = ravel_pytree(params)
        return HessianFreeState(params, jnp.zeros_like(flat), jnp.asarray(config.damping, inputs.dtype))

    def step(key, state, batch, n):
        del key, n
        flat, unravel = ravel_pytree(state.params)
        value, gradient = jax.value_and_grad(lambda flat: objective.value(unravel(flat), batch))(flat)
        part = batch[: max(1, round(config.share * len(batch)))]
        product = gauss_newton(objective, state.params, part)

        def curve(v):
            return ravel_pytree(product(unravel(v)))[0]

        solved = solve(
            lambda v: curve(v) + state.damping * v, -gradient, config.decay * state.solution, config
        )

        def loss(p):
            return objective.value(unravel(flat + p), batch)

        chosen, reached, n_back = backtrack(solved, loss)
        promised = gradient @ chosen + 0.5 * chosen @ curve(chosen)
        length, n_line = shorten(config, loss, chosen, value, reached, gradient @ chosen)
        n_losses = (n_back + n_line).astype(value.dtype)
        each = PRODUCT if n_chunks(len(part)) == 1 else PRODUCT + FORWARD  # linearised anew
        products = each * len(part) / len(batch) * (solved.iterations + 2).astype(value.dtype)
        info = {
            "loss": value,
            "damping": state.damping,
            "iterations": solved.iterations,
            "evaluations": 1 + products + FORWARD * n_losses,
        }
        damping = new_damping(state.damping, (reached - value) / promised, config.damp)
        return HessianFreeState(unravel(flat + length * chosen), solved.x, damping), info

    return by_minibatch(init, step)


def marks(config: HessianFree) -> list[int]:
    """The iterations whose iterates are kept."""
    powers = (math.ceil(config.keep**j) for j in itertools.count())
    return sorted(set(itertools.takewhile(lambda i: i <= config.max_iterations, powers)))


def solve(product: Callable, b: Float[Array, " P"], start: Float[Array, " P"], config: HessianFree) -> Solved:
    """Conjugate gradients on A x = b until φ has fallen by less than `tolerance` per iteration, relative to
    its value, over the last max(10, i/10) iterations   [martens2010hf, section 4.4].
    """
    places = marks(config)
    at = np.full(config.max_iterations + 1, len(places))  # where iterate i is kept; beyond: nowhere
    at[places] = np.arange(len(places))

    def iterate(s: Solved) -> Solved:
        bent = product(s.direction)
        squared = s.residual @ s.residual
        length = squared / (s.direction @ bent)
        x = s.x + length * s.direction
        residual = s.residual - length * bent
        direction = residual + (residual @ residual) / squared * s.direction
        i = s.iterations + 1
        values = s.values.at[i].set(-0.5 * (x @ (b + residual)))
        kept = s.kept.at[jnp.asarray(at)[i]].set(x, mode="drop")
        n_kept = s.n_kept + jnp.asarray(at < len(places), jnp.int32)[i]
        return Solved(x, residual, direction, values, kept, n_kept, i)

    def unfinished(s: Solved):
        i = s.iterations
        back = jnp.maximum(10, i // 10)
        progress = s.values[i] - s.values[jnp.maximum(i - back, 0)]
        allowed = config.tolerance * back.astype(b.dtype) * s.values[i]
        slow = (i > back) & (s.values[i] < 0) & (progress > allowed)
        return (i < config.max_iterations) & ~slow & (s.residual @ s.residual > 0)

    residual = b - product(start)
    values = jnp.zeros(config.max_iterations + 1, b.dtype).at[0].set(-0.5 * (start @ (b + residual)))
    zero = jnp.int32(0)
    nothing_kept = jnp.zeros((len(places), len(b)), b.dtype)
    return jax.lax.while_loop(
        unfinished, iterate, Solved(start, residual, residual, values, nothing_kept, zero, zero)
    )


def backtrack(solved: Solved, loss: Callable) -> tuple[Float[Array, " P"], Float[Array, ""], Array]:
    """From the last iterate back through those kept, as long as the loss falls   [section 4.6]: the best, its
    loss, and how many losses were computed.
    """

    def earlier(state):
        best, lowest, _, at = state
        trial = solved.kept[at]
        value = loss(trial)
        better = value <= lowest
        return jnp.where(better, trial, best), jnp.where(better, value, lowest), better, at - 1

    def going(state):
        return state[2] & (state[3] >= 0)

    last = solved.n_kept - 1
    start = (solved.x, loss(solved.x), jnp.asarray(True), last)
    best, lowest, _, at = jax.lax.while_loop(going, earlier, start)
    return best, lowest, last - at + 1


def shorten(
    config: HessianFree, loss: Callable, step, value, reached, slope
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """The largest power of `shrink` by which the step, times it, lowers the loss by `promise` times what the
    slope promises; 0 if there is none. Also how many losses were computed.
    """

    def missed(state):
        length, reached, n = state
        return ~(reached <= value + config.promise * length * slope) & (n < config.max_shrinks)

    def shrink(state):
        length, _, n = state
        return config.shrink * length, loss(config.shrink * length * step), n + 1

    state = jax.lax.while_loop(missed, shrink, (jnp.ones_like(value), reached, jnp.int32(0)))
    length, reached, n = state
    return jnp.where(missed((length, reached, jnp.int32(0))), 0.0, length), n
