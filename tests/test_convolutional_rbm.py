"""Convolutional RBMs with probabilistic max pooling, against enumeration and updates written out."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle import sigmoid, states
from pydantic import ValidationError
from stepping import one_step

from repro.models.convolutional_rbm import (
    ConvolutionalRBM,
    PooledUnits,
    bottom_up,
    cropped,
    detection_mean,
    energy,
    free_energy,
    in_pixels,
    pooled,
    pooling_mean,
    sample_detection,
    top_down,
    visible_mean,
)
from repro.training.convolutional import (
    ENDLESS,
    ConvolutionalLayer,
    ConvolutionalLearning,
    ConvolutionalPretraining,
    Setting,
    convolutional_trainer,
    detection_means,
    difference,
    from_a_setting,
    gibbs_chain,
    pooled_features,
    pretrain_convolutional,
    random_rbm,
)
from repro.training.fit import fit

EXACT = {"rtol": 1e-12, "atol": 1e-12}
CASES = {  # shape of the filters, of the images, side of the blocks
    "two channels": ((2, 2, 1, 2), (2, 2, 3), 2),
    "two blocks": ((2, 1, 1, 2), (1, 2, 5), 2),
    "taller filters": ((2, 1, 2, 1), (1, 3, 2), 2),
    "square filters": ((2, 1, 2, 2), (1, 3, 3), 2),
    "single units": ((2, 1, 2, 2), (1, 3, 3), 1),
}
SMALL = CASES["taller filters"]


def machine(shape, seed=0, scale=1.0):
    """Nothing zero, nothing symmetric."""
    draw = np.random.default_rng([seed, *shape]).normal
    return ConvolutionalRBM(*(jnp.asarray(draw(size=n, scale=scale)) for n in (shape, shape[1], shape[0])))


# --- plain NumPy: the machine as an RBM with weights of its own for every pair of units -----------------


def dense(rbm, image):
    """Weights [visible, detection] between all units, and their biases, by loops."""
    filters, visible, hidden = (np.asarray(x, np.float64) for x in rbm)
    n_bases, _, n_rows, n_columns = filters.shape
    layer = n_bases, image[1] - n_rows + 1, image[2] - n_columns + 1
    weights = np.zeros((*image, *layer))
    for k, i, j in np.ndindex(*layer):
        for c, r, s in np.ndindex(*filters.shape[1:]):
            weights[c, i + r, j + s, k, i, j] = filters[k, c, r, s]
    b, c = np.broadcast_to(visible[:, None, None], image), np.broadcast_to(hidden[:, None, None], layer)
    return weights.reshape(b.size, c.size), b.ravel(), c.ravel(), layer


def allowed(layer, side):
    """All states of a detection layer of which no block has more than one unit on: [states, units]."""
    n_bases, down, across = layer
    each = []
    for corner in itertools.product(range(n_bases), range(0, down, side), range(0, across, side)):
        block = [np.zeros(layer)]
        for r, s in np.ndindex(side, side):
            block.append(np.zeros(layer))
            block[-1][corner[0], corner[1] + r, corner[2] + s] = 1
        each.append(block)
    return np.array([np.sum(blocks, axis=0).ravel() for blocks in itertools.product(*each)])


def table(rbm, image, side):
    """All visible states, all allowed ones of the detection units, and p(v, h) before it is normalised."""
    weights, b, c, layer = dense(rbm, image)
    v, h = states(b.size), allowed(layer, side)
    return v, h, np.exp((v @ b)[:, None] + (h @ c)[None] + v @ weights @ h.T)


def by_block(h, layer, side):
    """Which blocks have a unit on: [states, pooling units]."""
    n_bases, down, across = layer
    h = h.reshape(-1, n_bases, down // side, side, across // side, side)
    return h.sum(axis=(3, 5)).reshape(len(h), -1)


def means_given(rbm, image, side, v):
    """Means of detection units, [cases, units], from sums over blocks one after another."""
    weights, _, c, layer = dense(rbm, image)
    received = np.exp(c + v.reshape(len(v), -1) @ weights).reshape(-1, *layer)
    means = np.zeros_like(received)
    for i, j in itertools.product(range(0, layer[1], side), range(0, layer[2], side)):
        block = received[:, :, i : i + side, j : j + side]
        means[:, :, i : i + side, j : j + side] = block / (1 + block.sum((2, 3), keepdims=True))
    return means


def gibbs_matrix(joint):
    """T[v, v'] = ∑ₕ p(h | v) p(v' | h)."""
    return (joint / joint.sum(axis=1, keepdims=True)) @ (joint / joint.sum(axis=0)).T


def number_of(v):
    bits = np.asarray(v).reshape(len(v), -1).astype(int)
    return bits @ (1 << np.arange(bits.shape[1])[::-1])


def close_to_chances(found, chances, z=4.5):
    """Numbers drawn with these chances: every frequency within z standard errors."""
    assert chances.min() * len(found) > 20
    frequency = np.bincount(found, minlength=len(chances)) / len(found)
    assert np.all(np.abs(frequency - chances) < z * np.sqrt(chances * (1 - chances) / len(found)))


# --- the model ------------------------------------------------------------------------------------------


def test_the_energy_is_that_of_loops_over_bases_places_and_weights():
    shape, image, side = (2, 3, 2, 3), (3, 5, 4), 2
    rbm, random = machine(shape), np.random.default_rng(1)
    v = random.random(image)
    h = (allowed((2, 4, 2), side)[[3, 17, 400, 624]]).reshape(-1, 2, 4, 2)
    W, b, c = map(np.asarray, rbm)
    energy_of = jax.jit(energy, static_argnums=0)
    for one in h:
        goodness = 0.0
        for k, i, j in np.ndindex(*one.shape):
            received = c[k]
            for channel, r, s in np.ndindex(*shape[1:]):
                received += W[k, channel, r, s] * v[channel, i + r, j + s]
            goodness += one[k, i, j] * received
        of_binary = sum(b[channel] * v[channel, y, x] for channel, y, x in np.ndindex(*image))
        of_real = sum((v[channel, y, x] - b[channel]) ** 2 for channel, y, x in np.ndindex(*image)) / 2
        for kind, of_visible in (("binary", -of_binary), ("real", of_real)):
            ours = energy_of(PooledUnits(kind, side), rbm, jnp.asarray(v), jnp.asarray(one))
            np.testing.assert_allclose(ours, of_visible - goodness, **EXACT)


@pytest.mark.parametrize(("shape", "image", "side"), CASES.values(), ids=CASES)
def test_conditionals_and_free_energy_are_those_of_the_joint_table(shape, image, side):
    rbm, units = machine(shape), PooledUnits(block=side)
    v, h, joint = table(rbm, image, side)
    *_, layer = dense(rbm, image)
    given_v = joint / joint.sum(axis=1, keepdims=True)
    images, layers = jnp.asarray(v).reshape(-1, *image), jnp.asarray(h).reshape(-1, *layer)

    def of_each(function, x):
        found = jax.jit(jax.vmap(partial(function, units, rbm)))(x)
        return np.asarray(found).reshape(len(x), -1)

    np.testing.assert_allclose(of_each(detection_mean, images), given_v @ h, **EXACT)
    np.testing.assert_allclose(of_each(pooling_mean, images), given_v @ by_block(h, layer, side), **EXACT)
    np.testing.assert_allclose(of_each(visible_mean, layers), (joint / joint.sum(axis=0)).T @ v, **EXACT)
    np.testing.assert_allclose(of_each(free_energy, images)[:, 0], -np.log(joint.sum(axis=1)), **EXACT)


def test_real_visible_units_are_gaussian_about_what_they_receive():
    shape, image, side = CASES["two blocks"]
    rbm, units, random = machine(shape), PooledUnits("real", side), np.random.default_rng(2)
    weights, b, c, layer = dense(rbm, image)
    h = allowed(layer, side)
    x = random.normal(size=(5, *image))
    energies = 0.5 * ((x.reshape(5, -1) - b) ** 2).sum(1)[:, None] - (c + x.reshape(5, -1) @ weights) @ h.T
    free = jax.jit(jax.vmap(partial(free_energy, units, rbm)))(jnp.asarray(x))
    np.testing.assert_allclose(free, -np.log(np.exp(-energies).sum(axis=1)), **EXACT)
    given_v = np.exp(-energies) / np.exp(-energies).sum(axis=1, keepdims=True)
    means = jax.jit(jax.vmap(partial(detection_mean, units, rbm)))(jnp.asarray(x))
    np.testing.assert_allclose(means.reshape(5, -1), given_v @ h, **EXACT)
    one = jnp.asarray(h[77]).reshape(layer)
    mean, energy_of = jax.jit(partial(visible_mean, units, rbm))(one), jax.jit(partial(energy, units, rbm))
    np.testing.assert_allclose(mean.ravel(), b + weights @ h[77], **EXACT)
    for v in jnp.asarray(x):  # E(v, h) = E(mean, h) + ½|v - mean|²
        above = energy_of(v, one) - energy_of(mean, one)
        np.testing.assert_allclose(above, 0.5 * jnp.sum((v - mean) ** 2), **EXACT)


def test_strong_signals_neither_overflow_nor_leave_a_block():
    units, shape = PooledUnits(), (1, 1, 1, 1)
    rbm = ConvolutionalRBM(jnp.full(shape, 2000.0), jnp.zeros(1), jnp.full(1, -1000.0))
    v = jnp.asarray([[[1.0, 0, 0, 0], [0, 0, 0, 0]]])
    np.testing.assert_array_equal(detection_mean(units, rbm, v)[0], v[0])
    np.testing.assert_array_equal(pooling_mean(units, rbm, v), [[[1, 0]]])
    assert free_energy(units, rbm, v) == -1000


def test_what_goes_down_is_the_transpose_of_what_goes_up():
    rbm, random = machine((3, 2, 2, 4)), np.random.default_rng(3)
    v, h = jnp.asarray(random.normal(size=(2, 5, 7))), jnp.asarray(random.normal(size=(3, 4, 4)))
    up = bottom_up(rbm, v) - rbm.hidden_bias[:, None, None]
    down = top_down(rbm, h) - rbm.visible_bias[:, None, None]
    np.testing.assert_allclose(jnp.sum(up * h), jnp.sum(v * down), **EXACT)


# --- sampling -------------------------------------------------------------------------------------------


def test_blocks_are_drawn_independently_with_their_chances(n=100_000):
    shape, image, side = CASES["two blocks"]
    rbm, units = machine((1, *shape[1:]), scale=0.7), PooledUnits(block=side)  # 25 states of two blocks
    v, h, joint = table(rbm, image, side)
    start = 421

    @jax.jit
    def draw(key):
        mean = detection_mean(units, rbm, jnp.asarray(v[start]).reshape(image))
        return sample_detection(key, units, jnp.broadcast_to(mean, (n, *mean.shape)))

    drawn = draw(jr.key(0))
    order = np.argsort(number_of(h))
    at = np.searchsorted(number_of(h)[order], number_of(drawn))
    assert set(number_of(drawn)) <= set(number_of(h))
    close_to_chances(at, (joint[start] / joint[start].sum())[order])


def test_a_gibbs_step_draws_from_its_matrix_which_leaves_the_model_unchanged(n=100_000):
    shape, image, side = SMALL
    rbm, units = machine(shape, seed=3, scale=0.5), PooledUnits(block=side)
    v, _, joint = table(rbm, image, side)
    p, step = joint.sum(axis=1) / joint.sum(), gibbs_matrix(joint)
    np.testing.assert_allclose(p @ step, p, **EXACT)
    start = 37
    x = jnp.broadcast_to(jnp.asarray(v[start]).reshape(image), (n, *image))
    begun = x, detection_means(units, rbm, x)
    chain = jax.jit(partial(gibbs_chain, units=units, rbm=rbm), static_argnames="k")
    for k, row in ((1, step[start]), (2, (step @ step)[start])):
        seen, means = chain(jr.key(k), start=begun, k=k)
        close_to_chances(number_of(seen), row)
        few = np.asarray(seen)[:50]
        np.testing.assert_allclose(means[:50], means_given(rbm, image, side, few), **EXACT)


def test_a_mean_field_step_and_one_of_real_units_have_their_moments(n=50_000, z=4.5):
    shape, image, side = CASES["two channels"]
    rbm, x = machine(shape, scale=0.7), np.random.default_rng(4).normal(size=image)
    weights, b, c, layer = dense(rbm, image)
    h = allowed(layer, side)
    chances = np.exp(h @ (c + x.ravel() @ weights))
    chances /= chances.sum()
    v = jnp.broadcast_to(jnp.asarray(x), (n, *image))
    for kind, mean_field in (("binary", True), ("real", True), ("real", False)):
        units = PooledUnits(kind, side)
        received = b + h @ weights.T
        each = sigmoid(received) if kind == "binary" else received

        @jax.jit
        def chain(key, units=units, mean_field=mean_field):
            start = v, detection_means(units, rbm, v)
            return gibbs_chain(key, units, rbm, start, 1, mean_field=mean_field)[0]

        seen = chain(jr.key(6))
        seen, mean = np.asarray(seen).reshape(n, -1), chances @ each
        variance = chances @ (each - mean) ** 2 + (not mean_field)
        assert np.all(np.abs(seen.mean(0) - mean) < z * np.sqrt(variance / n))
        spread = (seen - mean) ** 2
        assert np.all(np.abs(spread.mean(0) - variance) < z * spread.std(0) / np.sqrt(n))


# --- learning -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two channels", "two blocks", "square filters"])
def test_with_the_model_enumerated_the_gradient_is_that_of_log_p(name):
    shape, image, side = CASES[name]
    rbm, units = machine(shape, scale=0.5), PooledUnits(block=side)
    v, h, joint = table(rbm, image, side)
    *_, layer = dense(rbm, image)
    p, every = joint.sum(axis=1) / joint.sum(), jnp.asarray(v).reshape(-1, *image)
    data = every[jnp.asarray([3, 9, 22])]

    def minus_log_p(rbm):  # with energies of every pair, none of them a free energy
        def of_pairs(v):
            return jax.vmap(partial(energy, units, rbm, v))(jnp.asarray(h).reshape(-1, *layer))

        unnormalised = jax.vmap(lambda v: jax.nn.logsumexp(-of_pairs(v)))
        return jax.nn.logsumexp(unnormalised(every)) - unnormalised(data).mean()

    @jax.jit
    @jax.vmap
    def one(v):
        seen = v[None], detection_means(units, rbm, v[None])
        return difference(units, rbm, (data, detection_means(units, rbm, data)), seen)

    ours = jax.tree.map(lambda x: jnp.tensordot(p, x, 1), one(every))
    places, pixels = layer[1] * layer[2], image[1] * image[2]
    truth = jax.jit(jax.grad(minus_log_p))(rbm)
    np.testing.assert_allclose(ours.filters, truth.filters / places, **EXACT)
    np.testing.assert_allclose(ours.hidden_bias, truth.hidden_bias / places, **EXACT)
    np.testing.assert_allclose(ours.visible_bias, truth.visible_bias / pixels, **EXACT)


def test_an_update_has_its_expectation(n=4000, z=4.5):
    """CD-2 with everything sampled: the negative phase is that of the data times T²."""
    (shape, image, side), cases = SMALL, [5, 18, 44, 44]
    rbm, units = machine(shape, scale=0.7), PooledUnits(block=side)
    v, _, joint = table(rbm, image, side)
    *_, layer = dense(rbm, image)
    config = ConvolutionalLearning(
        k=2, mean_field=False, learning_rate=1.0, momentum=0.0, sparsity_strength=0.0, weight_decay=0.0
    )
    trainer = convolutional_trainer(units, config, image)
    batch = jnp.asarray(v[cases])
    state = trainer.init(jr.key(0), rbm, batch)

    @jax.jit
    @jax.vmap
    def change(key):
        after, _ = one_step(trainer, key, state, batch)
        return jax.tree.map(jnp.subtract, after.params, rbm)

    at_data = np.bincount(cases, minlength=len(v)) / len(cases)
    sign = at_data - at_data @ np.linalg.matrix_power(gibbs_matrix(joint), 2)
    together = np.einsum("n,ni,nj->ij", sign, v, means_given(rbm, image, side, v).reshape(len(v), -1))
    by_filter = np.zeros(shape)
    together = together.reshape(*image, *layer)
    for k, i, j in np.ndindex(*layer):
        by_filter[k] += together[:, i : i + shape[2], j : j + shape[3], k, i, j]
    hidden = np.tensordot(sign, means_given(rbm, image, side, v), 1).mean((1, 2))
    truth = by_filter / np.prod(layer[1:]), (sign @ v).reshape(image).mean((1, 2)), hidden
    for ours, expected in zip(change(jr.split(jr.key(3), n)), truth, strict=True):
        standard_error = np.std(ours, axis=0) / np.sqrt(n)
        assert np.all(np.abs(np.mean(ours, axis=0) - expected) < z * standard_error)


def test_rate_momentum_decay_and_sparsity_are_those_of_the_update_written_out():
    shape, image, side = (2, 2, 2, 1), (2, 4, 5), 2  # of which a row and a column do not count
    config = ConvolutionalLearning(
        k=2, learning_rate=0.3, sparsity=0.1, sparsity_strength=0.7, weight_decay=0.2, momentum=0.6
    )
    units, start = PooledUnits(block=side), machine(shape)
    trainer = convolutional_trainer(units, config, image)
    batches = jnp.asarray(np.random.default_rng(5).random((3, 4, 40)))
    state = trainer.init(jr.key(0), start, batches[0])
    params, moved = [np.asarray(x) for x in start], [0.0, 0.0, 0.0]
    update = jax.jit(partial(one_step, trainer))
    reconstructed = jax.jit(partial(gibbs_chain, units=units, k=2, mean_field=True))
    given = jax.jit(partial(detection_means, units))
    for n, batch in enumerate(batches):
        v = np.asarray(batch).reshape(4, *image)[:, :, :3, :4]
        rbm = state.params
        begun = jnp.asarray(v), given(rbm, jnp.asarray(v))
        model, _ = reconstructed(jr.fold_in(jr.key(n), 0), rbm=rbm, start=begun)
        state, info = update(jr.key(n), state, batch)
        model = np.asarray(model)
        h_data, h_model = (means_given(params, (2, 3, 4), side, x) for x in (v, model))
        filters = np.zeros(shape)
        for case, i, j in np.ndindex(4, 2, 4):
            for sign, seen, h in ((1, model, h_model), (-1, v, h_data)):
                window = seen[case, :, i : i + 2, j : j + 1]
                filters += sign * np.multiply.outer(h[case, :, i, j], window) / (4 * 8)
        slope = [
            filters + 0.2 * params[0],
            model.mean((0, 2, 3)) - v.mean((0, 2, 3)),
            h_model.mean((0, 2, 3)) - h_data.mean((0, 2, 3)) + 0.7 * (h_data.mean((0, 2, 3)) - 0.1),
        ]
        moved = [0.6 * before - 0.3 * x for before, x in zip(moved, slope, strict=True)]
        params = [x + change for x, change in zip(params, moved, strict=True)]
        for ours, expected in zip(state.params, params, strict=True):
            np.testing.assert_allclose(ours, expected, **EXACT)
        error = ((v - model) ** 2).sum((1, 2, 3)).mean()
        np.testing.assert_allclose(info["reconstruction_error"], error, **EXACT)
        np.testing.assert_allclose(info["activation"], h_data.mean(), **EXACT)


def patterns(n_cases):
    """Images of 5 x 5 with a bar, upright or lying, somewhere; and some noise."""
    random, images = np.random.default_rng(6), np.zeros((n_cases, 5, 5))
    for one, upright, at in zip(
        images, random.random(n_cases) < 0.6, random.integers(5, size=n_cases), strict=True
    ):
        one[(slice(None), at) if upright else (at, slice(None))] = 1
    return jnp.asarray(np.abs(images - (random.random(images.shape) < 0.05)).reshape(n_cases, 25))


LAYERS = (
    ConvolutionalLayer(3, 2, 2, ConvolutionalLearning(learning_rate=0.1, batch_size=20, n_epochs=3)),
    ConvolutionalLayer(2, 2, 1, ConvolutionalLearning(learning_rate=0.1, batch_size=20, n_epochs=2)),
)


def settings(*rows, n_updates=None):
    n_updates = jnp.int32(n_updates or [ENDLESS] * len(rows))
    return Setting(*map(jnp.asarray, zip(*rows, strict=True)), n_updates)


def test_settings_side_by_side_are_those_of_configurations_each_alone():
    image, inputs, units = (1, 5, 5), patterns(60), PooledUnits()
    rows = [(0.1, 0.05, 1.0, 0.01, 0.5), (0.3, 0.02, 3.0, 0.0, 0.0), (0.05, 0.1, 0.0, 0.1, 0.9)]
    start = jax.tree.map(lambda x: jnp.stack([x] * 3), machine((3, 1, 2, 2), scale=0.1))
    keys, often = jr.split(jr.key(1), 3), {"n_epochs": 2, "batch_size": 20}
    trainer = convolutional_trainer(units, LAYERS[0].learning, image)
    beside = fit(keys, from_a_setting(trainer), (start, settings(*rows)), inputs, **often)
    for i, row in enumerate(rows):
        one, of_one = (lambda x, i=i: x[i]), (lambda x, i=i: x[i : i + 1])
        config = ConvolutionalLearning(**dict(zip(Setting._fields, row, strict=False)))
        alone = convolutional_trainer(units, config, image)
        alone = fit(keys[i : i + 1], alone, jax.tree.map(of_one, start), inputs, **often)
        jax.tree.map(
            partial(np.testing.assert_allclose, **EXACT),
            jax.tree.map(one, beside.state),
            jax.tree.map(lambda x: x[0], alone.state),
        )


def test_settings_that_stop_after_their_own_epochs_are_each_alone_with_as_many():
    image, inputs, row = (1, 5, 5), patterns(60), (0.1, 0.05, 1.0, 0.01, 0.5)
    start, keys = machine((3, 1, 2, 2), scale=0.1), jr.split(jr.key(1), 3)
    three = jax.tree.map(lambda x: jnp.stack([x] * 3), start)
    n_epochs, n_batches = (2, 4, 1), 3
    trainer = convolutional_trainer(PooledUnits(), LAYERS[0].learning, image)
    chosen = settings(row, row, row, n_updates=[n * n_batches for n in n_epochs])
    beside = fit(keys, from_a_setting(trainer), (three, chosen), inputs, n_epochs=4, batch_size=20)
    for i, n in enumerate(n_epochs):
        config = ConvolutionalLearning(**dict(zip(Setting._fields, row, strict=False)))
        alone = convolutional_trainer(PooledUnits(), config, image)
        begun = jax.tree.map(lambda x: x[None], start)
        alone = fit(keys[i : i + 1], alone, begun, inputs, n_epochs=n, batch_size=20)
        for ours, theirs in zip(beside.state.params, alone.state.params, strict=True):
            np.testing.assert_allclose(ours[i], theirs[0], **EXACT)
        np.testing.assert_allclose(
            beside.curves["reconstruction_error"][i, :n], alone.curves["reconstruction_error"][0], rtol=1e-6
        )


def test_learning_raises_the_exact_log_p_and_activations_come_to_their_target():
    """Of images with one pattern at one of the four places that a block has, and some noise."""
    units, image, random = PooledUnits(), (1, 3, 3), np.random.default_rng(6)
    clean = np.zeros((200, 3, 3))
    for one, (i, j) in zip(clean, random.integers(2, size=(200, 2)), strict=True):
        one[i, j] = one[i + 1, j + 1] = 1
    inputs = jnp.asarray(np.abs(clean - (random.random(clean.shape) < 0.05)).reshape(200, 9))
    start = machine((2, 1, 2, 2), scale=0.1)
    config = ConvolutionalLearning(learning_rate=0.5, momentum=0.5)
    free, pushed = (0.5, 0.1, 0.0, 0.0, 0.5), (0.5, 0.1, 30.0, 0.0, 0.5)
    trainer = from_a_setting(convolutional_trainer(units, config, image))
    begun = jax.tree.map(lambda x: jnp.stack([x] * 2), start), settings(free, pushed)
    fitted = fit(jr.split(jr.key(2), 2), trainer, begun, inputs, n_epochs=30, batch_size=20)
    free, pushed = (jax.tree.map(lambda x, i=i: x[i], fitted.state.params) for i in range(2))

    @jax.jit
    def log_p(rbm):
        of_each = jax.vmap(partial(free_energy, units, rbm))
        every = of_each(jnp.asarray(states(9)).reshape(-1, *image))
        return -of_each(inputs.reshape(-1, *image)).mean() - jax.nn.logsumexp(-every)

    p = np.mean(inputs, axis=0)
    independent = np.sum(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert log_p(start) + 1 < independent < log_p(free) - 1
    activation = [
        detection_means(units, rbm, inputs.reshape(-1, *image)).mean((0, 2, 3)) for rbm in (free, pushed)
    ]
    assert np.all(activation[0] > 0.2)
    np.testing.assert_allclose(activation[1], 0.1, rtol=0.1)


# --- one after another, and what is refused -------------------------------------------------------------


def test_an_upper_layer_learns_from_the_pooling_means_of_the_one_below():
    image, inputs, keys = (1, 5, 5), patterns(60), jr.split(jr.key(4), 2)
    config, units = ConvolutionalPretraining(LAYERS), tuple(layer.units() for layer in LAYERS)
    found = pretrain_convolutional(keys, config, inputs, image)
    assert set(found.curves) == {
        f"{name}_layer{i}" for name in ("reconstruction_error", "activation") for i in (1, 2)
    }
    assert [found.curves[f"activation_layer{i}"].shape for i in (1, 2)] == [(2, 3), (2, 2)]
    features = pooled_features(units, found.stack, inputs, image, at_a_time=7)
    assert [x.shape for x in features] == [(2, 60, 12), (2, 60, 2)]
    assert [LAYERS[0].pooled_shape(image), LAYERS[1].pooled_shape((3, 2, 2))] == [(3, 2, 2), (2, 1, 1)]
    for seed in range(2):
        lower, upper = (jax.tree.map(lambda x, s=seed: x[s], rbm) for rbm in found.stack)
        first = means_given(lower, image, 2, np.asarray(inputs))
        first = by_block(first, first.shape[1:], 2)
        np.testing.assert_allclose(features[0][seed], first, **EXACT)
        second = means_given(upper, (3, 2, 2), 1, first)
        np.testing.assert_allclose(features[1][seed], second.reshape(60, -1), **EXACT)
    key_start, key_fit = (jax.vmap(jr.fold_in, (0, None))(keys, i) for i in (2, 3))
    start = jax.vmap(partial(random_rbm, shape=(2, 3, 2, 2), scale=config.scale))(key_start)
    trainer = convolutional_trainer(units[1], LAYERS[1].learning, (3, 2, 2))
    upper = fit(key_fit, trainer, start, features[0], n_epochs=2, batch_size=20).state.params
    jax.tree.map(partial(np.testing.assert_allclose, **EXACT), found.stack[1], upper)
    chosen = tuple(
        jax.tree.map(
            lambda x: jnp.stack([x, x // 2 if x.dtype == jnp.int32 else 0.5 * x]), layer.learning.setting()
        )
        for layer in LAYERS
    )
    again = pretrain_convolutional(keys, config, inputs, image, settings=chosen)
    for ours, theirs in zip(jax.tree.leaves(again.stack), jax.tree.leaves(found.stack), strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], **EXACT)
        assert np.abs(ours[1] - theirs[1]).max() > 1e-4


def test_images_are_cropped_to_whole_blocks_the_odd_row_at_the_end():
    image = jnp.arange(28.0**2).reshape(1, 28, 28)
    np.testing.assert_array_equal(cropped(2, (12, 12), image), image[:, :27, :27])
    np.testing.assert_array_equal(cropped(3, (12, 11), image), image[:, 1:27, :])
    np.testing.assert_array_equal(cropped(4, (11, 10), image), image[:, 1:27, 1:26])
    stack = machine((4, 1, 12, 12)), machine((5, 4, 6, 6))
    layers = jax.eval_shape(partial(pooled, (PooledUnits(), PooledUnits()), stack), image)
    assert [x.shape for x in layers] == [(4, 8, 8), (5, 1, 1)]


def test_a_base_of_an_upper_layer_is_what_its_units_add_to_the_image():
    """A pooling unit is on for every place of its block with the same chance."""
    stack = machine((3, 1, 3, 2), seed=1), machine((2, 3, 2, 2), seed=2), machine((4, 2, 1, 1), seed=3)
    lowest, second, third = in_pixels((PooledUnits(), PooledUnits(block=1), PooledUnits()), stack)
    np.testing.assert_array_equal(lowest, stack[0].filters)
    truth = np.zeros((2, 1, 2 * 2 + 2, 2 * 2 + 1))
    for k, c, r, s, i, j in np.ndindex(2, 3, 2, 2, 2, 2):
        row, column, weight = 2 * r + i, 2 * s + j, stack[1].filters[k, c, r, s] / 4
        truth[k, 0, row : row + 3, column : column + 2] += weight * np.asarray(stack[0].filters[c, 0])
    np.testing.assert_allclose(second, truth, **EXACT)
    weights = np.asarray(stack[2].filters)[:, :, 0, 0]
    np.testing.assert_allclose(third, np.tensordot(weights, truth, 1), **EXACT)


def test_what_does_not_fit_is_refused():
    rbm, image = machine((2, 1, 2, 2)), jnp.zeros((1, 4, 4))
    for function in (detection_mean, pooling_mean, free_energy):
        with pytest.raises(ValueError, match="block: 2 x 2 units do not tile a detection layer of 3 x 3"):
            function(PooledUnits(), rbm, image)
    with pytest.raises(ValueError, match="filters: of 2 x 2 they do not fit into images of 1 x 4"):
        bottom_up(rbm, image[:, :1])
    with pytest.raises(ValidationError, match="sparsity"):
        ConvolutionalLearning(sparsity=1.0)
    with pytest.raises(ValidationError, match="at least 1 item"):
        ConvolutionalPretraining(layers=())
    with pytest.raises(ValueError, match="settings: 1 are not one for each of 2 layers"):
        pretrain_convolutional(
            jr.split(jr.key(0), 1),
            ConvolutionalPretraining(LAYERS),
            patterns(60),
            (1, 5, 5),
            settings=(LAYERS[0].learning.setting(),),
        )
