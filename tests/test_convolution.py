"""Features of convolutional machines, support vector machines on them, and networks, by other libraries."""

from dataclasses import fields, replace
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.signal
from conftest import load_few
from made_frames import EXPERIMENTS, evidence, frame, record
from matplotlib.text import Text
from pydantic import ValidationError
from refusal import refused
from several import made_up
from sklearn.svm import LinearSVC
from stepping import one_step
from tiny import QUIET

import repro.data
import repro.runs.convolving
import repro.runs.run
from experiments import all_claims
from experiments.convolution import VARIANTS
from paper_figures import fig_convolution
from repro.errors import RecordsMissingError
from repro.evaluation.support_vectors import Coded, SupportVectors, assess, one_against_rest, scaled
from repro.models.convolutional_network import (
    features,
    logits,
    random_network,
    thinning,
)
from repro.report import fairness
from repro.report.frame import read
from repro.report.tables import read_published, tidy, worded
from repro.report.verdicts import verdict
from repro.runs.config import Convolution, ConvolutionalNetworks, MachineSettings, OneRBM, RandomFilters
from repro.runs.convolving import draw, image_of, random_machines, settings_of
from repro.runs.programs import PROGRAMS
from repro.runs.run import Request, requested, run
from repro.training.convolutional import ConvolutionalLayer, ConvolutionalLearning, ConvolutionalPretraining
from repro.training.convolutional_network import NetworkSetting, network_trainer
from repro.training.fit import fit
from repro.training.flops import convolutional_backprop_flops, convolutional_stack_flops, multiply_adds
from repro.training.labelled import Labelled
from repro.training.ranges import Evenly, Logarithmically, drawn

EXACT = {"rtol": 1e-9, "atol": 1e-9}
RANGES, OF_NETWORK = VARIANTS["settings"].drawn, VARIANTS["network"].drawn


# --- settings -------------------------------------------------------------------------------------------


def test_values_are_drawn_from_their_ranges_and_all_of_them(n=500):
    random = np.random.default_rng(0)
    each = [drawn(RANGES, random) for _ in range(n)]
    for field in fields(MachineSettings):
        span, values = getattr(RANGES, field.name), np.array([one[field.name] for one in each])
        even = np.log if isinstance(span, Logarithmically) else np.asarray
        share = (even(values) - even(span.low)) / (even(span.high) - even(span.low))
        assert np.all((share >= 0) & (share <= 1))
        counts, _ = np.histogram(share, 5, (0, 1))
        assert np.all(np.abs(counts - n / 5) < 4.5 * np.sqrt(n * 0.2 * 0.8)), field.name
    by_name = {name: [one[name] for one in each] for name in ("learning_rate", "momentum")}
    assert abs(np.corrcoef(*by_name.values())[0, 1]) < 4.5 / np.sqrt(n)


def test_a_seed_has_one_setting_whoever_learns_beside_it():
    keys = jr.split(jr.key(3), 3)
    three, one = settings_of(RANGES, keys), settings_of(RANGES, keys[1:2])
    assert all(three[name][1] == one[name][0] for name in three)
    assert all(len({*values.tolist()}) == 3 for name, values in three.items() if name != "n_epochs")
    assert all(n == round(n) and 3 <= n <= 30 for n in three["n_epochs"])


@pytest.mark.parametrize("kind", [Evenly, Logarithmically])
def test_a_range_that_ends_before_it_begins_is_refused(kind):
    with pytest.raises(ValidationError, match=r"low 0.2 is above high 0.1"):
        kind(0.2, 0.1)


# --- support vector machines ----------------------------------------------------------------------------


def overlapping(n=300, n_features=12):
    random = np.random.default_rng(1)
    labels = random.integers(3, size=n)
    values = random.normal(size=(n, n_features))
    values[:, :3] += 1.2 * np.eye(3)[labels]
    return Coded(jnp.asarray(values), jnp.asarray(labels, jnp.int32))


@pytest.mark.parametrize("inverse_penalty", [0.003, 0.3, 30.0])
def test_machines_are_those_of_liblinear(inverse_penalty):
    cases, n = overlapping(), 200
    costs = jnp.where(jnp.arange(300) < n, inverse_penalty, 0.0)
    solve = partial(one_against_rest, n_classes=3, n_iterations=500, close=1e-10)
    ours = jax.jit(solve)(*cases, costs)
    values, labels = (np.asarray(x)[:n] for x in cases)
    theirs = LinearSVC(C=inverse_penalty, dual=False, tol=1e-12, max_iter=10_000).fit(values, labels)
    np.testing.assert_allclose(ours.weights, theirs.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, rtol=1e-5, atol=1e-6)


def test_features_are_judged_as_with_liblinear():
    """The penalty by the validation cases, from which only what has all labels then learns too."""
    (features, labels), n_valid = overlapping(500), 100
    labels = np.asarray(labels)
    how = SupportVectors((30, 90), True, (0.001, 0.1, 10.0), close=1e-9)
    order = np.random.default_rng(2).permutation(200)[:90]
    found, tried = assess(how, features, labels[:300], n_valid, labels[300:], order)
    values = np.concatenate(scaled(features, 300))
    valid, test = np.arange(200, 300), np.arange(300, 500)

    def error(penalty, members, of):
        machine = LinearSVC(C=penalty, dual=False, tol=1e-10).fit(values[members], labels[members])
        return 100 * np.mean(machine.predict(values[of]) != labels[of])

    seen = {"30_labels": order[:30], "90_labels": order, "all_labels": np.arange(200)}
    for name, members in seen.items():
        each = [error(penalty, members, valid) for penalty in how.inverse_penalties]
        np.testing.assert_allclose(tried[f"valid_error_percent_{name}"], each)
        best = how.inverse_penalties[int(np.argmin(each))]
        assert found[f"inverse_penalty_{name}"] == best
        members = np.arange(300) if name == "all_labels" else members
        np.testing.assert_allclose(found[f"test_error_percent_{name}"], error(best, members, test))


def test_features_that_are_no_numbers_have_no_errors():
    (features, labels), how = overlapping(), SupportVectors((30,), True, (1.0,))
    labels = np.asarray(labels)
    broken = features.at[3, 2].set(np.nan)
    found, _ = assess(how, broken, labels[:200], 50, labels[200:], np.arange(30))
    assert np.isnan([found[f"test_error_percent_{name}_labels"] for name in (30, "all")]).all()


def test_features_are_scaled_by_one_number():
    values = np.random.default_rng(3).normal(2.0, 3.0, size=(50, 4))
    train, test = scaled(jnp.asarray(values), 30)
    np.testing.assert_allclose(train.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose((train**2).sum(1).mean(), 1, rtol=1e-12)
    np.testing.assert_allclose(
        test[3] - train[5],
        (values[33] - values[5]) * (train[1, 0] - train[0, 0]) / (values[1, 0] - values[0, 0]),
        **EXACT,
    )


# --- networks -------------------------------------------------------------------------------------------

SHAPES, IMAGE = [(3, 1, 3, 3), (2, 3, 2, 2)], (1, 7, 7)  # 7 -> 5, of which 4 -> 2 -> 1, blocks of 2 and 1


def network(seed=0):
    start = random_network(jr.key(seed), SHAPES, 2, 4)
    draw = np.random.default_rng(seed).normal
    return jax.tree.map(lambda x: x + 0.3 * jnp.asarray(draw(size=x.shape)), start)


def outputs(network, image):
    """By SciPy, one convolution after another."""
    x = image[:, :6, :6]  # of an odd row too many the last is cut
    for (weights, bias), block in zip(network.layers, (2, 1), strict=True):
        maps = [
            sum(scipy.signal.correlate2d(channel, w, "valid") for channel, w in zip(x, base, strict=True)) + b
            for base, b in zip(np.asarray(weights), np.asarray(bias), strict=True)
        ]
        maps = np.maximum(maps, 0)
        k, down, across = maps.shape
        x = maps.reshape(k, down // block, block, across // block, block).max((2, 4))
    return x.ravel(), x.ravel() @ np.asarray(network.output.weights) + np.asarray(network.output.bias)


def test_a_network_pools_the_largest_of_what_filters_give():
    of, images = network(), np.random.default_rng(4).normal(size=(5, *IMAGE))
    for image in images:
        units, found = outputs(of, image)
        np.testing.assert_allclose(features(of.layers, (2, 1), jnp.asarray(image)), units, **EXACT)
        np.testing.assert_allclose(logits(of, (2, 1), jnp.asarray(image)), found, **EXACT)
    assert np.any(units > 0)


def labelled(n=40):
    random = np.random.default_rng(5)
    return Labelled(
        jnp.asarray(random.normal(size=(n, 49))), jnp.asarray(random.integers(4, size=n), jnp.int32)
    )


def setting(*rows):
    *floats, n_updates = zip(*rows, strict=True)
    return NetworkSetting(*map(jnp.asarray, floats), jnp.int32(n_updates))


def test_updates_of_a_network_are_those_written_out():
    trainer, of, cases = network_trainer((2, 1), IMAGE), network(), labelled(6)
    one = jax.tree.map(lambda x: x[0], setting((0.2, 0.1, 0.6, 0.0, 4)))
    state = trainer.init(jr.key(0), (of, one), cases)

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        found = jnp.stack([logits(params, (2, 1), image.reshape(IMAGE)) for image in cases.inputs])
        return -jnp.mean(jax.nn.log_softmax(found)[jnp.arange(6), cases.labels])

    update, velocity = jax.jit(partial(one_step, trainer)), jax.tree.map(jnp.zeros_like, of)
    for n in range(6):
        value, slope = loss(of)
        slope = jax.tree.map(lambda x, w: x + (0.1 * w if w.ndim > 1 else 0), slope, of)
        rate = 0.2 * max(0, 1 - n / 4)
        velocity = jax.tree.map(
            lambda v, x, rate=rate: (0.6 * v - rate * x) * float(rate > 0), velocity, slope
        )
        of = jax.tree.map(jnp.add, of, velocity)
        state, info = update(jr.key(n), state, cases, n)
        np.testing.assert_allclose(info["loss"], value, **EXACT)
        jax.tree.map(partial(np.testing.assert_allclose, **EXACT), state.params, of)


def test_networks_side_by_side_are_each_alone_after_its_own_epochs():
    trainer, cases, keys = network_trainer((2, 1), IMAGE), labelled(), jr.split(jr.key(2), 2)
    rows = [(0.1, 0.01, 0.5, 0.0, 2 * 4), (0.05, 0.0, 0.9, 0.5, 3 * 4)]
    both = jax.tree.map(lambda x: jnp.stack([x] * 2), network())
    beside = fit(keys, trainer, (both, setting(*rows)), cases, n_epochs=3, batch_size=10)
    for i, (row, n) in enumerate(zip(rows, (2, 3), strict=True)):
        start = jax.tree.map(lambda x: x[None], network()), setting(row)
        alone = fit(keys[i : i + 1], trainer, start, cases, n_epochs=n, batch_size=10)
        for ours, theirs in zip(
            *map(jax.tree.leaves, (beside.state.params, alone.state.params)), strict=True
        ):
            np.testing.assert_allclose(ours[i], theirs[0], **EXACT)


def test_units_are_left_out_as_often_as_asked_and_the_others_make_up_for_it(n=40_000):
    kept = np.asarray(thinning(jr.key(0), jnp.asarray(0.3), (n,)))
    assert {*np.round(kept, 12)} == {0.0, round(1 / 0.7, 12)}
    assert abs(np.mean(kept == 0) - 0.3) < 4.5 * np.sqrt(0.21 / n)
    np.testing.assert_array_equal(thinning(jr.key(0), jnp.asarray(0.0), (9,)), 1)


def test_random_filters_receive_what_is_asked(single_precision):
    images = jnp.asarray(np.random.default_rng(6).random((60, 1, 9, 9)), jnp.float32)
    how = RandomFilters((ConvolutionalLayer(5, 3, 2), ConvolutionalLayer(4, 2, 1)), 3.0, 1.5, 60)
    machines = random_machines(jr.key(0), how, images)
    x = np.asarray(images)[:, :, :8, :8]  # whole blocks
    for machine, block in zip(machines, (2, 1), strict=True):
        received = (
            np.array(
                [
                    [
                        sum(map(partial(scipy.signal.correlate2d, mode="valid"), case, base))
                        for base in machine.filters
                    ]
                    for case in x
                ]
            )
            + np.asarray(machine.hidden_bias)[None, :, None, None]
        )
        np.testing.assert_allclose(received.std((0, 2, 3)), 3.0, rtol=1e-4)
        np.testing.assert_allclose(received.mean((0, 2, 3)), -4.5, rtol=1e-4)
        n, k, down, across = received.shape
        blocks = np.exp(received.reshape(n, k, down // block, block, across // block, block))
        total = blocks.sum((3, 5))
        x = total / (1 + total)


# --- costs ----------------------------------------------------------------------------------------------


def test_operations_are_those_counted_by_hand():
    """28 x 28 under 12 x 12 filters: 17 places a side, of which 16; pooled 8, of which 7 under 6 x 6: 2."""
    each = multiply_adds((1, 28, 28), [(40, 12, 2), (40, 6, 2)])
    assert each == [40 * 144 * 256, 40 * 40 * 36 * 4]
    first, second = each
    learning = 2 * 5 * (3 * first + 2 * second)  # up, down, up, and a product for each phase
    assert convolutional_stack_flops(each, 10, [3, 2]) == 10 * (learning + 2 * first)
    assert convolutional_backprop_flops(each, 400, 10) == 20 * (2 * first + 3 * second + 3 * 400)


# --- whole runs -----------------------------------------------------------------------------------------

FEW = (10, 20)


def small(config):
    """A hundred cases, three bases, and two or three epochs."""
    how = {"n_labels": FEW, "inverse_penalties": (1, 100)}
    if isinstance(config, ConvolutionalNetworks):
        layers = tuple(replace(layer, n_bases=3) for layer in config.layers)
        lengths = replace(config.drawn, n_epochs=Logarithmically(1, 6))
        return replace(config, layers=layers, drawn=lengths, n_labels=FEW, shown=40, batch_size=20)
    config = replace(config, judged=SupportVectors(**how))
    lengths = replace(config.drawn, n_epochs=Logarithmically(1, 6))
    return replace(config, features=ConvolutionalPretraining(of_three()), drawn=lengths)


def of_three():
    learning = ConvolutionalLearning(batch_size=20)
    return tuple(ConvolutionalLayer(3, side, learning=learning) for side in (12, 6))


TINY = replace(EXPERIMENTS["convolution"], quick=small, expected={})
ONLY = ("settings", "network")


@pytest.fixture(scope="module")
def digits():
    return load_few("mnist")


@pytest.fixture(scope="module")
def results(digits, tmp_path_factory):
    """Two seeds side by side, as on an accelerator."""
    folder = tmp_path_factory.mktemp("results")
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", lambda *_, **__: digits)
        patch.setattr(repro.runs.run, "side_by_side", lambda *_: True)
        run(TINY, Request(seeds=2, only=ONLY, results=folder), QUIET)
    return folder


@pytest.fixture(scope="module")
def records(results):
    """By variant and seed."""
    return {(r.variant, r.seed): r for r in read(results, "quick").records.values()}


@pytest.mark.parametrize("variant", ["settings", "network"])
def test_each_seed_has_its_own_setting_and_as_many_epochs(records, variant):
    both = [records[variant, seed] for seed in (0, 1)]
    n_epochs = [one.metrics["n_epochs"] for one in both]
    assert len({*n_epochs}) == 2 and len({one.metrics["learning_rate"] for one in both}) == 2
    shown = [name for name in both[0].curves if name.startswith(("reconstruction", "loss"))]
    assert len(shown) == len({"settings": (1, 2), "network": (*FEW, "all")}[variant])
    assert all(len(one.curves[name]) == n for name in shown for one, n in zip(both, n_epochs, strict=True))


def test_side_by_side_or_alone_a_machine_is_the_same(digits, records):
    beside, config = records["settings", 0], small(VARIANTS["settings"])
    with jax.enable_x64(False):
        alone = PROGRAMS[type(config)](config, digits, jr.key(0)[None])
    for i in (1, 2):
        name = f"reconstruction_error_layer{i}"
        np.testing.assert_allclose(alone.curves[name][0], beside.curves[name], rtol=1e-4)
        assert np.abs(alone.arrays[f"bases_layer{i}"][0].astype(int)).max(axis=(1, 2)).min() == 127
    for name in ("learning_rate", "momentum", "n_epochs", "flops"):
        np.testing.assert_allclose(alone.metrics[name][0], beside.metrics[name], rtol=1e-6)


def test_labels_are_drawn_by_the_seed_the_fewer_among_the_more(digits):
    first, again, other = (draw(FEW, digits, jr.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert {*first} != {*other} and len({*first}) == FEW[-1]
    for n in FEW:
        assert np.all(np.bincount(digits.train.labels[first[:n]]) == n // 10)


def test_the_frame_says_what_was_run(results, records):
    runs = read(results, "quick").runs.set_index(["variant", "seed"])
    machine, network = runs.loc["settings", 0], runs.loc["network", 0]
    n_epochs = records["settings", 0].metrics["n_epochs"]
    assert (machine.kind, machine.features, machine.widths) == ("convolution", "convolutional", "3-3")
    assert (machine.pretraining, machine.pretraining_epochs) == ("drawn", 2 * n_epochs)
    assert (network.kind, network.start, network.widths) == ("convolutional networks", "he", "3-3")
    filters = record("convolution", "random-filters", VARIANTS["random-filters"], {"flops": 0.0})
    assert frame(filters).runs.features.tolist() == ["random filters"]


def test_an_accelerator_takes_products_that_are_exact_enough():
    asked = {name: requested(VARIANTS[name], Request(), accelerator=True).precision for name in VARIANTS}
    exact = {"random-filters", "network"}  # nothing is pretrained
    assert asked == {name: "highest" if name in exact else "tensorfloat32" for name in VARIANTS}


def test_the_figure_shows_every_setting_and_the_bases(results, records):
    figure = fig_convolution.draw(read(results, "quick"))
    bases, outcomes = figure.axes[:2], figure.axes[2:]
    assert [axes.images[0].get_array().shape for axes in bases] == [(12, 38), (23, 71)]
    for axes, labels in zip(outcomes, ("1000_labels", "all_labels"), strict=True):
        for place, variant in ((0, "settings"), (1, "network")):
            [line] = [line for line in axes.get_lines() if line.get_gid() == f"{labels} {place}"]
            own = [records[variant, i].metrics.get(f"test_error_percent_{labels}") for i in (0, 1)]
            np.testing.assert_allclose(line.get_xdata(), sorted(x for x in own if x is not None))
    words = [text.get_text() for text in figure.findobj(Text)]
    assert "0 of 2" in words and "MNIST: second layer" in words
    with pytest.raises(RecordsMissingError, match="run `repro run convolution --profile paper"):
        fig_convolution.draw(frame())


def test_what_cannot_be_learnt_from_or_drawn_is_refused():
    with pytest.raises(ValidationError, match="drawn: leave it out, rbm features have no such settings"):
        Convolution("mnist", OneRBM(), RANGES)
    with pytest.raises(ValidationError, match="shown: 100 cases in an epoch are fewer than 5000 labels"):
        replace(VARIANTS["network"], shown=100)
    for name in ("n_labels", "inverse_penalties"):
        with pytest.raises(ValidationError, match=f"{name} must rise"):
            SupportVectors(**{name: (3, 1)})
    refused("data: x has no square images: name mnist", image_of, made_up("x", n_pixels=15))
    with pytest.raises(ValidationError, match="n_labels must rise"):
        replace(VARIANTS["network"], n_labels=(1000, 1000))
    for config, names in ((RANGES, ("sparsity", "momentum")), (OF_NETWORK, ("momentum", "dropout"))):
        for name in names:
            kind = type(getattr(config, name))
            with pytest.raises(ValidationError, match=f"{name}: its high, 1, must be below 1"):
                replace(config, **{name: kind(0.1, 1)})


def test_filters_that_fit_nowhere_are_refused_before_any_work(digits):
    says = "side: the filters of layer 2, 12 x 12, do not fit into its 8 x 8 inputs with a block of 2: name 7"
    for name in ("published", "random-filters", "network"):
        config = VARIANTS[name]
        layers = config.layers if name == "network" else config.features.layers
        too_large = tuple(replace(layer, side=12) for layer in layers)
        if name == "network":
            config = replace(config, layers=too_large)
        else:
            config = replace(config, features=replace(config.features, layers=too_large))
        refused(says, PROGRAMS[type(config)], config, digits, jr.key(0)[None])


def test_every_number_of_labels_has_as_many_of_each_class(digits):
    says = "n_labels 25: 10 classes of .* cases or more cannot have as many each: name a multiple of 10 up to"
    refused(says, draw, (25, 100), digits, jr.key(0))
    judged_so = replace(VARIANTS["published"], judged=SupportVectors(n_labels=(25, 100)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.runs.convolving, "learn", None)  # before any work
        refused(says, PROGRAMS[Convolution], judged_so, digits, jr.key(0)[None])


def penalised(*chosen):
    """The frame of a machine whose seeds chose these penalties."""
    scores = ({"test_error_percent_all_labels": 1.0, "inverse_penalty_all_labels": c} for c in chosen)
    return frame(
        *(
            record("convolution", "published", VARIANTS["published"], of_seed, seed=seed)
            for seed, of_seed in enumerate(scores)
        )
    )


def test_penalties_beyond_which_nothing_was_tried_are_no_choice():
    first, *_, last = VARIANTS["published"].judged.inverse_penalties
    for chosen in ((first, last, 3), (last, last, 3)):
        assert {*fairness.judged(penalised(*chosen)).tuning} == {
            "not tuned: with all labels the best penalty mostly lies at an edge of the grid"
        }
    assert {*fairness.judged(penalised(first, 10, 3)).tuning} == {"chosen"}


def test_tables_have_intervals_of_outcomes_and_not_of_settings():
    seen = {"test_error_percent_all_labels": (1.0, 2.0), "momentum": (0.5, 0.9), "n_epochs": (3.0, 30.0)}
    each = [{name: both[i] for name, both in seen.items()} for i in (0, 1)]
    found = [record("convolution", "network", VARIANTS["network"], own, seed=i) for i, own in enumerate(each)]
    table = tidy(frame(*found), read_published()).set_index("metric")
    assert np.isnan(table.low[["momentum", "n_epochs"]]).all() and table.value["n_epochs"] == 16.5
    assert table.low["test_error_percent_all_labels"] < 1 < 2 < table.high["test_error_percent_all_labels"]
    assert {*worded(table).epochs} == {"drawn"}


# --- the claim ------------------------------------------------------------------------------------------

CLAIM = next(claim for claim in all_claims() if claim.key == "C8")
WORKS, FAILS, HALF = (3.1, 1.0), (3.2, 1.0), (3.1, 1.1)  # test errors with 1,000 and with all labels


def judged(machine, network):
    """The evidence of settings with these errors."""
    found = []
    for variant, errors in (("settings", machine), ("network", network)):
        for seed, pair in enumerate(errors):
            names = (f"test_error_percent_{labels}" for labels in ("1000_labels", "all_labels"))
            scores = dict(zip(names, pair, strict=True))
            found.append(record("convolution", variant, VARIANTS[variant], scores, seed=seed))
    return evidence(*found)


@pytest.mark.parametrize(
    ("machine", "network", "ruling"),
    [
        ([FAILS] * 20, [WORKS] * 40, "UPHELD"),
        ([FAILS] * 20, [WORKS] * 20, "OPEN"),  # of which the true share may be 83 %
        ([HALF] * 20, [WORKS] * 40, "UPHELD"),
        ([WORKS] * 3 + [FAILS] * 17, [WORKS] * 40, "UPHELD"),
        ([WORKS] * 10 + [FAILS] * 10, [WORKS] * 40, "OPEN"),
        ([FAILS] * 20, [WORKS] * 35 + [HALF] * 5, "OPEN"),
        ([FAILS] * 19, [WORKS] * 40, "OPEN"),
        ([(np.nan, np.nan)] * 20, [WORKS] * 40, "UPHELD"),
        ([WORKS] * 20, [WORKS] * 20, "REFUTED"),
        ([WORKS] * 20, [], "REFUTED"),
    ],
)
def test_c8_by_its_criteria(machine, network, ruling):
    assert verdict(CLAIM, judged(machine, network)) == ruling
