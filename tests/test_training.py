"""The loop, pretraining layer by layer, and plain backprop."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

from repro.errors import TooFewCasesError
from repro.models.rbm import Units
from repro.models.stack import random_stack, stack_units
from repro.training import fit as training
from repro.training.backprop import backprop_trainer
from repro.training.contrastive import Contrastive, contrastive_trainer
from repro.training.fit import UNWATCHED, Monitor, batch_order, by_minibatch, fit, minibatches
from repro.training.greedy import Pretraining, pretrain

BINARY = Units()


class Counts(NamedTuple):
    params: jax.Array  # how often each case was seen


COUNTING = by_minibatch(
    init=lambda key, params, inputs: Counts(params),
    step=lambda key, state, batch, n: (Counts(state.params.at[batch[:, 0].astype(int)].add(1)), {}),
)


def test_every_case_is_seen_once_per_epoch_but_for_the_ragged_tail():
    cases = jnp.arange(23.0)[:, None]
    zeros = jnp.zeros((1, 23), int)
    fits = [fit(seeds(1), COUNTING, zeros, cases, n_epochs=n, batch_size=5) for n in (1, 2, 3)]
    seen = [np.asarray(fitted.state.params[0]) for fitted in fits]
    for earlier, later in zip([np.zeros(23, int), *seen], seen, strict=False):
        assert sorted(later - earlier) == [0] * 3 + [1] * 20
    assert set(np.flatnonzero(seen[0] == 0)) != set(np.flatnonzero(seen[1] - seen[0] == 0))


def test_batch_order_is_a_permutation_that_differs_by_key():
    order = batch_order(jr.key(1), 20, 5)
    assert sorted(np.ravel(order)) == list(range(20))
    assert np.any(np.asarray(order) != batch_order(jr.key(2), 20, 5))


def test_nothing_is_sent_to_the_device_between_two_reports(monkeypatch):
    """As it would be if the number of the epoch were counted by the host."""
    ours = training.minibatches
    monkeypatch.setattr(training, "minibatches", lambda keys, i, **how: ours(keys, i + np.int32(0), **how))
    with pytest.raises(RuntimeError, match="Disallowed host-to-device transfer"):
        fit(seeds(1), COUNTING, jnp.zeros((1, 23), int), jnp.zeros((23, 1)), n_epochs=1, batch_size=5)


def test_minibatch_larger_than_the_data_is_refused():
    with pytest.raises(TooFewCasesError, match="batch_size 30 is larger than the 23 cases"):
        fit(seeds(1), COUNTING, jnp.zeros((1, 23), int), jnp.zeros((23, 1)), n_epochs=1, batch_size=30)


def seeds(n):
    return jax.vmap(jr.key)(np.arange(n))


def fitted(n_seeds, n_epochs=3, monitor=UNWATCHED, report_every=1):
    """A small RBM with persistent chains: everything a state can hold."""
    data = (jr.uniform(jr.key(4), (30, 6)) < 0.4).astype(float)
    trainer = contrastive_trainer(BINARY, Contrastive(persistent=True), batch_size=5, steps_per_epoch=6)
    params = jax.vmap(lambda key: random_stack(key, (6, 4), 0.1)[0])(seeds(n_seeds))
    how = {"n_epochs": n_epochs, "batch_size": 5, "monitor": monitor, "report_every": report_every}
    return fit(seeds(n_seeds), trainer, params, data, **how)


def assert_same(a, b, **tolerance):
    jax.tree.map(partial(np.testing.assert_allclose, **({"rtol": 0} | tolerance)), a, b)


def test_same_seed_same_bytes_and_other_seed_other_bytes():
    once, again, both = fitted(1), fitted(1), fitted(2)
    assert_same((once.state, once.curves), (again.state, again.curves))
    assert np.any(np.asarray(both.state.params.weights[0]) != both.state.params.weights[1])


def test_seeds_side_by_side_are_the_seeds_one_by_one():
    side_by_side, alone = fitted(3), fitted(1)
    first = jax.tree.map(lambda x: x[:1], (side_by_side.state, side_by_side.curves))
    assert_same(first, (alone.state, alone.curves), rtol=1e-12, atol=1e-14)


class Remembers(Monitor):
    """Keeps what it is shown and gives it back."""

    def __init__(self, kept=None):
        self.kept = kept

    def restore(self, phase, start):
        return self.kept or start

    def epoch_done(self, phase, fitted, n_epochs):
        self.kept = fitted


def test_a_continued_run_is_the_run_that_was_never_stopped():
    stopped = Remembers()
    fitted(2, n_epochs=2, monitor=stopped)
    resumed, unbroken = fitted(2, n_epochs=5, monitor=stopped), fitted(2, n_epochs=5)
    assert_same((resumed.state, resumed.curves), (unbroken.state, unbroken.curves))


def test_fewer_reports_are_of_the_same_training():
    often, seldom, stopped = fitted(2, 7), fitted(2, 7, report_every=3), Remembers()
    assert_same(often.state, seldom.state)
    assert list(seldom.epochs) == [3, 6, 7] and list(often.epochs) == [1, 2, 3, 4, 5, 6, 7]
    each = np.split(often.curves["reconstruction_error"], [3, 6], axis=1)
    means = np.stack([part.mean(axis=1) for part in each], axis=1)
    assert_same(seldom.curves, {"reconstruction_error": means}, rtol=1e-6)
    assert len(seldom.seconds) == 3
    fitted(2, 4, monitor=stopped, report_every=3)
    resumed = fitted(2, 7, monitor=stopped, report_every=3)
    assert list(resumed.epochs) == [3, 4, 6, 7], "where it stopped is reported too"
    assert_same(resumed.state, often.state)


class Falls(NamedTuple):
    params: jax.Array  # one less after every epoch


FALLING = by_minibatch(
    init=lambda key, params, inputs: Falls(params),
    step=lambda key, state, batch, n: (
        Falls(state.params - 1),
        {"loss": jnp.log(state.params), "evaluations": 2},
    ),
)


def fallen(starts, measure=None, **how):
    """Six epochs of seeds whose loss is the logarithm of a number that falls by one an epoch."""
    how = {"n_epochs": 6, "batch_size": 5, "measure": measure} | how
    return fit(seeds(len(starts)), FALLING, jnp.array(starts), jnp.zeros((5, 1)), **how)


def test_a_seed_that_has_diverged_ends_and_the_others_go_on():
    fitted = fallen([3.0, 99.0, 1.0], measure=lambda params: {"score": params})
    assert fitted.diverged.tolist() == [4, -1, 2] and fitted.n_epochs == 6
    assert np.isfinite(fitted.curves["loss"]).sum(axis=1).tolist() == [3, 6, 1]
    assert np.isfinite(fitted.curves["score"]).sum(axis=1).tolist() == [3, 6, 1]
    assert np.isnan(fitted.state.params).tolist() == [True, False, True]
    assert fitted.curves["evaluations"].tolist() == [[2.0] * 6] * 3, "what was spent is still counted"
    alone = fallen([99.0], measure=lambda params: {"score": params})
    assert_same(alone.curves, jax.tree.map(lambda x: x[1:2], fitted.curves))


def test_training_ends_at_the_report_where_no_seed_is_left():
    fitted = fallen([3.0, 1.0])
    assert fitted.diverged.tolist() == [4, 2] and list(fitted.epochs) == [1, 2, 3, 4]
    seldom = fallen([3.0, 1.0], report_every=3)
    assert seldom.diverged.tolist() == [4, 2] and list(seldom.epochs) == [3, 6]
    again = fallen([3.0, 1.0], monitor=Remembers(fitted))
    assert list(again.epochs) == [1, 2, 3, 4], "a diverged run is not continued either"


def test_a_score_that_is_no_number_ends_its_seed_too():
    fitted = fallen([50.0, 60.0], measure=lambda params: {"score": 1 / (params - 48)})
    assert fitted.diverged.tolist() == [2, -1] and fitted.n_epochs == 6


def test_pretraining_climbs_on_hidden_means():
    """Layer by layer by hand: each RBM fitted alone on the means of the one below gives the same stack."""
    inputs = jr.uniform(jr.key(4), (20, 6))
    config = Pretraining(n_epochs=2, batch_size=5)
    stack = jax.vmap(lambda key: random_stack(key, (6, 4, 2), 0.1))(seeds(1))
    whole = pretrain(seeds(1), config, stack_units(2), stack, inputs)
    first = whole.stack[0]
    means = jax.nn.sigmoid(inputs @ first.weights[0] + first.hidden_bias)[None]
    trainer = contrastive_trainer(
        Units(hidden="real"), Contrastive(learning_rate=0.001), batch_size=5, steps_per_epoch=4
    )
    keys = jax.vmap(jr.fold_in, (0, None))(seeds(1), 1)
    second = fit(keys, trainer, stack[1], means, n_epochs=2, batch_size=5).state.params
    assert_same(whole.stack[1], second, rtol=1e-12)
    assert set(whole.curves) == {"reconstruction_error_layer1", "reconstruction_error_layer2"}


def test_a_layers_data_are_met_in_flight_where_that_is_asked_for():
    """By hand: the means under the weights before each minibatch of the last epoch."""
    inputs = jr.uniform(jr.key(4), (20, 6))
    config = Pretraining(n_epochs=2, batch_size=5, climb="in flight")
    stack = jax.vmap(lambda key: random_stack(key, (6, 4, 2), 0.1))(seeds(1))
    whole = pretrain(seeds(1), config, stack_units(2), stack, inputs, shuffle=False)
    trainer = contrastive_trainer(Units(), Contrastive(), batch_size=5, steps_per_epoch=4)
    keys = [jax.vmap(jr.fold_in, (0, None))(seeds(1), depth) for depth in range(2)]
    first = fit(keys[0], trainer, stack[0], inputs, n_epochs=1, batch_size=5, shuffle=False).state
    ((key,), _), _ = minibatches(keys[0], jnp.int32(1), n_cases=20, batch_size=5, shuffle=False)
    order, state = jnp.arange(20).reshape(4, 5), jax.tree.map(lambda x: x[0], first)
    met = []
    for j in range(4):
        before, _ = trainer.epoch(key, state, inputs, order[:j], jnp.int32(4)) if j else (state, None)
        rbm = before.params
        met.append(jax.nn.sigmoid(inputs[order[j]] @ rbm.weights + rbm.hidden_bias[None]))
    top = contrastive_trainer(
        Units(hidden="real"), Contrastive(learning_rate=0.001), batch_size=5, steps_per_epoch=4
    )
    means = jnp.concatenate(met)[None]
    second = fit(keys[1], top, stack[1], means, n_epochs=2, batch_size=5, shuffle=False).state.params
    assert_same(whole.stack[1], second, rtol=1e-12)


def test_minibatches_that_are_formed_once_are_the_cases_as_they_lie():
    for i in (0, 3):
        (keys, order), _ = minibatches(seeds(2), jnp.int32(i), n_cases=7, batch_size=3, shuffle=False)
        assert order.tolist() == [[[0, 1, 2], [3, 4, 5]]] * 2
        drawn, _ = minibatches(seeds(2), jnp.int32(i), n_cases=7, batch_size=3)
        assert np.array_equal(jr.key_data(keys), jr.key_data(drawn[0])), "what is drawn in a step is the same"


def test_backprop_with_an_optax_optimiser_is_gradient_descent():
    data = jr.uniform(jr.key(0), (8, 3))
    trainer = backprop_trainer(lambda w, batch: ((batch @ w) ** 2).mean(), optax.sgd(0.1))
    result = fit(seeds(1), trainer, jnp.ones((1, 3)), data, n_epochs=1, batch_size=8)
    gradient = 2 * data.T @ (data @ jnp.ones(3)) / 8
    np.testing.assert_allclose(result.state.params[0], 1 - 0.1 * gradient, rtol=1e-12)
