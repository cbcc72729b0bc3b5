"""Backprop written out by hand, in layers, whole and as an experiment, against JAX and finite differences;
and that what is wrong in it is found.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_frames import evidence, runs
from made_frames import frame as made_frame
from matplotlib.text import Text
from refusal import refused
from tiny import EXPERIMENTS, QUIET, cut

import repro.data
from experiments import all_claims
from paper_figures import fig_by_hand
from repro.data.dataset import Cases
from repro.errors import RecordsMissingError
from repro.evaluation.derivatives import relative_error, relative_errors
from repro.models import by_hand, convolutional
from repro.models.by_hand import Parameters
from repro.report.frame import read
from repro.report.verdicts import verdict
from repro.runs.by_hand import falling, train_by_hand
from repro.runs.config import ByHand, Epochs
from repro.runs.programs import PROGRAMS
from repro.runs.record import load_record
from repro.runs.run import Request, run

EXACT = 1e-12  # of float64: sums of up to a hundred thousand terms
FEW = ByHand("mnist", channels=(2, 3), budget=Epochs(2), batch_size=20, n_checked=2)
EXPERIMENT = replace(EXPERIMENTS["by_hand"], quick=lambda _: FEW, expected={})


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def ties(*shape):
    """Few different numbers, so that blocks have several largest, and zeros."""
    return np.random.default_rng(1).integers(-1, 2, shape).astype(float)


LAYERS = {  # forward, backward, inputs, which of them the backward pass is given
    "convolution": ("convolve", (numbers(3, 2, 7, 9), numbers(4, 2, 3, 3), numbers(4)), 2),
    "one place for one filter": ("convolve", (numbers(2, 3, 5, 5), numbers(1, 3, 5, 5), numbers(1)), 2),
    "rectifier": ("rectify", (ties(3, 2, 5, 4),), 1),
    "pooling": ("pool", (numbers(3, 2, 6, 4),), 1),
    "pooling of ties": ("pool", (ties(3, 2, 8, 10),), 1),
    "pooling of odd sides": ("pool", (ties(2, 3, 7, 5),), 1),
    "full connection": ("connect", (numbers(3, 2, 4, 5), numbers(40, 7), numbers(7)), 2),
}  # fmt: skip


def both(name):
    """The outputs of a layer and, of random derivatives of them, what it gives back: by hand, and JAX's."""
    layer, inputs, n_given = LAYERS[name]
    ours = getattr(by_hand, layer)(*inputs)
    d_y = numbers(*ours.shape, seed=2)
    back = getattr(by_hand, f"{layer}_back")(d_y, *inputs[:n_given])
    theirs, pull = jax.vjp(getattr(convolutional, layer), *inputs)
    return (ours, back if isinstance(back, tuple) else (back,)), (theirs, pull(d_y))


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_forward_and_backward_is_jaxs(name):
    (ours, back), (theirs, pulled) = both(name)
    np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=EXACT)
    for one, other in zip(back, pulled, strict=True):
        np.testing.assert_allclose(one, other, rtol=EXACT, atol=EXACT)


def test_the_loss_and_its_derivatives_are_jaxs_and_logits_may_be_large():
    logits, labels = 1000 * numbers(5, 4), np.array([3, 0, 1, 1, 2], np.int32)
    for some in (logits / 1000, logits):
        theirs, back = jax.value_and_grad(convolutional.cross_entropy)(some, jnp.asarray(labels))
        np.testing.assert_allclose(by_hand.cross_entropy(some, labels), theirs, rtol=EXACT)
        np.testing.assert_allclose(by_hand.cross_entropy_back(some, labels), back, rtol=EXACT, atol=EXACT)


def slopes(function, x, step=1e-6):
    """Central differences of a scalar function, entry by entry."""
    found = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        found[i] = (function(up) - function(down)) / (2 * step)
    return found


def test_a_convolutions_backward_pass_is_that_of_finite_differences():
    x, filters, biases = numbers(2, 2, 5, 6), numbers(3, 2, 2, 2), numbers(3)
    d_y = numbers(2, 3, 4, 5, seed=2)
    back = by_hand.convolve_back(d_y, x, filters)
    of_each = (
        lambda x: np.sum(d_y * by_hand.convolve(x, filters, biases)),
        lambda filters: np.sum(d_y * by_hand.convolve(x, filters, biases)),
        lambda biases: np.sum(d_y * by_hand.convolve(x, filters, biases)),
    )
    for one, function, at in zip(back, of_each, (x, filters, biases), strict=True):
        np.testing.assert_allclose(one, slopes(function, at), atol=1e-8)


def test_the_losss_derivatives_are_those_of_finite_differences():
    logits, labels = numbers(3, 4), np.array([3, 0, 1], np.int32)
    found = slopes(lambda logits: by_hand.cross_entropy(logits, labels), logits)
    np.testing.assert_allclose(by_hand.cross_entropy_back(logits, labels), found, atol=1e-9)


def network(side=15, kernel=3, n_classes=4):
    """Parameters, images of an odd side and labels; half of the paper is blank, as digits' is."""
    params = convolutional.random_parameters(jax.random.key(3), (3, 5), kernel, side, n_classes)
    params = Parameters(*(x + 0.1 * numbers(*x.shape) for x in params))
    images = np.maximum(numbers(6, 1, side, side), 0)
    images[:, :, :4] = 0
    return params, images, np.array([0, 1, 2, 3, 3, 0], np.int32)


def test_the_gradient_of_the_whole_network_is_jaxs_and_every_part_of_it_is_compared():
    params, images, labels = network()
    seen = by_hand.forward(params, images)
    gradient, _ = by_hand.backward(params, seen, labels)
    theirs = jax.grad(convolutional.loss)(params, jnp.asarray(images), jnp.asarray(labels))
    for ours, other in zip(gradient, theirs, strict=True):
        np.testing.assert_allclose(ours, other, rtol=EXACT, atol=EXACT)
    errors = relative_errors(params, images, labels)
    assert max(errors.values()) < EXACT
    assert {*errors} == {*fig_by_hand.KINDS}


def test_a_relative_error_is_of_whole_arrays_and_nothing_is_no_error():
    one = np.array([3.0, 4.0])
    assert relative_error(one * 1.1, one) == pytest.approx(0.1) and relative_error(0 * one, one) == 1
    assert relative_error(0 * one, 0 * one) == 0 and relative_error(one, 0 * one) == np.inf
    assert np.isnan(relative_error(one * np.nan, one))


def last_of_the_largest(d_y, x):
    turned = by_hand_pool_back(d_y[..., ::-1, ::-1], x[..., ::-1, ::-1])
    return turned[..., ::-1, ::-1]


by_hand_pool_back, by_hand_convolve_back = by_hand.pool_back, by_hand.convolve_back
WRONG = {  # a kind of layer, its backward pass and one that is wrong
    "convolution: filters are flipped": (
        "convolve_back",
        lambda d_y, x, filters: by_hand_convolve_back(d_y, x, filters[:, :, ::-1, ::-1]),
    ),
    "convolution: biases get the mean": (
        "convolve_back",
        lambda *args: (*by_hand_convolve_back(*args)[:2], args[0].mean(axis=(0, 2, 3))),
    ),
    "convolution: filters turned": (
        "convolve_back",
        lambda *args: (by_hand_convolve_back(*args)[0], *_turned(*by_hand_convolve_back(*args)[1:])),
    ),
    "rectifier: 1 at 0": ("rectify_back", lambda d_y, x: d_y * (x >= 0)),
    "pooling: the last of the largest": ("pool_back", last_of_the_largest),
    "connection: weights are too small": (
        "connect_back",
        lambda d_y, x, weights: (
            (d_y @ weights.T).reshape(x.shape),
            (1 - 1e-5) * x.reshape(len(x), -1).T @ d_y,
            d_y.sum(axis=0),
        ),
    ),
    "cross_entropy: summed over cases": (
        "cross_entropy_back",
        lambda logits, labels: len(labels) * by_hand_cross_entropy_back(logits, labels),
    ),
}
by_hand_cross_entropy_back = by_hand.cross_entropy_back


def _turned(d_filters, d_biases):
    return d_filters.swapaxes(2, 3), d_biases


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_a_backward_pass_is_found(name, monkeypatch):
    function, wrong = WRONG[name]
    params, images, labels = network()
    if name == "rectifier: 1 at 0":  # before a convolution has biases, blank paper gives exactly that
        params = params._replace(biases_1=0 * params.biases_1)
    monkeypatch.setattr(by_hand, function, wrong)
    errors = relative_errors(params, images, labels)
    assert errors[name.partition(":")[0]] > 1e-6
    others = {kind: error for kind, error in errors.items() if not name.startswith(kind)}
    assert all(error < EXACT for kind, error in others.items() if kind != "network")


@pytest.fixture(scope="module")
def digits():
    """A hundred and twenty to learn from."""
    data = repro.data.load("mnist", embedded=True)
    return replace(data, train=cut(data.train, 100), valid=cut(data.valid, 20), test=cut(data.test, 20))


@pytest.fixture(scope="module")
def results(digits, tmp_path_factory):
    """Two seeds on them, one after the other."""
    folder = tmp_path_factory.mktemp("results")
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", lambda *_, **__: digits)
        run(EXPERIMENT, Request(seeds=2, results=folder), QUIET)
    return folder


@pytest.fixture(scope="module")
def records(results):
    return [*read(results, "quick").records.values()]


def trained(data, n_seeds=1, **changed):
    keys = jax.vmap(jax.random.key)(np.arange(n_seeds))
    with jax.enable_x64(False):
        return train_by_hand(replace(FEW, **changed), data, keys)


def test_both_networks_take_the_same_way(records):
    for record in records:
        has = record.curves
        assert len(has["relative_difference"]) == 2 and max(has["relative_difference"]) < EXACT
        assert record.metrics["relative_error_largest"] < EXACT
        for score in ("test_error_percent", "train_cross_entropy"):
            assert has[score] == has[f"{score}_jax"]
        assert has["train_cross_entropy"][1] < has["train_cross_entropy"][0]
        assert has["updates"] == [6, 12]
    assert records[0].curves["train_cross_entropy"] != records[1].curves["train_cross_entropy"]


def test_side_by_side_or_alone_a_seed_is_the_same(digits, records):
    together = trained(digits, 2)
    for name in ("train_cross_entropy", "train_cross_entropy_jax", "test_error_percent"):
        alone = [record.curves[name] for record in records]
        np.testing.assert_allclose(together.curves[name], alone, rtol=1e-6)  # as records are rounded


def test_a_wrong_gradient_leaves_the_way(digits, monkeypatch):
    monkeypatch.setattr(by_hand, "connect_back", WRONG["connection: weights are too small"][1])
    found = trained(digits).metrics
    assert found["relative_error_connection"] > 1e-6 and found["relative_difference"] > 1e-9
    assert found["relative_error_largest"] >= found["relative_error_network"] > 1e-6


def test_an_error_that_is_no_number_is_not_overlooked(digits, monkeypatch):
    errors = iter([1e-16, np.nan, 1e-16, 1e-16])
    monkeypatch.setattr("repro.runs.by_hand.relative_errors", lambda *_: {"network": next(errors)})
    found = trained(digits)
    assert np.isnan(found.curves["relative_error_network"][0, 0])
    assert np.isnan(found.metrics["relative_error_largest"]).all()


def test_the_test_digits_choose_nothing(digits, records):
    turned = Cases(digits.test.inputs, (digits.test.labels + 1) % 10)
    other = trained(replace(digits, test=turned)).curves
    for name, curve in records[0].curves.items():
        if name.startswith("train") or name == "relative_difference":
            np.testing.assert_allclose(other[name], [curve], rtol=1e-6)
    assert list(other["test_error_percent"][0]) != records[0].curves["test_error_percent"]


def test_the_rate_falls_to_0():
    """Two epochs of six minibatches."""
    rate = falling(FEW, 125)
    np.testing.assert_allclose([rate(n) for n in (0, 3, 6, 12)], [0.05, 0.0375, 0.025, 0])


def test_a_rate_that_is_too_high_is_said_to_diverge(digits):
    found = trained(digits, learning_rate=1e300).metrics
    assert found["diverged_epoch"] == [1] and np.isnan(found["train_cross_entropy"]).all()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"kernel": 10}, "^kernel: 10 is too large for images of 28 x 28: lower it$"),
        ({"batch_size": 121}, "^batch_size 121 is larger than the 120 cases: lower it$"),
    ],
)
def test_what_cannot_be_trained_is_one_line(digits, changed, says):
    refused(says, trained, digits, **changed)


def test_data_without_images_or_classes_are_one_line(digits):
    narrow = Cases(digits.train.inputs[:, 1:], digits.train.labels)
    refused("^data: mnist has no square images: ", trained, replace(digits, train=narrow, valid=narrow))
    unlabelled = Cases(digits.test.inputs, 0 * digits.test.labels)
    refused("^data: mnist has no classes, ", trained, replace(digits, test=unlabelled))


def test_a_record_says_what_was_found_and_the_frame_what_was_run(results, records):
    frame, record = read(results, "quick"), records[0]
    assert {f"relative_error_{kind}" for kind in (*fig_by_hand.KINDS, "largest")} < set(record.metrics)
    assert {"seconds_per_epoch_by_hand", "seconds_per_epoch_jax", "relative_difference"} < set(record.metrics)
    assert record.metrics["relative_error_largest"] < EXACT
    about = frame.runs.iloc[0]
    assert (about.kind, about.precision, about.epochs, about.updates) == ("by-hand", "float64", 2, 12)
    assert (about.optimiser, about.momentum, about.learning_rate, about.batch_size) == ("sgd", 0.9, 0.05, 20)


def test_the_figure_shows_the_records(results, records):
    figure = fig_by_hand.draw(read(results, "quick"))
    lines = {}
    for axes in figure.axes:
        for line in axes.get_lines():
            lines.setdefault(line.get_gid(), []).append(line)
    for kind in fig_by_hand.KINDS:
        drawn = np.sort(np.concatenate([line.get_xdata() for line in lines[kind]]).astype(float))
        errors = np.sort([record.metrics[f"relative_error_{kind}"] for record in records])
        np.testing.assert_array_equal(drawn, np.where(errors == 0, fig_by_hand.EDGE, errors))
    for name in ("test_error_percent", "test_error_percent_jax", "relative_difference"):
        drawn = [line.get_ydata().tolist() for line in lines[name]]
        assert drawn == [record.curves[name] for record in records]
    words = " ".join(text.get_text() for text in figure.findobj(Text))
    for said in ("MNIST", "n 2", "2 epochs of training", "dashed: allowed by C14", "whole network"):
        assert said in words
    with pytest.raises(RecordsMissingError, match="run `repro run by_hand --profile paper"):
        fig_by_hand.draw(made_frame())


def test_epochs_can_be_asked_for(few_cases, tmp_path):
    [path] = run(EXPERIMENT, Request(epochs=1, results=tmp_path), QUIET)
    assert load_record(path).curves["epochs"] == [1]
    assert PROGRAMS[ByHand] is train_by_hand


@pytest.mark.parametrize(
    ("error", "seeds", "ruling"), [(1e-14, 5, "UPHELD"), (1e-5, 5, "REFUTED"), (1e-14, 4, "OPEN")]
)
def test_c14_by_its_criterion(error, seeds, ruling):
    [claim] = (claim for claim in all_claims() if claim.key == "C14")
    length = {"epochs": [4.0]}
    made = runs("by_hand", "mnist", seeds=seeds, relative_error_largest=error, curve=length)
    assert verdict(claim, evidence(made)) == ruling
