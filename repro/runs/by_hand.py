"""One network trained twice from the same start on the same minibatches: by gradients written out by hand,
and by those that JAX finds; both in float64.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from math import isqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key
from threadpoolctl import threadpool_limits

from repro.data.dataset import Cases, Dataset, check_classes
from repro.errors import TooFewCasesError, UserError
from repro.evaluation.derivatives import largest_relative_error, relative_errors
from repro.models import by_hand, convolutional
from repro.models.by_hand import Parameters
from repro.runs.config import ByHand
from repro.runs.outcome import Outcome, for_each
from repro.training.compiling import compile_ahead
from repro.training.fit import NO_EPOCH, UNWATCHED, Fitted, Monitor, minibatches

PHASE = "training"
SCORED = 1000  # cases at a time


class State(NamedTuple):
    """Both trainings so far; of several seeds every leaf has leading axis S."""

    by_hand: tuple[Parameters, Parameters]  # parameters and their velocity
    jax: tuple[Parameters, optax.TraceState]


class Pictures(NamedTuple):
    """Cases as square images of one channel; a minibatch of them in float64."""

    images: Float[np.ndarray, "N 1 H H"]
    labels: Int[np.ndarray, " N"]

    def some(self, members: Int[np.ndarray, " B"] | slice) -> tuple[np.ndarray, np.ndarray]:
        """Some of them."""
        return self.images[members].astype(np.float64), self.labels[members]


class Task(NamedTuple):
    """What is learnt and how, and JAX's step and logits, compiled."""

    config: ByHand
    train: Pictures
    test: Pictures
    rate: Callable[[int], float]  # of learning, after so many updates
    step: Callable[..., tuple]
    logits: Callable[..., Array]


def train_by_hand(
    config: ByHand, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Train on all training cases, score on test; one pair of networks per key.

    Raises:
        TooFewCasesError: if a minibatch is larger than the data.
        UserError: if the data cannot be classified, or are no square images.
    """
    check_classes(data)
    train, test = pictures(data, data.full_train), pictures(data, data.test)
    n_cases = len(train.labels)
    if config.batch_size > n_cases:
        too_large = f"batch_size {config.batch_size} is larger than the {n_cases} cases"
        raise TooFewCasesError(f"{too_large}: lower it")
    with jax.enable_x64(True), np.errstate(over="ignore", invalid="ignore"):  # a rate may be too high
        state = jax.tree.map(lambda *x: np.stack(x), *(start(config, train, key) for key in keys))
        task, compile_seconds = prepared(config, train, test, of_seed(state, 0))
        started = Fitted(state, {}, np.zeros(0), np.zeros(0), diverged=np.full(len(keys), -1))
        fitted = monitor.restore(PHASE, started)
        while not fitted.over(config.budget.n):
            orders = _orders(config, keys, fitted.n_epochs, n_cases)
            n_before, states = fitted.n_epochs * orders.shape[1], fitted.state
            each = [one_epoch(task, of_seed(states, i), order, n_before) for i, order in enumerate(orders)]
            fitted = _report(fitted, each)
            monitor.epoch_done(PHASE, fitted, config.budget.n)
    return _outcome(fitted, keys, n_cases // config.batch_size, compile_seconds)


def pictures(data: Dataset, cases: Cases) -> Pictures:
    """Cases as images.

    Raises:
        UserError: if they are not square.
    """
    inputs = np.asarray(cases.inputs)
    side = isqrt(inputs.shape[1])
    if side**2 != inputs.shape[1]:
        raise UserError(f"data: {data.name} has no square images: name mnist")
    return Pictures(inputs.reshape(-1, 1, side, side), cases.labels)


def start(config: ByHand, train: Pictures, key: Key[Array, ""]) -> State:
    """Both networks before training, which are the same.

    Raises:
        UserError: if the filters do not fit into the images.
    """
    side, n_classes = train.images.shape[-1], int(train.labels.max()) + 1
    if convolutional.side_of_codes(side, config.kernel) < 1:
        raise UserError(f"kernel: {config.kernel} is too large for images of {side} x {side}: lower it")
    key = jr.fold_in(key, NO_EPOCH)
    params = convolutional.random_parameters(key, config.channels, config.kernel, side, n_classes)
    velocity = jax.tree.map(np.zeros_like, params)
    return State((params, velocity), jax.device_get((params, optax.trace(config.momentum).init(params))))


def falling(config: ByHand, n_cases: int) -> Callable[[int], float]:
    """The learning rate after so many updates: it falls in a straight line, and is 0 after the last."""
    n_updates = config.budget.n * (n_cases // config.batch_size)
    return lambda n: config.learning_rate * (1 - n / n_updates)


def prepared(config: ByHand, train: Pictures, test: Pictures, state: State) -> tuple[Task, float]:
    """The task, and the seconds that it took to compile."""
    rate = falling(config, len(train.labels))

    def step(params, velocity, rate, images, labels):
        loss, gradient = jax.value_and_grad(convolutional.loss)(params, images, labels)
        downhill = jax.tree.map(lambda g: -rate * g, gradient)
        updates, velocity = optax.trace(config.momentum).update(downhill, velocity)
        return optax.apply_updates(params, updates), velocity, loss

    some = train.some(slice(config.batch_size))
    compiled, seconds = compile_ahead(step, *state.jax, rate(0), *some)
    return Task(config, train, test, rate, compiled, jax.jit(convolutional.logits)), seconds


def of_seed(state: State, i: int) -> State:
    """The state of the i-th seed."""
    return jax.tree.map(lambda x: np.asarray(x)[i], state)


def _orders(config: ByHand, keys: Key[Array, " S"], epoch: int, n_cases: int) -> Int[np.ndarray, "S b B"]:
    """For each seed the members of the minibatches of an epoch."""
    (_, orders), _ = minibatches(keys, jnp.int32(epoch), n_cases=n_cases, batch_size=config.batch_size)
    return np.asarray(orders)


def one_epoch(
    task: Task, state: State, order: Int[np.ndarray, "b B"], n_before: int
) -> tuple[State, dict[str, float]]:
    """Both networks through the same minibatches, after so many updates, and what is seen of it."""
    checks = [
        relative_errors(state.by_hand[0], *task.train.some(members))
        for members in order[: task.config.n_checked]
    ]
    shown = {f"relative_error_{name}": np.max([check[name] for check in checks]) for name in checks[0]}
    with threadpool_limits(1):  # the products are small: threads would wait for each other
        ours, losses, shown["seconds_by_hand"] = _timed(_by_hand, task, state.by_hand, order, n_before)
    theirs, losses_jax, shown["seconds_jax"] = _timed(_by_jax, task, state.jax, order, n_before)
    shown["train_cross_entropy"] = float(np.mean(losses))
    shown["train_cross_entropy_jax"] = float(np.mean(losses_jax))
    shown["relative_difference"] = largest_relative_error(ours[0], theirs[0])
    shown["test_error_percent"] = _error(task.test, lambda x: by_hand.forward(ours[0], x).logits)
    shown["test_error_percent_jax"] = _error(task.test, partial(task.logits, theirs[0]))
    return State(ours, theirs), shown


def _timed(train: Callable, *args) -> tuple[tuple, list, float]:
    """What training comes to, the losses before each update, and the seconds that it took."""
    began = time.perf_counter()
    trained, losses = jax.device_get(train(*args))
    return trained, losses, time.perf_counter() - began


def _by_hand(task: Task, state: tuple[Parameters, Parameters], order: np.ndarray, n_before: int):
    (params, velocity), losses = state, []
    for n, (images, labels) in enumerate(_batches(task, order), n_before):
        seen = by_hand.forward(params, images)
        losses.append(by_hand.cross_entropy(seen.logits, labels))
        gradient, _ = by_hand.backward(params, seen, labels)
        params, velocity = by_hand.descend(params, velocity, gradient, task.rate(n), task.config.momentum)
    return (params, velocity), losses


def _by_jax(task: Task, state: tuple[Parameters, optax.TraceState], order: np.ndarray, n_before: int):
    (params, velocity), losses = state, []
    for n, (images, labels) in enumerate(_batches(task, order), n_before):
        params, velocity, loss = task.step(params, velocity, task.rate(n), images, labels)
        losses.append(loss)
    return (params, velocity), losses


def _batches(task: Task, order: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    return (task.train.some(members) for members in order)


def _error(cases: Pictures, logits: Callable) -> float:
    """Per cent of cases of which another class than their own is thought the likeliest."""
    n, wrong = len(cases.labels), 0
    for first in range(0, n, SCORED):
        images, labels = cases.some(slice(first, first + SCORED))
        wrong += int(np.sum(np.asarray(logits(images)).argmax(axis=1) != labels))
    return 100 * wrong / n


def _report(fitted: Fitted, each: list[tuple[State, dict[str, float]]]) -> Fitted:
    """One more entry in every curve, and the states that the seeds have come to."""
    states, shown = zip(*each, strict=True)
    latest = {name: np.array([of_one[name] for of_one in shown]) for name in sorted(shown[0])}
    finite = np.isfinite(latest["train_cross_entropy"] + latest["train_cross_entropy_jax"])
    epoch = fitted.n_epochs + 1
    seconds = np.sum(latest["seconds_by_hand"] + latest["seconds_jax"])
    return fitted._replace(
        state=jax.tree.map(lambda *x: np.stack(x), *states),
        curves={
            name: np.concatenate([fitted.curves.get(name, np.zeros((len(x), 0))), x[:, None]], axis=1)
            for name, x in latest.items()
        },
        seconds=np.append(fitted.seconds, seconds),
        epochs=np.append(fitted.epochs, epoch),
        diverged=np.where((fitted.diverged < 0) & ~finite, epoch, fitted.diverged),
    )


def _outcome(fitted: Fitted, keys: Key[Array, " S"], n_batches: int, compile_seconds: float) -> Outcome:
    """Scores where training ended, the largest of each relative error, and of all of them."""
    curves = dict(fitted.curves)
    per_epoch = {name: curves.pop(f"seconds_{name}") for name in ("by_hand", "jax")}
    errors = {name: curve.max(axis=1) for name, curve in curves.items() if name.startswith("relative_error")}
    metrics = {name: curve[:, -1] for name, curve in curves.items()} | errors
    metrics["relative_error_largest"] = np.max(list(errors.values()), axis=0)
    metrics |= {f"seconds_per_epoch_{name}": each.mean(axis=1) for name, each in per_epoch.items()}
    metrics["compile_seconds"] = for_each(keys, compile_seconds)
    if (fitted.diverged >= 0).any():
        metrics["diverged_epoch"] = np.where(fitted.diverged >= 0, fitted.diverged, np.nan)
    clock = {"epochs": fitted.epochs, "updates": n_batches * fitted.epochs}
    clock["seconds"] = np.cumsum(fitted.seconds)
    curves |= {name: for_each(keys, value) for name, value in clock.items()}
    return Outcome(metrics, curves, {})
