"""Conjugate gradients against the oracle's nested loops and SciPy; optax's optimisers as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize
from oracle import minimise

from repro.training.conjugate_gradient import conjugate_gradient


def quadratic(x):
    return 0.5 * jnp.sum(jnp.array([1.0, 3.0, 10.0, 0.2]) * (x - 1.5) ** 2)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def bowl(x):
    """Smooth, convex, and of no low degree."""
    return jnp.sum(jnp.cosh(x - 1) + 0.3 * (x + 0.5) ** 2) + jnp.exp(0.4 * x.sum())


def update(f, x, n_line_searches):
    """Where one update from x ends, and the evaluations it took."""
    optimiser = conjugate_gradient(n_line_searches)
    value, gradient = jax.value_and_grad(f)(x)
    updates, state = optimiser.update(gradient, optimiser.init(x), x, value=value, value_fn=f)
    return optax.apply_updates(x, updates), state.evaluations


@pytest.mark.parametrize(
    ("f", "n_line_searches"),
    [(bowl, 1), (bowl, 3), (bowl, 5), (rosenbrock, 1), (rosenbrock, 3), (rosenbrock, 12)],
)
def test_conjugate_gradient_follows_the_oracle_step_for_step(f, n_line_searches):
    """Not on a quadratic, where the cubic that both fit has a leading coefficient of pure rounding."""
    x = jnp.array([-1.2, 1.0, 0.3, 0.7])
    theirs, calls = minimise(jax.jit(jax.value_and_grad(f)), np.asarray(x), n_line_searches)
    ours, evaluations = update(f, x, n_line_searches)
    assert evaluations == calls
    np.testing.assert_allclose(ours, theirs, rtol=1e-7)


def test_conjugate_gradient_follows_the_oracle_from_many_starts(n_starts=40):
    """Enough line searches to meet every constant of the Wolfe-Powell conditions."""
    oracle, ours = jax.jit(jax.value_and_grad(rosenbrock)), jax.jit(lambda x: update(rosenbrock, x, 3))
    for start in np.random.default_rng(5).normal(size=(n_starts, 4)):
        theirs, calls = minimise(oracle, start, 3)
        x, evaluations = ours(jnp.asarray(start))
        assert evaluations == calls
        np.testing.assert_allclose(x, theirs, rtol=1e-6)


@pytest.mark.parametrize("f", [quadratic, rosenbrock])
def test_conjugate_gradient_reaches_the_minimum_scipy_finds(f):
    x = jnp.array([-1.2, 1.0, 0.3, 0.7])
    theirs = scipy.optimize.minimize(jax.value_and_grad(f), x, jac=True, method="CG", tol=1e-10)
    ours, _ = update(f, x, 150)
    np.testing.assert_allclose(f(ours), theirs.fun, atol=1e-10)
    # where values differ by rounding alone no search goes on: |gradient| is then about √(ε f λ), with
    # f about 4 and Rosenbrock's curvature λ about 1000 near 1e-6, and SciPy's end is no closer
    np.testing.assert_allclose(jax.grad(f)(ours), 0, atol=1e-5)
    np.testing.assert_allclose(ours, theirs.x, atol=1e-5)


def test_conjugate_gradient_survives_a_hopeless_line():
    """No step lowers |x|-like values from the kink: two failed searches leave the parameters in place."""

    def f(x):
        return jnp.where(jnp.any(x != 1.0), 10.0, 0.0) + x.sum()

    ours, evaluations = update(f, jnp.ones(3), 5)
    np.testing.assert_array_equal(ours, np.ones(3))
    assert evaluations == minimise(jax.jit(jax.value_and_grad(f)), np.ones(3), 5)[1]
