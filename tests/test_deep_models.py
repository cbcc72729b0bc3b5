"""Deep Boltzmann machines and deep belief networks: energies, conditionals and foldings, by enumeration."""

import itertools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from oracle import belief_joint, joint, log_table, sigmoid, states
from scipy.special import logsumexp

from repro.models import dbn
from repro.models.dbm import DBM, clamped, energy, folded, log_odds, mean_field
from repro.models.rbm import RBM, Units, exchanged
from repro.models.rbm import energy as energy_of_rbm

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def numbers(seed, *shape, scale=1.0):
    return jnp.asarray(scale * np.random.default_rng([seed, *shape]).normal(size=shape))


def machine(*sizes, seed=0, scale=1.0):
    """Nothing zero, nothing symmetric."""
    pairs = list(itertools.pairwise(sizes))
    weights = tuple(numbers(seed, *pair, scale=scale) for pair in pairs)
    return DBM(weights, tuple(numbers(seed, n) for n in sizes))


def network(*sizes, seed=0):
    pairs = itertools.pairwise(sizes)
    return tuple(RBM(numbers(seed, m, n), numbers(seed + 1, m), numbers(seed + 2, n)) for m, n in pairs)


def every(sizes):
    """All configurations [N ...], a layer after another, and the shape of a table of them."""
    places = np.indices([2**n for n in sizes]).reshape(len(sizes), -1)
    return tuple(jnp.asarray(states(n)[i]) for n, i in zip(sizes, places, strict=True)), [2**n for n in sizes]


@pytest.mark.parametrize("sizes", [(3, 2, 2), (1, 2, 3, 2, 2)])
def test_the_energy_of_every_configuration_and_of_the_folded_machine(sizes):
    dbm = machine(*sizes)
    layers, shape = every(sizes)
    found = -jax.vmap(energy, (None, 0))(dbm, layers)
    np.testing.assert_allclose(found.reshape(shape), log_table(*dbm), **EXACT)
    sides = [jnp.concatenate(layers[side::2], axis=1) for side in (0, 1)]
    as_rbm = jax.vmap(energy_of_rbm, (None, None, 0, 0))
    np.testing.assert_allclose(-as_rbm(Units(), folded(dbm), *sides), found, **EXACT)
    np.testing.assert_allclose(-as_rbm(Units(), exchanged(folded(dbm)), *sides[::-1]), found, **EXACT)


def test_log_odds_compare_configurations_that_differ_in_one_unit():
    dbm = machine(*(sizes := (2, 3, 1, 2)))
    layers, shape = every(sizes)
    found, table = jax.vmap(log_odds, (None, 0))(dbm, layers), log_table(*dbm)
    for depth, n in enumerate(sizes):
        by_unit = np.moveaxis(table, depth, 0).reshape([2] * n + [-1])
        for unit in range(n):
            off, on = (by_unit.take([bit], axis=unit) for bit in (0, 1))
            truth = np.broadcast_to(on - off, by_unit.shape).reshape(2**n, -1)
            ours = np.moveaxis(np.asarray(found[depth][:, unit]).reshape(shape), depth, 0)
            np.testing.assert_allclose(ours.reshape(2**n, -1), truth, **EXACT)


def test_clamped_at_v_the_hidden_layers_are_a_machine_of_their_own():
    dbm = machine(3, 2, 2)
    table = log_table(*dbm)
    for v, truth in zip(states(3), table, strict=True):
        ours = v @ np.asarray(dbm.biases[0]) + log_table(*clamped(dbm, jnp.asarray(v)))
        np.testing.assert_allclose(ours, truth, **EXACT)


def test_mean_field_comes_to_rest_and_every_update_raises_the_bound():
    dbm, v = machine(3, 2, 3, 2, scale=2.0), jnp.asarray(states(3))
    table, bounds = log_table(*dbm), []
    for n_updates in (0, 1, 2, 300):
        hidden = jax.jit(jax.vmap(lambda v, n=n_updates: mean_field(dbm, v, n)))(v)
        bounds.append([bound(of_v, means) for of_v, *means in zip(table, *hidden, strict=True)])
    assert np.all(np.diff(bounds, axis=0) > -1e-12) and np.all(np.diff(bounds, axis=0)[0] > 0)
    assert np.all(bounds[-1] <= logsumexp(table, axis=(1, 2, 3)))
    received = jax.vmap(log_odds, (None, 0))(dbm, (v, *hidden))[1:]
    for means, x in zip(hidden, received, strict=True):
        np.testing.assert_allclose(means, sigmoid(x), rtol=1e-6)


def bound(of_v, means):
    """∑ₕ q(h) (-E(v, h) - log q(h)) of a factorial q, from a table of -E."""
    q = np.ones(())
    for mean in means:
        p = np.where(states(len(mean)) == 1, mean, 1 - np.asarray(mean)).prod(axis=1)
        q = np.multiply.outer(q, p)
    return np.sum(q * (of_v - np.log(q)))


@pytest.mark.parametrize("sizes", [(3, 2, 4), (2, 3, 1, 2)])
def test_a_belief_networks_joint_distribution_and_its_way_up(sizes):
    stack = network(*sizes)
    p = belief_joint(stack)
    np.testing.assert_allclose(p.sum(), 1, **EXACT)
    layers, shape = every(sizes[:-1])
    table = np.exp(log_table(stack[-1].weights[None], stack[-1][1:]))
    log_joint = jax.vmap(dbn.log_joint, (None, 0))(stack, layers) - np.log(table.sum())
    np.testing.assert_allclose(np.exp(log_joint).reshape(shape), p.sum(axis=-1), **EXACT)
    q = 1.0
    for depth, rbm in enumerate(stack[:-1]):
        above = joint(rbm) / joint(rbm).sum(axis=1, keepdims=True)
        q = q * above.reshape([*[1] * depth, *above.shape, *[1] * (len(shape) - depth - 2)])
    log_q = jax.vmap(dbn.log_posterior, (None, 0))(stack, layers)
    np.testing.assert_allclose(np.exp(log_q).reshape(shape), q, **EXACT)


def test_the_way_up_is_drawn_from_its_distribution(n=40_000, z=4.5):
    stack, v = network(3, 2, 2, 3), jnp.array([1.0, 0, 1])
    drawn = jax.jit(jax.vmap(lambda key: dbn.recognise(key, stack, v)))(jr.split(jr.key(3), n))
    number = np.asarray(jnp.concatenate(drawn, axis=1) @ jnp.array([8.0, 4, 2, 1]), int)
    (first, second), shape = every((2, 2))
    given = jnp.broadcast_to(v, (len(first), 3))
    q = np.exp(jax.vmap(dbn.log_posterior, (None, 0))(stack, (given, first, second)))
    assert np.all(np.abs(np.bincount(number, minlength=16) / n - q) < z * np.sqrt(q * (1 - q) / n))
    assert shape == [4, 4] and q.min() > 10 / n
