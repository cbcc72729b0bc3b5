"""Energies, free energies, conditionals, stacks and unrolled networks against enumeration."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle import document_joint, documents, float64, joint, sigmoid, states, unnormalised_log_prob

from repro.models.autoencoder import Architecture, errors, loss, network, random_network, reconstruct, unroll
from repro.models.initialise import fan_in, glorot, he, sparse
from repro.models.rbm import (
    RBM,
    Units,
    energy,
    free_energy,
    hidden_mean,
    sample_hidden,
    sample_visible,
    visible_mean,
)
from repro.models.stack import down, random_stack, up

BINARY, LINEAR = Units(), Units(hidden="real")
EXACT = {"rtol": 1e-13, "atol": 1e-13}  # float64, sums of a few dozen terms


def test_energy_gives_the_joint_distribution(rbm):
    table = [[-energy(BINARY, rbm, jnp.asarray(v), jnp.asarray(h)) for h in states(3)] for v in states(4)]
    p = np.exp(np.array(table))
    np.testing.assert_allclose(p / p.sum(), joint(rbm), **EXACT)


def test_free_energy_sums_the_hidden_units_out(rbm):
    F = [free_energy(BINARY, rbm, jnp.asarray(v)) for v in states(4)]
    np.testing.assert_allclose(-np.array(F), unnormalised_log_prob(rbm), **EXACT)


def test_conditionals_are_those_of_the_joint_distribution(rbm):
    p = joint(rbm)
    h_given_v = p @ states(3) / p.sum(axis=1, keepdims=True)
    v_given_h = p.T @ states(4) / p.sum(axis=0)[:, None]
    ours_h = jax.vmap(hidden_mean, (None, None, 0))(BINARY, rbm, jnp.asarray(states(4)))
    ours_v = jax.vmap(visible_mean, (None, None, 0))(BINARY, rbm, jnp.asarray(states(3)))
    np.testing.assert_allclose(ours_h, h_given_v, **EXACT)
    np.testing.assert_allclose(ours_v, v_given_h, **EXACT)


def test_linear_hidden_units_by_quadrature(rbm):
    """Gauss-Hermite nodes integrate exp(-E) over two real hidden units; their mean is the conditional."""
    rbm = RBM(rbm.weights[:, :2], rbm.visible_bias, rbm.hidden_bias[:2])
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)  # for the weight exp(-x²/2)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
    mass = np.outer(weights, weights).ravel() * np.exp(0.5 * (grid**2).sum(1))
    for v in states(4):
        minus_E = -jax.vmap(energy, (None, None, None, 0))(LINEAR, rbm, jnp.asarray(v), jnp.asarray(grid))
        integrand = np.exp(np.asarray(minus_E)) * mass
        np.testing.assert_allclose(
            free_energy(LINEAR, rbm, jnp.asarray(v)), -np.log(integrand.sum()), rtol=1e-8
        )
        mean = integrand @ grid / integrand.sum()
        np.testing.assert_allclose(hidden_mean(LINEAR, rbm, jnp.asarray(v)), mean, rtol=1e-7)


def test_real_visible_units_by_quadrature(rbm):
    """exp(-E) integrated over two visibles for each h: mean and variance are the conditional ones."""
    units = Units(visible="real")
    rbm = RBM(rbm.weights[:2], rbm.visible_bias[:2], rbm.hidden_bias)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    grid = np.stack(np.meshgrid(nodes, nodes, indexing="ij"), -1).reshape(-1, 2)
    mass = np.outer(weights, weights).ravel() * np.exp(0.5 * (grid**2).sum(1))
    E = jax.vmap(jax.vmap(energy, (None, None, None, 0)), (None, None, 0, None))
    table = np.exp(-np.asarray(E(units, rbm, jnp.asarray(grid), jnp.asarray(states(3)))))  # [grid, 8]
    for j, h in enumerate(states(3)):
        p = table[:, j] * mass / (table[:, j] @ mass)
        np.testing.assert_allclose(visible_mean(units, rbm, jnp.asarray(h)), p @ grid, rtol=1e-7)
        np.testing.assert_allclose(p @ grid**2 - (p @ grid) ** 2, np.ones(2), rtol=1e-7)
    for i in (0, 700, 3000):
        v = jnp.asarray(grid[i])
        np.testing.assert_allclose(free_energy(units, rbm, v), -np.log(table[i].sum()), rtol=1e-12)
        np.testing.assert_allclose(
            hidden_mean(units, rbm, v), table[i] @ states(3) / table[i].sum(), rtol=1e-12
        )


@pytest.mark.parametrize(("bias_per_word", "n_words"), [(True, 4), (False, 4), (True, 1), (True, 0)])
def test_documents_are_draws_from_one_softmax(rbm, bias_per_word, n_words):
    """Against every sequence of words over a vocabulary of four, with its own conditionals."""
    units = Units(visible="count", bias_per_word=bias_per_word)
    table = document_joint(rbm, n_words, n_words if bias_per_word else 1)
    _, counts = documents(n_words, 4)
    v, h = jnp.asarray(counts, float), jnp.asarray(states(3))
    E = jax.vmap(jax.vmap(energy, (None, None, None, 0)), (None, None, 0, None))(units, rbm, v, h)
    np.testing.assert_allclose(np.exp(-np.asarray(E)), table, rtol=1e-12)
    F = jax.vmap(free_energy, (None, None, 0))(units, rbm, v)
    np.testing.assert_allclose(np.exp(-np.asarray(F)), table.sum(axis=1), rtol=1e-12)
    hidden = jax.vmap(hidden_mean, (None, None, 0))(units, rbm, v)
    np.testing.assert_allclose(hidden, table @ states(3) / table.sum(axis=1, keepdims=True), rtol=1e-12)
    words = (table / table.sum(axis=0)).T @ counts
    ours = jax.vmap(lambda h: visible_mean(units, rbm, h, float(n_words)))(h)
    np.testing.assert_allclose(ours, words, rtol=1e-12, atol=1e-15)


def test_long_and_empty_documents_stay_finite():
    with jax.enable_x64(False):
        rbm = RBM(*(jr.normal(jr.key(i), shape) for i, shape in enumerate([(2000, 50), (2000,), (50,)])))
        units = Units(visible="count")
        for document in (jnp.zeros(2000), jnp.full(2000, 2.0), jnp.zeros(2000).at[7].set(9000.0)):
            h = hidden_mean(units, rbm, document)
            v = sample_visible(jr.key(1), units, visible_mean(units, rbm, h, document.sum()))
            assert jnp.isfinite(free_energy(units, rbm, document)) and jnp.all(jnp.isfinite(h))
            assert float(v.sum()) == float(document.sum())


def test_sampled_documents_have_their_softmax(n=40_000, z=4.5):
    probability = np.array([0.5, 0.05, 0.15, 0.3])
    mean = jnp.asarray(7 * probability)
    drawn = jax.lax.map(lambda key: sample_visible(key, Units(visible="count"), mean), jr.split(jr.key(2), n))
    drawn = np.asarray(drawn)
    assert np.all(drawn.sum(axis=1) == 7)
    standard_error = np.sqrt(7 * probability * (1 - probability) / n)
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < z * standard_error)
    covariance = np.cov(drawn.T)[0, 3]
    assert abs(covariance + 7 * 0.5 * 0.3) < z * 2 * 7 * 0.5 / np.sqrt(n)


@pytest.mark.parametrize("kind", ["binary", "real"])
def test_samples_have_their_mean_and_variance(kind, n=200_000, z=4.5):
    mean = jnp.array([0.1, 0.5, 0.85])
    draws = np.asarray(sample_hidden(jr.key(3), Units(hidden=kind), jnp.broadcast_to(mean, (n, 3))))
    variance = np.asarray(mean * (1 - mean)) if kind == "binary" else np.ones(3)
    assert np.all(np.abs(draws.mean(0) - mean) < z * np.sqrt(variance / n))
    if kind == "real":
        assert np.all(np.abs(draws.var(0) - 1) < z * np.sqrt(2 / n))
    else:
        assert set(np.unique(draws)) == {0.0, 1.0}


def random_biases(stack):
    """Biases away from zero, so that a swapped pair shows."""
    return tuple(
        rbm._replace(
            visible_bias=jr.normal(jr.key(2 * i), rbm.visible_bias.shape),
            hidden_bias=jr.normal(jr.key(2 * i + 1), rbm.hidden_bias.shape),
        )
        for i, rbm in enumerate(stack)
    )


@pytest.mark.parametrize("visible", ["binary", "real", "count"])
def test_unrolled_network_is_the_stack_up_and_down_whatever_the_data(visible):
    sizes, x = (9, 7, 5, 2), jnp.asarray(np.random.default_rng(0).integers(0, 4, (6, 9)), float)
    stack = random_biases(random_stack(jr.key(0), sizes, 0.7))
    passed = jax.vmap(lambda v: down(stack, up(stack, v, visible), visible))(x)
    np.testing.assert_allclose(
        reconstruct(Architecture(sizes, visible), unroll(stack), x), passed, rtol=1e-12
    )


def test_unrolled_network_is_the_stack_by_hand():
    sizes = (9, 7, 5, 2)
    stack = random_biases(random_stack(jr.key(0), sizes, 0.7))
    x = jr.uniform(jr.key(1), (11, 9))
    params = unroll(stack)
    passed = jax.vmap(lambda v: down(stack, up(stack, v)))(x)
    np.testing.assert_allclose(reconstruct(Architecture(sizes), params, x), passed, rtol=1e-12)
    by_hand = np.asarray(x)
    for i, (W, _, c) in enumerate(map(float64, stack)):
        by_hand = by_hand @ W + c
        by_hand = sigmoid(by_hand) if i < 2 else by_hand
    np.testing.assert_allclose(network(Architecture(sizes), params).encode(x), by_hand, rtol=1e-12)
    for W, b, _ in map(float64, reversed(stack)):
        by_hand = sigmoid(by_hand @ W.T + b)
    np.testing.assert_allclose(passed, by_hand, rtol=1e-12)


def test_random_starts_have_their_distributions():
    [rbm] = random_stack(jr.key(5), (300, 400), 0.1)
    n = 300 * 400
    assert abs(np.std(rbm.weights) - 0.1) < 4.5 * 0.1 / np.sqrt(2 * n)
    kernel = random_network(jr.key(6), Architecture((300, 400)), glorot)["encoder"][0]["kernel"][...]
    limit = np.sqrt(6 / 700)
    assert 0.999 * limit < np.abs(kernel).max() <= limit
    variance_error = np.sqrt(4 / 45 / n) * limit**2  # of a uniform distribution's second moment
    assert abs(np.mean(kernel**2) - limit**2 / 3) < 4.5 * variance_error


@pytest.mark.parametrize(("draw", "variance"), [(fan_in, 1 / 300), (he, 2 / 300)])
def test_starts_by_fan_in_have_their_variance(draw, variance, n=300 * 400):
    weights = np.asarray(draw(jr.key(1), (300, 400)))
    assert abs(weights.mean()) < 4.5 * np.sqrt(variance / n)
    assert abs(weights.var() - variance) < 4.5 * variance * np.sqrt(2 / n)


@pytest.mark.parametrize(("shape", "n_incoming"), [((300, 400), 15), ((6, 50), 6)])
def test_a_sparse_start_gives_each_unit_fifteen_inputs_or_all_there_are(shape, n_incoming):
    weights = np.asarray(sparse(jr.key(1), shape))
    assert np.all((weights != 0).sum(axis=0) == n_incoming)
    drawn, n = weights[weights != 0], n_incoming * shape[1]
    assert abs(drawn.mean()) < 4.5 / np.sqrt(n) and abs(drawn.var() - 1) < 4.5 * np.sqrt(2 / n)
    chosen = (weights != 0).sum(axis=1)  # hypergeometric: each unit chooses its inputs without favour
    share = n_incoming / shape[0]
    assert np.all(np.abs(chosen - n / shape[0]) <= 4.5 * np.sqrt(shape[1] * share * (1 - share)))
    assert len({tuple(column) for column in (weights != 0).T}) > 1 or share == 1


def test_hidden_units_are_what_the_architecture_says():
    x, params = jnp.linspace(-2, 2, 3)[None], random_network(jr.key(0), Architecture((3, 4, 2)), fan_in)
    W = [np.asarray(layer["kernel"][...]) for layer in (params["encoder"][0], params["encoder"][1])]
    for name, function in [("logistic", sigmoid), ("relu", lambda a: np.maximum(a, 0))]:
        code = network(Architecture((3, 4, 2), activation=name), params).encode(x)
        np.testing.assert_allclose(code, function(np.asarray(x) @ W[0]) @ W[1], rtol=1e-12)


def test_errors_are_their_definitions():
    x, output = np.random.default_rng(1).random(6), np.linspace(-3, 3, 6)
    q, counts = sigmoid(output), np.array([0.0, 3.0, 1.0, 0.0, 7.0, 2.0])
    p, softmax = counts / 13, np.exp(output) / np.exp(output).sum()
    expected = {
        "binary": {"squared_error": (x - q) ** 2, "cross_entropy": -x * np.log(q) - (1 - x) * np.log(1 - q)},
        "real": {"squared_error": (x - output) ** 2},
        "count": {"squared_error": (p - softmax) ** 2, "cross_entropy": -p * np.log(softmax)},
    }
    for kind, terms in expected.items():
        ours = errors(kind, jnp.asarray(output), jnp.asarray(counts if kind == "count" else x))
        assert set(ours) == set(terms)
        for name, term in terms.items():
            np.testing.assert_allclose(ours[name], term.sum(), rtol=1e-12)
    assert loss("real", jnp.asarray(output), jnp.asarray(x)) == ((x - output) ** 2).sum()


def test_errors_of_certain_outputs_and_empty_documents_are_finite():
    certain, wrong = jnp.array([1e4, -1e4]), jnp.array([0.0, 1.0])
    assert all(jnp.isfinite(value) for value in errors("binary", certain, wrong).values())
    assert loss("count", certain, jnp.zeros(2)) == 0
