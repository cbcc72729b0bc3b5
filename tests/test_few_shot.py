"""Few-shot classification: what an episode is, both classifiers against their definitions, choices."""

import numpy as np
import pytest
from pydantic import ValidationError
from refusal import refused
from scipy.optimize import minimize

from repro.evaluation.few_shot import (
    Encoded,
    Episodes,
    FewShot,
    assess,
    episodes,
    error_percent,
    logistic,
    nearest_mean,
    scaled,
)

LABELS = np.random.default_rng(0).permutation(np.repeat([2, 3, 7], [9, 14, 11]))
HOW = FewShot(shots=(1, 4), n_queries=3, n_episodes=12, inverse_penalties=(0.01, 1, 100), n_to_choose=6)


def drawn(seed=0, labels=LABELS):
    return episodes(np.random.default_rng(seed), labels, n=50, shots=4, n_queries=5)


def test_an_episode_has_as_many_cases_of_every_class_and_none_twice():
    support, queries = drawn()
    assert support.shape == (50, 3, 4) and queries.shape == (50, 3, 5)
    for some in (support, queries):
        assert all((LABELS[some[:, i]] == c).all() for i, c in enumerate([2, 3, 7]))
    together = np.concatenate([support, queries], axis=2).reshape(50, -1)
    assert all(len({*cases}) == 27 for cases in together.tolist())
    assert {*together.ravel().tolist()} == {*range(len(LABELS))}, "every case has its turn"


def test_episodes_are_those_of_the_seed():
    assert all(np.array_equal(*both) for both in zip(drawn(1), drawn(1), strict=True))
    assert not np.array_equal(drawn(1).support, drawn(2).support)
    first, second = drawn(1).support[:2]
    assert not np.array_equal(first, second)


def test_more_cases_than_a_class_has_are_refused():
    said = "^few_shot: 5 shots and 5 n_queries of each class are more than the 9 cases that one has: lower"
    refused(said, episodes, np.random.default_rng(0), LABELS, n=1, shots=5, n_queries=5)


@pytest.mark.parametrize("of", ["shots", "inverse_penalties"])
@pytest.mark.parametrize("tried", [(), (5, 5), (0,)])
def test_what_cannot_be_tried_is_refused(of, tried):
    with pytest.raises(ValidationError, match=of):
        FewShot(**{of: tried})


@pytest.fixture
def task():
    """Encoded cases of three classes that overlap, and forty to be classified."""
    draw = np.random.default_rng(4).normal
    return draw(size=(3, 6, 5)) + draw(size=(3, 1, 5)), draw(size=(40, 5))


def test_the_nearest_mean_is_that_of_the_least_distance(task):
    support, queries = task
    means = [[sum(numbers) / 6 for numbers in zip(*cases, strict=True)] for cases in support.tolist()]

    def distance(x, mean):
        return sum((a - b) ** 2 for a, b in zip(x, mean, strict=True))

    expected = [min(range(3), key=lambda c, x=x: distance(x, means[c])) for x in queries.tolist()]
    assert {*expected} == {0, 1, 2}
    np.testing.assert_array_equal(nearest_mean(support, queries), expected)


def by_definition(support, queries, inverse_penalty):
    """Weights and biases that make the penalised cross-entropy least, found by another library."""
    n_classes, n_shots, n_features = support.shape
    x, y = support.reshape(-1, n_features), np.repeat(np.arange(n_classes), n_shots)

    def loss(flat):
        weights, biases = flat[n_classes:].reshape(n_features, n_classes), flat[:n_classes]
        logits = x @ weights + biases
        log_z = np.log(np.exp(logits).sum(axis=1))
        return (log_z - logits[range(len(y)), y]).sum() + (weights**2).sum() / 2 / inverse_penalty

    flat = minimize(loss, np.zeros(n_classes * (1 + n_features)), tol=1e-10).x
    return (queries @ flat[n_classes:].reshape(n_features, n_classes) + flat[:n_classes]).argmax(axis=1)


def test_logistic_regression_is_that_of_the_penalised_cross_entropy(task):
    found = [logistic(*task, inverse_penalty=c) for c in (0.003, 0.3, 30.0)]
    for c, classes in zip((0.003, 0.3, 30.0), found, strict=True):
        np.testing.assert_array_equal(classes, by_definition(*task, c))
    assert (found[0] != found[1]).any() and (found[1] != found[2]).any(), "the penalty matters"


def test_features_are_moved_and_scaled_by_one_number_taken_from_the_cases_learnt_from():
    draw = np.random.default_rng(5).normal
    learnt_from, others = (draw(3, [1, 5, 0.1], size=(n, 3)).astype(np.float32) for n in (30, 8))
    own, found = scaled(learnt_from, learnt_from), scaled(others, learnt_from)
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.mean(np.sum(own**2, axis=1)), 1)
    ratios = (others[1:] - others[:1]) / (found[1:] - found[:1])
    np.testing.assert_allclose(ratios, ratios[0, 0], rtol=1e-4)
    np.testing.assert_array_equal(scaled(others[:1], others[[0, 0]]), [[0, 0, 0]])


def test_the_error_is_the_share_of_queries_that_get_another_class():
    cases = np.array([[0.0], [1.0], [0.2], [0.9], [0.4], [0.3]])
    one = Episodes(np.array([[[0, 1], [1, 0]]]), np.array([[[2, 3], [4, 5]]]))
    assert error_percent(nearest_mean, cases, one, 1) == 75  # .2 alone is on the right side of ½
    both = Episodes(one.support[[0, 0]], np.concatenate([one.queries, one.queries[:, ::-1]]))
    assert error_percent(nearest_mean, cases, both, 1) == 50, "averaged over episodes"
    assert np.isnan(error_percent(nearest_mean, np.append(cases, [[np.nan]], axis=0), one, 1))


def features(seed, labels, noise=1.0):
    """Four numbers of each case, classes apart along all of them."""
    draw = np.random.default_rng(seed).normal
    return Encoded(draw(size=(8, 4))[labels] + noise * draw(size=(len(labels), 4)), labels)


@pytest.fixture(scope="module")
def known():
    return features(0, np.repeat([0, 1, 2, 3], 12)), features(1, LABELS)


def judged(known, seed=(1, 2), how=HOW):
    return assess(how, seed, known[0].values, *known)


def test_errors_are_those_of_episodes_drawn_by_the_seed(known):
    metrics, tried = judged(known)
    assert set(metrics) == {
        f"{name}_{k}_shot"
        for name in ("error_percent_mean", "error_percent_logistic", "inverse_penalty")
        for k in HOW.shots
    }
    assert judged(known) == (metrics, tried) != judged(known, seed=(1, 3))
    assert 0 < metrics["error_percent_mean_4_shot"] < metrics["error_percent_mean_1_shot"] < 200 / 3


def test_the_penalty_is_the_best_of_those_tried_and_the_first_of_equals(known):
    metrics, tried = judged(known)
    for k in HOW.shots:
        errors = tried[f"valid_error_percent_logistic_{k}_shot"]
        assert (
            len(errors) == 3
            and metrics[f"inverse_penalty_{k}_shot"] == HOW.inverse_penalties[errors.index(min(errors))]
        )
    assert len({*tried["valid_error_percent_logistic_4_shot"]}) > 1
    apart = features(0, known[0].labels, noise=0.0)
    assert judged((apart, known[1]))[0]["inverse_penalty_4_shot"] == HOW.inverse_penalties[0]


def test_no_test_label_and_no_test_case_chooses(known):
    choosing, testing = known
    others = Encoded(testing.values[::-1], np.random.default_rng(9).permutation(testing.labels))
    (metrics, tried), (swapped, retried) = judged(known), judged((choosing, others))
    assert tried == retried
    for name, value in metrics.items():
        assert (swapped[name] == value) == name.startswith("inverse_penalty"), name


def test_nothing_but_the_scale_and_the_penalty_is_taken_from_other_cases(known):
    """The nearest mean needs neither."""
    metrics, others = judged(known), judged((features(7, known[0].labels), known[1]))
    assert metrics[0]["error_percent_mean_4_shot"] == others[0]["error_percent_mean_4_shot"]
    assert metrics[1] != others[1]
