"""What models are worth in nats: sums, annealed importance sampling and bounds, against enumeration."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from oracle import belief_joint, joint, log_table, sigmoid, states
from pydantic import ValidationError
from refusal import refused
from scipy.special import logsumexp
from test_deep_models import machine, network, numbers

from repro.evaluation.annealing import (
    Annealing,
    Base,
    anneal,
    base_rate,
    component_log_odds,
    hidden_log_odds,
    log_z_from_above,
    log_z_from_below,
    prototypes,
    visible_log_odds,
)
from repro.evaluation.enumeration import (
    log_prob,
    log_prob_of_dbm,
    log_prob_of_dbn,
    log_sum,
    log_z,
    log_z_of_dbm,
)
from repro.evaluation.likelihood import Directed, bound_of_dbm, bounds, bounds_of_dbn
from repro.models.dbm import folded
from repro.models.mixture import Mixture
from repro.models.rbm import RBM, exchanged

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def table_of(rbm):
    """-E(v, h) for every pair."""
    return log_table([rbm.weights], rbm[1:])


# --- sums over all states ------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [0, 2, 9])
def test_the_size_of_blocks_changes_nothing(at_once):
    W, b = numbers(1, 6, 6), numbers(1, 6)
    ours, slope = jax.value_and_grad(lambda b: log_sum(6, lambda x: b @ x + x @ W @ x, b.dtype, at_once))(b)
    x = states(6)
    terms = x @ np.asarray(b) + np.einsum("ni,ij,nj->n", x, W, x)
    np.testing.assert_allclose(ours, logsumexp(terms), **EXACT)
    np.testing.assert_allclose(slope, np.exp(terms - logsumexp(terms)) @ x, **EXACT)


def test_too_many_units_are_refused():
    says = "^n_units 21: a sum over 2\\^21 states is refused, 2\\^20 are the most: use fewer hidden units, or"
    refused(says, log_z, RBM(jnp.zeros((30, 21)), jnp.zeros(30), jnp.zeros(21)))
    deep = (
        RBM(jnp.zeros((30, 11)), jnp.zeros(30), jnp.zeros(11)),
        RBM(jnp.zeros((11, 10)), jnp.zeros(11), jnp.zeros(10)),
    )
    refused(
        says,
        log_prob_of_dbn,
        (*deep, RBM(jnp.zeros((10, 3)), jnp.zeros(10), jnp.zeros(3))),
        jnp.zeros((1, 30)),
    )


@pytest.mark.parametrize("sizes", [(5, 3), (3, 5)])
def test_an_rbm_exactly(sizes):
    [rbm] = network(*sizes)
    np.testing.assert_allclose(log_z(rbm), logsumexp(table_of(rbm)), **EXACT)
    found = log_prob(rbm, jnp.asarray(states(sizes[0])))
    np.testing.assert_allclose(np.exp(found), joint(rbm).sum(axis=1), **EXACT)


@pytest.mark.parametrize("sizes", [(3, 4, 2), (2, 3, 1, 2)])
def test_a_deep_boltzmann_machine_exactly(sizes):
    dbm = machine(*sizes)
    table = log_table(*dbm)
    np.testing.assert_allclose(log_z_of_dbm(dbm), logsumexp(table), **EXACT)
    of_v = logsumexp(table, axis=tuple(range(1, len(sizes)))) - logsumexp(table)
    np.testing.assert_allclose(log_prob_of_dbm(dbm, jnp.asarray(states(sizes[0]))), of_v, **EXACT)


@pytest.mark.parametrize("sizes", [(3, 4, 2), (2, 3, 1, 2)])
def test_a_deep_belief_network_exactly(sizes):
    stack = network(*sizes)
    found = np.exp(log_prob_of_dbn(stack, jnp.asarray(states(sizes[0]))))
    np.testing.assert_allclose(found, belief_joint(stack).sum(axis=tuple(range(1, len(sizes)))), **EXACT)


# --- annealed importance sampling ----------------------------------------------------------------------

FEW = Annealing(n_chains=5000, n_steps=(2, 3), ends=(0.4, 1.0))
MODELS = [
    *(pytest.param(network(5, 3, seed=seed)[0], id=f"RBM {seed}") for seed in range(4)),
    *(pytest.param(folded(machine(3, 3, 2, seed=seed)), id=f"DBM {seed}") for seed in range(4)),
    *(pytest.param(network(4, 5, 3, seed=seed)[1], id=f"DBN {seed}") for seed in range(4, 8)),
]


def samples(rbm, n):
    """Visible states drawn from the table."""
    p = joint(rbm).sum(axis=1)
    return jnp.asarray(states(len(rbm.visible_bias))[np.random.default_rng(3).choice(len(p), n, p=p)])


def base_of(n_visible, n_hidden, n_components=3, scale=1.0):
    """Nothing zero, nothing symmetric."""
    shares = jax.nn.log_softmax(numbers(10, n_components))
    odds = numbers(9, n_components, n_visible, scale=scale)
    return Base(Mixture(shares, odds), numbers(8, n_hidden, scale=scale))


def is_mean(weights, truth, z=4.5):
    return abs(weights.mean() - truth) < z * weights.std(ddof=1) / np.sqrt(len(weights))


@pytest.mark.parametrize("summed_out", ["hidden", "visible"])
@pytest.mark.parametrize("rbm", MODELS)
def test_weights_have_the_mean_z_and_on_the_way_back_its_inverse(rbm, summed_out):
    sizes = rbm.weights.shape
    if summed_out == "visible":
        sizes, rbm = sizes[::-1], exchanged(rbm)
    base = base_of(*sizes, scale=0.5)
    truth = logsumexp(table_of(rbm))
    below = log_z_from_below(jr.key(1), base, rbm, FEW)
    above = log_z_from_above(jr.key(2), base, rbm, FEW, samples(rbm, FEW.n_chains))
    assert is_mean(np.exp(below.log_weights - truth), 1)
    assert is_mean(np.exp(above.log_weights + truth), 1)
    assert below.log_weights.mean() < truth < -above.log_weights.mean()
    for found in (below, above):
        assert 1 < found.effective_sample_size < FEW.n_chains and found.low < found.value < found.high


def all_to_all(logit):
    """The probability of every state of some units, given each of some log odds of theirs."""
    p, x = sigmoid(logit)[:, None], states(logit.shape[1])[None]
    return np.where(x == 1, p, 1 - p).prod(axis=2)


def between(base, rbm, beta):
    """-E of the intermediate distribution over v, h and the component, from the tables of both ends."""
    shares, odds = map(np.asarray, base.visible)
    v = states(odds.shape[1])
    of_visible = shares + v @ odds.T - np.logaddexp(0, odds).sum(axis=1)
    of_hidden = states(len(base.hidden_bias)) @ np.asarray(base.hidden_bias)
    of_base = of_visible[:, None] + of_hidden[None, :, None]
    return (1 - beta) * of_base + beta * table_of(rbm)[:, :, None]


def test_transitions_leave_intermediate_distributions_as_they_are(n=3000, z=4.5):
    """The exact matrix of our log odds; then what is drawn and weighed in one step from every state."""
    [rbm], base = network(4, 3), base_of(4, 3, n_components=2)
    V, H, before, after = jnp.asarray(states(4)), jnp.asarray(states(3)), jnp.float64(0.3), jnp.float64(0.7)
    up, log_p = all_to_all(hidden_log_odds(base, rbm, after, V)), logsumexp(between(base, rbm, 0.7), (1, 2))
    which, T = np.exp(jax.nn.log_softmax(component_log_odds(base, after, V), axis=1)), 0.0
    for m in range(2):
        down = all_to_all(visible_log_odds(base, rbm, after, H, jnp.full(len(H), m)))
        T += which[:, m, None] * (up @ down)
    p = np.exp(log_p - logsumexp(log_p))
    np.testing.assert_allclose(p @ T, p, **EXACT)
    v = jnp.repeat(V, n, axis=0)
    log_weights, ends = jax.jit(anneal)(jr.key(5), base, rbm, v, jnp.stack([before, after]))
    gain = log_p - logsumexp(between(base, rbm, 0.3), (1, 2))
    np.testing.assert_allclose(log_weights, np.repeat(gain, n), **EXACT)
    numbered = np.asarray(ends @ jnp.array([8.0, 4, 2, 1]), int).reshape(16, n)
    counted = np.stack([np.bincount(each, minlength=16) for each in numbered]) / n
    assert np.all(np.abs(counted - T) < z * np.sqrt(T * (1 - T) / n) + 1e-12)


def test_an_estimate_is_what_its_weights_say():
    [rbm] = network(5, 3)
    base = Base(base_rate(jnp.asarray(states(5)[:20])), jnp.zeros(3))
    found = log_z_from_below(jr.key(0), base, rbm, replace(FEW, n_chains=30))
    w = np.exp(found.log_weights)
    np.testing.assert_allclose(found.value, np.log(w.mean()), rtol=1e-12)
    half = scipy.stats.t.ppf(0.975, 29) * w.std(ddof=1) / np.sqrt(30) / w.mean()
    np.testing.assert_allclose([found.high - found.value, found.value - found.low], half, rtol=1e-9)
    np.testing.assert_allclose(found.effective_sample_size, w.sum() ** 2 / (w**2).sum(), rtol=1e-12)
    back = log_z_from_above(jr.key(0), base, rbm, FEW, samples(rbm, 30))
    np.testing.assert_allclose(back.value, -np.log(np.exp(back.log_weights).mean()), rtol=1e-12)
    assert back.low < back.value < back.high
    again = log_z_from_below(jr.key(0), base, rbm, replace(FEW, n_chains=30))
    other = log_z_from_below(jr.key(1), base, rbm, replace(FEW, n_chains=30))
    assert np.all(again.log_weights == found.log_weights) and np.all(other.log_weights != found.log_weights)


def test_equal_weights_are_certain_and_a_single_one_says_nothing_of_its_error():
    rbm = RBM(jnp.zeros((5, 3)), numbers(1, 5), numbers(1, 3))
    base = Base(Mixture(jnp.zeros(1), rbm.visible_bias[None]), rbm.hidden_bias)
    found = log_z_from_below(jr.key(0), base, rbm, replace(FEW, n_chains=30))
    np.testing.assert_allclose(found[:3], [logsumexp(table_of(rbm))] * 3, rtol=1e-12)
    np.testing.assert_allclose(found.effective_sample_size, 30, rtol=1e-12)
    alone = log_z_from_below(jr.key(0), base, rbm, replace(FEW, n_chains=1))
    assert np.isfinite(alone.value) and np.isnan([alone.low, alone.high]).all()


def test_the_base_rate_is_that_of_the_data_and_no_bias_is_infinite():
    shares, [odds] = base_rate(jnp.array([[1.0, 0, 1], [1, 0, 0]]), prior=0.1)
    np.testing.assert_allclose(sigmoid(odds), [1.1 / 1.2, 0.1 / 1.2, 0.5], rtol=1e-12)
    np.testing.assert_array_equal(shares, [0])


def test_prototypes_are_a_mixture_of_what_was_seen():
    """Two kinds of cases, three quarters of the one; a pseudo-count of 1 in each of two components."""
    seen = jnp.repeat(jnp.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]), jnp.array([30, 10]), axis=0)
    shares, odds = prototypes(jr.key(1), seen, 2)
    order = np.argsort(shares)
    np.testing.assert_allclose(np.exp(shares)[order], [11 / 42, 31 / 42], rtol=1e-3)
    on = np.stack([[1, 1, 11, 11], [31, 31, 1, 1]]) / np.array([[12], [32]])
    np.testing.assert_allclose(sigmoid(odds)[order], on, rtol=2e-3)


def test_prototypes_lead_to_modes_that_independent_units_do_not(n=20):
    """Two opposite patterns of n units, which one hidden unit holds together, and of its states off a broad
    mode that is worth less: chains from independent units end there.
    """
    pattern = jnp.where(jnp.arange(n) % 2 == 0, 1.0, -1.0)
    weights = jnp.stack([20 * pattern, -20 * pattern], axis=1)
    rbm = RBM(weights, jnp.zeros(n), jnp.full(2, -10.0 * n + 1.5 * n * np.log(2.0)))
    seen, few = jnp.stack([pattern > 0, pattern < 0]).astype(float), Annealing(100, (20,), (1.0,))
    mixtures = base_rate(seen), prototypes(jr.key(0), jnp.repeat(seen, 50, axis=0), 2)
    bases = [Base(mixture, jnp.zeros(2)) for mixture in mixtures]
    plain, better = (log_z_from_below(jr.key(1), base, rbm, few).value for base in bases)
    truth = log_z(rbm)
    assert plain < truth - 3 and better == pytest.approx(truth, abs=0.5)


def test_temperatures_are_those_of_the_authors():
    beta = Annealing().temperatures()
    assert (beta[0], beta[500], beta[4500], beta[-1]) == (0, 0.5, 0.9, 1) and len(beta) == 14_501
    theirs = [
        np.arange(0, 0.5, 1 / 1000),
        np.arange(0.5, 0.9, 1 / 10_000),
        np.arange(0.9, 1.000001, 1 / 100_000),
    ]
    np.testing.assert_allclose(beta, np.concatenate(theirs), rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ends": (0.5, 1.0)}, "ends must be as many as n_steps"),
        ({"ends": (0.5, 0.9, 0.99)}, "ends must rise to 1"),
        ({"ends": (0.9, 0.5, 1.0)}, "ends must rise to 1"),
        ({"n_steps": ()}, "n_steps"),
        ({"n_steps": (500, 0, 10)}, "n_steps"),
        ({"n_chains": 0}, "n_chains"),
    ],
)
def test_temperatures_that_do_not_lead_to_the_model_are_refused(changed, says):
    with pytest.raises(ValidationError, match=says):
        Annealing(**changed)


# --- bounds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_belief_networks_weights_have_the_mean_p(seed, n=10_000, z=4.5):
    stack, v = network(3, 5, 3, seed=seed), jnp.asarray(states(3))
    truth, log_z_of_top = belief_joint(stack).sum(axis=(1, 2)), logsumexp(table_of(stack[-1]))
    found = bounds_of_dbn(jr.key(seed), stack, log_z_of_top, v, n)
    relative_error = np.sqrt((n / found.effective_sample_size - 1) / (n - 1))
    assert np.all(np.abs(np.exp(found.importance_weighted) / truth - 1) < z * relative_error)
    assert np.all(found.variational < np.log(truth))
    assert np.all((found.effective_sample_size > 1) & (found.effective_sample_size < n))


def test_the_layer_that_undoes_another_makes_the_bound_tight():
    """The second RBM begun as the first one exchanged   [hinton2006dbn]: whatever is drawn weighs p(v)."""
    [rbm] = network(4, 3)
    v = jnp.asarray(states(4))
    found = bounds_of_dbn(jr.key(0), (rbm, exchanged(rbm)), log_z(rbm), v, 20)
    truth = np.log(joint(rbm).sum(axis=1))
    np.testing.assert_allclose(found.variational, truth, **EXACT)
    np.testing.assert_allclose(found.importance_weighted, truth, **EXACT)
    np.testing.assert_allclose(found.effective_sample_size, 20, **EXACT)


GAUSSIAN = Directed(  # z ~ N(0, 1), x ~ N(z, ½); q is neither in the right place nor wide enough
    log_joint=lambda x, z: (
        jax.scipy.stats.norm.logpdf(z) + jax.scipy.stats.norm.logpdf(x[0], z, jnp.sqrt(0.5))
    ),
    log_posterior=lambda x, z: jax.scipy.stats.norm.logpdf(z, 0.5 * x[0], 0.5),
    draw=lambda key, x: 0.5 * x[0] + 0.5 * jr.normal(key),
)


def test_the_bound_rises_with_the_number_of_samples_to_log_p(n=2000, z=4.5):
    x = jnp.full((n, 1), 1.5)
    truth = scipy.stats.norm.logpdf(1.5, 0, np.sqrt(1.5))
    means, errors = [], []
    for n_samples in (1, 5, 50):
        found = jax.jit(partial(bounds, model=GAUSSIAN, n_samples=n_samples, at_once=n))(jr.key(7), x=x)
        means.append(float(found.importance_weighted.mean()))
        errors.append(float(found.importance_weighted.std(ddof=1)) / np.sqrt(n))
        # E[log w] = log p(x) - KL(q | p(z | x)), which is N(x / 1.5, 1/3)
        kl = np.log(np.sqrt(1 / 3) / 0.5) + (0.25 + (0.75 - 1.0) ** 2) / (2 / 3) - 0.5
        error = z * float(found.variational.std(ddof=1)) / np.sqrt(n)
        assert abs(float(found.variational.mean()) - (truth - kl)) < error
        assert found.effective_sample_size.min() > 1 - 1e-9
        assert found.effective_sample_size.max() < n_samples + 1e-9
    assert np.all(np.diff(means) > z * np.hypot(errors[:-1], errors[1:]))
    assert means[-1] < truth and truth - means[-1] < 0.02


def test_cases_at_once_change_nothing_and_every_case_has_draws_of_its_own():
    x = jnp.array([[0.3], [0.3], [-2.0], [1.0], [0.0]])
    few, many = (
        jax.jit(partial(bounds, model=GAUSSIAN, n_samples=3, at_once=n))(jr.key(7), x=x) for n in (2, 5)
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-12), few, many)
    assert few.variational[0] != few.variational[1]


@pytest.mark.parametrize("seed", range(4))
def test_the_mean_field_bound_lies_below_log_p(seed):
    dbm, v = machine(3, 4, 2, seed=seed), jnp.asarray(states(3))
    table = log_table(*dbm)
    truth = logsumexp(table, axis=(1, 2)) - logsumexp(table)
    found = bound_of_dbm(dbm, logsumexp(table), v)
    assert np.all(found < truth) and np.all(found > truth - 1)
    upper = dbm._replace(weights=(dbm.weights[0], 0 * dbm.weights[1]))  # then h given v is factorial
    table = log_table(*upper)
    exact = logsumexp(table, axis=(1, 2)) - logsumexp(table)
    np.testing.assert_allclose(bound_of_dbm(upper, logsumexp(table), v), exact, **EXACT)


def test_single_precision_is_enough(single_precision):
    rbm = RBM(*(x.astype(jnp.float32) for x in network(5, 3)[0]))
    base = Base(base_rate(jnp.zeros((1, 5))), jnp.zeros(3))
    truth = float(log_z(rbm))
    np.testing.assert_allclose(truth, logsumexp(table_of(rbm)), rtol=1e-6)
    found = log_z_from_below(jr.key(0), base, rbm, replace(FEW, n_chains=1000))
    assert is_mean(np.exp(found.log_weights - truth), 1)
