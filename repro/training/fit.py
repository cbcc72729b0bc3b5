"""The one loop: epochs of minibatches, for one seed or for several side by side.

Randomness is addressed by coordinates: the key of a batch depends on the seed, the epoch and the number
of the batch alone, so a run continued from epoch e is bit for bit the run that was never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, Key, PyTree

from repro.errors import TooFewCasesError
from repro.training.compiling import compile_ahead, jitted, options
from repro.training.counts import Counts
from repro.training.labelled import Labelled

NO_EPOCH = 2**32 - 1  # the address of the key that `init` gets


class Trainer(NamedTuple):
    """A way to learn. The state it keeps has a field `params`."""

    init: Callable[..., Any]  # key, params, inputs [N V] -> state
    # key, state, inputs [N V], members of the minibatches [batches B], updates so far, which are as many for
    # all seeds -> state, infos (a dict of [batches] each)
    epoch: Callable[..., tuple[Any, dict]]


def by_minibatch(init: Callable, step: Callable) -> Trainer:
    """The trainer that takes one step after another: key, state, batch [B V], updates so far -> state, info
    (a dict of scalars).
    """

    def epoch(key, state, inputs, order, n_before):
        def one(state, numbered):
            j, members = numbered
            return step(jr.fold_in(key, j), state, inputs[members], n_before + j)

        return jax.lax.scan(one, state, (jnp.arange(len(order), dtype=jnp.int32), order))

    return Trainer(init, epoch)


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
    inputs: Float[Array, "*seeds N V"] | Counts | Labelled,
    *,
    n_epochs: int,
    batch_size: int,
    measure: Callable[[PyTree], dict] | None = None,
    shuffle: bool = True,
    report_every: int = 1,
    enough: Callable[[Fitted], bool] = lambda _: False,
    phase: str = "fit",
    monitor: Monitor = UNWATCHED,
) -> Fitted:
    """Train for n_epochs on inputs shared by all seeds, [N V], or given for each, [S N V]; from
    parameters, or on from what training for fewer epochs has come to.

    Minibatches are drawn anew for every epoch, or without `shuffle` are the cases as they lie, cut.
    `measure` maps params (leading axis S) to scores [S]; it is asked after every `report_every` epochs and
    after the last. A seed whose infos or scores are no longer finite has diverged: from that report on its
    parameters are not numbers either, so that whatever is made of them shows it, and the other seeds go on;
    training ends where none is left. After a report `enough` may end the training early.

    Raises:
        TooFewCasesError: if a minibatch is larger than the data.
    """
    if batch_size > inputs.shape[-2]:
        too_large = f"batch_size {batch_size} is larger than the {inputs.shape[-2]} cases"
        raise TooFewCasesError(f"{too_large}: lower it")
    over, n_seeds = None if inputs.ndim == 2 else 0, len(keys)
    keys, inputs = place(n_seeds, keys, 0), place(n_seeds, inputs, over)
    if not isinstance(start, Fitted):
        keys_init = jax.vmap(jr.fold_in, (0, None))(keys, NO_EPOCH)
        state = jitted(over_seeds(trainer.init, (0, 0, over)))(keys_init, start, inputs)
        start = Fitted(state, {}, np.zeros(0), np.zeros(0), diverged=np.full(len(keys), -1))
    fitted = monitor.restore(phase, start._replace(state=place(n_seeds, start.state, 0)))
    if fitted.over(n_epochs) or (fitted.n_epochs and enough(fitted)):
        return fitted
    draw = partial(minibatches, n_cases=inputs.shape[-2], batch_size=batch_size, shuffle=shuffle)
    began, i = time.perf_counter(), place(n_seeds, jnp.int32(fitted.n_epochs), None)
    epoch = over_seeds(partial(one_epoch, trainer), (0, over, 0, None))
    epoch, _ = compile_ahead(epoch, fitted.state, inputs, draw(keys, i)[0], i)
    fitted = fitted._replace(compile_seconds=fitted.compile_seconds + time.perf_counter() - began)

    def train(state, i):
        drawn, following = draw(keys, i)
        return *epoch(state, inputs, drawn, i), following

    while not fitted.over(n_epochs):
        due = min(fitted.n_epochs - fitted.n_epochs % report_every + report_every, n_epochs)
        fitted = _report(fitted, train, due, measure)
        monitor.epoch_done(phase, fitted, n_epochs)
        if enough(fitted):
            break
    return fitted


def _report(fitted: Fitted, epoch: Callable, due: int, measure: Callable | None) -> Fitted:
    """Train until `due` epochs are done, the host out of the way; one more entry in every curve."""
    i = place(len(fitted.diverged), jnp.int32(fitted.n_epochs), None)
    state, infos, began = fitted.state, [], time.perf_counter()
    with jax.transfer_guard("disallow"):
        for _ in range(fitted.n_epochs, due):
            state, info, i = epoch(state, i)
            infos.append(info)
        jax.block_until_ready(state)
    seconds = time.perf_counter() - began
    infos = jax.device_get(infos)
    mean = jax.tree.map(lambda *each: np.mean(each, axis=0), *infos)
    scores = measure(state.params) if measure else {}
    diverged = _diverged(fitted, [*infos, scores], due)
    if np.any(diverged != fitted.diverged):
        state = state._replace(params=_no_numbers(state.params, diverged >= 0))
    latest = {**mean, **{name: np.where(diverged >= 0, np.nan, x) for name, x in scores.items()}}
    curves = {
        name: np.concatenate([fitted.curves.get(name, np.zeros((len(x), 0))), np.asarray(x)[:, None]], axis=1)
        for name, x in sorted(latest.items())  # as a checkpoint gives them back
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


def one_epoch(trainer, state, inputs, drawn, i):
    """Epoch i: every case once, in the order of its `minibatches`, but for the ragged tail that fills none.
    Gives the state, and the infos averaged over the minibatches.
    """
    key, order = drawn
    state, infos = trainer.epoch(key, state, inputs, order, i * len(order))
    return state, jax.tree.map(lambda x: jnp.mean(x.astype(jnp.float32), axis=0), infos)


def minibatches(
    keys: Key[Array, " S"], i: Int[Array, ""], *, n_cases: int, batch_size: int, shuffle: bool = True
):
    """For each seed the key of the steps of epoch i, [S], and the members of its minibatches, [S batches B];
    and i + 1.

    A program of its own, so that fits of one size share it: it takes longer to compile than most trainers.
    """
    return _drawing(n_cases, batch_size, shuffle, tuple(options(seldom=True).items()))(keys, i)


@lru_cache
def _drawing(n_cases: int, batch_size: int, shuffle: bool, asked: tuple[tuple[str, Any], ...]) -> Callable:
    """The program that draws them, compiled as is asked."""

    def draw(keys, i):
        def of_seed(key):
            key_order, key_steps = jr.split(jr.fold_in(key, i))
            return key_steps, batch_order(key_order, n_cases, batch_size, shuffle=shuffle)

        return over_seeds(of_seed, (0,))(keys), i + 1

    return jax.jit(draw, compiler_options=dict(asked))


def batch_order(
    key: Key[Array, ""], n_cases: int, batch_size: int, *, shuffle: bool = True
) -> Int[Array, "batches B"]:
    """Which cases form which minibatch: a random permutation, or the cases as they lie, cut; the ragged tail
    is dropped.
    """
    cases = jr.permutation(key, n_cases) if shuffle else jnp.arange(n_cases)
    n_batches = n_cases // batch_size
    return cases[: n_batches * batch_size].reshape(n_batches, batch_size)


def beside(tree: PyTree, n: int) -> PyTree:
    """Every leaf [S ...] as [S n ...]: each seed n times side by side."""
    return tree if n == 1 else jitted(partial(jax.tree.map, lambda x: jnp.repeat(x, n, axis=0)))(tree)


def mesh_of(n_seeds: int) -> Mesh | None:
    """As many devices of this machine as share the seeds evenly; None if that is one."""
    n = max(n for n in range(1, jax.local_device_count() + 1) if n_seeds % n == 0)
    return Mesh(np.array(jax.local_devices()[:n]), ("seeds",)) if n > 1 else None


def place(n_seeds: int, tree: PyTree, axis: int | None) -> PyTree:
    """Arrays where `over_seeds` wants them: each seed's on its device, or with axis None all on every one."""
    mesh = mesh_of(n_seeds)
    return tree if mesh is None else jax.device_put(tree, NamedSharding(mesh, _spec(axis)))


def _spec(axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec("seeds")


def over_seeds(function: Callable, in_axes: tuple) -> Callable:
    """`function` mapped over the leading axis S of the arguments marked 0; of several devices each has its
    share of the seeds, and loops of its own.

    One seed alone is computed without a mapped axis, which XLA compiles to faster CPU code (2.0 s
    instead of 2.5 s for a CD epoch of 784 x 1000 units on two cores); the numbers are the same.
    """

    def on_one_device(*args):
        if _n_seeds(args, in_axes) > 1:
            return jax.vmap(function, in_axes)(*args)
        alone = (
            jax.tree.map(lambda a: a[0], x) if axis == 0 else x for x, axis in zip(args, in_axes, strict=True)
        )
        return jax.tree.map(lambda a: a[None], function(*alone))

    def mapped(*args):
        mesh = mesh_of(_n_seeds(args, in_axes))
        if mesh is None:
            return on_one_device(*args)
        specs = tuple(map(_spec, in_axes))
        return jax.shard_map(on_one_device, mesh=mesh, in_specs=specs, out_specs=_spec(0), check_vma=False)(
            *args
        )

    return mapped


def _n_seeds(args: tuple, in_axes: tuple) -> int:
    return next(len(jax.tree.leaves(x)[0]) for x, axis in zip(args, in_axes, strict=True) if axis == 0)
