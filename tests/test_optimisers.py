"""Conjugate gradients against the oracle's nested loops; every optimiser on one battery against SciPy."""

from itertools import product
from typing import get_args

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
import scipy.optimize
from jax.flatten_util import ravel_pytree
from oracle import minimise
from stepping import line_searches, one_step

from experiments import direct
from repro.models.autoencoder import Architecture, random_network
from repro.models.initialise import fan_in
from repro.training.backprop import backprop_trainer
from repro.training.descent import objective, trainer
from repro.training.fit import fit
from repro.training.optimisers import (
    KFAC,
    LBFGS,
    SGD,
    Adam,
    HessianFree,
    Muon,
    Nesterov,
    Optimiser,
)
from repro.training.optimisers.conjugate_gradient import ConjugateGradient, conjugate_gradient_trainer
from repro.training.optimisers.first_order import first_order
from repro.training.optimisers.kfac import Factors, damped_roots
from repro.training.optimisers.nesterov import momentum_schedule


def quadratic(x):
    return 0.5 * jnp.sum(jnp.array([1.0, 3.0, 10.0, 0.2]) * (x - 1.5) ** 2)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def bowl(x):
    """Smooth, convex, and of no low degree."""
    return jnp.sum(jnp.cosh(x - 1) + 0.3 * (x + 0.5) ** 2) + jnp.exp(0.4 * x.sum())


@pytest.mark.parametrize(
    ("f", "n_line_searches"),
    [(bowl, 1), (bowl, 3), (bowl, 5), (rosenbrock, 1), (rosenbrock, 3), (rosenbrock, 12)],
)
def test_conjugate_gradient_follows_the_oracle_step_for_step(f, n_line_searches):
    """Not on a quadratic, where the cubic that both fit has a leading coefficient of pure rounding."""
    x = jnp.array([-1.2, 1.0, 0.3, 0.7])
    theirs, calls = minimise(jax.jit(jax.value_and_grad(f)), np.asarray(x), n_line_searches)
    ours, evaluations = line_searches(f, x, n_line_searches)
    assert evaluations == calls
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)


def test_conjugate_gradient_follows_the_oracle_from_many_starts(n_starts=40):
    """Enough line searches to meet every constant of the Wolfe-Powell conditions."""
    oracle, ours = jax.jit(jax.value_and_grad(rosenbrock)), jax.jit(lambda x: line_searches(rosenbrock, x, 3))
    for start in np.random.default_rng(5).normal(size=(n_starts, 4)):
        theirs, calls = minimise(oracle, start, 3)
        x, evaluations = ours(jnp.asarray(start))
        assert evaluations == calls
        np.testing.assert_allclose(x, theirs, rtol=1e-6)


@pytest.mark.parametrize("f", [quadratic, rosenbrock])
def test_conjugate_gradient_reaches_the_minimum_scipy_finds(f):
    x = jnp.array([-1.2, 1.0, 0.3, 0.7])
    theirs = scipy.optimize.minimize(jax.value_and_grad(f), x, jac=True, method="CG", tol=1e-10)
    ours, _ = line_searches(f, x, 150)
    np.testing.assert_allclose(f(ours), theirs.fun, atol=1e-10)
    # where values differ by rounding alone no search goes on: |gradient| is then about √(ε f λ), with
    # f about 4 and Rosenbrock's curvature λ about 1000 near 1e-6, and SciPy's end is no closer
    np.testing.assert_allclose(jax.grad(f)(ours), 0, atol=1e-5)
    np.testing.assert_allclose(ours, theirs.x, atol=1e-5)


def test_conjugate_gradient_survives_a_hopeless_line():
    """No step lowers |x|-like values from the kink: two failed searches leave the parameters in place."""

    def f(x):
        return jnp.where(jnp.any(x != 1.0), 10.0, 0.0) + x.sum()

    ours, evaluations = line_searches(f, jnp.ones(3), 5)
    np.testing.assert_array_equal(ours, np.ones(3))
    assert evaluations == minimise(jax.jit(jax.value_and_grad(f)), np.ones(3), 5)[1]


def test_failed_line_searches_are_counted_by_minibatch():
    """The first minibatch has a hopeless line, the second none."""

    def f(x, batch):
        kink = jnp.where(jnp.any(x != 1.0), 10.0, 0.0) + x.sum()
        return jnp.where(batch[0, 0] == 0, kink, rosenbrock(2 * x))

    descent, inputs = conjugate_gradient_trainer(f, ConjugateGradient()), jnp.array([[0.0], [1.0]])
    state = descent.init(jr.key(0), jnp.ones(3), inputs)
    _, infos = descent.epoch(jr.key(0), state, inputs, jnp.array([[0], [1]]), 0)
    assert infos["failed_searches"].tolist() == [2, 0]


def test_conjugate_gradient_leaves_a_minibatch_whose_gradient_is_no_number():
    """The parameters stay as they are there, and the next minibatch is learnt from."""

    def f(x, batch):
        return jnp.sum((x - 1) ** 2) + jnp.sqrt(jnp.sum(batch[0] * x) ** 2)  # the root has no slope at 0

    inputs, order = jnp.array([[0.0, 0.0], [1.0, 2.0]]), jnp.array([[0], [1]])
    descent = conjugate_gradient_trainer(f, ConjugateGradient())
    state = descent.init(jr.key(0), jnp.array([3.0, 4.0]), inputs)
    state, infos = descent.epoch(jr.key(0), state, inputs, order, 0)
    assert not np.isfinite(jax.grad(f)(jnp.array([3.0, 4.0]), inputs[:1])).any()
    assert np.isfinite(infos["loss"]).all() and f(state.params, inputs[1:]) < infos["loss"][1]


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_seeds_side_by_side_take_the_line_searches_that_they_take_alone(monkeypatch, platform):
    """Each at a minibatch of its own, and where the host asks seldom, beyond its last."""
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    inputs, starts = 0.3 * jr.normal(jr.key(4), (7, 4)), 2 * jr.normal(jr.key(5), (5, 4))
    descent = conjugate_gradient_trainer(lambda x, batch: rosenbrock(x - batch.mean(0)), ConjugateGradient())
    order = jnp.arange(7)[:, None]

    def epoch(x):
        state, infos = descent.epoch(jr.key(0), descent.init(jr.key(0), x, inputs), inputs, order, 0)
        return state.params, infos

    alone = [epoch(x) for x in starts]
    params, infos = jax.jit(jax.vmap(epoch))(starts)
    assert len({int(infos["evaluations"].sum()) for _, infos in alone}) > 1
    for i, (x, info) in enumerate(alone):
        np.testing.assert_allclose(params[i], x, rtol=1e-9)
        np.testing.assert_allclose(infos["loss"][i], info["loss"], rtol=1e-9)
        assert infos["evaluations"][i].tolist() == info["evaluations"].tolist()
        np.testing.assert_allclose(info["loss"][0], rosenbrock(starts[i] - inputs[0]), rtol=1e-12)


# --- every optimiser of the arms ----------------------------------------------------------------------

OPTIMISERS = [SGD(0.2), SGD(0.1, momentum=0.9), Nesterov(0.1, limit=0.9), Adam(0.02), Muon(0.02)]
OPTIMISERS += [ConjugateGradient(), LBFGS(), HessianFree(), KFAC()]


def test_every_optimiser_is_in_the_battery():
    assert set(map(type, OPTIMISERS)) == set(get_args(Optimiser))


def cases(kind):
    """Thirty cases with three factors behind them, so that a code of three units has something to find."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 8))
    return {"binary": 1 / (1 + np.exp(-2 * x)), "real": x, "count": np.round(np.exp(x))}[kind]


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        *((how, "binary") for how in OPTIMISERS),
        *product([ConjugateGradient(), HessianFree(), KFAC()], ("real", "count")),
    ],
    ids=lambda x: getattr(x, "kind", x),
)
def test_every_optimiser_goes_from_one_start_most_of_the_way_to_scipys_minimum(how, kind):
    """The battery: one loss of each kind of data, all cases in a minibatch, so that SciPy's BFGS can say how
    far there is to go."""
    architecture, batch = Architecture((8, 3), kind), jnp.asarray(cases(kind))
    start = random_network(jr.key(2), architecture, fan_in)
    flat, unravel = ravel_pytree(start)
    goal = objective(architecture)
    theirs = scipy.optimize.minimize(
        jax.jit(jax.value_and_grad(lambda flat: goal.value(unravel(flat), batch))),
        flat,
        jac=True,
        method="BFGS",
    )
    params = jax.tree.map(lambda x: x[None], start)
    found = fit(
        jr.key(3)[None], trainer(how, architecture, 0.0, 150, 30), params, batch, n_epochs=150, batch_size=30
    )
    ours = goal.value(jax.tree.map(lambda x: x[0], found.state.params), batch)
    begun = goal.value(start, batch)
    assert begun - ours > 0.6 * (begun - theirs.fun)
    assert found.curves["loss"][0, 0] == np.float32(begun) and np.all(found.curves["evaluations"] >= 1)


def test_momentum_follows_the_formula_of_2013():
    schedule = momentum_schedule(0.99, 60_000)
    for t in (0, 249, 250, 999, 1000, 12_249, 12_250, 12_499, 12_500, 58_999, 59_000, 59_999):
        published = min(1 - 2 ** (-1 - np.log2(t // 250 + 1)), 0.99 if t < 59_000 else 0.9)
        np.testing.assert_allclose(schedule(jnp.int32(t)), published, rtol=1e-6)
    assert schedule(jnp.int32(0)) == 0.5


def test_nesterov_momentum_follows_equations_3_and_4_of_2013(rate=0.03, n=300):
    """In their coordinates the gradient is taken at θ + μv, which is where our parameters are."""
    gradient = jax.grad(bowl)
    ours, x = first_order(Nesterov(rate, limit=0.6), 10_000), jnp.array([-1.2, 1.0, 0.3])
    state, momentum = ours.init(x), momentum_schedule(0.6, 10_000)
    theta, v, lookahead = np.asarray(x), np.zeros(3), []
    for t in range(n):
        mu = float(momentum(jnp.int32(t)))
        v = mu * v - rate * np.asarray(gradient(jnp.asarray(theta + mu * v)))
        theta = theta + v
        lookahead.append(theta + mu * v)
    for t in range(n):
        with jax.numpy_dtype_promotion("standard"):  # as in backprop
            updates, state = ours.update(gradient(x), state, x)
        x = optax.apply_updates(x, updates)
        if t in (0, 10, 248):  # until the momentum grows; at that one update optax looks ahead by the old one
            np.testing.assert_allclose(x, lookahead[t], rtol=1e-6)
    np.testing.assert_allclose(x, lookahead[-1], rtol=1e-3)


def test_the_cosine_ends_at_zero_and_the_rate_is_no_constant_of_the_program():
    steps = first_order(SGD(0.5, schedule="cosine"), 4)
    state, taken = steps.init(jnp.ones(())), []
    for _ in range(5):
        with jax.numpy_dtype_promotion("standard"):
            update, state = steps.update(jnp.ones(()), state, jnp.ones(()))
        taken.append(-update)
    np.testing.assert_allclose(taken, 0.5 * 0.5 * (1 + np.cos(np.pi * np.arange(5) / 4)), atol=1e-7)
    assert any(float(leaf) == 0.5 for leaf in jax.tree.leaves(state))


def test_line_searches_of_lbfgs_are_counted():
    calls = []

    def counted(x, batch):
        jax.debug.callback(lambda: calls.append(1))
        return rosenbrock(x)

    steps = backprop_trainer(counted, optax.lbfgs())
    state, x = steps.init(jr.key(0), jnp.array([-1.2, 1.0, 0.3]), jnp.ones((1, 1))), 0
    for _ in range(8):
        state, info = one_step(steps, jr.key(0), state, jnp.ones((1, 1)))
        x += info["evaluations"]
    jax.effects_barrier()
    assert x == len(calls)


def test_weight_decay_keeps_k_fac_solvable_when_its_damping_has_gone():
    """In float32, with factors of rank one, as a saturated layer has them."""
    one = jnp.full((1001, 1001), 0.2, jnp.float32)
    arms = [config for config in direct.VARIANTS.values() if isinstance(config.optimiser, KFAC)]
    assert arms
    for config in arms:
        [roots] = damped_roots([Factors(one, one)], jnp.float32(config.l2))
        assert all(np.isfinite(root).all() for root in roots)
