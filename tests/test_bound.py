"""The variational bound of two RBMs against the whole joint distribution; and as an experiment, with its
claim and figure.
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
from oracle import expected_mean_field_cd1, joint
from oracle import states as every_state
from pydantic import ValidationError
from refusal import refused
from scipy.special import logsumexp
from tiny import EXPERIMENTS, QUIET, cut

import repro.data
from experiments import all_claims
from experiments.bound import AT_SCALE, SEEDS, THEORY, VARIANTS
from paper_figures import fig_bound
from repro.data.dataset import Cases
from repro.errors import RecordsMissingError
from repro.evaluation.bound import bound, given, log_prior, log_probability, states
from repro.models.rbm import RBM, exchanged
from repro.report.frame import read
from repro.report.verdicts import Evidence, page, verdict
from repro.runs.bound import Images, Pair, _scores, add_layer, learnt, small, uphill
from repro.runs.config import Bound, Gaussian, Small
from repro.runs.programs import PROGRAMS
from repro.runs.run import Request, programs, run

EXACT = 1e-12  # nats, of float64
FEW = {"n_updates": 10, "n_reports": 5, "n_epochs": 2, "batch_size": 20, "widths": (3, 16)}
QUICK = replace(EXPERIMENTS["bound"], quick=lambda config: replace(config, **FEW), expected={})


def rbm(n_visible, n_hidden, seed=0, scale=1.0):
    """Nothing zero, nothing symmetric."""
    draw = np.random.default_rng([seed, n_visible, n_hidden]).normal
    return RBM(
        *(
            jnp.asarray(draw(size=shape, scale=scale))
            for shape in [(n_visible, n_hidden), n_visible, n_hidden]
        )
    )


FIRST, SECOND = rbm(4, 3), rbm(3, 2)
V, SHARES = jnp.asarray(every_state(4)[[3, 8, 13]]), jnp.asarray([0.2, 0.5, 0.3])
H = states(3)
ALONE = np.log(joint(FIRST).sum(axis=1))[[3, 8, 13]] @ np.asarray(SHARES)  # log p(v) of the first


def by_enumeration(first, second, v):
    """The bound and log p(v) of each case, from tables of every state of both RBMs."""
    of_first, prior = joint(first), joint(second).sum(axis=1)
    given_h, posterior = of_first / of_first.sum(axis=0), of_first / of_first.sum(axis=1, keepdims=True)
    found = []
    for case in np.asarray(v):
        i = int("".join(f"{x:.0f}" for x in case), 2)
        q, both = posterior[i], prior * given_h[i]
        found.append((np.sum(q * np.log(both)) - np.sum(q * np.log(q)), np.log(both.sum())))
    return np.array(found).T


def test_the_bound_and_log_p_are_those_of_the_whole_joint_distribution():
    others = SECOND, rbm(3, 5, seed=1), exchanged(FIRST)
    log_p = jnp.stack([log_prior(second, H) for second in others])
    bounds = bound(given(FIRST, V, SHARES, H), log_p)
    found = log_probability(FIRST, V, SHARES, H, log_p)
    expected = np.array([by_enumeration(FIRST, second, V) @ np.asarray(SHARES) for second in others])
    np.testing.assert_allclose(bounds, expected[:, 0], rtol=EXACT)
    np.testing.assert_allclose(found, expected[:, 1], rtol=EXACT)
    assert np.all(np.asarray(bounds)[:2] < np.asarray(found)[:2] - 0.01)
    np.testing.assert_array_equal(H, every_state(3))


def test_log_p_stays_a_number_where_every_state_makes_a_case_all_but_impossible():
    first, log_p = FIRST._replace(visible_bias=jnp.full(4, -300.0)), log_prior(SECOND, H)
    received = -300 + np.asarray(H) @ np.asarray(FIRST.weights).T
    of_states = -np.logaddexp(0, -(2 * np.asarray(V) - 1)[:, None] * received).sum(axis=2)
    expected = logsumexp(of_states + np.asarray(log_p), axis=1)
    assert np.exp(expected).min() == 0
    found = log_probability(first, V, SHARES, H, log_p[None])
    np.testing.assert_allclose(found, [expected @ np.asarray(SHARES)], rtol=EXACT)


def test_the_first_rbm_turned_over_leaves_the_model_as_it_is_and_its_bound_tight():
    log_p = log_prior(exchanged(FIRST), H)
    np.testing.assert_allclose(log_probability(FIRST, V, SHARES, H, log_p[None]), [ALONE], rtol=EXACT)
    np.testing.assert_allclose(bound(given(FIRST, V, SHARES, H), log_p), ALONE, rtol=EXACT)


def test_the_exact_gradient_is_that_of_the_bound_summed_over_all_states():
    """Of each case, state of the first hidden layer and state of the second."""
    posterior = joint(FIRST) / joint(FIRST).sum(axis=1, keepdims=True)
    q, tops = jnp.asarray(posterior[[3, 8, 13]]), jnp.asarray(every_state(2))

    def brute(second):
        W, b, c = second
        goodness = jnp.stack([jnp.stack([h @ b + top @ c + h @ W @ top for top in tops]) for h in H])
        log_joint = goodness - jnp.log(jnp.sum(jnp.exp(goodness)))
        return sum(
            SHARES[i] * q[i, j] * jnp.log(jnp.exp(log_joint[j]).sum()) for i in range(3) for j in range(8)
        )

    direction = uphill(Bound("mnist", widths=(3, 16)), FIRST, given(FIRST, V, SHARES, H), V)
    log_p, ours = direction(jr.key(0), SECOND)
    np.testing.assert_allclose(log_p, log_prior(SECOND, H), rtol=EXACT)
    for one, other in zip(ours, jax.jit(jax.grad(brute))(SECOND), strict=True):
        np.testing.assert_allclose(one, other, rtol=EXACT, atol=EXACT)


def test_cd_goes_where_its_expectation_from_the_inferred_states_goes(n=4000, z=4.5):
    known = given(FIRST, V, jnp.ones(3) / 3, H)
    config = Bound("mnist", widths=(3, 16), gradient="contrastive", batch_size=20)
    direction = uphill(config, FIRST, known, V)
    _, drawn = jax.jit(jax.vmap(lambda i: direction(jr.fold_in(jr.key(3), i), SECOND)))(jnp.arange(n))
    expected = expected_mean_field_cd1(SECOND, np.asarray(known.posterior))
    for ours, truth in zip(drawn, expected, strict=True):
        standard_error = np.std(ours, axis=0) / np.sqrt(n)
        assert np.all(np.abs(np.mean(ours, axis=0) + truth) < z * standard_error)


def ascended(config, first, second, images=V):
    """The bound after each update."""
    return np.asarray(learnt(config, Images(images, V, SHARES), Pair(jr.key(0), first, second))[0])


def test_what_is_kept_begins_with_the_first_layer_alone_and_with_the_second_as_it_starts():
    second, config = rbm(3, 3, seed=2), Bound("mnist", widths=(3, 16), n_updates=4, n_reports=2)
    bounds, found = learnt(config, Images(V, V, SHARES), Pair(jr.key(0), FIRST, second))
    assert len(bounds) == 5 and len(found) == 4
    np.testing.assert_allclose(found[0], ALONE, rtol=EXACT)
    started = by_enumeration(FIRST, second, V) @ np.asarray(SHARES)
    np.testing.assert_allclose([bounds[0], found[1]], started, rtol=EXACT)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_at_a_rate_that_the_theory_allows_no_update_lowers_the_bound_and_at_others_some_do(scale):
    """Log Z curves by a quarter of the number of parameters, at most: here of 15."""
    second = rbm(3, 3, seed=2, scale=scale)
    config = Bound("mnist", widths=(3, 16), n_updates=300, n_reports=1, learning_rate=0.99 * 8 / 15)
    assert np.diff(ascended(config, FIRST, second)).min() > -EXACT
    if scale == 1:
        assert np.diff(ascended(replace(config, learning_rate=40.0), FIRST, second)).min() < -0.01


def test_the_experiments_rates_are_those_that_the_theory_allows():
    for config in (config for config in VARIANTS.values() if isinstance(config, Bound)):
        lower, upper = config.widths
        assert config.learning_rate < 8 / (lower * upper + lower + upper)


def test_what_is_scored():
    """By hand: two seeds, four updates, two reports."""
    config = Bound("mnist", n_updates=4, n_reports=2)
    bounds = np.array([[-5, -4, -4.5, -4.75, -2], [-5, -4, -3, -3 - 1e-10, -2.5]])
    log_p = np.array([[-4.0, -4.5, -3.5, -1], [-4.0, -5, -2.5, -2]])
    metrics, curves = _scores(config, bounds, log_p)
    expected = {
        "log_probability_before": [-4, -4],
        "log_probability": [-1, -2],
        "gap_before": [0.5, 0],
        "change_at_start": [-1, -1],
        "largest_fall": [0.5, 1e-10],
        "fell": [1, 0],
        "falls_percent": [50, 0],
        "gain": [2, 1.5],
        "log_probability_gain": [3, 2],
    }
    assert metrics.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(metrics[name], values, rtol=1e-6)
    assert curves["updates"].tolist() == [[0, 2, 4]] * 2
    assert curves["bound"].tolist() == [[-5, -4.5, -2], [-5, -3, -2.5]]
    assert curves["log_probability"].tolist() == [[-4.5, -3.5, -1], [-5, -2.5, -2]]
    metrics, _ = _scores(config, np.full((1, 5), np.nan), np.full((1, 4), np.nan))
    assert np.isnan([*metrics.values()]).all()


@pytest.fixture(scope="module")
def digits():
    """A hundred and twenty to learn from."""
    data = repro.data.load("mnist", embedded=True)
    return replace(data, train=cut(data.train, 100), valid=cut(data.valid, 20), test=cut(data.test, 20))


def test_images_are_made_small_square_by_square(digits):
    found, inputs = small(Small(side=2, margin=3, threshold=0.2), digits), digits.full_train.inputs
    assert found.shape == (120, 4) and {*found.ravel()} == {0.0, 1.0}
    for image, ours in zip(inputs.reshape(-1, 28, 28), found, strict=True):
        squares = [image[a : a + 11, b : b + 11].mean() for a in (3, 14) for b in (3, 14)]
        assert ours.tolist() == [float(mean > 0.2) for mean in squares]


def test_images_that_cannot_be_made_small_are_one_line(digits):
    narrow = Cases(digits.train.inputs[:, 1:], digits.train.labels)
    says = r"^data: mnist has no square images with pixels in \[0, 1\]: name mnist$"
    refused(says, small, Small(), replace(digits, train=narrow, valid=narrow))
    refused(says, small, Small(), replace(digits, kind="real"))
    says = "^images: a margin of 3 leaves 22 of 28 rows, which side 4 does not divide: change margin or side$"
    refused(says, small, Small(margin=3), digits)
    refused("^images: a margin of 14 leaves 0 of 28 rows", small, Small(margin=14), digits)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"widths": (10, 5)}, "widths: a tied start needs 16 units on top, not 5"),
        ({"widths": (13, 16)}, "less than or equal to 12"),
        ({"n_reports": 3}, "n_reports: 3 does not divide 2000 updates"),
        ({"start": "sparse"}, "'tied', 'gaussian'"),
    ],
)
def test_what_is_no_run_is_refused(changed, says):
    with pytest.raises(ValidationError, match=says):
        Bound("mnist", **changed)
    Bound("mnist", widths=(10, 5), start=Gaussian())


@pytest.fixture(scope="module")
def results(digits, tmp_path_factory):
    """Two seeds side by side, of the theory's start by the gradient and by CD-1."""
    folder = tmp_path_factory.mktemp("results")
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", lambda *_, **__: digits)
        run(QUICK, Request(seeds=2, only=(THEORY, "tied-cd1"), results=folder), QUIET)
    return folder


@pytest.fixture(scope="module")
def records(results):
    """By variant and seed."""
    return {(r.variant, r.seed): r for r in read(results, "quick").records.values()}


def test_a_layer_is_put_on_real_digits(records):
    for (variant, _), record in records.items():
        has, found = record.curves, record.metrics
        assert has["updates"] == [0, 2, 4, 6, 8, 10] and len(has["bound"]) == len(has["log_probability"]) == 6
        assert has["bound"][0] == found["log_probability_before"] and found["gap_before"] < EXACT
        np.testing.assert_allclose(has["bound"][-1], has["bound"][0] + found["gain"], rtol=1e-6)
        assert np.all(np.array(has["bound"]) <= np.array(has["log_probability"]) + 1e-6)
        assert (found["gain"] > 0 and found["fell"] == 0) or variant != THEORY
        assert len(has["reconstruction_error_layer1"]) == 2
    assert records[THEORY, 0].metrics["gain"] != records[THEORY, 1].metrics["gain"]


def test_runs_that_differ_in_the_second_layer_share_the_first(records):
    taken = [records[variant, 0].provenance["artefacts"] for variant in (THEORY, "tied-cd1")]
    assert [len(each) for each in taken] == [0, 1]
    for seed in (0, 1):
        one, other = (records[variant, seed].metrics for variant in (THEORY, "tied-cd1"))
        assert one["log_probability_before"] == other["log_probability_before"]
        assert one["gain"] != other["gain"]


def test_side_by_side_or_alone_a_seed_is_the_same(digits, records):
    with jax.enable_x64(False):
        alone = add_layer(replace(VARIANTS[THEORY], **FEW), digits, jr.key(1)[None])
    np.testing.assert_allclose(alone.curves["bound"], [records[THEORY, 1].curves["bound"]], rtol=1e-6)
    assert programs(VARIANTS[THEORY], [0, 3]) == [[0, 3]] and PROGRAMS[Bound] is add_layer


def test_the_frame_says_what_was_run(results):
    about = read(results, "quick").runs.iloc[0]
    assert (about.kind, about.start, about.widths, about.precision) == ("bound", "tied", "3-16", "float64")
    assert (about.updates, about.pretraining, about.pretraining_epochs, about.epochs) == (10, "2", 2, 0)


def test_the_figure_shows_the_records(results, records):
    figure = fig_bound.draw(read(results, "quick"))
    assert len(figure.axes) == 2
    for axes, variant in zip(figure.axes, (THEORY, "tied-cd1"), strict=True):
        own = [records[variant, seed] for seed in (0, 1)]
        for name in ("bound", "log_probability"):
            lines = [line for line in axes.get_lines() if line.get_gid() == name]
            for line, record in zip(lines, own, strict=True):
                height = np.array(record.curves[name]) - record.metrics["log_probability_before"]
                np.testing.assert_array_equal(line.get_ydata(), height)
                np.testing.assert_array_equal(line.get_xdata(), record.curves["updates"])
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    share = np.mean([records["tied-cd1", seed].metrics["falls_percent"] for seed in (0, 1)])
    for said in (
        "MNIST",
        "n 2",
        "never fell in 2 seeds",
        f"fell in 2 of 2 seeds, in {share:.0f} % of updates",
    ):
        assert said in words
    with pytest.raises(RecordsMissingError, match="run `repro run bound --profile paper"):
        fig_bound.draw(made_frame())


def made(variant, n, experiment="bound", **metrics):
    """Records of the first n seeds; a metric is a number, or has one for each."""
    for seed in range(n):
        own = {k: v[seed] if isinstance(v, list) else v for k, v in metrics.items()}
        yield made_record(experiment, variant, VARIANTS[THEORY], own, seed=seed)


def judged(*records):
    """The evidence of these, as if all were by enumeration, those at scale too."""
    small = {
        name: replace(EVERY[name], variants=EVERY[name].variants | {variant: VARIANTS[THEORY]})
        for name, variant in AT_SCALE
    }
    return Evidence(made_frame(*records), EVERY | small)


CLAIM = next(claim for claim in all_claims() if claim.key == "C4")
GOOD = {"gap_before": 1e-14, "largest_fall": 0.0}
ONE_FELL = {"gap_before": 1e-14, "largest_fall": [0.0] * (SEEDS - 1) + [1e-8]}
GAINED, LOST = {"gain": 0.4, "gain_standard_error": 0.1}, {"gain": -0.4, "gain_standard_error": 0.1}
WITHIN = {"gain": -0.1, "gain_standard_error": 0.06}


@pytest.mark.parametrize(
    ("exact", "seeds", "at_scale", "ruling"),
    [
        (GOOD, SEEDS, (GAINED, GAINED), "UPHELD"),
        (GOOD, SEEDS, (GAINED, WITHIN), "UPHELD"),
        (GOOD, SEEDS, (GAINED, LOST), "OPEN"),
        (GOOD, SEEDS, (GAINED,), "OPEN"),
        (GOOD, SEEDS - 1, (GAINED, GAINED), "OPEN"),
        (GOOD | {"gap_before": [0.0] * (SEEDS - 1) + [2e-6]}, SEEDS, (GAINED, GAINED), "OPEN"),
        (GOOD | {"largest_fall": 1e-9}, SEEDS, (GAINED, GAINED), "UPHELD"),
        (ONE_FELL, SEEDS, (GAINED, GAINED), "REFUTED"),
        (ONE_FELL, SEEDS, (), "REFUTED"),
    ],
)
def test_c4_by_its_criterion(exact, seeds, at_scale, ruling):
    pairs = zip(AT_SCALE, at_scale, strict=False)
    scale = [list(made(variant, 5, name, **found)) for (name, variant), found in pairs]
    assert verdict(CLAIM, judged(list(made(THEORY, seeds, **exact)), *scale)) == ruling


def test_until_there_are_runs_at_scale_they_are_lacking():
    """The experiment's own variants."""
    evidence = Evidence(made_frame(list(made(THEORY, SEEDS, **GOOD))), EVERY)
    assert verdict(CLAIM, evidence) == "OPEN"
    assert "- bound mnist-500-500, densities dbn-500-2000: no records" in page([CLAIM], evidence)
    assert "bound tied-exact" in page([CLAIM], Evidence(made_frame(), EVERY))
