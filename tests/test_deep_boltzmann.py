"""How deep Boltzmann machines learn, against enumeration, transition matrices and updates written out."""

import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle import joint, log_table, sigmoid, states
from pydantic import ValidationError
from stepping import one_step

from repro.evaluation.enumeration import log_prob_of_dbm
from repro.models.dbm import DBM, log_odds
from repro.models.rbm import RBM
from repro.training.deep_boltzmann import (
    Copies,
    DeepBoltzmann,
    DoubledPretraining,
    JointLearning,
    Unpretrained,
    begun,
    composed,
    copies,
    deep_boltzmann_trainer,
    descent,
    difference,
    doubled_hidden_mean,
    doubled_trainer,
    doubled_visible_mean,
    gibbs_step,
    inferred,
    random_states,
    run_chains,
    smoothed,
)
from repro.training.fit import fit
from repro.training.flops import deep_boltzmann_flops, doubled_flops, stack_flops

EXACT = {"rtol": 1e-12, "atol": 1e-12}
PLAIN = {"learning_rate": 1.0, "weight_decay": 0.0, "momentum": (0.0, 0.0)}


def machine(*sizes, seed=0, scale=1.0):
    """Nothing zero, nothing symmetric."""
    draw = np.random.default_rng([seed, *sizes]).normal
    weights = tuple(jnp.asarray(draw(size=pair, scale=scale)) for pair in itertools.pairwise(sizes))
    return DBM(weights, tuple(jnp.asarray(draw(size=n, scale=scale)) for n in sizes))


def rbm(n_visible, n_hidden, seed=0):
    draw = np.random.default_rng([seed, n_visible, n_hidden]).normal
    return RBM(*(jnp.asarray(draw(size=shape)) for shape in [(n_visible, n_hidden), n_visible, n_hidden]))


def every(sizes):
    """All configurations [N ...], a layer after another, the last varying fastest."""
    places = np.indices([2**n for n in sizes]).reshape(len(sizes), -1)
    return tuple(jnp.asarray(states(n)[i]) for n, i in zip(sizes, places, strict=True))


def number_of(layers):
    """Which of them these are."""
    bits = np.concatenate(layers, axis=1).astype(int)
    return bits @ (1 << np.arange(bits.shape[1])[::-1])


def probabilities(dbm):
    """Of all configurations, in that order."""
    table = np.exp(log_table(*dbm)).ravel()
    return table / table.sum()


def transition(dbm, side):
    """T[x, x'] = p(x') / p(the layers that stay) where those are the same, read off the joint table."""
    p, sizes = probabilities(dbm), [len(b) for b in dbm.biases]
    kept = number_of([x for depth, x in enumerate(every(sizes)) if depth % 2 != side])
    same = kept[:, None] == kept[None]
    return same * p / (same @ p)[:, None]


# --- joint learning -----------------------------------------------------------------------------------


def test_the_gradient_is_that_of_the_bound_with_q_held_fixed_and_log_z_enumerated():
    sizes = (3, 2, 2, 1)
    dbm, v = machine(*sizes), jnp.asarray(states(3)[[1, 6]])
    data, p = inferred(dbm, v, 3), jnp.asarray(probabilities(dbm))

    def log_p(dbm, layers):
        of_weights = zip(layers, dbm.weights, layers[1:], strict=False)
        goodness = sum(x @ b for x, b in zip(layers, dbm.biases, strict=True))
        return goodness + sum(jnp.sum((x @ W) * y, axis=1) for x, W, y in of_weights)

    def bound(dbm):  # but for the entropy of q
        return log_p(dbm, data).mean() - jax.nn.logsumexp(log_p(dbm, every(sizes)))

    def one(*x):
        return difference(dbm, data, tuple(layer[None] for layer in x))

    each = jax.vmap(one)(*every(sizes))
    ours = jax.tree.map(lambda x: -jnp.tensordot(p, x, 1), each)
    jax.tree.map(partial(np.testing.assert_allclose, **EXACT), ours, jax.grad(bound)(dbm))


def test_both_half_steps_leave_the_model_unchanged_and_a_step_draws_from_their_product(n=200_000, z=4.5):
    dbm = machine(2, 1, 2, 1, scale=0.7)
    p, odd, even = probabilities(dbm), transition(dbm, 1), transition(dbm, 0)
    np.testing.assert_allclose(p @ odd, p, **EXACT)
    np.testing.assert_allclose(p @ even, p, **EXACT)
    start, step = 37, odd @ even
    x = tuple(jnp.broadcast_to(layer[start], (n, layer.shape[1])) for layer in every((2, 1, 2, 1)))
    drawn = jax.jit(lambda key: (gibbs_step(key, dbm, x), run_chains(key, dbm, x, 2)))(jr.key(5))
    for found, row in zip(drawn, (step[start], (step @ step)[start]), strict=True):
        frequency = np.bincount(number_of(found), minlength=64) / n
        assert row.min() * n > 20
        assert np.all(np.abs(frequency - row) < z * np.sqrt(row * (1 - row) / n))


def test_smoothed_chains_have_the_statistics_of_the_model():
    sizes = (2, 3, 2, 1)
    dbm = machine(*sizes)
    p, layers = probabilities(dbm), every(sizes)
    found = smoothed(dbm, layers)
    layers, found = (tuple(map(np.asarray, each)) for each in (layers, found))
    for x, y in zip(layers[::2], found[::2], strict=True):
        np.testing.assert_array_equal(x, y)
    for (x, y), (smooth_x, smooth_y) in zip(
        itertools.pairwise(layers), itertools.pairwise(found), strict=True
    ):
        np.testing.assert_allclose((smooth_x.T * p) @ smooth_y, (x.T * p) @ y, **EXACT)
        assert np.abs(smooth_x - x).max() + np.abs(smooth_y - y).max() > 0.1


def test_chains_begin_with_every_unit_on_half_the_time(n=40_000, z=4.5):
    for mean in map(partial(np.mean, axis=0), random_states(jr.key(0), machine(3, 2, 2), n)):
        assert np.all(np.abs(mean - 0.5) < z * 0.5 / np.sqrt(n))


def test_an_update_of_all_layers_follows_the_gradient_with_chains_that_go_on():
    dbm, batch = machine(4, 3, 2), jnp.asarray(states(4)[[2, 7, 11]])
    config = JointLearning(n_mean_field=4, n_chains=5, n_gibbs=2, rate_falls=0.0, **PLAIN)
    trainer = deep_boltzmann_trainer(config, steps_per_epoch=1)
    state, key = trainer.init(jr.key(1), dbm, batch), jr.key(2)
    after, info = one_step(trainer, key, state, batch)
    chains = run_chains(jr.fold_in(key, 0), dbm, state.chains, 2)
    jax.tree.map(np.testing.assert_array_equal, after.chains, chains)
    data = inferred(dbm, batch, 4)
    gradient = difference(dbm, data, smoothed(dbm, chains))
    change = jax.tree.map(jnp.subtract, dbm, after.params)
    jax.tree.map(partial(np.testing.assert_allclose, **EXACT), change, gradient)
    seen = sigmoid(np.asarray(dbm.biases[0]) + np.asarray(data[1]) @ np.asarray(dbm.weights[0]).T)
    np.testing.assert_allclose(info["reconstruction_error"], ((batch - seen) ** 2).sum(1).mean(), **EXACT)


def test_momentum_decay_and_rate_are_those_of_the_update_written_out():
    config = JointLearning(
        learning_rate=0.3,
        rate_falls=0.2,
        least_rate=0.17,
        weight_decay=0.1,
        momentum=(0.5, 0.8),
        momentum_epoch=2,
    )
    draw = np.random.default_rng(4).normal
    start = machine(2, 3, 2)
    gradients = [jax.tree.map(lambda x: jnp.asarray(draw(size=x.shape)), start) for _ in range(6)]
    optimiser = descent(config, config.rate, steps_per_epoch=2)
    ours, opt_state = start, optimiser.init(start)
    W, b = np.asarray(start.weights[1]), np.asarray(start.biases[1])
    moved_w, moved_b, rate, rates = 0.0, 0.0, 0.3, []
    for n, gradient in enumerate(gradients):
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = optimiser.update(gradient, opt_state, ours)
        ours = jax.tree.map(jnp.add, ours, updates)
        rate = max(rate / 1.2, 0.17)
        momentum = 0.5 if n < 4 else 0.8
        moved_w = momentum * moved_w - rate * (np.asarray(gradient.weights[1]) + 0.1 * W)
        moved_b = momentum * moved_b - rate * np.asarray(gradient.biases[1])
        W, b = W + moved_w, b + moved_b
        rates.append(rate)
        np.testing.assert_allclose(ours.weights[1], W, **EXACT)
        np.testing.assert_allclose(ours.biases[1], b, **EXACT)
    assert rates[0] > rates[1] > rates[-1] == 0.17


def patterns(n_cases):
    """Three patterns of six pixels, of which two are commoner, and some noise."""
    clean = np.array([[1.0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 0], [1, 0, 0, 0, 1, 1]])
    random = np.random.default_rng(3)
    flipped = random.random((n_cases, 6)) < 0.05
    return jnp.asarray(np.abs(clean[random.choice(3, n_cases, p=[0.4, 0.4, 0.2])] - flipped))


def test_learning_raises_the_exact_log_p_above_what_pretraining_and_independent_pixels_reach():
    inputs, keys = patterns(200), jr.split(jr.key(7), 2)
    how = DeepBoltzmann(
        DoubledPretraining(n_epochs=(20, 20), scales=(0.1, 0.1), batch_size=20, one_more_every=10),
        JointLearning(n_epochs=100, learning_rate=0.05, least_rate=0.01, rate_falls=0.001, batch_size=20),
    )
    start = begun(keys, how.start, (6, 5, 4), inputs)
    trainer = deep_boltzmann_trainer(how.joint, steps_per_epoch=10)
    fitted = fit(keys, trainer, start.dbm, inputs, n_epochs=how.joint.n_epochs, batch_size=20)
    untrained = begun(keys, Unpretrained(0.1), (6, 5, 4), inputs).dbm
    before, pretrained, after = (
        jax.vmap(log_prob_of_dbm, (0, None))(dbm, inputs).mean(axis=1)
        for dbm in (untrained, start.dbm, fitted.state.params)
    )
    p = np.mean(inputs, axis=0)
    independent = np.sum(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert np.all(before + 0.5 < pretrained)
    assert np.all(pretrained + 0.1 < after)
    assert np.all(after > independent + 0.5)
    assert set(start.curves) == {"reconstruction_error_layer1", "reconstruction_error_layer2"}
    assert start.curves["reconstruction_error_layer2"].shape == (2, 20)


# --- RBM by RBM ---------------------------------------------------------------------------------------


def tied(of, plain):
    """The RBM over all copies, with the plain energy for every pair of a visible and a hidden copy."""
    W, b, c = map(np.asarray, plain)
    return (
        np.tile(W, (of.visible, of.hidden)),
        np.tile(of.hidden * b, of.visible),
        np.tile(of.visible * c, of.hidden),
    )


def conditionals(of, plain):
    """p(h | v) and p(v | h) of one copy, every copy of the others being in the same state: [2^V 2^H] each."""
    n_visible, n_hidden = plain.weights.shape
    table = joint(tied(of, plain))
    table = table.reshape([2**n_visible] * of.visible + [2**n_hidden] * of.hidden)
    v_same, h_same = (
        np.arange(2**n).reshape([-1] + [1] * (m - 1))
        for n, m in ((n_visible, of.visible), (n_hidden, of.hidden))
    )
    given_v = np.stack([table[(i,) * of.visible] for i in v_same.ravel()])
    given_h = np.stack([table[(..., *(j,) * of.hidden)] for j in h_same.ravel()])
    h = given_v.reshape(len(given_v), 2**n_hidden, -1).sum(axis=2)
    v = given_h.reshape(len(given_h), 2**n_visible, -1).sum(axis=2)
    return h / h.sum(axis=1, keepdims=True), v / v.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("of", [Copies(2, 1), Copies(1, 2), Copies()], ids=str)
def test_units_with_copies_have_the_conditionals_of_an_rbm_with_tied_copies(of):
    plain = rbm(3, 2)
    h_given_v, v_given_h = conditionals(of, plain)
    hidden = doubled_hidden_mean(of, plain, jnp.asarray(states(3)))
    visible = doubled_visible_mean(of, plain, jnp.asarray(states(2)))
    np.testing.assert_allclose(hidden, h_given_v @ states(2), **EXACT)
    np.testing.assert_allclose(visible, v_given_h @ states(3), **EXACT)


def test_the_ends_of_a_stack_have_copies():
    assert [copies(depth, 4) for depth in range(4)] == [Copies(2, 1), Copies(), Copies(), Copies(1, 2)]
    assert copies(0, 1) == Copies()


@pytest.mark.parametrize(("depth", "n_before", "k"), [(0, 0, 1), (0, 5, 1), (1, 0, 1), (1, 3, 2)])
def test_the_change_of_an_rbm_with_copies_has_its_expectation(depth, n_before, k, n=4000, z=4.5):
    """After 3 updates are 3 epochs: above the lowest RBM a second Gibbs step has come."""
    plain, data = rbm(3, 2, seed=4), jnp.asarray(states(3)[[1, 4, 6, 6]])
    config = DoubledPretraining(one_more_every=3, **PLAIN)
    trainer = doubled_trainer(config, depth, steps_per_epoch=1)
    state = trainer.init(jr.key(9), plain, data)

    @jax.jit
    @jax.vmap
    def change(key):
        after, _ = one_step(trainer, key, state, data, n_before)
        return jax.tree.map(jnp.subtract, after.params, plain)

    h_given_v, v_given_h = conditionals(copies(depth, 2), plain)
    at_data = np.bincount(number_of([np.asarray(data)]), minlength=8) / 4
    at_model = at_data @ np.linalg.matrix_power(h_given_v @ v_given_h, k)
    sign = np.array([at_data, -at_model]).sum(axis=0)
    truth = (states(3).T * sign) @ h_given_v @ states(2), sign @ states(3), sign @ h_given_v @ states(2)
    for ours, expected in zip(change(jr.split(jr.key(3), n)), truth, strict=True):
        standard_error = np.std(ours, axis=0) / np.sqrt(n)
        assert np.all(np.abs(np.mean(ours, axis=0) - expected) < z * standard_error)


def test_the_rate_of_an_rbm_falls_as_its_gibbs_steps_become_more():
    config = DoubledPretraining(one_more_every=2, learning_rate=0.6, weight_decay=0.0, momentum=(0.0, 0.0))
    assert [config.n_gibbs(1, epoch) for epoch in range(5)] == [1, 1, 2, 2, 3]
    assert [config.n_gibbs(0, 4), replace(config, one_more_every=None).n_gibbs(1, 4)] == [1, 1]
    plain, data = RBM(jnp.zeros((3, 2)), jnp.zeros(3), jnp.zeros(2)), jnp.ones((4, 3))
    trainer = doubled_trainer(config, 1, steps_per_epoch=1)
    state, changes = trainer.init(jr.key(0), plain, data), []
    for n in range(4):  # hidden units without weights are on half the time: their biases say nothing, ...
        state = state._replace(params=plain)
        state, info = one_step(trainer, jr.key(n), state, data, n)
        v = 3 - info["reconstruction_error"]  # ... but every pixel that is off in a case says 1 of the rate
        changes.append(np.sum(state.params.visible_bias) / (3 - v))
    np.testing.assert_allclose(changes, [0.6, 0.6, 0.3, 0.3], **EXACT)


def test_a_machine_put_together_receives_from_each_side_half_of_what_its_rbms_did():
    stack = rbm(3, 2), rbm(2, 4, seed=1), rbm(4, 2, seed=2)
    dbm = composed(stack)
    layers = every((3, 2, 4, 2))
    received = jax.vmap(log_odds, (None, 0))(dbm, layers)
    of = [copies(depth, 3) for depth in range(3)]

    def up(depth):
        return doubled_hidden_mean(of[depth], stack[depth], layers[depth])

    def down(depth):
        return doubled_visible_mean(of[depth], stack[depth], layers[depth + 1])

    def logit(p):
        return np.log(p) - np.log1p(-p)

    np.testing.assert_allclose(sigmoid(received[0]), down(0), **EXACT)
    np.testing.assert_allclose(sigmoid(received[3]), up(2), **EXACT)
    for depth in (1, 2):
        half = 0.5 * (logit(np.asarray(up(depth - 1))) + logit(np.asarray(down(depth))))
        np.testing.assert_allclose(received[depth], half, rtol=1e-10, atol=1e-10)


def test_machines_of_several_seeds_are_put_together_at_once():
    two = [(rbm(3, 2, seed=i), rbm(2, 4, seed=i + 1)) for i in (0, 5)]
    together = composed(jax.tree.map(lambda *x: jnp.stack(x), *two))
    jax.tree.map(
        np.testing.assert_array_equal, together, jax.tree.map(lambda *x: jnp.stack(x), *map(composed, two))
    )
    np.testing.assert_array_equal(composed(two[0]).weights[1], two[0][1].weights)


# --- what it costs, and what is refused ---------------------------------------------------------------


def test_operations_are_those_that_the_compiler_counts_of_single_steps():
    sizes, n = (300, 200, 100), 100
    dbm, batch = machine(*sizes, scale=0.01), jnp.zeros((n, 300))
    trainer = deep_boltzmann_trainer(
        JointLearning(n_mean_field=1, n_gibbs=1, n_chains=150), steps_per_epoch=1
    )
    state = trainer.init(jr.key(0), dbm, batch)
    cost = jax.jit(partial(one_step, trainer)).lower(jr.key(0), state, batch).compile().cost_analysis()
    counted = deep_boltzmann_flops(sizes, n, n_mean_field=1, n_chains=150, n_gibbs=1)
    assert counted <= cost["flops"] <= 1.1 * counted
    alone = doubled_flops(sizes, n, ((1, 1), (1, 1, 1)))
    assert alone == stack_flops(sizes, n, (2, 3))
    assert doubled_flops(sizes, n, ((1, 1), (1, 1, 2))) - alone == 4.0 * 200 * 100 * n


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValidationError, match="scales must be as many"):
        DoubledPretraining(n_epochs=(1, 2, 3))
    with pytest.raises(ValidationError, match=r"least_rate 0\.1 is above"):
        JointLearning(least_rate=0.1)
    with pytest.raises(ValueError, match="n_epochs: 2 RBMs are not those"):
        begun(jr.split(jr.key(0), 1), DoubledPretraining(), (6, 5, 4, 3), jnp.zeros((100, 6)))
