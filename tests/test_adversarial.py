"""A generator, a discriminator and their losses; a decoder's log probability against quadrature."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from oracle import sigmoid, states
from test_deep_models import numbers
from test_vae import ONE, nodes
from test_vae import network as random_network

from repro.evaluation.decoder import (
    Decoding,
    anneal,
    hamiltonian_move,
    learn_schedule,
    log_prob,
    log_prob_of_own,
    placed,
)
from repro.evaluation.likelihood import Directed, bounds
from repro.models import vae
from repro.models.adversarial import Adversarial, generated, log_likelihood, log_odds_of_data, random_gan
from repro.models.perceptron import Dropout
from repro.training.adversarial import adversarial_trainer, discriminator_loss, generator_loss
from repro.training.fit import fit

EXACT = {"rtol": 1e-12, "atol": 1e-12}
ONE_LATENT, TWO_LATENT = (Adversarial(5, latent=n, hidden=4, activation="tanh", dropout=None) for n in (1, 2))
NOISE = 0.05


def network(of, seed=0):
    """With biases that are not 0, and no symmetry."""
    leaves, structure = jax.tree.flatten(random_gan(jr.key(seed), of))
    return jax.tree.unflatten(
        structure, [x.astype(float) + numbers(i, *x.shape, scale=0.5) for i, x in enumerate(leaves)]
    )


def through(layers, x):
    """Linear outputs after hidden hyperbolic tangents."""
    for depth, (W, b) in enumerate(layers):
        x = x @ np.asarray(W) + np.asarray(b)
        x = np.tanh(x) if depth < len(layers) - 1 else x
    return x


def probability(of, gan, x, n=40):
    """p(x) of every image, by quadrature over the latent units, with every pixel turned over by chance."""
    points, weights = np.polynomial.hermite_e.hermegauss(n)
    grid = np.stack(np.meshgrid(*[points] * of.latent, indexing="ij"), axis=-1).reshape(-1, of.latent)
    mass = np.prod(np.meshgrid(*[weights / weights.sum()] * of.latent, indexing="ij"), axis=0).reshape(-1)
    on = sigmoid(through(gan.generator, grid))
    on = (1 - NOISE) * on + NOISE * (1 - on)
    return np.stack([np.where(case == 1, on, 1 - on).prod(axis=1) for case in np.asarray(x)]) @ mass


def test_the_probabilities_of_all_images_add_up_to_one():
    gan, x = network(TWO_LATENT), jnp.asarray(states(5))
    np.testing.assert_allclose(probability(TWO_LATENT, gan, x).sum(), 1, **EXACT)
    z = numbers(3, 2)
    on = np.asarray(generated(TWO_LATENT, gan.generator, z))
    np.testing.assert_allclose(on, sigmoid(through(gan.generator, np.asarray(z))), **EXACT)
    ours = jax.vmap(partial(log_likelihood, TWO_LATENT, NOISE, gan.generator, z))(x)
    on = (1 - NOISE) * on + NOISE * (1 - on)
    np.testing.assert_allclose(np.exp(ours), np.where(states(5) == 1, on, 1 - on).prod(axis=1), **EXACT)


def test_the_losses_are_those_of_the_paper():
    gan, z, data = network(ONE_LATENT), numbers(4, 3, 1), jnp.asarray(states(5)[[3, 9]]) * 0.8
    made = sigmoid(through(gan.generator, np.asarray(z)))
    of_data, of_made = (sigmoid(through(gan.discriminator, np.asarray(x)))[:, 0] for x in (data, made))
    odds = log_odds_of_data(ONE_LATENT, gan.discriminator, data, jr.key(0))
    np.testing.assert_allclose(sigmoid(odds), of_data, **EXACT)
    both = -np.log(of_data).mean() - np.log(1 - of_made).mean()
    np.testing.assert_allclose(discriminator_loss(ONE_LATENT, gan, data, z, jr.key(0)), both, **EXACT)
    np.testing.assert_allclose(
        generator_loss(ONE_LATENT, gan, z, jr.key(0)), -np.log(of_made).mean(), **EXACT
    )


@pytest.mark.parametrize("dropout", [None, Dropout(0.2, 0.5)])
def test_each_network_descends_its_own_loss_with_draws_of_its_own(dropout, rate=1e-3):
    of, gan, data = (
        replace(ONE_LATENT, dropout=dropout),
        network(ONE_LATENT),
        jnp.asarray(states(5))[::3] * 0.8,
    )
    trainer = adversarial_trainer(of, optax.sgd(rate))
    state, order = trainer.init(jr.key(0), gan, data), jnp.arange(len(data))[None]
    after, info = trainer.epoch(jr.key(1), state, data, order, 0)
    key_latent, key_judge, key_deceive = jr.split(jr.fold_in(jr.key(1), 0), 3)
    seen, answered = jr.normal(key_latent, (2, len(data), 1))

    @jax.value_and_grad
    def judging(gan):
        return discriminator_loss(of, gan, data, seen, key_judge)

    @jax.value_and_grad
    def deceiving(gan):
        return generator_loss(of, gan, answered, key_deceive)

    loss, downhill = judging(gan)
    deceived, onward = deceiving(gan._replace(discriminator=after.params.discriminator))
    np.testing.assert_allclose(info["discriminator_loss"], loss, rtol=1e-12)
    np.testing.assert_allclose(info["generator_loss"], deceived, rtol=1e-12)

    def is_step(new, old, gradient):
        np.testing.assert_allclose(new, old - rate * gradient, rtol=1e-9, atol=1e-12)

    jax.tree.map(is_step, after.params.discriminator, gan.discriminator, downhill.discriminator)
    jax.tree.map(is_step, after.params.generator, gan.generator, onward.generator)


def test_the_generator_learns_how_often_pixels_are_on():
    inputs = jnp.asarray(np.random.default_rng(0).beta(1, [4, 0.5, 1, 3, 2], size=(400, 5)))
    keys = jax.vmap(jr.key)(np.arange(2))
    start = jax.vmap(lambda key: random_gan(key, TWO_LATENT))(keys)
    start = jax.tree.map(lambda x: x.astype(float), start)
    trainer = adversarial_trainer(TWO_LATENT, optax.adam(0.003, b1=0.5))
    fitted = fit(keys, trainer, start, inputs, n_epochs=60, batch_size=40)
    z = jr.normal(jr.key(5), (1000, 2))
    for seed in range(2):
        off = [
            np.abs(
                jax.vmap(
                    partial(generated, TWO_LATENT, jax.tree.map(lambda x, s=seed: x[s], params.generator))
                )(z).mean(axis=0)
                - inputs.mean(axis=0)
            ).mean()
            for params in (start, fitted.state.params)
        ]
        assert off[1] < 0.6 * off[0]
    assert set(fitted.curves) == {"discriminator_loss", "generator_loss"}


# --- log probability ------------------------------------------------------------------------------------

FEW = Decoding(n_chains=2000, n_steps=5, n_leapfrog=3, step_size=0.4, at_once=2)


def of_gan(of):
    return partial(log_likelihood, of, NOISE)


@pytest.mark.parametrize("of", [ONE_LATENT, TWO_LATENT])
def test_weights_have_the_mean_p(of, z=4.5):
    """In blocks of two cases and one."""
    gan, x = network(of), jnp.asarray(states(5)[[2, 13, 20] if of is ONE_LATENT else [7, 16]])
    truth = probability(of, gan, x)
    found = log_prob(jr.key(1), of_gan(of), gan.generator, of.latent, x, FEW)
    weights = np.exp(found.log_weights) / truth[:, None]
    errors = weights.std(axis=1, ddof=1) / np.sqrt(FEW.n_chains)
    assert np.all(np.abs(weights.mean(axis=1) - 1) < z * errors)
    np.testing.assert_allclose(np.exp(found.log_prob) / truth, weights.mean(axis=1), rtol=1e-10)
    size = weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1)
    np.testing.assert_allclose(found.effective_sample_size, size, rtol=1e-10)
    assert found.acceptance.shape == (2 if len(x) == 3 else 1, 5) and found.acceptance.min() > 0.3
    assert np.all(found.log_weights.mean(axis=1) < np.log(truth))


def test_on_the_way_back_weights_have_the_mean_of_its_inverse(of=TWO_LATENT, n=3000, z=4.5):
    """Images and latent units drawn together: each image's own are a sample of its posterior."""
    gan = network(of)
    key_z, key_x = jr.split(jr.key(2))
    own = jr.normal(key_z, (n, of.latent))
    on = jax.vmap(partial(generated, of, gan.generator))(own)
    x = jr.bernoulli(key_x, NOISE + (1 - 2 * NOISE) * on).astype(float)
    how = Decoding(n_chains=1, n_steps=5, n_leapfrog=3, step_size=0.4, at_once=n)
    found = log_prob_of_own(jr.key(3), of_gan(of), gan.generator, x, own, how)
    every = probability(of, gan, states(5))
    truth = every[np.asarray(x @ jnp.array([16.0, 8, 4, 2, 1]), int)]
    weights = np.exp(found.log_weights[:, 0]) * truth
    assert abs(weights.mean() - 1) < z * weights.std(ddof=1) / np.sqrt(n)
    assert np.mean(found.log_prob - np.log(truth)) > 0
    np.testing.assert_allclose(found.log_prob, -found.log_weights[:, 0], rtol=1e-12)


def test_a_move_leaves_the_moments_of_a_tempered_posterior_right(n=20_000, beta=0.6, z=4.5):
    """z ~ N(0, 1), x ~ N(z, ½): at β the posterior is N(2 β x / (1 + 2 β), 1 / (1 + 2 β))."""

    def gaussian(scale, z, x):
        return -((scale * (z - x)) ** 2).sum()

    x, precision = jnp.array([[1.5, -0.5]]), 1 + 2 * beta
    mean = 2 * beta * np.asarray(x[0]) / precision
    start = jnp.asarray(mean)[None, None] + jr.normal(jr.key(0), (1, n, 2)) / np.sqrt(precision)
    chains = placed(gaussian, jnp.float64(1), x, start)
    move = jax.jit(partial(hamiltonian_move, log_likelihood=gaussian, n_leapfrog=2))
    moved, acceptance = move(
        jr.key(1),
        params=jnp.float64(1),
        x=x,
        chains=chains,
        beta=jnp.float64(beta),
        step_size=jnp.float64(0.9),
    )
    assert 0.5 < acceptance < 0.95
    ends = np.asarray(moved.z[0])
    assert np.all(np.abs(ends.mean(axis=0) - mean) < z * np.sqrt(1 / precision / n))
    assert np.all(np.abs(ends.var(axis=0) * precision - 1) < z * np.sqrt(2 / n))
    assert np.mean(np.abs(ends - np.asarray(start[0])).max(axis=1) > 1e-9) > 0.4, "chains do move"
    again = placed(gaussian, jnp.float64(1), x, moved.z)
    jax.tree.map(partial(np.testing.assert_allclose, **EXACT), moved, again)


def test_step_sizes_come_to_the_acceptance_that_is_wanted():
    gan, x = network(TWO_LATENT), jnp.asarray(states(5))
    how = Decoding(n_steps=80, n_leapfrog=2, step_size=0.3, acceptance=0.8, rate=0.5)
    z = jr.normal(jr.key(0), (32, 1, 2))
    learn = jax.jit(partial(learn_schedule, log_likelihood=of_gan(TWO_LATENT), how=how))
    schedule = learn(jr.key(1), params=gan.generator, x=x, z=z)
    assert schedule.step_sizes[0] == 0.3 and schedule.step_sizes[-1] > 0.5
    np.testing.assert_allclose(
        schedule.step_size(schedule.temperatures[40]), schedule.step_sizes[39], **EXACT
    )
    run = jax.jit(partial(anneal, log_likelihood=of_gan(TWO_LATENT), n_leapfrog=2))
    _, acceptance = run(jr.key(2), params=gan.generator, x=x, z=jnp.repeat(z, 8, axis=1), schedule=schedule)
    assert abs(acceptance[40:].mean() - 0.8) < 0.05


def test_temperatures_rise_from_prior_to_posterior():
    beta = Decoding(n_steps=10, steepness=3.0).temperatures()
    assert len(beta) == 11 and beta[0] == 0 and beta[-1] == 1
    np.testing.assert_allclose(beta[5], 0.5, **EXACT)
    logistic = sigmoid(np.array([-3, -1.8, 3]))
    np.testing.assert_allclose(beta[2], (logistic[1] - logistic[0]) / (logistic[2] - logistic[0]), **EXACT)


def test_every_case_and_block_has_draws_of_its_own_and_a_seed_repeats():
    run = partial(log_prob, jr.key(1), of_gan(ONE_LATENT), network(ONE_LATENT).generator, 1, jnp.ones((4, 5)))
    found = run(FEW)
    assert len(np.unique(found.log_prob)) == 4
    np.testing.assert_array_equal(run(FEW).log_weights, found.log_weights)


def test_it_agrees_with_importance_weighting_of_a_variational_autoencoder(z=4.5):
    params, x = random_network(ONE), jnp.asarray(states(5)[[4, 22]])

    def given(params, z, x):
        return vae.log_joint(ONE, params, x, (z,)) - vae.log_gaussian(z)

    found = log_prob(jr.key(1), given, params, 1, x, Decoding(n_chains=500, n_steps=20, n_leapfrog=3))
    model = Directed(
        log_joint=lambda x, z: vae.log_joint(ONE, params, x, z),
        log_posterior=lambda x, z: vae.log_recognition(ONE, params, x, z),
        draw=lambda key, x: vae.infer(ONE, params, x, key),
    )
    other = jax.jit(partial(bounds, model=model, n_samples=1000))(jr.key(2), x=x)
    points, weights = nodes()
    likelihoods = jax.vmap(lambda x: jax.vmap(lambda z: given(params, z, x))(points[:, None]))
    exact = np.log(np.exp(jax.jit(likelihoods)(x)) @ weights)
    relative = [
        (n / found_size - 1) / (n - 1)
        for n, found_size in (
            (500, found.effective_sample_size),
            (1000, np.asarray(other.effective_sample_size)),
        )
    ]
    assert np.all(np.abs(found.log_prob - exact) < z * np.sqrt(relative[0]))
    assert np.all(np.abs(found.log_prob - other.importance_weighted) < z * np.sqrt(relative[0] + relative[1]))
