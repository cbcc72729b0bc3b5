"""The program of 2006 in plain NumPy, float64: pretrain a stack of RBMs, unroll it, fine-tune.

Step by step and minibatch by minibatch what the authors' MATLAB program does [hinton2006code: rbm.m,
rbmhidlinear.m, backprop.m, CG_MNIST.m]; the line search is in `conjugate2006`. It shares no code with the
rest of the library, whose results it checks, and it is the CPU-era program that is timed: the matrix
products are BLAS calls, whose threads the caller limits with threadpoolctl.

Where it differs from theirs: the data of a layer are the means of the finished RBM below (theirs: those of
the last epoch, recorded while the RBM was still learning); the cross-entropy is computed from log odds
(theirs from probabilities, which gives NaN where one rounds to 0 or 1).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from repro.timing.conjugate2006 import minimise

RATE, TOP_RATE = 0.1, 0.001  # per case; the second where hidden units are linear
MOMENTUM, LATE_MOMENTUM = 0.5, 0.9
EARLY_EPOCHS = 5  # at the first momentum
WEIGHT_COST = 0.0002  # inside the rate's bracket, weights only
WEIGHT_SCALE = 0.1  # standard deviation of the first weights


class RBM(NamedTuple):
    """Between V visible and H hidden units; its arrays are changed in place."""

    weights: np.ndarray  # [V H]
    visible_bias: np.ndarray
    hidden_bias: np.ndarray


class Chance(NamedTuple):
    """All that chance decides, so that another program's random numbers can take its place.

    Layers and epochs count from 0; fine-tuning counts as the layer after the last.
    """

    order: Callable[[int, int], np.ndarray]  # layer, epoch -> all cases, the first minibatch first
    states: Callable[[tuple[int, int, int], np.ndarray, bool], np.ndarray]
    # (layer, epoch, batch), means of hidden units [B H], are they linear? -> their states


class Trained(NamedTuple):
    """The network, and what it took."""

    weights: np.ndarray  # of the whole network as one vector; `layers_of` reads it
    sizes: tuple[int, ...]  # of its layers, inputs to outputs
    errors: list[list[float]]  # squared error of the reconstruction per case, by layer and epoch
    evaluations: list[int]  # of the loss with its gradient, by minibatch of fine-tuning


def train(
    stack: list[RBM],
    inputs: np.ndarray,
    chance: Chance,
    *,
    pretraining: tuple[int, int] = (50, 100),
    finetuning: tuple[int, int] = (200, 1000),
) -> Trained:
    """The whole program, on cases [N V] in [0, 1]; (epochs, cases in a minibatch) of its two parts."""
    errors = pretrain(stack, inputs, chance, *pretraining)
    weights, sizes = unroll(stack)
    weights, evaluations = finetune(weights, sizes, inputs, partial(chance.order, len(stack)), *finetuning)
    return Trained(weights, sizes, errors, evaluations)


# --- chance -------------------------------------------------------------------------------------------


def random_stack(rng: np.random.Generator, sizes: tuple[int, ...]) -> list[RBM]:
    """Untrained RBMs between layers of these sizes, inputs first."""
    return [
        RBM(WEIGHT_SCALE * rng.standard_normal(shape), *map(np.zeros, shape))
        for shape in itertools.pairwise(sizes)
    ]


def dice(rng: np.random.Generator, n_cases: int) -> Chance:
    """Theirs: the cases are shuffled once, and every epoch of either part goes through them in that order."""
    permutation = rng.permutation(n_cases)

    def states(where, means, linear):
        if linear:
            return means + rng.standard_normal(means.shape)
        return (rng.random(means.shape) < means).astype(float)

    return Chance(lambda layer, epoch: permutation, states)


def minibatches(inputs: np.ndarray, order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The cases in this order, cut into minibatches; a ragged tail is dropped."""
    for end in range(size, len(order) + 1, size):
        yield inputs[order[end - size : end]]


# --- pretraining --------------------------------------------------------------------------------------


def pretrain(
    stack: list[RBM], inputs: np.ndarray, chance: Chance, n_epochs: int, batch_size: int
) -> list[list[float]]:
    """Train the RBMs in place, lowest first, the topmost with linear hidden units; returns their errors."""
    errors = []
    for layer, rbm in enumerate(stack):
        linear = layer == len(stack) - 1
        change = RBM(*map(np.zeros_like, rbm))
        errors.append([])
        for epoch in range(n_epochs):
            batches = minibatches(inputs, chance.order(layer, epoch), batch_size)
            samplers = (partial(chance.states, (layer, epoch, batch)) for batch in itertools.count())
            momentum = MOMENTUM if epoch < EARLY_EPOCHS else LATE_MOMENTUM
            errors[layer].append(learn_epoch(rbm, change, batches, samplers, linear, momentum))
        if not linear:
            inputs = hidden_means(rbm, inputs, linear)
    return errors


def learn_epoch(rbm: RBM, change: RBM, batches, samplers, linear: bool, momentum: float) -> float:
    """CD-1 on each minibatch, with its sampler (means, linear) -> states; returns the error per case."""
    found = [
        learn(rbm, change, data, states, linear, momentum)
        for data, states in zip(batches, samplers, strict=False)
    ]
    return sum(found) / len(found)


def learn(rbm: RBM, change: RBM, data: np.ndarray, states: Callable, linear: bool, momentum: float) -> float:
    """One minibatch of CD-1; changes `rbm` and `change`, the step last taken.

    Only the hidden units that reconstruct the data are sampled; all else are means.
    """
    n_cases, rate = len(data), TOP_RATE if linear else RATE
    hidden = hidden_means(rbm, data, linear)
    products = data.T @ hidden

    again = visible_means(rbm, states(hidden, linear))
    hidden_again = hidden_means(rbm, again, linear)
    products -= again.T @ hidden_again

    products /= n_cases
    products -= WEIGHT_COST * rbm.weights
    uphill = RBM(products, (data - again).mean(axis=0), (hidden - hidden_again).mean(axis=0))
    for parameter, step, slope in zip(rbm, change, uphill, strict=True):
        step *= momentum
        slope *= rate
        step += slope
        parameter += step
    return float(np.sum((data - again) ** 2)) / n_cases


def hidden_means(rbm: RBM, visible: np.ndarray, linear: bool) -> np.ndarray:
    """Means of the hidden units, [B H]: their input c + v.W, or its logistic."""
    x = visible @ rbm.weights
    x += rbm.hidden_bias
    return x if linear else logistic(x)


def visible_means(rbm: RBM, hidden: np.ndarray) -> np.ndarray:
    """Probabilities of the visible units, [B V]."""
    x = hidden @ rbm.weights.T
    x += rbm.visible_bias
    return logistic(x)


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), written over x."""
    with np.errstate(over="ignore"):
        np.exp(np.negative(x, out=x), out=x)
    x += 1
    return np.reciprocal(x, out=x)


# --- fine-tuning --------------------------------------------------------------------------------------


def unroll(stack: list[RBM]) -> tuple[np.ndarray, tuple[int, ...]]:
    """The stack as a network: up through all RBMs, down again with weights transposed and visible biases."""
    up = [(rbm.weights, rbm.hidden_bias) for rbm in stack]
    down = [(rbm.weights.T, rbm.visible_bias) for rbm in reversed(stack)]
    layers = up + down
    sizes = (len(stack[0].visible_bias), *(len(bias) for _, bias in layers))
    return np.concatenate([array.ravel() for layer in layers for array in layer]), sizes


def layers_of(vector: np.ndarray, sizes: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights [I O] and biases [O] of each layer, as views of the one vector."""
    layers, start = [], 0
    for n_in, n_out in itertools.pairwise(sizes):
        middle, end = start + n_in * n_out, start + (n_in + 1) * n_out
        layers.append((vector[start:middle].reshape(n_in, n_out), vector[middle:end]))
        start = end
    return layers


def finetune(
    weights: np.ndarray, sizes: tuple[int, ...], inputs: np.ndarray, order: Callable, n_epochs, batch_size
) -> tuple[np.ndarray, list[int]]:
    """Conjugate gradients with three line searches on each minibatch, begun anew on the next one."""
    evaluations = []
    for epoch in range(n_epochs):
        for data in minibatches(inputs, order(epoch), batch_size):
            weights, spent = minimise(partial(loss_and_gradient, sizes=sizes, data=data), weights, 3)
            evaluations.append(spent)
    return weights, evaluations


def loss_and_gradient(
    weights: np.ndarray, sizes: tuple[int, ...], data: np.ndarray
) -> tuple[float, np.ndarray]:
    """The cross-entropy of the reconstruction in nats, mean over cases, and its gradient as one vector."""
    layers, gradient = layers_of(weights, sizes), np.empty_like(weights)
    code = len(layers) // 2  # so many layers up the units are linear
    activities = [data]
    for number, (W, b) in enumerate(layers, start=1):
        x = activities[-1] @ W
        x += b
        activities.append(x if number in (code, len(layers)) else logistic(x))
    log_odds = activities.pop()
    loss = np.sum(np.maximum(log_odds, 0) - log_odds * data + np.log1p(np.exp(-np.abs(log_odds))))
    error = logistic(log_odds)
    error -= data
    error /= len(data)
    for number, (dW, db) in reversed(list(enumerate(layers_of(gradient, sizes)))):
        below = activities[number]
        np.matmul(below.T, error, out=dW)
        np.sum(error, axis=0, out=db)
        if number > 0:
            error = error @ layers[number][0].T
            if number != code:
                error *= below * (1 - below)
    return float(loss) / len(data), gradient
