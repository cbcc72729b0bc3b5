"""Samplers and contrastive divergence against enumeration, quadrature and the update written out."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle import expected_cd, expected_cd1, expected_mean_field_cd1, gibbs_matrix, joint, sigmoid, states
from stepping import one_step

from repro.models.rbm import Units, free_energy
from repro.training.contrastive import Contrastive, contrastive_gradient, contrastive_trainer
from repro.training.gibbs import gibbs_chain, gibbs_step

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
    v0 = jnp.broadcast_to(jnp.asarray(states(4)[start]), (n, 4))
    drawn = jax.jit(lambda key: gibbs_chain(key, BINARY, rbm, v0, k))(jr.key(11))
    frequency = np.bincount(number_of(drawn), minlength=16) / n
    assert np.all(np.abs(frequency - row) < z * np.sqrt(row * (1 - row) / n))


def test_mean_field_step_gives_probabilities(rbm):
    """The reconstruction is E[v | h] for one of the hidden states."""
    v = gibbs_step(jr.key(0), BINARY, rbm, jnp.ones((1, 4)), mean_field=True)[0]
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


def cd_gradients(units, rbm, data, config, n):
    """The gradient of n independent steps, read from the parameters' change at rate 1 without momentum."""
    trainer = contrastive_trainer(units, config, batch_size=len(data), steps_per_epoch=1)
    state = trainer.init(jr.key(9), rbm, data)

    @jax.jit
    @jax.vmap
    def gradient(key):
        after, _ = one_step(trainer, key, state, data)
        return jax.tree.map(jnp.subtract, rbm, after.params)

    with jax.debug_key_reuse(units.visible != "count"):  # JAX's multinomial, mapped, would fail the check
        return gradient(jr.split(jr.key(10), n))


PLAIN = {"learning_rate": 1.0, "weight_decay": 0.0, "momentum": (0.0, 0.0)}


@pytest.mark.parametrize(("k", "mean_field"), [(1, False), (2, False), (1, True)])
def test_cd_gradient_has_its_closed_form_expectation(rbm, data_prob, k, mean_field, n=4000, z=4.5):
    data = cases_from(data_prob, 200)
    empirical = np.bincount(number_of(data), minlength=16) / len(data)
    exact = expected_mean_field_cd1(rbm, empirical) if mean_field else expected_cd(rbm, empirical, k)
    drawn = cd_gradients(BINARY, rbm, data, Contrastive(k=k, mean_field=mean_field, **PLAIN), n)
    for ours, truth in zip(drawn, exact, strict=True):
        assert_expected(ours, truth, z)


def assert_expected(drawn, truth, z):
    standard_error = np.std(drawn, axis=0) / np.sqrt(len(drawn))
    assert np.all(np.abs(np.mean(drawn, axis=0) - truth) < z * standard_error)


@pytest.mark.parametrize("mean_field", [True, False], ids=["mean", "sample"])
@pytest.mark.parametrize("units", KINDS, ids=str)
def test_cd_gradient_of_every_kind_of_unit_has_its_expectation(rbm, units, mean_field, n=20_000, z=4.5):
    """Two cases that are neither equally bright nor, as documents of one and two words, equally long."""
    data = np.array([[0.0, 1, 0, 0], [1, 0, 0, 1]])
    exact = expected_cd1(units, rbm, data, mean_field)
    config = Contrastive(mean_field=mean_field, **PLAIN)
    for ours, truth in zip(cd_gradients(units, rbm, jnp.asarray(data), config, n), exact, strict=True):
        assert_expected(ours, truth, z)


def test_persistent_chains_go_on_where_they_stopped(rbm, n=50_000, z=4.5):
    """After one step the chains are at p T, after two at p T², wherever the data are."""
    data = jnp.broadcast_to(jnp.asarray(states(4)[3]), (n, 4))
    config = Contrastive(persistent=True, **{**PLAIN, "learning_rate": 0.0})
    trainer = contrastive_trainer(BINARY, config, batch_size=n, steps_per_epoch=1)
    state = trainer.init(jr.key(0), rbm, data)
    elsewhere = jnp.zeros((n, 4))
    for step in (1, 2):
        state, _ = one_step(trainer, jr.key(step), state, elsewhere)
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
        state, _ = one_step(trainer, key, state, data)
        after, _ = one_step(still, jr.key(100 + number), still.init(jr.key(1), before, data), data)
        ascent = jax.tree.map(jnp.subtract, after.params, before)
        ascent = ascent._replace(weights=ascent.weights - 0.01 * before.weights)
        m = 0.5 if number < 10 else 0.9
        change = jax.tree.map(lambda d, g, m=m: m * d + 0.1 * g, change, ascent)
        expected = jax.tree.map(jnp.add, before, change)
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12), state.params, expected)
