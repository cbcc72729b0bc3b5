"""Samplers, gradients, the loop and the optimiser against enumeration and independent programs."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from oracle import expected_cd, expected_mean_field_cd1, gibbs_matrix, joint, sigmoid, states

from repro.models.rbm import Units, free_energy
from repro.models.stack import random_stack, stack_units
from repro.training.backprop import backprop_trainer
from repro.training.contrastive import Contrastive, contrastive_gradient, contrastive_trainer
from repro.training.fit import UNWATCHED, Monitor, Trainer, batch_order, fit
from repro.training.gibbs import gibbs_chain, gibbs_step
from repro.training.greedy import Pretraining, pretrain

BINARY = Units()


def number_of(v):
    """Index of binary states in the oracle's order."""
    return np.asarray(v, int) @ (1 << np.arange(v.shape[-1])[::-1])


def cases_from(prob, n):
    """n visible states in the exact proportions of `prob`, as nearly as n allows."""
    return jnp.asarray(np.repeat(states(4), np.rint(prob * n).astype(int), axis=0))


def test_gibbs_matrix_leaves_the_model_unchanged(rbm):
    p = joint(rbm).sum(axis=1)
    np.testing.assert_allclose(p @ gibbs_matrix(rbm), p, atol=1e-14)


@pytest.mark.parametrize("k", [1, 3])
def test_gibbs_chain_draws_from_the_power_of_its_matrix(rbm, k, start=5, n=100_000, z=4.5):
    row = np.linalg.matrix_power(gibbs_matrix(rbm), k)[start]
    v0 = jnp.asarray(states(4)[start])
    drawn = jax.jit(jax.vmap(lambda key: gibbs_chain(key, BINARY, rbm, v0, k)))(jr.split(jr.key(11), n))
    frequency = np.bincount(number_of(drawn), minlength=16) / n
    assert np.all(np.abs(frequency - row) < z * np.sqrt(row * (1 - row) / n))


def test_mean_field_step_gives_probabilities(rbm):
    """The reconstruction is E[v | h] for one of the hidden states."""
    v = gibbs_step(jr.key(0), BINARY, rbm, jnp.ones(4), mean_field=True)
    means = sigmoid(np.asarray(rbm.visible_bias) + states(3) @ np.asarray(rbm.weights).T)
    assert np.isclose(np.asarray(v), means, rtol=1e-12).all(axis=1).sum() == 1


KINDS = [
    Units(),
    Units(hidden="real"),
    Units("real"),
    Units("count"),
    Units("count", bias_per_word=False),
]


@pytest.mark.parametrize("units", KINDS, ids=str)
def test_contrastive_gradient_differentiates_the_free_energy(rbm, units):
    data, model = 3 * jr.uniform(jr.key(0), (6, 4)), 3 * jr.uniform(jr.key(1), (5, 4))
    F = jax.vmap(partial(free_energy, units), (None, 0))
    by_autodiff = jax.grad(lambda rbm: F(rbm, data).mean() - F(rbm, model).mean())(rbm)
    by_hand = contrastive_gradient(units, rbm, data, model)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-13), by_hand, by_autodiff)


def cd_gradients(rbm, data, config, n):
    """The gradient of n independent steps, read from the parameters' change at rate 1 without momentum."""
    trainer = contrastive_trainer(BINARY, config, batch_size=len(data), steps_per_epoch=1)
    state = trainer.init(jr.key(9), rbm, data)

    @jax.jit
    @jax.vmap
    def gradient(key):
        after, _ = trainer.step(key, state, data)
        return jax.tree.map(jnp.subtract, rbm, after.params)

    return gradient(jr.split(jr.key(10), n))


PLAIN = {"learning_rate": 1.0, "weight_decay": 0.0, "momentum": (0.0, 0.0)}


@pytest.mark.parametrize(("k", "mean_field"), [(1, False), (2, False), (1, True)])
def test_cd_gradient_has_its_closed_form_expectation(rbm, data_prob, k, mean_field, n=4000, z=4.5):
    data = cases_from(data_prob, 200)
    empirical = np.bincount(number_of(data), minlength=16) / len(data)
    exact = expected_mean_field_cd1(rbm, empirical) if mean_field else expected_cd(rbm, empirical, k)
    drawn = cd_gradients(rbm, data, Contrastive(k=k, mean_field=mean_field, **PLAIN), n)
    for ours, truth in zip(drawn, exact, strict=True):
        standard_error = np.std(ours, axis=0) / np.sqrt(n)
        assert np.all(np.abs(np.mean(ours, axis=0) - truth) < z * standard_error)


def test_persistent_chains_go_on_where_they_stopped(rbm, n=50_000, z=4.5):
    """After one step the chains are at p T, after two at p T², wherever the data are."""
    data = jnp.broadcast_to(jnp.asarray(states(4)[3]), (n, 4))
    config = Contrastive(persistent=True, **{**PLAIN, "learning_rate": 0.0})
    trainer = contrastive_trainer(BINARY, config, batch_size=n, steps_per_epoch=1)
    state = trainer.init(jr.key(0), rbm, data)
    elsewhere = jnp.zeros((n, 4))
    for step in (1, 2):
        state, _ = trainer.step(jr.key(step), state, elsewhere)
        row = np.linalg.matrix_power(gibbs_matrix(rbm), step)[3]
        frequency = np.bincount(number_of(state.chains), minlength=16) / n
        assert np.all(np.abs(frequency - row) < z * np.sqrt(row * (1 - row) / n))


def test_momentum_and_decay_follow_the_2006_schedule(rbm):
    """Against the update written out: Δ = m Δ + rate (g - decay W), m = .5 for five epochs, then .9."""
    data = jr.uniform(jr.key(0), (6, 4))
    config = Contrastive(k=1, weight_decay=0.01)
    trainer = contrastive_trainer(BINARY, config, batch_size=6, steps_per_epoch=2)
    still = contrastive_trainer(BINARY, Contrastive(**PLAIN), batch_size=6, steps_per_epoch=2)
    state, change = trainer.init(jr.key(1), rbm, data), jax.tree.map(jnp.zeros_like, rbm)
    for number in range(14):
        before, key = state.params, jr.key(100 + number)
        state, _ = trainer.step(key, state, data)
        after, _ = still.step(jr.key(100 + number), still.init(jr.key(1), before, data), data)
        ascent = jax.tree.map(jnp.subtract, after.params, before)
        ascent = ascent._replace(weights=ascent.weights - 0.01 * before.weights)
        m = 0.5 if number < 10 else 0.9
        change = jax.tree.map(lambda d, g, m=m: m * d + 0.1 * g, change, ascent)
        expected = jax.tree.map(jnp.add, before, change)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12), state.params, expected)


class Counts(NamedTuple):
    params: jax.Array  # how often each case was seen


COUNTING = Trainer(
    init=lambda key, params, inputs: Counts(params),
    step=lambda key, state, batch: (Counts(state.params.at[batch[:, 0].astype(int)].add(1)), {}),
)


def test_every_case_is_seen_once_per_epoch_but_for_the_ragged_tail():
    cases = jnp.arange(23.0)[:, None]
    zeros = jnp.zeros((1, 23), int)
    fits = [fit(seeds(1), COUNTING, zeros, cases, n_epochs=n, batch_size=5) for n in (1, 2, 3)]
    seen = [np.asarray(fitted.state.params[0]) for fitted in fits]
    for earlier, later in zip([np.zeros(23, int), *seen], seen, strict=False):
        assert sorted(later - earlier) == [0] * 3 + [1] * 20
    assert set(np.flatnonzero(seen[0] == 0)) != set(np.flatnonzero(seen[1] - seen[0] == 0))


def test_batch_order_is_a_permutation_that_differs_by_key():
    order = batch_order(jr.key(1), 20, 5)
    assert sorted(np.ravel(order)) == list(range(20))
    assert np.any(np.asarray(order) != batch_order(jr.key(2), 20, 5))


def test_minibatch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="batch_size 30 is larger than the 23 cases"):
        fit(seeds(1), COUNTING, jnp.zeros((1, 23), int), jnp.zeros((23, 1)), n_epochs=1, batch_size=30)


def seeds(n):
    return jax.vmap(jr.key)(np.arange(n))


def fitted(n_seeds, n_epochs=3, monitor=UNWATCHED, report_every=1):
    """A small RBM with persistent chains: everything a state can hold."""
    data = (jr.uniform(jr.key(4), (30, 6)) < 0.4).astype(float)
    trainer = contrastive_trainer(BINARY, Contrastive(persistent=True), batch_size=5, steps_per_epoch=6)
    params = jax.vmap(lambda key: random_stack(key, (6, 4), 0.1)[0])(seeds(n_seeds))
    how = {"n_epochs": n_epochs, "batch_size": 5, "monitor": monitor, "report_every": report_every}
    return fit(seeds(n_seeds), trainer, params, data, **how)


def assert_same(a, b, **tolerance):
    jax.tree.map(partial(np.testing.assert_allclose, **({"rtol": 0} | tolerance)), a, b)


def test_same_seed_same_bytes_and_other_seed_other_bytes():
    once, again, both = fitted(1), fitted(1), fitted(2)
    assert_same((once.state, once.curves), (again.state, again.curves))
    assert np.any(np.asarray(both.state.params.weights[0]) != both.state.params.weights[1])


def test_seeds_side_by_side_are_the_seeds_one_by_one():
    side_by_side, alone = fitted(3), fitted(1)
    first = jax.tree.map(lambda x: x[:1], (side_by_side.state, side_by_side.curves))
    assert_same(first, (alone.state, alone.curves), rtol=1e-12, atol=1e-14)


class Remembers(Monitor):
    """Keeps what it is shown and gives it back."""

    def __init__(self, kept=None):
        self.kept = kept

    def restore(self, phase, start):
        return self.kept or start

    def epoch_done(self, phase, fitted, n_epochs):
        self.kept = fitted


def test_a_continued_run_is_the_run_that_was_never_stopped():
    stopped = Remembers()
    fitted(2, n_epochs=2, monitor=stopped)
    resumed, unbroken = fitted(2, n_epochs=5, monitor=stopped), fitted(2, n_epochs=5)
    assert_same((resumed.state, resumed.curves), (unbroken.state, unbroken.curves))


def test_fewer_reports_are_of_the_same_training():
    often, seldom, stopped = fitted(2, 7), fitted(2, 7, report_every=3), Remembers()
    assert_same(often.state, seldom.state)
    assert list(seldom.epochs) == [3, 6, 7] and list(often.epochs) == [1, 2, 3, 4, 5, 6, 7]
    each = np.split(often.curves["reconstruction_error"], [3, 6], axis=1)
    means = np.stack([part.mean(axis=1) for part in each], axis=1)
    assert_same(seldom.curves, {"reconstruction_error": means}, rtol=1e-6)
    assert len(seldom.seconds) == 3
    fitted(2, 4, monitor=stopped, report_every=3)
    resumed = fitted(2, 7, monitor=stopped, report_every=3)
    assert list(resumed.epochs) == [3, 4, 6, 7], "where it stopped is reported too"
    assert_same(resumed.state, often.state)


def test_pretraining_climbs_on_hidden_means():
    """Layer by layer by hand: each RBM fitted alone on the means of the one below gives the same stack."""
    inputs = jr.uniform(jr.key(4), (20, 6))
    config = Pretraining(n_epochs=2, batch_size=5)
    stack = jax.vmap(lambda key: random_stack(key, (6, 4, 2), 0.1))(seeds(1))
    whole = pretrain(seeds(1), config, stack_units(2), stack, inputs)
    first = whole.stack[0]
    means = jax.nn.sigmoid(inputs @ first.weights[0] + first.hidden_bias)[None]
    trainer = contrastive_trainer(
        Units(hidden="real"), Contrastive(learning_rate=0.001), batch_size=5, steps_per_epoch=4
    )
    keys = jax.vmap(jr.fold_in, (0, None))(seeds(1), 1)
    second = fit(keys, trainer, stack[1], means, n_epochs=2, batch_size=5).state.params
    assert_same(whole.stack[1], second, rtol=1e-12)
    assert set(whole.curves) == {"reconstruction_error_layer1", "reconstruction_error_layer2"}


def test_backprop_with_an_optax_optimiser_is_gradient_descent():
    data = jr.uniform(jr.key(0), (8, 3))
    trainer = backprop_trainer(lambda w, batch: ((batch @ w) ** 2).mean(), optax.sgd(0.1))
    result = fit(seeds(1), trainer, jnp.ones((1, 3)), data, n_epochs=1, batch_size=8)
    gradient = 2 * data.T @ (data @ jnp.ones(3)) / 8
    np.testing.assert_allclose(result.state.params[0], 1 - 0.1 * gradient, rtol=1e-12)
