"""The one loop: epochs of minibatches, for one seed or for several side by side.

Randomness is addressed by coordinates: the key of a batch depends on the seed, the epoch and the number
of the batch alone, so a run continued from epoch e is bit for bit the run that was never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

NO_EPOCH = 2**32 - 1  # the address of the key that `init` gets


class Trainer(NamedTuple):
    """A way to learn. The state it keeps has a field `params`."""

    init: Callable[..., Any]  # key, params, inputs [N V] -> state
    step: Callable[..., tuple[Any, dict]]  # key, state, batch [B V] -> state, info (a dict of scalars)


class Fitted(NamedTuple):
    """Training so far: what continues it, and what it has shown."""

    state: Any  # the trainer's state, every leaf with leading axis S
    curves: dict[str, np.ndarray]  # [S, reports]: info averaged over the batches since the last, and measures
    seconds: np.ndarray  # [reports] of training alone since the last: no compilation, no measuring
    epochs: np.ndarray  # [reports]: epochs done at each
    compile_seconds: float = 0.0
    diverged: np.ndarray = np.zeros(
        0, int
    )  # [S]: the epoch, from 1, at which values ceased to be numbers, or -1

    @property
    def n_epochs(self) -> int:
        """Epochs done."""
        return int(self.epochs[-1]) if len(self.epochs) else 0

    def over(self, n_epochs: int) -> bool:
        """Whether there is nothing left to train: enough epochs, or no seed that has not diverged."""
        return self.n_epochs >= n_epochs or (len(self.diverged) > 0 and bool((self.diverged >= 0).all()))


class Monitor:
    """Who watches a long fit: shows progress, keeps checkpoints. This one does neither."""

    def restore(self, phase: str, start: Fitted) -> Fitted:
        """What an interrupted run of this phase had reached; `start` if there was none."""
        del phase
        return start

    def epoch_done(self, phase: str, fitted: Fitted, n_epochs: int) -> None:
        """Called after every report."""

    def sharing(self, work: str) -> Monitor:
        """Who watches work that other runs may do too, word for word; `work` tells it from all other.

        What this one restores may be finished: a state with nothing but `params`.
        """
        del work
        return self


UNWATCHED = Monitor()


def fit(
    keys: Key[Array, " S"],
    trainer: Trainer,
    start: PyTree | Fitted,
    inputs: Float[Array, "*seeds N V"],
    *,
    n_epochs: int,
    batch_size: int,
    measure: Callable[[PyTree], dict] | None = None,
    report_every: int = 1,
    enough: Callable[[Fitted], bool] = lambda _: False,
    phase: str = "fit",
    monitor: Monitor = UNWATCHED,
) -> Fitted:
    """Train for n_epochs on inputs shared by all seeds, [N V], or given for each, [S N V]; from
    parameters, or on from what training for fewer epochs has come to.

    `measure` maps params (leading axis S) to scores [S]; it is asked after every `report_every` epochs and
    after the last. A seed whose infos or scores are no longer finite has diverged: from that report on its
    parameters are not numbers either, so that whatever is made of them shows it, and the other seeds go on;
    training ends where none is left. After a report `enough` may end the training early.

    Raises:
        ValueError: if a minibatch is larger than the data.
    """
    if batch_size > inputs.shape[-2]:
        raise ValueError(f"batch_size {batch_size} is larger than the {inputs.shape[-2]} cases")
    over = None if inputs.ndim == 2 else 0
    if not isinstance(start, Fitted):
        keys_init = jax.vmap(jr.fold_in, (0, None))(keys, NO_EPOCH)
        state = jax.jit(over_seeds(trainer.init, (0, 0, over)))(keys_init, start, inputs)
        start = Fitted(state, {}, np.zeros(0), np.zeros(0), diverged=np.full(len(keys), -1))
    fitted = monitor.restore(phase, start)
    if fitted.over(n_epochs) or (fitted.n_epochs and enough(fitted)):
        return fitted
    draw = partial(minibatches, n_cases=inputs.shape[-2], batch_size=batch_size)
    epoch, began = over_seeds(partial(one_epoch, trainer), (0, over, 0)), time.perf_counter()
    epoch, _ = compile_ahead(epoch, fitted.state, inputs, draw(keys, jnp.int32(0)))
    fitted = fitted._replace(compile_seconds=fitted.compile_seconds + time.perf_counter() - began)
    while not fitted.over(n_epochs):
        due = min(fitted.n_epochs - fitted.n_epochs % report_every + report_every, n_epochs)
        fitted = _report(fitted, lambda state, i: epoch(state, inputs, draw(keys, i)), due, measure)
        monitor.epoch_done(phase, fitted, n_epochs)
        if enough(fitted):
            break
    return fitted


def _report(fitted: Fitted, epoch: Callable, due: int, measure: Callable | None) -> Fitted:
    """Train until `due` epochs are done; one more entry in every curve."""
    state, infos, began = fitted.state, [], time.perf_counter()
    for i in range(fitted.n_epochs, due):
        state, info = jax.block_until_ready(epoch(state, jnp.int32(i)))
        infos.append(info)
    seconds = time.perf_counter() - began
    mean = jax.tree.map(lambda *each: np.mean(each, axis=0), *infos)
    scores = measure(state.params) if measure else {}
    diverged = _diverged(fitted, [*infos, scores], due)
    if np.any(diverged != fitted.diverged):
        state = state._replace(params=_no_numbers(state.params, diverged >= 0))
    latest = {**mean, **{name: np.where(diverged >= 0, np.nan, x) for name, x in scores.items()}}
    curves = {
        name: np.concatenate([fitted.curves.get(name, np.zeros((len(x), 0))), np.asarray(x)[:, None]], axis=1)
        for name, x in latest.items()
    }
    return fitted._replace(
        state=state,
        curves=curves,
        seconds=np.append(fitted.seconds, seconds),
        epochs=np.append(fitted.epochs, due),
        diverged=diverged,
    )


def _diverged(before: Fitted, shown: list[dict], due: int) -> np.ndarray:
    """For each seed the first epoch of those shown since `before` that has a value which is not finite."""
    diverged = before.diverged
    for i, values in enumerate(shown, before.n_epochs + 1):
        finite = np.all([np.isfinite(x) for x in values.values()], axis=0)
        diverged = np.where((diverged < 0) & ~finite, min(i, due), diverged)
    return diverged


def _no_numbers(params: PyTree, where: np.ndarray) -> PyTree:
    """Parameters with leading axis S, those of the seeds at `where` replaced by NaN."""

    def replaced(x):
        mask = where.reshape(-1, *[1] * (x.ndim - 1))
        return jnp.where(mask, jnp.full_like(x, jnp.nan), x) if jnp.issubdtype(x.dtype, jnp.inexact) else x

    return jax.tree.map(replaced, params)


def one_epoch(trainer, state, inputs, drawn):
    """Every case once, in the order of its `minibatches`, but for the ragged tail that fills none."""
    key, order = drawn

    def step(state, numbered):
        j, members = numbered
        return trainer.step(jr.fold_in(key, j), state, inputs[members])

    state, info = jax.lax.scan(step, state, (jnp.arange(len(order)), order))
    return state, jax.tree.map(lambda x: jnp.mean(x.astype(jnp.float32), axis=0), info)


@partial(jax.jit, static_argnames=("n_cases", "batch_size"))
def minibatches(keys: Key[Array, " S"], i: Int[Array, ""], *, n_cases: int, batch_size: int):
    """For each seed the key of the steps of epoch i, [S], and the members of its minibatches, [S batches B].

    A program of its own, so that fits of one size share it: it takes longer to compile than most trainers.
    """

    def of_seed(key):
        key_order, key_steps = jr.split(jr.fold_in(key, i))
        return key_steps, batch_order(key_order, n_cases, batch_size)

    return jax.vmap(of_seed)(keys)


def batch_order(key: Key[Array, ""], n_cases: int, batch_size: int) -> Int[Array, "batches B"]:
    """Which cases form which minibatch: a random permutation, cut; the ragged tail is dropped."""
    n_batches = n_cases // batch_size
    return jr.permutation(key, n_cases)[: n_batches * batch_size].reshape(n_batches, batch_size)


def over_seeds(function: Callable, in_axes: tuple) -> Callable:
    """`function` mapped over the leading axis S of the arguments marked 0.

    One seed alone is computed without a mapped axis, which XLA compiles to faster CPU code (2.0 s
    instead of 2.5 s for a CD epoch of 784 x 1000 units on two cores); the numbers are the same.
    """

    def mapped(*args):
        n_seeds = next(len(jax.tree.leaves(x)[0]) for x, axis in zip(args, in_axes, strict=True) if axis == 0)
        if n_seeds > 1:
            return jax.vmap(function, in_axes)(*args)
        alone = (
            jax.tree.map(lambda a: a[0], x) if axis == 0 else x for x, axis in zip(args, in_axes, strict=True)
        )
        return jax.tree.map(lambda a: a[None], function(*alone))

    return mapped


def compile_ahead(function: Callable, *args) -> tuple[Callable, float]:
    """The compiled function for arguments like these, and the seconds that compiling took."""
    began = time.perf_counter()
    compiled = jax.jit(function).lower(*args).compile()
    return compiled, time.perf_counter() - began
