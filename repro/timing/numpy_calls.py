"""The program of 2006, and matrix products alone, as calls to be timed; NumPy and nothing of JAX."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np

from repro.timing import program2006
from repro.timing.subject import Subject

RATE, MOMENTUM = 1e-3, 0.9  # of backprop; any will do, for no time depends on them


def cases(subject: Subject, width: int | None = None) -> np.ndarray:
    """Cases in [0, 1] to learn from: noise, for no time depends on what they are."""
    return np.random.default_rng(0).random((subject.n_cases, width or subject.n_visible))


def prepare(subject: Subject) -> Callable[[], object]:
    """The call; each continues where the last one stopped."""
    return {"cd1": contrastive, "backprop": backprop, "matmul": products}[subject.workload](subject)


def contrastive(subject: Subject) -> Callable[[], float]:
    """An epoch of CD-1; gives the error per case."""
    inputs, rng = cases(subject), np.random.default_rng(1)
    [rbm] = program2006.random_stack(rng, subject.sizes)
    change, chance = program2006.RBM(*map(np.zeros_like, rbm)), program2006.dice(rng, len(inputs))
    samplers = itertools.repeat(partial(chance.states, (0, 0, 0)))

    def call():
        batches = program2006.minibatches(inputs, chance.order(0, 0), subject.batch_size)
        return program2006.learn_epoch(rbm, change, batches, samplers, subject.linear, MOMENTUM)

    return call


def backprop(subject: Subject) -> Callable[[], float]:
    """An epoch of gradient descent with momentum on the unrolled network; gives the last loss.

    A conjugate-gradient step costs as much for each evaluation of the loss.
    """
    inputs, rng = cases(subject), np.random.default_rng(1)
    weights, sizes = program2006.unroll(program2006.random_stack(rng, subject.sizes))
    change, order = np.zeros_like(weights), program2006.dice(rng, len(inputs)).order(0, 0)

    def call():
        loss = np.nan
        for data in program2006.minibatches(inputs, order, subject.batch_size):
            loss, gradient = program2006.loss_and_gradient(weights, sizes, data)
            descend(weights, change, gradient)
        return loss

    return call


def descend(weights: np.ndarray, change: np.ndarray, gradient: np.ndarray) -> None:
    """Make `change` momentum times itself less rate times gradient, add it to the weights; in place."""
    change *= MOMENTUM
    gradient *= RATE
    change -= gradient
    weights += change


def products(subject: Subject) -> Callable[[], None]:
    """The five matrix products of a CD-1 update for each pair of layers, into arrays that are there."""
    dtype = {"float32": np.float32, "float64": np.float64}[subject.precision]
    batch, rng = subject.batch_size, np.random.default_rng(1)
    pairs = []
    for below, above in itertools.pairwise(subject.sizes):
        shapes = [(batch, below), (below, above), (batch, above), (batch, below), (batch, above)]
        pairs.append([rng.random(shape).astype(dtype) for shape in (*shapes, (below, above))])

    def call():
        for _ in range(subject.n_batches):
            for x, W, hidden, again, hidden_again, total in pairs:
                np.matmul(x, W, out=hidden)
                np.matmul(hidden, W.T, out=again)
                np.matmul(again, W, out=hidden_again)
                np.matmul(x.T, hidden, out=total)
                np.matmul(again.T, hidden_again, out=total)

    return call
