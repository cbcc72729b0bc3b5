"""The multilayer perceptron and its cross-entropy: derivatives, dropout, the layers it starts from."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from repro.models.initialise import gaussian, glorot
from repro.models.perceptron import (
    Dropout,
    Perceptron,
    cross_entropy,
    features,
    noisy_outputs,
    outputs,
    random_layers,
    recognition_layers,
)
from repro.models.stack import random_stack, up
from repro.training.labelled import Labelled

SIZES = (7, 5, 4, 3)


def network(activation="logistic", dropout=None):
    of = Perceptron(SIZES, activation, dropout)
    layers = random_layers(jr.key(1), SIZES, partial(gaussian, scale=0.8))
    biases = [0.3 * jr.normal(jr.key(9 + i), b.shape) for i, (_, b) in enumerate(layers)]
    return of, tuple((w, b) for (w, _), b in zip(layers, biases, strict=True))


@pytest.fixture
def cases():
    return jr.uniform(jr.key(2), (6, 7)), jnp.array([0, 1, 2, 2, 1, 0], jnp.int32)


def by_hand(layers, x, labels):
    """Backprop of logistic hidden units and a softmax, written out in NumPy."""
    x, layers = np.asarray(x), jax.tree.map(np.asarray, layers)
    states = [x]
    for weights, bias in layers[:-1]:
        states.append(1 / (1 + np.exp(-(states[-1] @ weights + bias))))
    logits = states[-1] @ layers[-1][0] + layers[-1][1]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    delta = (p - np.eye(3)[labels]) / len(x)
    found = []
    for (weights, _), below in zip(reversed(layers), reversed(states), strict=True):
        found.append((below.T @ delta, delta.sum(0)))
        delta = (delta @ np.asarray(weights).T) * below * (1 - below)
    return -np.log(p[np.arange(len(x)), labels]).mean(), tuple(reversed(found))


def test_the_classifiers_gradient_is_backprop_written_out(cases):
    of, layers = network()
    x, labels = cases
    value, gradient = jax.value_and_grad(lambda layers: cross_entropy(outputs(of, layers, x), labels))(layers)
    expected, by_numpy = by_hand(layers, x, np.asarray(labels))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-14), gradient, by_numpy)


@pytest.mark.parametrize("activation", ["logistic", "relu"])
@pytest.mark.parametrize("dropout", [None, Dropout(0.2, 0.5)])
def test_the_gradient_is_the_slope_of_the_loss(cases, activation, dropout):
    of, layers = network(activation, dropout)
    x, labels = cases

    def loss(layers):
        return cross_entropy(noisy_outputs(of, layers, x, jr.key(5)), labels)

    gradient = jax.grad(loss)(layers)
    for seed in range(3):
        direction = jax.tree.map(lambda w, s=seed: jr.normal(jr.key(s + w.size), w.shape), layers)
        slope = sum(jnp.vdot(g, d) for g, d in zip(*map(jax.tree.leaves, (gradient, direction)), strict=True))
        ahead, back = (
            loss(jax.tree.map(lambda w, d, s=step: w + s * d, layers, direction)) for step in (1e-6, -1e-6)
        )
        np.testing.assert_allclose((ahead - back) / 2e-6, slope, rtol=1e-6, atol=1e-9)


def test_dropout_leaves_out_the_share_it_says_and_keeps_the_mean():
    of = Perceptron((1, 1), dropout=Dropout(visible=0.2))
    x, identity = jnp.ones((20_000, 1)), ((jnp.ones((1, 1)), jnp.zeros(1)),)
    seen = np.asarray(noisy_outputs(of, identity, x, jr.key(0)))
    assert set(np.unique(seen)) == {0.0, 1.25}
    assert abs((seen == 0).mean() - 0.2) < 4.5 * np.sqrt(0.2 * 0.8 / 20_000)
    hidden = Perceptron((1, 1, 1), "relu", Dropout(visible=0.0, hidden=0.5))
    seen = np.asarray(noisy_outputs(hidden, (*identity, *identity), x, jr.key(0)))
    assert set(np.unique(seen)) == {0.0, 2.0}
    assert abs((seen == 0).mean() - 0.5) < 4.5 * np.sqrt(0.25 / 20_000)


def test_no_unit_is_left_out_when_it_has_learnt(cases):
    of, layers = network(dropout=Dropout())
    plain, _ = network()
    np.testing.assert_array_equal(outputs(of, layers, cases[0]), outputs(plain, layers, cases[0]))
    assert not np.allclose(noisy_outputs(of, layers, cases[0], jr.key(3)), outputs(of, layers, cases[0]))


def test_the_layers_of_a_stack_give_the_means_on_the_way_up():
    stack = random_stack(jr.key(4), (7, 5, 4, 3), 0.7)
    stack = tuple(rbm._replace(hidden_bias=rbm.hidden_bias + 0.4) for rbm in stack)
    x = jr.uniform(jr.key(5), (2, 7))
    top_is_linear = jax.vmap(partial(up, stack))(x)
    found = features(Perceptron((7, 5, 4, 3)), recognition_layers(stack), x)
    np.testing.assert_allclose(found, jax.nn.sigmoid(top_is_linear), rtol=1e-12)


def test_each_layer_is_drawn_by_a_key_of_its_own():
    (a, bias), (b, _) = random_layers(jr.key(0), (4, 4, 4), glorot)
    assert not np.allclose(a, b) and not np.any(bias)


def test_labels_go_with_their_cases():
    cases = Labelled(jnp.arange(12.0).reshape(4, 3), jnp.arange(4))
    some = cases[jnp.array([[2, 0]])]
    assert some.shape == (1, 2, 3) and len(cases) == 4 and cases.ndim == 2
    np.testing.assert_array_equal(some.inputs[..., 0], [[6.0, 0.0]])
    np.testing.assert_array_equal(some.labels, [[2, 0]])
