"""Models that are worth so many nats: what trains a mixture and RBMs on binary states, and the program that
trains and scores every kind; as an experiment, with its claim, table and figure.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from made_frames import EXPERIMENTS as EVERY
from made_frames import frame as made_frame
from made_frames import record as made_record
from oracle import states as every_state
from pydantic import ValidationError
from refusal import refused
from scipy.special import logsumexp
from tiny import EXPERIMENTS, QUIET

import repro.data
from experiments import all_claims
from experiments.densities import VARIANTS
from paper_figures import fig_densities
from repro.data.binary import check_pixels, drawn_once
from repro.evaluation.enumeration import log_prob, log_prob_of_dbm, log_prob_of_dbn
from repro.models.deep_energy import DeepEnergy
from repro.models.mixture import Mixture, dream, log_joint, random_mixture
from repro.models.mixture import log_prob as log_prob_of_mixture
from repro.models.rbm import RBM
from repro.report import densities
from repro.report.frame import read
from repro.report.verdicts import Evidence, verdict
from repro.runs import density
from repro.runs.config import Belief, Boltzmann, Energetic, Goal, Inferring, with_epochs
from repro.runs.run import Request, requested, run
from repro.training.binary import drawn_anew
from repro.training.contrastive import Contrastive, contrastive_trainer
from repro.training.fit import Trainer, fit
from repro.training.greedy import Pretraining, Upper, above_others
from repro.training.langevin import Langevin
from repro.training.mixture import Counted, best, mixture_trainer

ODDS = jnp.array([[0.5, -1.0, 2.0], [-0.3, 0.8, -1.5]])
SHARES = jnp.log(jnp.array([0.3, 0.7]))
MIXTURE = Mixture(SHARES, ODDS)


class Kept(NamedTuple):
    """What a trainer that does nothing keeps."""

    params: RBM


def of_every_state():
    """p(v) of all 8 states by the definition."""
    on = 1 / (1 + np.exp(-np.asarray(ODDS)))
    of = [[np.prod(np.where(v == 1, p, 1 - p)) for p in on] for v in every_state(3)]
    return np.array(of) @ np.array([0.3, 0.7])


# --- mixtures ----------------------------------------------------------------------------------------


def test_a_mixture_is_the_sum_of_its_products():
    v = jnp.asarray(every_state(3))
    found = jax.vmap(log_prob_of_mixture, (None, 0))(MIXTURE, v)
    np.testing.assert_allclose(np.exp(found), of_every_state(), rtol=1e-13)
    np.testing.assert_allclose(logsumexp(found), 0, atol=1e-13)


def test_dreams_of_a_mixture_are_its_components_as_often_as_their_shares_say():
    seen = jax.vmap(lambda key: dream(MIXTURE, key))(jr.split(jr.key(1), 4000))
    first = np.isclose(seen[:, 0], jax.nn.sigmoid(0.5))
    assert abs(first.mean() - 0.3) < 4.5 * np.sqrt(0.3 * 0.7 / 4000)
    np.testing.assert_allclose(seen[~first], np.broadcast_to(jax.nn.sigmoid(ODDS[1]), seen[~first].shape))


def test_an_epoch_of_a_mixture_is_a_step_of_expectation_maximisation():
    """Against sums written out, and it does not lower the probability of what it has learnt from."""
    v = every_state(3)[[0, 1, 3, 3, 5, 7, 6, 3]]
    trainer = mixture_trainer(pseudo_count=0.5)
    state = trainer.init(jr.key(0), MIXTURE, jnp.asarray(v))
    after, infos = trainer.epoch(jr.key(0), state, jnp.asarray(v), jnp.arange(8).reshape(2, 4), 0)
    on = 1 / (1 + np.exp(-np.asarray(ODDS)))
    joint = np.array([0.3, 0.7]) * np.array([[np.prod(np.where(x == 1, p, 1 - p)) for p in on] for x in v])
    r = joint / joint.sum(axis=1, keepdims=True)
    cases, of_on = r.sum(axis=0), r.T @ v
    np.testing.assert_allclose(np.exp(after.params.log_shares), (cases + 0.5) / (8 + 1), rtol=1e-12)
    expected = (of_on + 0.5) / (cases[:, None] + 1)
    np.testing.assert_allclose(jax.nn.sigmoid(after.params.log_odds), expected, rtol=1e-12)
    np.testing.assert_allclose(infos["log_probability"].mean(), np.log(joint.sum(axis=1)).mean(), rtol=1e-12)


def test_expectation_maximisation_climbs():
    v = jnp.asarray(np.repeat(every_state(4)[[1, 2, 12, 15]], [7, 3, 5, 5], axis=0))
    start = jax.tree.map(lambda x: x.astype(float)[None], random_mixture(jr.key(3), 3, 4))
    fitted = fit(jr.key(0)[None], mixture_trainer(1e-9), start, v, n_epochs=30, batch_size=5)
    climbed = fitted.curves["log_probability"][0]
    assert np.all(np.diff(climbed) > -1e-6) and climbed[-1] > climbed[0] + 0.5


def test_a_component_without_cases_has_numbers():
    found = best(Counted(jnp.array([3.0, 0.0]), jnp.array([[3.0, 1.0], [0.0, 0.0]])), 1.0)
    np.testing.assert_allclose(jnp.exp(found.log_shares), [0.8, 0.2], rtol=1e-12)
    np.testing.assert_allclose(found.log_odds, np.log([[4, 2 / 3], [1, 1]]), atol=1e-12)


# --- binary states -----------------------------------------------------------------------------------


def test_pixels_are_drawn_once_for_all():
    values = np.repeat(np.array([[0.0, 0.2, 0.9, 1.0]], np.float32), 20_000, axis=0)
    once, again = drawn_once(values), drawn_once(values)
    np.testing.assert_array_equal(once, again)
    assert {*np.unique(once)} == {0, 1}
    spread = np.sqrt(values[0] * (1 - values[0]) / len(values))
    assert np.all(np.abs(once.mean(axis=0) - values[0]) <= 4.5 * spread)


def test_states_are_drawn_anew_in_every_epoch():
    """A trainer sees 0 and 1 alone, others in each epoch, as often as the pixels say."""
    trainer = drawn_anew(Trainer(lambda key, params, x: x, lambda key, state, x, order, n: (x, {})))
    inputs = jnp.full((50, 40), 0.3)
    first, _ = trainer.epoch(jr.key(1), None, inputs, None, 0)
    second, _ = trainer.epoch(jr.key(2), None, inputs, None, 0)
    assert {*np.unique(first)} == {0, 1} and {*np.unique(trainer.init(jr.key(0), None, inputs))} == {0, 1}
    assert 0.3 < np.mean(first != second) < 0.5
    assert abs(first.mean() - 0.3) < 4.5 * np.sqrt(0.3 * 0.7 / first.size)


def test_a_rate_falls_to_nothing_with_the_last_update():
    """Of four updates without momentum the steps are 1, ¾, ½, ¼ of those at a constant rate."""
    rbm = RBM(*(0.3 * jr.normal(jr.key(i), shape) for i, shape in enumerate([(4, 3), (4,), (3,)])))
    batch = jnp.asarray(every_state(4)[[3, 9]])
    how = Contrastive(learning_rate=0.2, momentum=(0.0, 0.0), weight_decay=0.0)
    falling = replace(how, rate_falls=True)
    [still, falls] = [
        contrastive_trainer(density.BINARY, each, batch_size=2, steps_per_epoch=2, n_epochs=2)
        for each in (how, falling)
    ]
    order, state = jnp.arange(2)[None], falls.init(jr.key(0), rbm, batch)
    for left in (1, 0.75, 0.5, 0.25):
        before = state.params
        whole, _ = still.epoch(jr.key(7), still.init(jr.key(0), before, batch), batch, order, 0)
        state, _ = falls.epoch(jr.key(7), state, batch, order, 0)
        step, full = ((x.weights - before.weights) for x in (state.params, whole.params))
        np.testing.assert_allclose(step, left * full, rtol=1e-9, atol=1e-15)
    with pytest.raises(ValueError, match=r"^n_epochs: needed where rate_falls"):
        contrastive_trainer(density.BINARY, falling, batch_size=2, steps_per_epoch=2)


def test_rbms_of_a_stack_learn_from_states():
    """At a rate of 0 a reconstruction of states drawn from pixels of ½ is off by ¼ for each pixel."""
    still = Contrastive(learning_rate=0.0, weight_decay=0.0)
    errors = {}
    for seen in ("means", "states"):
        how = Pretraining(n_epochs=1, batch_size=10, contrastive=still, seen=seen)
        zero = RBM(jnp.zeros((1, 6, 2)), jnp.zeros((1, 6)), jnp.zeros((1, 2)))
        trained = density.pretrain(jr.key(0)[None], how, (density.BINARY,), (zero,), jnp.full((10, 6), 0.5))
        errors[seen] = trained.curves["reconstruction_error_layer1"].item()
    assert errors == {"means": 0, "states": pytest.approx(6 / 4)}


# --- the program -------------------------------------------------------------------------------------

V = jnp.asarray(every_state(5)[[1, 6, 13, 22, 31]])
CASES = density.Cases(V[:3], V[3:], jnp.full((20, 5), 0.4))


def params(*shapes, seed=0):
    draw = np.random.default_rng([seed, 77]).normal
    return [jnp.asarray(draw(size=shape)) for shape in shapes]


FEW = {"annealing": density.Belief().annealing.__class__(400, (300,), (1.0,)), "n_steps": 20}


def test_an_rbm_is_judged_as_enumeration_has_it():
    rbm = RBM(*params((5, 3), (5,), (3,)))
    judged = density.judge_belief(Belief((3,), **FEW), jr.key(0), (rbm,), CASES)
    for found, v in zip(judged[:2], CASES[:2], strict=True):
        difference = found - log_prob(rbm, v)
        assert np.ptp(difference) < 1e-9 and abs(difference[0]) < 4.5 / 1.96 * judged.error
    each = [judged.metrics[f"log_z_from_{start}"] for start in ("base_rate", "prototypes")]
    assert judged.metrics["log_z"] == max(each) and each[0] != each[1]
    for side in ("from_above", "from_cases", "from_base_rate", "from_prototypes"):
        assert judged.metrics["log_z"] == pytest.approx(judged.metrics[f"log_z_{side}"], abs=0.2)
    assert judged.samples.shape == (density.N_SHOWN, 5)


@pytest.mark.parametrize("family", ["rbm", "machine"])
def test_chains_from_above_begin_where_annealing_ended_and_at_training_cases(family, monkeypatch):
    """Nothing that is on can go off, and nothing off on: chains stay where they begin."""
    begun = []
    real = density.log_z_from_above
    monkeypatch.setattr(density, "log_z_from_above", lambda *args: begun.append(args[-1]) or real(*args))
    pixels = jnp.array([[1.0, 1, 1, 1], [0, 0, 0, 0]])
    if family == "rbm":
        model, rbm = Belief((1,), **FEW), RBM(*map(jnp.array, (np.full((4, 1), 80.0), [-40.0] * 4, [-160.0])))
        judged = density.judge_belief(model, jr.key(0), (rbm,), density.Cases(pixels, pixels, pixels))
        above = 0
    else:
        weights = jnp.full((4, 1), 80.0), jnp.full((1, 2), 80.0)
        biases = jnp.full(4, -40.0), jnp.array([-240.0]), jnp.full(2, -40.0)
        model, dbm = Boltzmann((1, 2), **FEW), density.DBM(weights, biases)
        judged = density.judge_boltzmann(model, jr.key(0), dbm, density.Cases(pixels, pixels, pixels))
        above = 2
    ends, cases = begun
    np.testing.assert_array_equal(cases[:, :4], jnp.tile(pixels, (200, 1)))
    np.testing.assert_array_equal(cases[:, 4:], jnp.tile(pixels[:, :above], (200, 1)))
    assert np.ptp(ends, axis=1).max() == 0 and not np.array_equal(ends, cases)
    assert judged.metrics["log_z_from_cases"] == pytest.approx(judged.metrics["log_z_from_above"], abs=0.5)


def test_a_belief_network_is_judged_as_enumeration_has_it():
    """Its weighted bound is log p when samples are many; the gain is over the RBM below."""
    below, top = RBM(*params((5, 3), (5,), (3,))), RBM(*params((3, 4), (3,), (4,), seed=1))
    judged = density.judge_belief(Belief((3, 4), n_samples=4000, **FEW), jr.key(1), (below, top), CASES)
    exact = log_prob_of_dbn((below, top), CASES.test)
    assert abs(judged.test.mean() - exact.mean()) < 4.5 / 1.96 * judged.error
    assert judged.metrics["train_bound"] < judged.train.mean()
    gain = judged.metrics["train_bound"] - float(log_prob(below, CASES.train).mean())
    assert abs(judged.metrics["gain"] - gain) < 4.5 * judged.metrics["gain_standard_error"]


def test_a_deep_boltzmann_machine_is_judged_below_what_enumeration_has():
    weights, biases = params((5, 3), (3, 4)), params((5,), (3,), (4,), seed=2)
    dbm = density.DBM(tuple(weights), tuple(biases))
    judged = density.judge_boltzmann(Boltzmann((3, 4), **FEW), jr.key(2), dbm, CASES)
    exact = log_prob_of_dbm(dbm, CASES.test)
    assert np.all(judged.test < exact + 4.5 / 1.96 * judged.error)
    assert np.all(judged.test > exact - 1) and judged.samples.shape == (density.N_SHOWN, 5)


def test_an_energy_based_model_is_judged_as_enumeration_has_it():
    model = Energetic((4,), "tanh", Langevin(step_size=2.0), **FEW)
    [W, w], [b, c] = params((5, 4), (4, 1)), params((4,), (1,), seed=3)
    deep = DeepEnergy(((W, b), (w, c)), *params((5,), seed=4))
    judged = density.judge_energetic(model, jr.key(3), deep, CASES)
    log_p = [x @ deep.visible_bias + jnp.tanh(x @ W + b) @ w[:, 0] + c[0] for x in jnp.array(every_state(5))]
    assert abs(judged.metrics["log_z"] - logsumexp(log_p)) < 4.5 / 1.96 * judged.error < 0.2
    index = np.asarray(CASES.test, int) @ 2 ** np.arange(4, -1, -1)
    np.testing.assert_allclose(judged.test, np.array(log_p)[index] - judged.metrics["log_z"], rtol=1e-12)
    for side in ("from_above", "from_cases", "from_base_rate", "from_prototypes"):
        assert judged.metrics["log_z"] == pytest.approx(judged.metrics[f"log_z_{side}"], abs=0.2)
    assert judged.samples.shape == (density.N_SHOWN, 5)


def test_what_is_asked_for_decides_how_long_models_learn():
    models = {name: VARIANTS[name].model for name in ("mixture-500", "rbm-pcd", "dbm-500-1000", "vae-1")}
    short = {name: with_epochs(model, 3, 2) for name, model in models.items()}
    assert short["mixture-500"].n_epochs == short["vae-1"].n_epochs == 3
    assert short["rbm-pcd"].pretraining.n_epochs == 2
    learning = short["dbm-500-1000"].learning
    assert learning.joint.n_epochs == 3 and learning.start.n_epochs == (2, 2)
    assert all(with_epochs(model, None, None) == model for model in models.values())
    asked = requested(VARIANTS["vae-1"], Request(epochs=3), accelerator=False)
    assert asked == replace(VARIANTS["vae-1"], model=short["vae-1"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Inferring(latent=(5, 2)), "hidden must be as many as latent, 2"),
        (lambda: Boltzmann(widths=(5, 4, 3)), "n_epochs must be as many as widths, 3"),
        (lambda: Belief(widths=()), "at least 1 item"),
        (lambda: replace(VARIANTS["rbm-pcd"], goal=Goal()), "goal: leave it out, belief is not looked at"),
    ],
)
def test_models_that_do_not_fit_are_refused(make, said):
    with pytest.raises(ValidationError, match=said):
        make()


def test_data_without_pixels_are_refused():
    data = repro.data.load("mnist", embedded=True)
    refused("^data: mnist has no pixels in", check_pixels, replace(data, kind="real"))


NEAR = Goal(-350.0, every=1, n_cases=30, n_samples=5)


def quick(config):
    """Tiny; the variational autoencoder until it is worth -350 nats."""
    model = replace(with_epochs(config.model, 1, 1), **SMALL[type(config.model)])
    goal = NEAR if isinstance(model, Inferring) else None
    return replace(config, n_scored=20, model=model, goal=goal)


SMALL_VARIANTS = {name: VARIANTS[name] for name in ("mixture-500", "rbm-pcd", "vae-1")}
QUICK = replace(EXPERIMENTS["densities"], variants=SMALL_VARIANTS, quick=quick, expected={})
FEWER = replace(density.Belief().annealing, n_chains=20, n_steps=(5,), ends=(1.0,))
SMALL = {
    Belief: {"widths": (6,), "annealing": FEWER, "n_steps": 2},
    density.Mixture: {"n_components": 3},
    Inferring: {"latent": (2,), "hidden": (20,), "n_epochs": 9, "n_samples": 5},
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("densities")
    with jax.enable_x64(False):
        run(QUICK, Request(results=folder), QUIET)
    return read(folder, "quick")


def test_a_run_keeps_scores_costs_and_samples(recorded):
    assert {*recorded.runs.variant} == {*SMALL_VARIANTS}
    for path, record in recorded.records.items():
        metrics = record.metrics
        assert metrics["test_log_probability_low"] <= metrics["test_log_probability"]
        assert metrics["flops"] > 0 and metrics["parameters"] > 0 and metrics["scoring_seconds"] > 0
        assert recorded.arrays(str(path))["samples"].shape == (density.N_SHOWN, 784)


def test_a_goal_ends_training_and_says_what_it_took(recorded):
    [record] = [record for record in recorded.records.values() if record.variant == "vae-1"]
    scores, metrics = record.curves["valid_log_probability"], record.metrics
    assert scores[-1] >= NEAR.nats and all(score < NEAR.nats for score in scores[:-1])
    assert metrics["epochs_to_target"] == record.curves["epochs"][-1] == len(scores) < 9
    assert metrics["seconds_to_target"] == pytest.approx(record.curves["seconds"][-1])
    assert metrics["flops_to_target"] == pytest.approx(metrics["flops"])


def test_who_was_there_before_the_last_look_has_spent_less():
    """The second of two seeds arrived at the second of three looks; layers had taken 5 s, 1e3 operations."""
    curves = {"valid_log_probability": np.array([[-99.0, -95, -93], [-99, -80, -81]])}
    curves |= {"epochs": np.array([[2.0, 4, 6]] * 2), "seconds": np.array([[10.0, 20, 30]] * 2)}
    learnt = density.Learnt(None, curves, {"pretraining": 5.0, "finetuning": 30.0}, 7e3, 1e3)
    found = density.arrival(Goal(-90.0), learnt)
    np.testing.assert_allclose(found["seconds_to_target"], [np.nan, 25])
    np.testing.assert_allclose(found["flops_to_target"], [np.nan, 5e3])
    np.testing.assert_allclose(found["epochs_to_target"], [np.nan, 4])


def test_the_table_says_how_each_model_was_scored(recorded):
    table = densities.rows(recorded).set_index("variant")
    assert table.estimator["mixture-500"] == "exact" and table.side["rbm-pcd"] == "too high"
    assert table.published.dropna().to_dict() == {"vae-1": -86.76}
    exact, estimated = table.loc["mixture-500"], table.loc["rbm-pcd"]
    assert exact.sure_low == exact.sure_high and estimated.sure_low < estimated.test < estimated.sure_high
    assert list(densities.rows(recorded).test) == sorted(table.test, reverse=True)
    page = densities.page(densities.rows(recorded))
    assert "mixture of 3 products" in page and "drawn anew every epoch" in page


def test_the_figure_has_a_row_of_samples_for_each_model(recorded):
    figure = fig_densities.draw(recorded)
    [axes] = figure.axes
    names = [
        label.get_text().replace("VAE ", "variational autoencoder, ") for label in axes.get_yticklabels()
    ]
    assert names == [*densities.rows(recorded).model]
    assert axes.images[0].get_array().shape == (3 * 30, 12 * 30)


# --- the claim ---------------------------------------------------------------------------------------


def ruled(difference, n=5):
    """The verdict of machines that are so many nats better, n seeds of each."""
    [claim] = [claim for claim in all_claims() if claim.key == "C6b"]
    records = []
    for seed in range(n):
        for name, nats in (("dbm-500-1000", -85 + difference), ("vae-as-dbm", -85)):
            score = {"test_log_probability": nats + 0.01 * seed * (name[0] == "d")}
            config = VARIANTS[name]
            curves = {"epochs": [config.model.n_epochs]} if name[0] == "v" else {"epochs": [300]}
            records.append(made_record("densities", name, config, score, curves, seed=seed))
    return verdict(claim, Evidence(made_frame(records), EVERY))


@pytest.mark.parametrize(
    ("difference", "expected"), [(0.5, "UPHELD"), (-0.9, "UPHELD"), (-2, "OPEN"), (-3.2, "REFUTED")]
)
def test_the_claim_is_ruled_by_the_difference(difference, expected):
    assert ruled(difference) == expected


def test_one_seed_leaves_it_open():
    assert ruled(0.5, n=1) == "OPEN"


def test_the_components_of_a_case_add_up():
    v = V[0, :3]
    np.testing.assert_allclose(logsumexp(log_joint(MIXTURE, v)), log_prob_of_mixture(MIXTURE, v), rtol=1e-13)


def test_an_upper_rbm_learns_from_states_given_states():
    """Hidden units of the RBM below are on where their pixels are, which are drawn; and it stays as it is."""
    seen = []

    def epoch(key, state, inputs, order, n_before):
        del key, order, n_before
        seen.append(inputs)
        return state, {}

    within = Trainer(lambda key, params, inputs: Kept(params), epoch)
    below = RBM(40 * jnp.eye(3), jnp.zeros(3), jnp.full(3, -20.0))
    trainer = drawn_anew(above_others(within))
    inputs = jnp.full((2000, 3), 0.5)
    state = trainer.init(jr.key(0), Upper(RBM(*params((3, 2), (3,), (2,))), (below,)), inputs)
    state, _ = trainer.epoch(jr.key(1), state, inputs, None, 0)
    again, _ = trainer.epoch(jr.key(2), state, inputs, None, 0)
    assert {*np.unique(seen[0])} == {0, 1} and np.any(seen[0] != seen[1])
    assert abs(seen[0].mean() - 0.5) < 4.5 * 0.5 / np.sqrt(seen[0].size)
    together = np.mean(np.asarray(seen[0]).sum(axis=1) == 3)
    assert abs(together - 1 / 8) < 4.5 * np.sqrt(7) / 8 / np.sqrt(2000)
    np.testing.assert_array_equal(again.params.below[0].weights, below.weights)


def test_the_hidden_states_of_a_stack_are_those_of_drawn_pixels():
    """Where a hidden unit is on if all three pixels are, that is 1/8; given their means of ½ it never is."""
    still = Contrastive(learning_rate=0.0, weight_decay=0.0)
    how = Pretraining(n_epochs=1, batch_size=2000, contrastive=still, seen="states")
    lower = RBM(jnp.full((1, 3, 1), 40.0), jnp.zeros((1, 3)), jnp.full((1, 1), -100.0))
    upper = RBM(jnp.zeros((1, 1, 1)), jnp.full((1, 1), -40.0), jnp.zeros((1, 1)))
    inputs = jnp.full((2000, 3), 0.5)
    trained = density.pretrain(jr.key(0)[None], how, (density.BINARY,) * 2, (lower, upper), inputs)
    error = trained.curves["reconstruction_error_layer2"].item()  # of 0 for every state
    assert abs(error - 1 / 8) < 4.5 * np.sqrt(7) / 8 / np.sqrt(2000)
    np.testing.assert_array_equal(trained.stack[1].visible_bias, upper.visible_bias)
