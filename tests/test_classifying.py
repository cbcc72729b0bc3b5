"""Classifiers: where they start, when they stop, what is chosen and by what."""

import re
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pydantic import ValidationError
from refusal import refused
from tiny import EXPERIMENTS

import repro.runs.classifying
from repro.data.dataset import Cases, Dataset
from repro.errors import UserError
from repro.evaluation.classification import balanced, folds, most_frequent, scores
from repro.models.perceptron import Dropout, Perceptron, cross_entropy, features, outputs
from repro.runs.classifying import (
    descends,
    fewest,
    on_device,
    perceptron,
    start,
    train_output_layer,
)
from repro.runs.config import (
    Autoencoders,
    Classifying,
    Epochs,
    FewLabels,
    Gaussian,
    Glorot,
    He,
    Network,
    Pretrained,
    RelativeRates,
    Supervised,
    from_json,
    tuning_of,
    with_choice,
)
from repro.runs.few_labels import draw, lanes_of
from repro.runs.programs import PROGRAMS
from repro.training.flops import backprop_flops, stack_flops
from repro.training.greedy import Pretraining
from repro.training.labelled import Labelled
from repro.training.layerwise import Layerwise, learn_layers
from repro.training.optimisers import SGD, Adam, ConjugateGradient
from repro.typed import as_json

pytestmark = pytest.mark.usefixtures("single_precision")

LAYERWISE = Layerwise(n_epochs=2, batch_size=10)
STACK = Pretrained(Pretraining(n_epochs=2, batch_size=10))
TINY = Classifying(
    data="made up",
    network=Network((9, 6)),
    optimiser=Adam(),
    start=Glorot(),
    budget=Epochs(6),
    batch_size=10,
    rates=(3e-3, 3e-2),
)
FEW = FewLabels(
    data="made up",
    network=Network((9, 6)),
    n_labels=30,
    rates=(3e-3, 3e-2),
    start=Glorot(),
    budget=Epochs(4),
    shown=40,
    batch_size=10,
    n_folds=3,
)


def made_up(seed=3, noise=0.4):
    draw = np.random.default_rng(seed)
    patterns = draw.random((5, 16))

    def cases(n):
        labels = np.arange(n, dtype=np.int32) % 5
        pixels = patterns[labels] + noise * draw.random((n, 16))
        return Cases((pixels / (1 + noise)).astype(np.float32), labels)

    return Dataset("made up", "embedded", "binary", "0", cases(100), cases(30), cases(40))


@pytest.fixture
def data():
    return made_up()


@pytest.fixture
def hard():
    """Classes that overlap: errors and cross-entropies have their minima at different epochs."""
    return made_up(noise=3.0)


def keys(*seeds):
    return jax.vmap(jax.random.key)(np.array(seeds, np.uint32))


def run(config, data, *seeds):
    return PROGRAMS[type(config)](config, data, keys(*(seeds or (0,))))


def started(config, data, *seeds):
    return start(config, perceptron(config, data), data, keys(*(seeds or (0,))), on_device(data.full_train))


def with_other_test_labels(data):
    return replace(data, test=data.test._replace(labels=(data.test.labels + 1) % 5))


def alike(a, b, names):
    for name in names:
        np.testing.assert_array_equal(a[name], b[name])


# the stopping rule


def test_a_run_scores_the_first_epoch_whose_training_cross_entropy_is_low_enough(data):
    whole = run(replace(TINY, optimiser=Adam(0.03), rates=()), data, 0, 1)
    levels = whole.curves["train_cross_entropy"]
    assert np.all(np.diff(levels) < 0), "the test needs losses that fall"
    assert np.all(whole.metrics["stopped_by_rule"] == 0) and np.all(whole.metrics["epochs_trained"] == 6)
    sooner = levels[:, 2].argmin()
    stop_at = float(levels[sooner, 2])
    early = run(replace(TINY, optimiser=Adam(0.03), rates=(), stop_at=stop_at), data, 0, 1)
    expected = [next(i for i, level in enumerate(of_seed) if level <= stop_at) for of_seed in levels]
    assert expected[sooner] == 2 < expected[1 - sooner], "the test needs seeds that stop at different epochs"
    np.testing.assert_array_equal(early.metrics["epochs_trained"], np.add(expected, 1))
    assert np.all(early.metrics["stopped_by_rule"] == 1)
    assert early.curves["loss"].shape[1] == max(expected) + 1, "and training ends with the last of them"
    for name in ("test_error_percent", "train_cross_entropy", "flops"):
        ours = [whole.curves[name][seed, epoch] for seed, epoch in enumerate(expected)]
        np.testing.assert_allclose(early.metrics[name], ours, rtol=1e-6)


def test_a_run_may_be_longer_than_its_choice(data):
    long = run(replace(TINY, optimiser=Adam(0.01), rates=(), budget=Epochs(12)), data)
    stop_at = float(long.curves["train_cross_entropy"][0, 8])
    config = replace(TINY, optimiser=Adam(0.01), rates=(), stop_at=stop_at)  # whose choice had 6 epochs
    found, short = run(config, data).metrics, run(replace(config, longer=1), data).metrics
    assert (found["epochs_trained"][0], found["stopped_by_rule"][0]) == (9, 1)
    assert (short["epochs_trained"][0], short["stopped_by_rule"][0]) == (6, 0)
    assert found["test_error_percent"][0] == long.curves["test_error_percent"][0, 8]


def test_who_diverges_after_its_stop_has_not_diverged(data, monkeypatch):
    train = repro.runs.classifying.train

    def diverging(*args, **named):
        return train(*args, **named)._replace(diverged=np.array([4, 1]))

    config = replace(TINY, optimiser=Adam(0.03), rates=())
    levels = run(config, data, 0, 1).curves["train_cross_entropy"]
    monkeypatch.setattr(repro.runs.classifying, "train", diverging)
    found = run(replace(config, stop_at=float(levels[:, 2].max())), data, 0, 1).metrics
    np.testing.assert_array_equal(found["diverged_epoch"], [np.nan, 1])


def test_what_is_chosen_is_the_epoch_and_rate_with_the_fewest_validation_errors(hard):
    longer = replace(TINY, budget=Epochs(30), rates=(1e-2, 1e-1))
    found = run(tuning_of(longer), hard)
    errors = np.stack([found.curves[f"valid_error_percent_rate_{rate:g}"][0] for rate in longer.rates])
    levels = np.stack([found.curves[f"train_cross_entropy_rate_{rate:g}"][0] for rate in longer.rates])
    assert found.metrics["valid_error_percent"][0] == errors.min()
    rate = longer.rates.index(found.metrics["learning_rate"][0])
    epoch = int(found.metrics["epochs_trained"][0]) - 1
    assert errors[rate, epoch] == errors.min()
    assert found.metrics["stop_at"][0] == levels[rate, epoch]
    assert found.metrics["valid_error_percent_mean"][0] == 80
    assert not [name for name in found.metrics if name.startswith("test")]


def test_of_equals_the_one_with_the_lower_cross_entropy_is_taken():
    errors = np.array([[3.0, 1.0], [1.0, np.inf]])
    assert fewest(errors, np.array([[0.0, 0.5], [0.4, 0.0]])) == (1, 0)
    assert fewest(errors, np.array([[0.0, 0.3], [0.4, 0.0]])) == (0, 1)


def test_a_candidate_trains_as_the_run_at_its_rate_does(data):
    found = run(tuning_of(TINY), data)
    alone = run(replace(TINY, optimiser=Adam(3e-2), rates=(), learns_from="train"), data)
    side = found.curves["train_cross_entropy_rate_0.03"]
    np.testing.assert_allclose(side, alone.curves["train_cross_entropy"], rtol=2e-4)


def test_no_test_label_chooses(data):
    other = with_other_test_labels(data)
    ours, theirs = (run(tuning_of(TINY), some) for some in (data, other))
    alike(ours.metrics, theirs.metrics, set(ours.metrics) - {"finetuning_seconds"})
    ours, theirs = (run(FEW, some, 0, 1) for some in (data, other))
    chosen = [f"{what}{end}" for what in ("learning_rate", "epochs_trained") for end in ("", "_within")]
    alike(ours.metrics, theirs.metrics, [*chosen, "valid_error_percent", "held_out_error_percent"])
    assert np.all(ours.metrics["test_error_percent"] != theirs.metrics["test_error_percent"])


def test_a_choice_fills_in_what_its_run_lacks(data):
    found = {name: value[0] for name, value in run(tuning_of(TINY), data).metrics.items()}
    whole = with_choice(TINY, found)
    assert whole.stop_at == found["stop_at"] and whole.optimiser.learning_rate in TINY.rates
    by_lines = replace(TINY, optimiser=ConjugateGradient(), rates=())
    assert with_choice(by_lines, {"stop_at": 0.5}) == replace(by_lines, stop_at=0.5)
    assert from_json(as_json(tuning_of(TINY))) == tuning_of(TINY)


def test_rates_that_all_diverge_choose_nothing(data):
    wild = replace(TINY, optimiser=SGD(), network=Network((9, 6), "relu"), rates=(1e18, 1e20))
    found = run(tuning_of(wild), data).metrics
    assert np.isnan(found["learning_rate"][0])


def test_seeds_side_by_side_are_the_seeds_one_by_one(data):
    config = replace(TINY, start=STACK, optimiser=Adam(0.03), rates=(), stop_at=0.4)
    both, one = run(config, data, 0, 1), run(config, data, 1)
    for name in ("test_error_percent", "train_cross_entropy", "epochs_trained", "flops"):
        np.testing.assert_allclose(both.metrics[name][1], one.metrics[name][0], rtol=1e-4)


def test_the_conjugate_gradients_of_a_classifier_descend(data):
    by_lines = replace(TINY, optimiser=ConjugateGradient(), rates=(), batch_size=50, n_alone=2)
    found = run(by_lines, data)
    assert found.metrics["train_cross_entropy"][0] < 0.5 * found.metrics["train_cross_entropy_before"][0]
    assert found.metrics["flops"][0] > backprop_flops((16, 9, 6, 5), 100)


# where they start


def test_a_pretrained_classifier_starts_as_the_trained_stack_and_a_gaussian_one_as_the_untrained(data):
    stack, untrained = (started(replace(TINY, start=how), data).layers for how in (STACK, Gaussian()))
    np.testing.assert_array_equal(stack[-1][0], untrained[-1][0])  # the same output layer
    assert not np.allclose(stack[0][0], untrained[0][0])
    none = Pretrained(
        replace(STACK.pretraining, contrastive=replace(STACK.pretraining.contrastive, learning_rate=0.0))
    )
    at_rest = started(replace(TINY, start=none), data).layers
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), at_rest, untrained)
    assert 0.08 < np.std(untrained[0][0]) < 0.12 and not np.any(untrained[0][1])


def test_what_is_learnt_without_labels_does_not_see_them(data):
    other = replace(data, train=data.train._replace(labels=(data.train.labels + 2) % 5))
    for how in (STACK, Autoencoders(LAYERWISE)):
        ours, theirs = (started(replace(TINY, start=how), some).layers for some in (data, other))
        jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.mark.parametrize("one_by_one", [True, False])
def test_autoencoders_learn_to_reconstruct(data, one_by_one):
    longer = replace(LAYERWISE, n_epochs=8, learning_rate=0.02, one_by_one=one_by_one)
    learnt = learn_layers(keys(0, 1), "reconstruct", longer, (16, 9, 6), on_device(data.train), 5)
    assert [w.shape for w, _ in learnt.hidden] == [(2, 16, 9), (2, 9, 6)]
    assert set(learnt.curves) == ({"loss_layer1", "loss_layer2"} if one_by_one else {"loss_layer1"})
    for loss in learnt.curves.values():
        assert np.all(loss[:, -1] < loss[:, 0]) and loss[0, -1] > 1, "nats of all pixels"


def test_supervised_layers_tell_classes_apart(data):
    how = Supervised(replace(LAYERWISE, n_epochs=30, learning_rate=0.05))
    learnt = learn_layers(keys(0), "classify", how.layerwise, (16, 9, 6), on_device(data.train), 5)
    assert learnt.curves["loss_layer1"][0, -1] < 0.5 < learnt.curves["loss_layer1"][0, 0]
    swapped = data.train._replace(labels=(data.train.labels + 1) % 5)
    other = learn_layers(keys(0), "classify", how.layerwise, (16, 9, 6), on_device(swapped), 5)
    assert not np.allclose(learnt.hidden[0][0], other.hidden[0][0])


def test_the_second_layer_learns_from_the_states_of_the_first(data):
    learnt = learn_layers(keys(0), "reconstruct", LAYERWISE, (16, 9, 6), on_device(data.train), 5)
    first = jax.tree.map(lambda x: x[0], learnt.hidden[:1])
    states = features(Perceptron((16, 9)), first, jnp.asarray(data.train.inputs))
    again = learn_layers(
        jax.vmap(jax.random.fold_in, (0, None))(
            keys(0), 0
        ),  # other keys: the order differs, the level does not
        "reconstruct",
        LAYERWISE,
        (9, 6),
        Labelled(states, jnp.asarray(data.train.labels)),
        5,
    )
    np.testing.assert_allclose(learnt.curves["loss_layer2"], again.curves["loss_layer1"], rtol=0.1)


def test_the_output_layer_learns_alone(data):
    config = replace(TINY, optimiser=ConjugateGradient(), rates=(), batch_size=50, n_alone=3)
    of, layers = perceptron(config, data), started(config, data, 0, 1).layers
    cases = on_device(data.full_train)
    after, _ = train_output_layer(config, of, layers, keys(0, 1), cases)
    jax.tree.map(np.testing.assert_array_equal, after[:-1], layers[:-1])
    for seed in range(2):
        losses = [
            cross_entropy(outputs(of, jax.tree.map(lambda x, s=seed: x[s], some), cases.inputs), cases.labels)
            for some in (after, layers)
        ]
        assert losses[0] < losses[1]


def test_relative_rates_are_of_biases_and_of_the_output_layer(data):
    plain = replace(TINY, optimiser=SGD(0.1), rates=())
    relative = replace(plain, relative_rates=RelativeRates(biases=0.1, output=5.0))
    of, layers = perceptron(TINY, data), jax.tree.map(lambda x: x[0], started(TINY, data).layers)
    cases = on_device(data.train)
    moved = []
    for config in (plain, relative):
        descent = descends(config, of, 1)
        state = descent.init(jax.random.key(0), layers, cases)
        state, _ = descent.epoch(jax.random.key(0), state, cases, jnp.arange(10)[None], jnp.int32(0))
        moved.append(jax.tree.map(lambda new, old: new - old, state.params, layers))
    for depth, ((w, b), (w_relative, b_relative)) in enumerate(zip(*moved, strict=True)):
        factor = 5.0 if depth == 2 else 1.0
        np.testing.assert_allclose(w_relative, factor * w, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(b_relative, 0.1 * factor * b, rtol=1e-3, atol=1e-6)


def test_operations_are_those_of_the_layers(data):
    config = replace(TINY, start=STACK, optimiser=Adam(0.03), rates=())
    spent = run(config, data).metrics["flops"][0]
    assert spent == stack_flops((16, 9, 6), 130, (2, 2)) + 6 * backprop_flops((16, 9, 6, 5), 130)


@pytest.mark.parametrize("one_by_one", [True, False])
def test_operations_are_those_of_layers_learnt_before(data, one_by_one):
    how = Autoencoders(replace(LAYERWISE, one_by_one=one_by_one))
    spent = run(replace(TINY, start=how, optimiser=Adam(0.03), rates=()), data).metrics["flops"][0]
    climb = 2 * 16 * 9 * 130
    one = 2 * backprop_flops((16, 9, 16), 130) + climb + 2 * backprop_flops((9, 6, 9), 130)
    whole = 2 * backprop_flops((16, 9, 6, 9, 16), 130)
    assert spent == (one if one_by_one else whole) + 6 * backprop_flops((16, 9, 6, 5), 130)


# few labels


def test_draws_are_balanced_and_their_own(data):
    labels = data.train.labels
    drawn = [draw(FEW, data, key) for key in keys(0, 1, 0)]
    for members in drawn:
        assert len(set(members)) == 30 and set(np.bincount(labels[members])) == {6}
        assert all(len(set(labels[members[i : i + 5]])) == 5 for i in range(0, 30, 5))
    assert set(drawn[0]) != set(drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_folds_hold_out_every_label_once_and_of_each_class_alike(data):
    members = draw(FEW, data, keys(0)[0])
    held = folds(30, 5, 3)
    assert sorted(np.concatenate(held)) == list(range(30))
    for fold in held:
        assert set(np.bincount(data.train.labels[members[fold]])) == {2}


def test_draws_and_folds_that_cannot_be_are_one_line(data):
    random = np.random.default_rng(0)
    refused("^n_labels 32: 5 classes of 20 ", balanced, random, data.train.labels, 32)
    refused("^n_labels 105: .* a multiple of 5 up to 100$", balanced, random, data.train.labels, 105)
    refused("^n_folds 7: 30 labels of 5 classes", folds, 30, 5, 7)
    refused("^n_folds 4: 100 labels of 10 classes", folds, 100, 10, 4)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "real"}, "has no pixels in [0, 1]"),
        ({"test": Cases(np.zeros((40, 16), np.float32), np.zeros(40, np.int32))}, "has no classes"),
        (
            {"test": Cases(np.zeros((40, 16), np.float32), np.arange(40, dtype=np.int32))},
            "has test cases of classes that no training case is of",
        ),
    ],
)
@pytest.mark.parametrize("config", [replace(TINY, rates=(), optimiser=Adam(0.01)), tuning_of(TINY), FEW])
def test_data_that_cannot_be_classified_are_one_line(data, config, wrong, says):
    whole = f"^data: made up {re.escape(says)}, so that it cannot be classified: name mnist$"
    refused(whole, run, config, replace(data, **wrong))


def test_labels_may_have_gaps(data):
    spread = {name: getattr(data, name) for name in ("train", "valid", "test")}
    spread = {name: Cases(cases.inputs, 3 * cases.labels) for name, cases in spread.items()}
    jax.tree.map(
        np.testing.assert_array_equal,
        lanes_of(FEW, replace(data, **spread), keys(0, 1)),
        lanes_of(FEW, data, keys(0, 1)),
    )
    assert perceptron(FEW, replace(data, **spread)).sizes[-1] == 13


def test_draws_of_which_every_rate_diverges_have_diverged(data):
    wild = replace(FEW, optimiser=SGD(), network=Network((9, 6), "relu"), rates=(1e18, 1e20))
    found = run(wild, data, 0, 1).metrics
    assert np.all(found["diverged_epoch"] >= 1)
    assert np.isnan(found["test_error_percent"]).all() and np.isnan(found["learning_rate_within"]).all()
    one = replace(wild, rates=(1e-2, 1e20))
    assert "diverged_epoch" not in run(one, data).metrics


@pytest.mark.parametrize(
    ("how", "field"),
    [
        ({"optimiser": ConjugateGradient(), "rates": (), "dropout": Dropout()}, "dropout"),
        (
            {"optimiser": ConjugateGradient(), "rates": (), "relative_rates": RelativeRates(0.1)},
            "relative_rates",
        ),
        ({"n_alone": 2}, "n_alone"),
    ],
)
def test_a_classifier_that_would_not_do_what_it_says_is_refused(how, field):
    with pytest.raises(ValidationError, match=f"{field}: leave it out"):
        replace(TINY, **how)


def test_layers_learn_for_an_epoch_at_least():
    for name in ("n_epochs", "batch_size"):
        with pytest.raises(ValidationError, match=name):
            Layerwise(**{name: 0})


def test_every_variant_can_be_cut_into_its_folds():
    few = [config for config in EXPERIMENTS["few_labels"].variants.values() if isinstance(config, FewLabels)]
    for config in few:
        assert {len(fold) for fold in folds(config.n_labels, 10, config.n_folds)} == {config.n_labels // 5}


def test_who_is_chosen_by_validation_and_by_folds_has_learnt_from_all_labels(hard):
    few = replace(FEW, budget=Epochs(20), rates=(1e-2, 1e-1))
    found = run(few, hard, 0, 1)
    for by, end in (("valid", ""), ("held_out", "_within")):
        errors = np.stack([found.curves[f"{by}_error_percent_rate_{rate:g}"] for rate in few.rates], axis=1)
        test = np.stack([found.curves[f"test_error_percent_rate_{rate:g}"] for rate in few.rates], axis=1)
        for seed in range(2):
            assert found.metrics[f"{by}_error_percent"][seed] == errors[seed].min()
            rate = few.rates.index(found.metrics[f"learning_rate{end}"][seed])
            epoch = int(found.metrics[f"epochs_trained{end}"][seed]) - 1
            assert errors[seed, rate, epoch] == errors[seed].min()
            assert found.metrics[f"test_error_percent{end}"][seed] == test[seed, rate, epoch]


def test_a_network_learns_from_its_draw_alone(data):
    """What the classifier's own program makes of the same cases, shown as often."""
    members = draw(FEW, data, keys(1)[0])
    seen = np.resize(members, 40)
    of_draw = replace(data, train=Cases(data.train.inputs[seen], data.train.labels[seen]))
    alone = replace(TINY, optimiser=Adam(3e-2), rates=(), budget=FEW.budget, learns_from="train")
    theirs = run(alone, of_draw, 1).curves["test_cross_entropy"]
    ours = run(replace(FEW, rates=(3e-2,)), data, 1).metrics
    epoch = int(ours["epochs_trained"][0]) - 1
    np.testing.assert_allclose(ours["test_cross_entropy"], theirs[:, epoch], rtol=1e-4)


def test_folds_are_scored_on_what_they_have_not_seen():
    """Labels that mean nothing: who has seen them knows them, who has not guesses."""
    draw = np.random.default_rng(0)
    inputs, labels = draw.random((60, 16)).astype(np.float32), (np.arange(60) % 5).astype(np.int32)
    data = replace(made_up(), train=Cases(inputs, labels))
    config = replace(
        FEW, network=Network((60,), "relu"), start=He(), n_labels=60, budget=Epochs(60), rates=(0.02,)
    )
    found = run(config, data)
    assert found.curves["held_out_error_percent_rate_0.02"][0, -1] > 60
    alone = replace(
        TINY, network=config.network, start=He(), optimiser=Adam(0.02), rates=(), budget=Epochs(60)
    )
    assert run(replace(alone, learns_from="train"), data).metrics["train_error_percent"][0] < 10


def test_draws_side_by_side_are_the_draws_one_by_one(data):
    config = replace(FEW, start=STACK)
    both, one = run(config, data, 0, 1), run(config, data, 1)
    for name in ("test_cross_entropy", "test_cross_entropy_within", "held_out_error_percent"):
        np.testing.assert_allclose(both.metrics[name][1], one.metrics[name][0], rtol=1e-3, atol=1e-3)


# scores


def test_scores_are_errors_in_per_cent_and_nats():
    of = Perceptron((2, 2))
    layers = ((jnp.eye(2), jnp.zeros(2)),)
    cases = Labelled(jnp.array([[3.0, 0.0], [0.0, 3.0], [3.0, 0.0]]), jnp.array([0, 1, 1], jnp.int32))
    found = scores(of, layers, cases)
    np.testing.assert_allclose(found["error_percent"], 100 / 3, rtol=1e-6)
    np.testing.assert_allclose(found["cross_entropy"], np.log1p(np.exp(-3)) + 1, rtol=1e-6)
    assert most_frequent(np.array([0, 1, 1]), np.array([1, 0, 0, 0])) == 75


# configurations


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (partial(replace, TINY, rates=()), "adam needs a learning_rate, or rates"),
        (partial(replace, TINY, rates=(0.1, 0.1)), "rates must differ"),
        (
            partial(replace, TINY, optimiser=ConjugateGradient()),
            "rates has candidates, but cg chooses its own",
        ),
        (partial(replace, FEW, optimiser=Adam(0.1)), "learning_rate: leave it out"),
        (partial(replace, FEW, n_folds=1), "n_folds"),
        (partial(replace, TINY, dropout={"visible": 1.0}), "visible"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused(made, says):
    with pytest.raises((ValueError, UserError), match=says):
        made()


def test_dropout_is_of_training_alone(data):
    config = replace(TINY, dropout=Dropout(), optimiser=Adam(0.03), rates=())
    found = run(config, data)
    plain = run(replace(config, dropout=None), data)
    assert found.metrics["train_cross_entropy_before"] == plain.metrics["train_cross_entropy_before"]
    assert not np.allclose(found.curves["loss"], plain.curves["loss"])
