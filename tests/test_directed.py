"""Both gradients of the bound at equal cost: operations, variances, the choice of the rate; and as an
experiment, with its claim and figure.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from made_frames import EXPERIMENTS as EVERY
from made_frames import frame as made_frame
from made_frames import record as made_record
from matplotlib.text import Text
from pydantic import ValidationError
from refusal import refused
from tiny import EXPERIMENTS, QUIET, cut

import repro.data
from experiments import all_claims
from experiments.reparameterise import OURS, THEIRS, VARIANTS
from paper_figures import fig_reparameterise
from repro.data.binary import drawn_once
from repro.errors import RecordsMissingError
from repro.evaluation.noise import BASELINE, noise, variances
from repro.models.vae import Variational, random_vae
from repro.report.fairness import refused as refused_choice
from repro.report.frame import read
from repro.report.verdicts import Evidence, page, verdict
from repro.runs.config import DirectedModel, DrawnGradients, Epochs, Flops, Rates, tuning_of
from repro.runs.directed import climb, epochs_of, network_of, random_vaes, score, train
from repro.runs.programs import PROGRAMS, choose
from repro.runs.run import Request, run
from repro.training.flops import variational_flops
from repro.training.optimisers import Adam
from repro.training.variational import bound, gradient

ESTIMATORS = ("reparameterised", "score function")
SMALL = Variational(6, latent=(2,), hidden=(3,))
FEW = {
    "hidden": (6,),
    "latent": (3,),
    "batch_size": 20,
    "n_reports": 2,
    "gradients": DrawnGradients(2, 3),
    "n_samples": 7,
    "n_test": 10,
}
RATES = Rates((1e-3, 3e-3, 1e-2), n_epochs=(2,))
TINY = replace(VARIANTS[OURS], **FEW, tuning=RATES, budget=Epochs(2), learns_from="train")
SET = replace(TINY, tuning=None, optimiser=Adam(3e-3, schedule="cosine"), estimator="score function")
ARMS = {"reparameterised": TINY, "score function": SET}  # the rate of the one is chosen, the other's is given
QUICK = replace(EXPERIMENTS["reparameterise"], quick=lambda config: ARMS[config.estimator], expected={})


def moved(of, seed=0):
    """A network with biases that are not 0."""
    leaves, structure = jax.tree.flatten(random_vae(jr.key(seed), of))
    return jax.tree.unflatten(
        structure,
        [x.astype(float) + jr.normal(jr.fold_in(jr.key(9), i), x.shape) / 4 for i, x in enumerate(leaves)],
    )


# --- operations ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [Variational(400, (50,), (100,)), Variational(400, (60, 40), (100, 80))])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_counted_operations_are_those_that_the_compiler_counts(of, estimator):
    """XLA counts the rest too: at most a twentieth, in networks of this size."""
    vae = random_vae(jr.key(0), of)
    step = jax.jit(lambda vae, x, key, c: gradient(of, estimator, vae, x, key, c)[1])
    compiled = step.lower(vae, jnp.zeros((100, 400)), jr.key(1), jnp.zeros(())).compile()
    more = compiled.cost_analysis()["flops"] / variational_flops(of.steps, estimator, 100)
    assert 1 < more < 1.07


def test_operations_by_hand():
    """784-200-200-50: weights of both networks; what gradients do not go back through."""
    of = Variational(784, latent=(50,), hidden=(200,))
    up, down = 784 * 200 + 200 * 200 + 2 * 200 * 50, 50 * 200 + 200 * 200 + 200 * 784
    assert variational_flops(of.steps, "reparameterised", 100) == 200 * (3 * (up + down) - 784 * 200)
    assert variational_flops(of.steps, "score function", 100) == 200 * (
        3 * (up + down) - 784 * 200 - 50 * 200
    )


def test_arms_have_the_same_operations_in_all():
    """To half an epoch, the choice of the rate counted in."""
    n_cases, of = 60_000, Variational(784, latent=(50,), hidden=(200,))
    for config in VARIANTS.values():
        assert isinstance(config.budget, Flops) and config.learns_from == "all"
        each = [variational_flops(of.steps, config.estimator, n) for n in (50_000, n_cases)]
        chosen = len(config.tuning.candidates) * config.tuning.n_epochs[0] * each[0]
        total = chosen + epochs_of(config, of, n_cases, 50_000) * each[1]
        assert abs(total - config.budget.total) <= each[1] / 2
    ours, theirs = (VARIANTS[name] for name in (OURS, THEIRS))
    assert replace(theirs, estimator="reparameterised", tuning=ours.tuning) == ours
    assert len(theirs.tuning.candidates) == len(ours.tuning.candidates)
    assert theirs.tuning.n_epochs == ours.tuning.n_epochs
    small = replace(ours, budget=Flops(1e9))
    refused(
        "^budget: 1e\\+09 operations leave none for training: raise it$", epochs_of, small, of, 60_000, 50_000
    )


# --- variances -----------------------------------------------------------------------------------------


def test_variances_are_those_of_numpy():
    def estimate(key):
        return {
            "a": 1e4 + jr.normal(jr.fold_in(key, 0), (3, 2)),
            "b": jr.normal(jr.fold_in(key, 1), (4,)) ** 2,
        }

    found = variances(estimate, jr.key(3), 11)
    each = [estimate(jr.fold_in(jr.key(3), i)) for i in range(11)]
    for name, ours in found.items():
        truth = np.var(np.stack([one[name] for one in each]), axis=0, ddof=1).sum()
        np.testing.assert_allclose(ours, truth, rtol=1e-7)


def test_noise_is_the_variance_over_draws_of_minibatches_that_stay_the_same(n=200, z=4.5):
    """By draws of their own, as many, so that both are as uncertain; the baseline is the mean bound."""
    vae, draw, key = moved(SMALL), np.random.default_rng(4), jr.key(5)
    minibatches = jnp.asarray((draw.random((2, 3, 6)) < 0.4).astype(float))
    found = jax.jit(lambda *at: noise(SMALL, *at, n))(vae, minibatches, key)

    def bounds(i):
        keys = jr.split(jr.fold_in(jr.fold_in(key, BASELINE), i), 3)
        return jnp.stack([bound(SMALL, vae, x, key) for x, key in zip(minibatches[i], keys, strict=True)])

    baseline = jnp.concatenate([bounds(0), bounds(1)]).mean()
    for how, ours in found.items():
        step = jax.jit(
            jax.vmap(
                lambda key, batch, how=how: gradient(SMALL, how, vae, batch, key, baseline)[1], (0, None)
            )
        )
        squares = []
        for i, batch in enumerate(minibatches):
            drawn = step(jr.split(jr.key(10 + i), n), batch)
            parts = drawn.recognition, (drawn.generation, drawn.pixels)
            flat = [
                np.concatenate([np.reshape(x, (n, -1)) for x in jax.tree.leaves(part)], axis=1)
                for part in parts
            ]
            squares.append([((x - x.mean(axis=0)) ** 2).sum(axis=1) * n / (n - 1) for x in flat])
        each = np.mean(squares, axis=0)  # parts, draws
        error = each.std(axis=1) / np.sqrt(n)
        assert np.all(np.abs(each.mean(axis=1) - np.array(ours)) < z * np.sqrt(2) * error), how
        np.testing.assert_allclose(ours.total, ours.recognition + ours.generation)
    np.testing.assert_allclose(found["reparameterised"].generation, found["score function"].generation)


# --- runs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    """A hundred and twenty to learn from."""
    data = repro.data.load("mnist", embedded=True)
    return replace(data, train=cut(data.train, 100), valid=cut(data.valid, 20), test=cut(data.test, 20))


@pytest.fixture(scope="module")
def results(digits, tmp_path_factory):
    """Two seeds of both gradients."""
    folder = tmp_path_factory.mktemp("results")
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", lambda *_, **__: digits)
        run(QUICK, Request(seeds=2, results=folder), QUIET)
    return folder


@pytest.fixture(scope="module")
def records(results):
    """By variant and seed, the choices of the rate apart."""
    found = read(results, "quick").records.values()
    return {(r.variant, r.seed if r.config["kind"] == "directed" else "choice"): r for r in found}


def test_both_arms_are_trained_and_measured(records):
    assert len(records) == 5
    for (_, which), record in records.items():
        has, found = record.curves, record.metrics
        if which == "choice":
            continue
        assert has["epochs"] == [1, 2] and has["updates"] == [5, 10] and len(has["bound"]) == 2
        ratios = np.array(has["variance_ratio"])
        both = np.array(has["variance_score_function"]) / has["variance_reparameterised"]
        np.testing.assert_allclose(ratios, both, rtol=1e-5)
        np.testing.assert_allclose(found["variance_ratio"], np.sqrt(ratios.prod()), rtol=1e-5)
        np.testing.assert_allclose(found["least_variance_ratio"], ratios.min(), rtol=1e-6)
        of = Variational(784, (3,), (6,))
        price = [variational_flops(of.steps, how, 20) for how in ESTIMATORS]
        np.testing.assert_allclose(has["variance_ratio_generation"], price[1] / price[0], rtol=1e-5)
        own = variational_flops(of.steps, record.config["estimator"], 20)
        np.testing.assert_allclose(has["flops"], [5 * own, 10 * own], rtol=1e-6)
        assert found["test_bound"] < found["test_log_probability"] < 0
        assert 1 <= found["effective_sample_size"] <= FEW["n_samples"]
    assert records[OURS, 0].metrics["test_bound"] != records[OURS, 1].metrics["test_bound"]


def test_the_rate_is_that_with_the_shortest_code_and_is_judged_as_others_are(records, results):
    choice = records[OURS, "choice"]
    found = {rate: choice.metrics[f"valid_code_length_rate_{rate:g}"] for rate in RATES.candidates}
    best = min(found, key=found.__getitem__)
    assert choice.metrics["learning_rate"] == best == records[OURS, 0].config["optimiser"]["learning_rate"]
    nothing = choice.metrics["valid_code_length_mean"]
    assert 100 < nothing < 400
    assert choice.config["run"]["learns_from"] == "train"
    each = {f"valid_code_length_rate_{rate:g}": nothing - 1 - (rate == 3e-3) for rate in RATES.candidates}
    fair = choice._replace(metrics=choice.metrics | each | {"learning_rate": 3e-3})
    assert refused_choice(fair) == ""
    edge = fair._replace(metrics=fair.metrics | {"learning_rate": 1e-2})
    edge.metrics["valid_code_length_rate_0.01"] = nothing - 3
    assert refused_choice(edge) == "the best, 0.01, lies at an edge of the grid"
    about = read(results, "quick").runs.set_index(["variant", "kind", "seed"]).loc[(OURS, "directed", 0)]
    assert (about.start, about.widths, about.schedule, about.precision) == (
        "glorot",
        "6-6-3",
        "cosine",
        "float32",
    )
    assert (about.epochs, about.updates, about.epochs_asked, about.tuned) == (2, 10, 2, True)


def test_from_the_same_start_in_the_same_order(digits):
    """At a rate next to nothing both stay where they start."""
    found = []
    with jax.enable_x64(False):
        keys, inputs = jr.key(0)[None], jnp.asarray(digits.train.inputs)
        for how in ESTIMATORS:
            still, of = replace(SET, estimator=how, optimiser=Adam(1e-12)), network_of(SET, digits)
            started = random_vaes(of, keys)
            fitted = train(still, of, keys, started, inputs, 2, lambda _: {})
            found.append(fitted.curves["bound"])
    np.testing.assert_allclose(*found, rtol=1e-5)
    assert found[0][0, 0] != found[0][0, 1]
    assert PROGRAMS[DirectedModel] is climb


def test_what_is_scored_are_the_first_test_images_drawn_once(digits, single_precision):
    config, keys = replace(TINY, n_test=4, n_samples=1), jr.key(3)[None]
    of = network_of(config, digits)
    vae = jax.tree.map(jnp.zeros_like, random_vae(jr.key(0), of))
    *hidden, (weights, bias) = vae.pixels
    vae = vae._replace(pixels=(*hidden, (weights, bias + 1.0)))
    found, _ = score(config, of, keys, jax.tree.map(lambda x: x[None], vae), digits)
    x = drawn_once(np.asarray(digits.test.inputs))[:4]
    nats = -np.log1p(np.exp(-(2 * x - 1))).sum(axis=1)
    np.testing.assert_allclose(found["test_log_probability"], [nats.mean()], rtol=1e-5)
    error = [nats.std(ddof=1) / 2]
    np.testing.assert_allclose(found["test_log_probability_standard_error"], error, rtol=1e-4)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"hidden": (5, 5)}, "hidden: 1 latent layers need as many, not 2"),
        ({"tuning": None}, "adam needs a learning_rate, or tuning to choose it"),
        ({"estimator": "pathwise"}, "'reparameterised' or 'score function'"),
        ({"kept": 1.0}, "less than 1"),
    ],
)
def test_what_is_no_run_is_refused(changed, says):
    with pytest.raises(ValidationError, match=says):
        replace(VARIANTS[OURS], **changed)


def test_data_without_pixels_and_too_few_cases_are_one_line(digits):
    says = r"^data: mnist has no pixels in \[0, 1\]: name mnist$"
    for program, config in ((climb, TINY), (choose, tuning_of(TINY))):
        refused(says, program, config, replace(digits, kind="real"), jr.key(0)[None])
    many = replace(TINY, gradients=DrawnGradients(7, 3), tuning=None, optimiser=Adam(0.1))
    refused(
        "^n_minibatches: 7 of 20 are more than the 100 cases: lower it$", climb, many, digits, jr.key(0)[None]
    )


def test_the_figure_shows_the_records(results, records):
    figure = fig_reparameterise.draw(read(results, "quick"))
    left, right = figure.axes
    for seed in (0, 1):
        lines = [line for line in left.get_lines() if line.get_gid() == "variance_ratio"]
        np.testing.assert_array_equal(lines[seed].get_ydata(), records[OURS, seed].curves["variance_ratio"])
        for variant in (OURS, THEIRS):
            name = records[variant, 0].config["estimator"]
            lines = [line for line in right.get_lines() if line.get_gid() == name]
            np.testing.assert_array_equal(lines[seed].get_ydata(), records[variant, seed].curves["bound"])
            np.testing.assert_array_equal(lines[seed].get_xdata(), records[variant, seed].curves["flops"])
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    nats = np.mean([records[OURS, seed].metrics["test_log_probability"] for seed in (0, 1)])
    assert "MNIST" in words and f"reparameterised: log p {nats:.1f}, n 2" in words
    with pytest.raises(RecordsMissingError, match="run `repro run reparameterise --profile paper"):
        fig_reparameterise.draw(made_frame())


# --- the claim -----------------------------------------------------------------------------------------

CLAIM = next(claim for claim in all_claims() if claim.key == "C7")


def made(variant, nats, ratio=1.0, n=5):
    """Records of the first n seeds at full length, and of the choice of their rate."""
    config, steps = VARIANTS[variant], (0.0, 0.01, -0.01, 0.02, -0.02)
    best = config.tuning.candidates[1]
    tuned = replace(config, optimiser=replace(config.optimiser, learning_rate=best))
    for seed in range(n):
        scores = {"test_log_probability": nats + steps[seed], "variance_ratio": ratio * (1 + steps[seed])}
        yield made_record("reparameterise", variant, tuned, scores, {"epochs": [9]}, seed=seed)
    lengths = {
        f"valid_code_length_rate_{rate:g}": 99 + abs(np.log(rate / best)) for rate in config.tuning.candidates
    }
    lengths |= {"learning_rate": best, "valid_code_length_mean": 200.0, "flops": 1e12}
    yield made_record("reparameterise", variant, tuning_of(config), lengths)


@pytest.mark.parametrize(
    ("ours", "theirs", "ruling"),
    [
        ((-87.0, 40.0), -95.0, "UPHELD"),
        ((-87.0, 9.0), -95.0, "OPEN"),
        ((-88.5, 40.0), -95.0, "OPEN"),
        ((-87.0, 40.0), -87.5, "REFUTED"),
        ((-87.0, 40.0), -86.0, "REFUTED"),
    ],
)
def test_c7_by_its_criterion(ours, theirs, ruling):
    nats, ratio = ours
    evidence = Evidence(made_frame(list(made(OURS, nats, ratio)), list(made(THEIRS, theirs))), EVERY)
    assert verdict(CLAIM, evidence) == ruling, page([CLAIM], evidence)


def test_c7_lacks_seeds_and_the_choice_of_a_rate():
    *runs, _ = made(OURS, -87.0, 40.0, n=4)
    text = page([CLAIM], Evidence(made_frame(runs), EVERY))
    assert "C7: OPEN" in text and "4 of 5 seeds" in text and "not tuned: no record of the choice" in text
    assert "reparameterise score-function: no records" in text
