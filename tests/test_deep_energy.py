"""Deep energy-based models on a few pixels: energies, chains, gradients and log Z against enumeration."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from oracle import sigmoid, states
from scipy.special import logsumexp
from test_deep_models import numbers
from test_likelihood import is_mean

from repro.evaluation.annealing import Annealing
from repro.evaluation.deep_energy import log_prob, log_z_from_above, log_z_from_below, tempered
from repro.models.deep_energy import DeepEnergy, log_odds_of_mean, random_deep_energy
from repro.models.mixture import Mixture
from repro.models.perceptron import Perceptron
from repro.training.fit import fit
from repro.training.langevin import (
    Langevin,
    contrast,
    flip_log_odds,
    langevin_chain,
    langevin_step,
    langevin_trainer,
    log_acceptance,
    placed,
)

EXACT = {"rtol": 1e-12, "atol": 1e-12}
OF = Perceptron((4, 5, 3, 1), "tanh")
X = jnp.asarray(states(4))


def network(seed, of=OF, scale=1.5):
    """Nothing zero, nothing symmetric."""
    pairs = list(zip(of.sizes[:-1], of.sizes[1:], strict=True))
    layers = tuple((numbers(seed, *pair, scale=scale), numbers(seed + 1, pair[1])) for pair in pairs)
    return DeepEnergy(layers, numbers(seed + 2, of.sizes[0]))


def minus_energy(deep, x):
    """b.x + f(x), as the definition has it."""
    linear = x @ np.asarray(deep.visible_bias)
    for depth, (W, b) in enumerate(deep.layers):
        x = x @ np.asarray(W) + np.asarray(b)
        x = np.tanh(x) if depth < len(deep.layers) - 1 else x
    return linear + x[:, 0]


def probabilities(deep, n=4):
    log_p = minus_energy(deep, states(n))
    return np.exp(log_p - logsumexp(log_p))


def test_the_energy_and_its_slope():
    deep, x = network(0), numbers(5, 3, 4)
    chains, step = placed(OF, deep, x), 1e-6
    np.testing.assert_allclose(chains.energy, -minus_energy(deep, np.asarray(x)), **EXACT)
    for i in range(4):
        ends = [minus_energy(deep, np.asarray(x.at[:, i].add(way * step))) for way in (1, -1)]
        np.testing.assert_allclose(chains.slope[:, i], (ends[1] - ends[0]) / (2 * step), rtol=1e-6, atol=1e-8)


def base_of(seed, n_components=2):
    """A mixture, nothing zero, nothing symmetric; and log p of every state."""
    shares, odds = jax.nn.log_softmax(numbers(seed, n_components)), numbers(seed + 1, n_components, 4)
    on = sigmoid(np.asarray(odds))[:, None]
    of_each = np.where(states(4)[None] == 1, on, 1 - on).prod(axis=2)
    return Mixture(shares, odds), np.log(np.exp(np.asarray(shares)) @ of_each)


def transitions(see, deep, step_size):
    """q(x' | x) min(1, p(x') q(x | x') / p(x) q(x' | x)), and what is refused stays: from our log odds."""
    chains = see(placed(OF, deep, X))
    chance = sigmoid(flip_log_odds(chains, step_size))[:, None]
    flips = states(4)[:, None] != states(4)[None]
    q = np.where(flips, chance, 1 - chance).prod(axis=2)
    T = np.zeros((16, 16))
    for j in range(16):
        there = jax.tree.map(lambda x, j=j: jnp.broadcast_to(x[j], x.shape), chains)
        T[:, j] = q[:, j] * np.exp(np.minimum(log_acceptance(chains, there, step_size), 0))
    return T + np.diag(1 - T.sum(axis=1)), q


@pytest.mark.parametrize("step_size", [0.3, 5.0])
def test_transitions_leave_the_model_as_it_is_and_are_those_that_are_drawn(step_size, n=3000, z=4.5):
    deep = network(1)
    T, q = transitions(lambda chains: chains, deep, step_size)
    p = probabilities(deep)
    np.testing.assert_allclose(p @ T, p, **EXACT)
    assert np.abs(p @ q - p).max() > 1e-3, "the proposals alone do not"
    chains = placed(OF, deep, jnp.repeat(X, n, axis=0))
    ends, acceptance = jax.jit(partial(langevin_step, place=partial(placed, OF, deep), step_size=step_size))(
        jr.key(4), chains=chains
    )
    for found, again in zip(ends, placed(OF, deep, ends.states), strict=True):
        np.testing.assert_allclose(found, again, **EXACT)
    numbered = np.asarray(ends.states @ jnp.array([8.0, 4, 2, 1]), int).reshape(16, n)
    counted = np.stack([np.bincount(each, minlength=16) for each in numbered]) / n
    assert np.all(np.abs(counted - T) < z * np.sqrt(T * (1 - T) / n) + 1e-12)
    stays = np.diag(T) - np.diag(q)
    accepted = 1 - stays.mean()
    assert abs(acceptance - accepted) < z * 0.5 / np.sqrt(16 * n)


def test_the_proposal_is_that_of_the_paper(step_size=0.4):
    """q(x'ᵢ | x) ∝ exp(½ ∇U(x)ᵢ (x'ᵢ - xᵢ) - (x'ᵢ - xᵢ)² / 2α), U = -E   [zhang2022langevin]."""
    chains = placed(OF, network(1), X)
    x, slope = np.asarray(chains.states), np.asarray(chains.slope)
    weights = [np.exp(-0.5 * slope * (v - x) - (v - x) ** 2 / (2 * step_size)) for v in (0.0, 1.0)]
    flipped = np.where(x == 1, weights[0], weights[1]) / sum(weights)
    np.testing.assert_allclose(sigmoid(flip_log_odds(chains, step_size)), flipped, **EXACT)


@pytest.mark.parametrize("beta", [0.0, 0.6])
def test_transitions_leave_intermediate_distributions_as_they_are(beta):
    deep, (base, log_base) = network(2), base_of(3)
    see = partial(tempered, base, jnp.float64(beta))
    slope = jax.grad(lambda x: see(placed(OF, deep, x)).energy.sum())(X)
    np.testing.assert_allclose(see(placed(OF, deep, X)).slope, slope, **EXACT)
    T, _ = transitions(see, deep, 0.7)
    log_p = (1 - beta) * log_base + beta * minus_energy(deep, states(4))
    p = np.exp(log_p - logsumexp(log_p))
    np.testing.assert_allclose(p @ T, p, **EXACT)


def test_a_chain_comes_to_the_model(n=20_000, z=4.5):
    deep = network(3)
    ends, _ = jax.jit(partial(langevin_chain, of=OF, n_steps=60, step_size=2.0))(
        jr.key(1), deep=deep, states=jnp.zeros((n, 4))
    )
    T, _ = transitions(lambda chains: chains, deep, 2.0)
    p = np.linalg.matrix_power(T, 60)[0]
    counted = np.bincount(np.asarray(ends @ jnp.array([8.0, 4, 2, 1]), int), minlength=16) / n
    assert np.all(np.abs(counted - p) < z * np.sqrt(p * (1 - p) / n) + 1e-12)


FEW = Annealing(n_chains=5000, n_steps=(2, 3), ends=(0.4, 1.0))


@pytest.mark.parametrize("seed", range(4))
def test_weights_have_the_mean_z_and_on_the_way_back_its_inverse(seed):
    deep, (base, _) = network(seed), base_of(seed + 2)
    truth, p = logsumexp(minus_energy(deep, states(4))), probabilities(deep)
    samples = jnp.asarray(states(4)[np.random.default_rng(3).choice(16, FEW.n_chains, p=p)])
    below = log_z_from_below(jr.key(1), OF, base, deep, FEW, 0.7)
    above = log_z_from_above(jr.key(2), OF, base, deep, FEW, 0.7, samples)
    assert is_mean(np.exp(below.log_z.log_weights - truth), 1)
    assert is_mean(np.exp(above.log_z.log_weights + truth), 1)
    assert below.log_z.log_weights.mean() < truth < -above.log_z.log_weights.mean()
    for found in (below, above):
        assert found.acceptance.shape == (5,) and 0.1 < found.acceptance.min() < found.acceptance.max() <= 1
        assert found.log_z.low < found.log_z.value < found.log_z.high
    np.testing.assert_allclose(np.exp(log_prob(OF, deep, truth, X)), p, **EXACT)


def test_the_gradient_is_that_of_the_log_probability():
    """With every state as often as the model has it in the negative phase."""
    deep, data = network(4), X[jnp.array([1, 6, 6, 11])]
    p = jnp.asarray(probabilities(deep))

    def mean_log_prob(deep):
        return -placed(OF, deep, data).energy.mean() - jax.nn.logsumexp(-placed(OF, deep, X).energy)

    def expected(deep):
        return p @ jax.vmap(lambda x: contrast(OF, deep, data, x[None])[0])(X)

    ours, exact = jax.jit(jax.grad(expected))(deep), jax.jit(jax.grad(mean_log_prob))(deep)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, -b, rtol=1e-10, atol=1e-12), ours, exact)


def test_the_penalty_is_on_the_squares():
    deep, data, model = network(5), X[:3], X[5:]
    value, gap = contrast(OF, deep, data, model, penalty=0.2)
    of_data, of_model = (-minus_energy(deep, np.asarray(x)) for x in (data, model))
    np.testing.assert_allclose(gap, of_data.mean() - of_model.mean(), **EXACT)
    squares = (of_data**2).mean() + (of_model**2).mean()
    np.testing.assert_allclose(value, gap + 0.2 * squares, **EXACT)


def test_at_the_start_pixels_are_independent_with_the_datas_log_odds():
    x = jnp.array([[1.0, 0, 1, 0], [1, 0, 0, 0]])
    odds = log_odds_of_mean(x, prior=0.1)
    np.testing.assert_allclose(sigmoid(odds), np.array([1.1, 0.1, 0.6, 0.1]) / 1.2, rtol=1e-12)
    deep = random_deep_energy(jr.key(0), OF, odds)
    p = np.where(states(4) == 1, sigmoid(odds), 1 - sigmoid(odds)).prod(axis=1)
    np.testing.assert_allclose(probabilities(deep), p, rtol=1e-6)
    assert all(np.abs(weights).min() > 0 for weights, _ in deep.layers[:-1])
    trainer = langevin_trainer(OF, Langevin(n_chains=(n := 20_000)), optax.sgd(0.1))
    chains = trainer.init(jr.key(1), deep, x).chains
    p = sigmoid(odds)
    assert np.all(np.abs(chains.mean(axis=0) - p) < 4.5 * np.sqrt(p * (1 - p) / n))


def test_learning_raises_the_exact_log_probability():
    """Of two patterns and what is near them; the chains' own states tell nothing of it."""
    draw = np.random.default_rng(0)
    patterns = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])[draw.integers(2, size=200)]
    inputs = jnp.asarray(np.where(draw.random(patterns.shape) < 0.05, 1 - patterns, patterns))
    keys = jax.vmap(jr.key)(np.arange(2))
    odds = log_odds_of_mean(inputs)
    start = jax.vmap(lambda key: random_deep_energy(key, OF, odds))(keys)
    start = jax.tree.map(lambda x: x.astype(float), start)
    trainer = langevin_trainer(OF, Langevin(n_chains=50, n_steps=5, step_size=1.0), optax.adam(0.02))
    fitted = fit(keys, trainer, start, inputs, n_epochs=20, batch_size=20)

    def mean_log_prob(deep):
        log_z = logsumexp(minus_energy(deep, states(4)))
        return np.asarray(log_prob(OF, deep, log_z, inputs)).mean()

    for seed in range(2):
        before, after = (jax.tree.map(lambda x, s=seed: x[s], each) for each in (start, fitted.state.params))
        assert mean_log_prob(after) > mean_log_prob(before) + 0.7
    assert set(fitted.curves) == {"acceptance", "energy_gap"}
    assert np.all((fitted.curves["acceptance"] > 0.1) & (fitted.curves["acceptance"] < 1))
