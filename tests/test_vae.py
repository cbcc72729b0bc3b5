"""The variational autoencoder against quadrature, and its two gradients against the exact one."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from repro.models.perceptron import Perceptron, outputs
from repro.models.vae import (
    Variational,
    dream,
    gaussian,
    infer,
    log_gaussian,
    log_joint,
    log_recognition,
    log_weight,
    random_vae,
)
from repro.training.binary import drawn_anew
from repro.training.fit import fit
from repro.training.variational import bound, gradient, variational_trainer

ONE = Variational(5, latent=(1,), hidden=(3,))
TWO = Variational(5, latent=(1, 1), hidden=(3, 2))
X = jnp.array([1.0, 0.0, 1.0, 1.0, 0.0])


def network(of, seed=0, scale=0.4):
    """With biases that are not 0, no symmetry, and smooth enough for the quadrature."""
    vae = random_vae(jr.key(seed), of)
    leaves, structure = jax.tree.flatten(jax.tree.map(lambda x: x.astype(float), vae))
    moved = [x + scale * jr.normal(jr.fold_in(jr.key(9), i), x.shape) / 2 for i, x in enumerate(leaves)]
    return jax.tree.unflatten(structure, moved)


def nodes(n=40):
    """Nodes and weights of Gauss and Hermite for means under N(0, 1)."""
    points, weights = np.polynomial.hermite_e.hermegauss(n)
    return jnp.array(points), jnp.array(weights / weights.sum())


def expected(of, vae, x, function, n=40):
    """The mean of function(latents) under q(z|x), by quadrature."""
    points, weights = nodes(n)

    def above(latents, given, rest):
        if not rest:
            return function(latents)
        mean, log_variance = gaussian(of, rest[0], given)
        each = jax.vmap(
            lambda e: above((*latents, z := mean + jnp.exp(0.5 * log_variance) * e), z, rest[1:])
        )(points[:, None])
        return weights @ each

    return above((), x, vae.recognition)


def test_the_joint_adds_up_to_the_probability_of_the_pixels():
    """p(x) by quadrature over the prior, of all 32 patterns, is 1 in sum."""
    vae, (points, weights) = network(ONE), nodes()
    patterns = jnp.array(list(np.ndindex(*[2] * 5)), float)

    def probability(x):
        of_z = jax.vmap(lambda z: jnp.exp(log_joint(ONE, vae, x, (z,)) - log_gaussian(z)))(points[:, None])
        return weights @ of_z

    probabilities = jax.vmap(probability)(patterns)
    np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-8)
    assert probabilities.std() > 0.01


@pytest.mark.parametrize("of", [ONE, TWO])
def test_the_mean_weight_is_the_probability_and_the_mean_of_its_logarithm_lies_below(of):
    vae, (points, weights) = network(of), nodes()

    def joint(*z):
        return jnp.exp(log_joint(of, vae, X, z))

    flat = jnp.exp(0.5 * points**2) * jnp.sqrt(2 * jnp.pi) * weights  # dz, of the nodes
    grid = jnp.stack(jnp.meshgrid(*[points] * len(of.latent), indexing="ij"))[..., None]
    joint_of_nodes = jax.vmap(joint)(*grid.reshape(len(of.latent), -1, 1))
    exact = joint_of_nodes.reshape(*[len(points)] * len(of.latent))
    for _ in of.latent:
        exact = exact @ flat
    weight = jax.jit(lambda: expected(of, vae, X, lambda z: jnp.exp(log_weight(of, vae, X, z))))()
    np.testing.assert_allclose(weight, exact, rtol=2e-3)
    assert expected(of, vae, X, lambda z: log_weight(of, vae, X, z)) < jnp.log(exact) - 1e-3


@pytest.mark.parametrize("of", [ONE, TWO])
def test_inference_draws_from_the_density_that_it_names(of):
    vae = network(of)
    draws = jax.vmap(lambda key: infer(of, vae, X, key))(jr.split(jr.key(1), 20_000))
    for i, z in enumerate(draws):
        for power in (1, 2):
            exact = expected(of, vae, X, lambda some, i=i, p=power: (some[i] ** p).sum())
            found = (z**power).sum(axis=1)
            assert abs(found.mean() - exact) < 4.5 * found.std() / np.sqrt(len(found))
    mean, log_variance = gaussian(of, vae.recognition[0], X)
    np.testing.assert_allclose(
        log_recognition(ONE, vae._replace(recognition=vae.recognition[:1]), X, (draws[0][0],)),
        log_gaussian(draws[0][0], mean, log_variance),
    )


@pytest.mark.parametrize("estimator", ["reparameterised", "score function"])
@pytest.mark.parametrize("of", [ONE, TWO])
def test_both_estimators_have_the_gradient_of_the_bound(of, estimator):
    vae, n, baseline = network(of), 10_000, jnp.float64(-1.5)

    @jax.jit
    @jax.value_and_grad
    def exactly(vae):
        return expected(of, vae, X, lambda z: log_weight(of, vae, X, z))

    mean, exact = exactly(vae)
    one = partial(gradient, of, estimator, vae, X[None])
    values, gradients = jax.jit(jax.vmap(lambda key: one(key, baseline)))(jr.split(jr.key(2), n))
    assert abs(values.mean() - mean) < 4.5 * values.std() / np.sqrt(n)
    far = [
        np.abs(found.mean(axis=0) - right) / (found.std(axis=0) / np.sqrt(n) + 1e-12)
        for found, right in zip(jax.tree.leaves(gradients), jax.tree.leaves(exact), strict=True)
    ]
    assert max(x.max() for x in far) < 4.5


def test_the_score_function_is_the_noisier_one_and_a_baseline_helps():
    vae = network(ONE)
    spread = {}
    for estimator, baseline in (("reparameterised", 0.0), ("score function", 0.0), ("score function", -3.0)):
        one = partial(gradient, ONE, estimator, vae, X[None], baseline=jnp.float64(baseline))
        of_each = jax.jit(jax.vmap(lambda key, one=one: one(key)[1].recognition))(jr.split(jr.key(3), 500))
        spread[estimator, baseline] = sum(x.var(axis=0).sum() for x in jax.tree.leaves(of_each))
    assert spread["score function", 0.0] > 3 * spread["reparameterised", 0.0]
    assert spread["score function", 0.0] > 3 * spread["score function", -3.0]


@pytest.mark.parametrize("estimator", ["reparameterised", "score function"])
def test_training_climbs_the_bound(estimator):
    draw = np.random.default_rng(0)
    patterns = (draw.random((3, 12)) < 0.5).astype(float)
    inputs = jnp.array(np.clip(patterns[np.arange(60) % 3], 0.05, 0.95))
    of = Variational(12, latent=(2,), hidden=(8,))
    keys = jax.vmap(jr.key)(np.arange(2))
    start = jax.tree.map(lambda x: x.astype(float), jax.vmap(lambda key: random_vae(key, of))(keys))
    trainer = drawn_anew(variational_trainer(of, estimator, optax.adam(0.01)))
    fitted = fit(keys, trainer, start, inputs, n_epochs=40, batch_size=20)
    climbed = fitted.curves["bound"]
    assert np.all(climbed[:, -3:].mean(axis=1) > climbed[:, 0] + 1.5)


def test_dreams_have_the_probabilities_of_the_model():
    vae, (points, weights) = network(TWO), nodes()
    seen = jax.jit(jax.vmap(partial(dream, TWO, vae)))(jr.split(jr.key(4), 5_000))

    def of_second(z):
        mean, log_variance = gaussian(TWO, vae.generation[0], z)
        first = mean[None] + jnp.exp(0.5 * log_variance)[None] * points[:, None]
        logits = jax.vmap(partial(outputs, Perceptron((), "tanh"), vae.pixels))(first)
        return weights @ jax.nn.sigmoid(logits)

    exact = weights @ jax.vmap(of_second)(points[:, None])
    assert np.all(np.abs(seen.mean(axis=0) - exact) < 4.5 * seen.std(axis=0) / np.sqrt(len(seen)))


def test_pixels_are_drawn_anew_as_their_values_have_it():
    """Nothing is learnt and nothing inferred: the bound is -10 nats for each pixel that is drawn black."""
    vae = jax.tree.map(jnp.zeros_like, network(ONE))
    *hidden, (weights, bias) = vae.pixels
    vae = vae._replace(pixels=(*hidden, (weights, bias + 10.0)))
    trainer = drawn_anew(variational_trainer(ONE, "reparameterised", optax.sgd(0.0)))
    inputs = jnp.full((4, 5), 0.5)
    state = trainer.init(jr.key(0), vae, inputs)
    drawn = [trainer.epoch(jr.key(i), state, inputs, jnp.arange(4)[None], 0) for i in range(8)]
    bounds = np.array([info["bound"][0] for _, info in drawn])
    np.testing.assert_allclose(bounds / -2.5, np.round(bounds / -2.5), atol=1e-3)
    assert bounds.std() > 1 and abs(bounds.mean() + 25) < 4.5 * 2.5 * np.sqrt(5)
    (
        np.testing.assert_allclose([state.baseline for state, _ in drawn], bounds),
        "the first bound is the baseline",
    )


def test_the_bound_of_a_draw_is_its_weight():
    vae, key = network(TWO), jr.key(5)
    assert bound(TWO, vae, X, key) == log_weight(TWO, vae, X, infer(TWO, vae, X, key))
