"""The two arms: what differs between them, and what must not."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import scipy.linalg

from repro.data.dataset import Cases, Dataset
from repro.errors import UserError
from repro.models.autoencoder import Architecture
from repro.runs.autoencoding import start
from repro.runs.config import (
    Autoencoding,
    Epochs,
    Flops,
    Gaussian,
    Glorot,
    Network,
    Pretrained,
    PrincipalComponents,
    Rates,
    tuning_of,
)
from repro.runs.outcome import cases_of, pictures
from repro.runs.programs import PROGRAMS
from repro.training.contrastive import Contrastive
from repro.training.flops import backprop_flops, contrastive_flops, stack_flops
from repro.training.greedy import Pretraining
from repro.training.optimisers import Adam, ConjugateGradient, Muon

pytestmark = pytest.mark.usefixtures("single_precision")

TINY = Autoencoding(
    data="made up",
    network=Network((9, 5, 2)),
    start=Pretrained(Pretraining(n_epochs=2, batch_size=10)),
    budget=Epochs(2),
    batch_size=10,
)


def made_up():
    draw = np.random.default_rng(3)

    def cases(n):
        pixels = draw.random((n, 3)) @ draw.random((3, 16))
        return Cases((pixels / pixels.max()).astype(np.float32), np.arange(n, dtype=np.int32) % 10)

    return Dataset("made up", "embedded", "binary", "0", cases(40), cases(10), cases(20))


@pytest.fixture
def data():
    return made_up()


def keys(*seeds):
    return jax.vmap(jax.random.key)(np.array(seeds, np.uint32))


def run(config, data, *seeds):
    return PROGRAMS[type(config)](config, data, keys(*seeds))


def without_times(outcome):
    keep = {k: v for k, v in outcome.metrics.items() if not k.endswith("seconds")}
    return keep, {k: v for k, v in outcome.curves.items() if k != "seconds"}, outcome.arrays


def assert_close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


@pytest.mark.parametrize("optimiser", [ConjugateGradient(), Adam(0.01)], ids=["cg", "adam"])
def test_with_learning_rate_zero_the_arms_are_one_network_bit_for_bit(data, optimiser):
    """Pretraining at rate 0, weights and decay, leaves the very weights the direct arm starts from; and
    everything after the start, data order, loss and budget, is the same program."""
    nothing = Pretraining(
        n_epochs=2, batch_size=10, contrastive=Contrastive(learning_rate=0.0), top_learning_rate=0.0
    )
    pretrained = replace(TINY, start=Pretrained(nothing), optimiser=optimiser)
    direct = replace(pretrained, start=Gaussian())
    ours, theirs = run(pretrained, data, 0), run(direct, data, 0)
    for name in ("test_squared_error", "train_cross_entropy", "test_squared_error_before"):
        np.testing.assert_array_equal(ours.metrics[name], theirs.metrics[name])
    np.testing.assert_array_equal(ours.curves["loss"], theirs.curves["loss"])
    jax.tree.map(np.testing.assert_array_equal, ours.arrays, theirs.arrays)


def test_pretraining_moves_the_start(data):
    architecture = Architecture((16, *TINY.network.widths))
    inputs = jax.device_put(data.full_train.inputs)
    pretrained, direct = (
        start(replace(TINY, start=how), architecture, keys(0), inputs).params
        for how in (TINY.start, Gaussian())
    )
    kernels = (np.asarray(params["encoder"][0]["kernel"][...]) for params in (pretrained, direct))
    assert np.abs(np.subtract(*kernels)).max() > 1e-3


@pytest.mark.parametrize("how", [TINY.start, Gaussian(), Glorot()], ids=lambda how: how.kind)
def test_seeds_side_by_side_are_the_seeds_one_by_one(data, how):
    config = replace(TINY, start=how)
    together, alone = run(config, data, 0, 1), [run(config, data, seed) for seed in (0, 1)]
    for i, one in enumerate(alone):
        mine = jax.tree.map(lambda x, i=i: x[i : i + 1], without_times(together))
        assert_close(mine[:2], without_times(one)[:2], rtol=2e-3)  # float32 through line searches


def test_same_seed_same_bytes_and_other_seed_other_bytes(data):
    once, again, other = (run(TINY, data, seed) for seed in (5, 5, 6))
    jax.tree.map(np.testing.assert_array_equal, without_times(once), without_times(again))
    assert once.metrics["test_squared_error"] != other.metrics["test_squared_error"]


def test_training_lowers_the_error_and_curves_end_at_the_final_scores(data):
    config = replace(TINY, start=Gaussian(), budget=Epochs(6))
    outcome = run(config, data, 0)
    assert outcome.metrics["train_cross_entropy"] < outcome.metrics["train_cross_entropy_before"]
    assert outcome.curves["test_squared_error"].shape == (1, 6)
    np.testing.assert_array_equal(
        outcome.curves["test_squared_error"][:, -1], outcome.metrics["test_squared_error"]
    )


def test_a_run_learns_from_all_training_cases_or_from_those_without_the_validation_cases(data):
    final, choice = cases_of(data, "all"), cases_of(data, "train")
    assert set(final) == {"train", "test"} and set(choice) == {"train", "valid", "test"}
    assert len(final["train"].inputs) == 50 and len(choice["train"].inputs) == 40
    np.testing.assert_array_equal(final["train"].inputs[40:], data.valid.inputs)


@pytest.mark.parametrize("n", [0, 2, 5])
def test_pca_is_the_projection_on_the_largest_eigenvectors(data, n):
    train, test = data.full_train.inputs.astype(float), data.test.inputs.astype(float)
    mean = train.mean(0)
    _, vectors = scipy.linalg.eigh(np.cov((train - mean).T))
    basis = vectors[:, len(mean) - n :]
    residual = (test - mean) - (test - mean) @ basis @ basis.T
    outcome = run(PrincipalComponents("made up", n), data, 0)
    np.testing.assert_allclose(
        outcome.metrics["test_squared_error"], [(residual**2).sum(1).mean()], rtol=1e-6
    )


def test_pictures_show_the_first_case_of_each_class(data):
    shown = pictures(data, lambda x: x[None] * 0.5, lambda x: x[None, :, :2])
    np.testing.assert_array_equal(
        shown["example_inputs"][0], np.rint(data.test.inputs[:10] * 255).astype(np.uint8)
    )
    np.testing.assert_array_equal(shown["code_labels"][0], np.sort(data.test.labels))


def test_flops_of_a_small_network_counted_by_hand():
    assert contrastive_flops(4, 3, n_cases=2) == 2 * 5 * 12 * 2  # up, down, up, and two outer products
    assert stack_flops((4, 3, 2), 1, n_epochs=(3, 3)) == 3 * (10 * 12 + 10 * 6) + 2 * 12
    forward, outer, back = 2 * (12 + 6 + 6 + 12), 2 * (12 + 6 + 6 + 12), 2 * (6 + 6 + 12)
    assert backprop_flops((4, 3, 2, 3, 4), 1) == forward + outer + back


def test_flops_count_the_line_searches_made(data):
    outcome = run(replace(TINY, start=Gaussian()), data, 0)
    per_evaluation = backprop_flops((16, 9, 5, 2, 5, 9, 16), 10)
    evaluations = outcome.curves["evaluations"].sum() * 5  # minibatches of an epoch
    np.testing.assert_allclose(outcome.metrics["flops"], per_evaluation * evaluations, rtol=1e-6)


def test_all_operations_of_a_budget_are_spent_and_no_more(data):
    """Counted by hand: pretraining, one epoch of each of two rates, and what is left, to the nearest epoch;
    conjugate gradients stop with the epoch whose end is nearest to the budget."""
    layers = (16, 9, 5, 2, 5, 9, 16)
    pretraining = stack_flops((16, 9, 5, 2), 40, (2, 2, 2))
    of_epoch = backprop_flops(layers, 40)
    budget = Flops(pretraining + (2 + 7.4) * of_epoch)
    arm = replace(
        TINY, learns_from="train", optimiser=Adam(0.01), tuning=Rates((0.01, 0.1), (1,)), budget=budget
    )
    outcome = run(arm, data, 0)
    assert outcome.curves["epochs"][0, -1] == 7
    np.testing.assert_allclose(outcome.metrics["flops"], pretraining + 7 * of_epoch, rtol=1e-6)
    np.testing.assert_allclose(run(tuning_of(arm), data, 0).metrics["flops"], pretraining + 2 * of_epoch)
    search = replace(
        arm, optimiser=ConjugateGradient(), tuning=None, budget=Flops(pretraining + 40 * of_epoch)
    )
    outcome = run(search, data, 0)
    spent = outcome.curves["flops"][0] - pretraining
    last = spent[-1] - spent[-2]
    assert spent[-1] + last / 2 >= 40 * of_epoch > spent[-2] + (spent[-2] - spent[-3]) / 2
    assert 50 > len(spent) > 2


def test_the_products_that_make_muons_steps_are_counted(data):
    """Five iterations on 16x9, 9x5 and 5x2 and their mirror images; X Xᵀ, its square, and the product."""
    shapes = [(9, 16), (5, 9), (2, 5)] * 2
    iterations = 5 * sum(2 * m * m * n + 2 * m**3 + 2 * m * m * n for m, n in shapes)
    gradient = backprop_flops((16, 9, 5, 2, 5, 9, 16), 10)
    outcome = run(replace(TINY, start=Glorot(), optimiser=Muon(0.01)), data, 0)
    np.testing.assert_allclose(outcome.metrics["flops"], 2 * 5 * (gradient + iterations), rtol=1e-6)


def test_a_budget_that_leaves_nothing_for_fine_tuning_is_refused(data):
    with pytest.raises(UserError, match="a budget of 1000 operations leaves none for fine-tuning"):
        run(replace(TINY, start=Glorot(), optimiser=Adam(0.01), budget=Flops(1000.0)), data, 0)
