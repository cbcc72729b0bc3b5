"""The choice of a learning rate: which candidates train for how long, and what each comes to."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from test_arms import made_up as made_up_cases

from repro.runs.config import Autoencoding, Flops, Glorot, Network, Rates, tuning_of
from repro.runs.programs import PROGRAMS
from repro.runs.tuning import halve
from repro.training.fit import Fitted, Monitor
from repro.training.flops import backprop_flops
from repro.training.optimisers import SGD, Adam

pytestmark = pytest.mark.usefixtures("single_precision")

LAYERS = (16, 9, 5, 2, 5, 9, 16)
ADAM = Adam()
FIVE = (1e-6, 1e-4, 1e-2, 1e-1, 1e-3)


@pytest.fixture
def data():
    return made_up_cases()


def choice(rates, optimiser=ADAM):
    arm = Autoencoding(
        data="made up",
        network=Network((9, 5, 2)),
        start=Glorot(),
        optimiser=optimiser,
        tuning=rates,
        budget=Flops(1e9),
        batch_size=10,
    )
    return tuning_of(arm)


def run(config, data, monitor=None):
    watch = {} if monitor is None else {"monitor": monitor}
    return PROGRAMS[type(config)](config, data, jax.vmap(jax.random.key)(np.array([0], np.uint32)), **watch)


def losses(metrics, rates):
    return {rate: metrics[f"valid_cross_entropy_rate_{rate:g}"][0] for rate in rates}


class Log(Monitor):
    """Which epochs of which phase were trained."""

    def __init__(self):
        self.seen = []

    def epoch_done(self, phase, fitted, n_epochs):
        self.seen.append((phase, fitted.n_epochs, n_epochs))


def made_up(values):
    """A training whose loss after each epoch is known; it diverged if one is not finite."""

    def train_until(n_epochs, rates, begun):
        asked.append((n_epochs, rates, begun and begun.n_epochs))
        curve = np.array([values[rate][:n_epochs] for rate in rates], float)
        diverged = np.where(np.isfinite(curve).all(axis=1), -1, 1)
        epochs = np.arange(1, n_epochs + 1)
        return Fitted(
            np.zeros((len(rates), 3)), {"loss": curve}, np.ones(n_epochs), epochs, diverged=diverged
        )

    asked = []
    return train_until, asked


def test_the_better_half_goes_on_from_where_it_was():
    values = {1.0: [5, 5, 5, 5], 2.0: [4, 4, 4, 1], 3.0: [3, 3, 2, 2], 4.0: [6, 0, 0, 0], 5.0: [1, 9, 9, 3]}
    train_until, asked = made_up(values)
    trained, last, seconds = halve((1.0, 2.0, 3.0, 4.0, 5.0), (1, 3, 4), train_until, "loss")
    first = [(1, (rate,), None) for rate in values]
    second = [(3, (rate,), 1) for rate in (2.0, 3.0, 5.0)]  # three of five: half, rounded up
    assert asked == [*first, *second, (4, (2.0,), 3), (4, (3.0,), 3)]
    assert last == {2.0: 1.0, 3.0: 2.0}
    assert {rate: fitted.n_epochs for rate, fitted in trained.items()} == {1: 1, 2: 4, 3: 4, 4: 1, 5: 3}
    assert seconds == 5 * 1 + 3 * 2 + 2 * 1


def test_a_candidate_that_diverges_leaves_first():
    train_until, _ = made_up({1.0: [np.nan, np.nan], 2.0: [9, 9], 3.0: [np.nan, np.nan], 4.0: [7, 7]})
    _, last, _ = halve((1.0, 2.0, 3.0, 4.0), (1, 2), train_until, "loss")
    assert last == {2.0: 9.0, 4.0: 7.0}


class Kept(Monitor):
    """Keeps what each phase has come to, as checkpoints do; stops after so many reports."""

    def __init__(self, n_reports):
        self.kept, self.left = {}, n_reports

    def restore(self, phase, start):
        return self.kept.get(phase, start)

    def epoch_done(self, phase, fitted, n_epochs):
        self.kept[phase] = fitted
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("n_reports", [1, 9, 17])
def test_a_choice_that_was_interrupted_is_the_one_that_never_was(data, n_reports):
    """Also where a candidate diverges in its second halving, and was stopped after that."""
    real, config = replace(data, kind="real"), choice(Rates((4.0, 3.0, 2.0, 0.25), (2, 12)), SGD())
    whole, kept = run(config, real), Kept(n_reports)
    with pytest.raises(KeyboardInterrupt):
        run(config, real, kept)
    resumed = run(config, real, kept)
    assert whole.metrics.keys() == resumed.metrics.keys()
    for name in whole.metrics:
        if "seconds" not in name:
            np.testing.assert_array_equal(whole.metrics[name], resumed.metrics[name], err_msg=name)


def test_side_by_side_candidates_come_to_what_they_come_to_one_by_one(data, monkeypatch):
    config = choice(Rates(FIVE, (1, 2, 4)))
    alone, watch = run(config, data), Log()
    monkeypatch.setattr("repro.runs.tuning.side_by_side", lambda: True)
    beside = run(config, data, watch)
    assert alone.metrics.keys() == beside.metrics.keys()
    for name in alone.metrics:
        if "seconds" not in name:
            np.testing.assert_allclose(alone.metrics[name], beside.metrics[name], rtol=1e-5, err_msg=name)
    assert len({phase for phase, *_ in watch.seen}) == 3 and len(watch.seen) == 4


def test_a_candidate_ends_where_a_run_at_its_rate_is_by_then(data):
    """Its rate falls with a cosine to 0, which must go on over a halving."""
    config = choice(Rates(FIVE, (1, 2, 4)), Adam(schedule="cosine"))
    halved = run(config, data).curves
    for rate in FIVE:
        optimiser = replace(config.run.optimiser, learning_rate=rate)
        plain = run(replace(config.run, optimiser=optimiser, tuning=None), data).curves["valid_cross_entropy"]
        curve = halved[f"valid_cross_entropy_rate_{rate:g}"]
        np.testing.assert_allclose(curve, plain[:, : curve.shape[1]], rtol=1e-6)
    assert sorted(curve.shape[1] for name, curve in halved.items() if "rate" in name) == [1, 1, 2, 4, 4]


def test_operations_are_those_of_the_epochs_trained(data):
    """5 candidates for 1 epoch, 3 for 1 more, 2 for 2 more."""
    rates = Rates(FIVE, (1, 2, 4))
    np.testing.assert_allclose(run(choice(rates), data).metrics["flops"], 12 * backprop_flops(LAYERS, 40))
    assert rates.total_epochs == 12 and rates.n_left == [5, 3, 2]


@pytest.mark.parametrize(
    ("rates", "n_epochs", "message"),
    [
        ((0.1, 0.1), (1,), "candidates must differ"),
        ((0.1, 0.2, 0.3), (2, 2), "n_epochs must rise"),
        ((0.1, 0.2, 0.3), (4, 2), "n_epochs must rise"),
        ((0.1, 0.2), (1, 2), "too few candidates to halve"),
        ((0.1, 0.2, 0.3), (1, 2, 3), "too few candidates to halve"),
    ],
)
def test_a_halving_of_nothing_is_refused(rates, n_epochs, message):
    with pytest.raises(ValueError, match=message):
        Rates(rates, n_epochs)


def test_the_chosen_rate_has_the_lowest_validation_error(data):
    rates = Rates((1e-6, 1e-2, 1e-4), n_epochs=(3,))
    metrics = run(choice(rates), data).metrics
    errors = losses(metrics, rates.candidates)
    assert metrics["learning_rate"][0] == min(errors, key=errors.get)
    assert not any("test" in name for name in metrics)


def test_the_loss_of_the_mean_case_is_beside_those_of_the_candidates(data):
    """A choice among candidates that are all as bad as it means nothing."""
    metrics = run(choice(Rates((1e-6,), n_epochs=(1,))), data).metrics
    mean, x = data.train.inputs.astype(float).mean(0), data.valid.inputs.astype(float)
    loss = -(x * np.log(mean) + (1 - x) * np.log(1 - mean)).sum(1).mean()
    np.testing.assert_allclose(metrics["valid_cross_entropy_mean"], [loss], rtol=1e-5)


def test_a_rate_is_not_chosen_where_all_candidates_diverge(data):
    config = choice(Rates((1e30, 1e35), n_epochs=(2,)), SGD())
    real = replace(data, kind="real")  # whose squared errors know no bound
    assert np.isnan(run(config, real).metrics["learning_rate"]).all()
