"""Locally linear embedding: against its definition [roweis2000nonlinear], solved another way."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from oracle import cosine, precision_at
from pydantic import ValidationError
from scipy.sparse import csr_array

from repro.data.dataset import Cases, Dataset
from repro.errors import UserError
from repro.evaluation.baselines import fit_lle, unit_log_counts
from repro.runs.config import LocallyLinear
from repro.runs.embedding import run_lle

pytestmark = pytest.mark.usefixtures("single_precision")

LOGS = 1e-6  # logarithms are rounded to 6e-8, and the eigenvectors hang on gaps
CONFIG = LocallyLinear("made up", 3, n_neighbors=(4, 6, 9))


def documents(n, seed):
    """n documents of two classes over twenty words, which they use differently, but not very."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, n).astype(np.int32)
    topics = draw.gamma(1.0, size=(n, 20)) * np.where(
        labels[:, None] == 1, *np.geomspace([3, 1], [1, 3], 20).T
    )
    return Cases(csr_array(draw.poisson(topics).astype(np.float32)), labels)


@pytest.fixture
def data():
    return Dataset("made up", "embedded", "count", "0", documents(60, 1), documents(24, 2), documents(30, 3))


def weights(x, others, n_neighbors):
    """Those of the nearest by cosine that sum to 1 and make x best, the squares weighed by a thousandth of
    the trace: the Lagrangian's linear system, unknowns and multiplier at once.
    """
    nearest = sorted(range(len(others)), key=lambda j: -cosine(x, others[j]))[:n_neighbors]
    gaps = x - others[nearest]
    gram = gaps @ gaps.T
    gram = gram + 1e-3 * np.trace(gram) * np.eye(n_neighbors)
    system = np.block([[2 * gram, np.ones((n_neighbors, 1))], [np.ones((1, n_neighbors)), np.zeros((1, 1))]])
    found = np.zeros(len(others))
    found[nearest] = np.linalg.solve(system, [*[0] * n_neighbors, 1])[:-1]
    return found


def embedded(train, new, n_components, n_neighbors):
    """Codes of new documents: the singular vectors of I - W with the smallest values but 0, interpolated."""
    x, y = (np.log(1 + counts.toarray().astype(float)) for counts in (train, new))
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    rows = [np.insert(weights(x[i], np.delete(x, i, axis=0), n_neighbors), i, 0) for i in range(len(x))]
    *_, values, vectors = np.linalg.svd(np.eye(len(x)) - np.array(rows))
    smallest = values[::-1][: n_components + 2]
    assert smallest[0] < 1e-12 < 1e-3 < np.diff(smallest**2).min() / smallest[-1] ** 2, (
        "one component, no ties"
    )
    axes = vectors[::-1][1 : n_components + 1].T
    return np.array([weights(row, x, n_neighbors) @ axes for row in y])


@pytest.mark.parametrize("n_neighbors", [4, 9])
def test_new_documents_stand_where_the_definition_puts_them(data, n_neighbors):
    lle = fit_lle(data.train.inputs, 3, n_neighbors)
    found = lle.transform(unit_log_counts(data.test.inputs))
    expected = embedded(data.train.inputs, data.test.inputs, 3, n_neighbors)
    np.testing.assert_allclose(found * np.sign((found * expected).sum(axis=0)), expected, rtol=0, atol=LOGS)


def both(data):
    """All training documents."""
    return csr_array(np.concatenate([data.train.inputs.toarray(), data.valid.inputs.toarray()]))


def run(data, config=CONFIG):
    return run_lle(config, data, jax.vmap(jax.random.key)(np.arange(2)))


def chosen_by_hand(data, train):
    """Precisions at 7 of the validation documents, by number of neighbours."""
    of = {n: embedded(train, data.valid.inputs, 3, n) for n in CONFIG.n_neighbors}
    return {n: precision_at(codes, data.valid.labels, 7) for n, codes in of.items()}


def test_the_number_of_neighbours_is_chosen_on_the_validation_documents_and_all_teach_then(data):
    metrics = run(data).metrics
    tried = chosen_by_hand(data, data.train.inputs)
    for n, precision in tried.items():
        np.testing.assert_allclose(metrics[f"valid_precision_at_7_neighbors_{n}"], [precision] * 2, rtol=3e-6)
    best = max(tried, key=tried.__getitem__)
    assert len({*tried.values()}) == 3 and list(metrics["n_neighbors"]) == [best] * 2
    codes = embedded(both(data), data.test.inputs, 3, best)
    for k in (1, 3, 7, 15):
        expected = precision_at(codes, data.test.labels, k)
        np.testing.assert_allclose(metrics[f"test_precision_at_{k}"], [expected] * 2, rtol=3e-6)


def test_test_documents_choose_nothing(data):
    others = replace(data, test=documents(20, 9))
    ours, theirs = run(data).metrics, run(others).metrics
    assert ours["test_precision_at_1"][0] != theirs["test_precision_at_1"][0]
    for name in ("n_neighbors", *(name for name in ours if name.startswith("valid"))):
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_the_first_cases_teach_where_there_are_too_many(data):
    fewer = replace(data, train=Cases(data.train.inputs[:40], data.train.labels[:40]))
    fewer = replace(fewer, valid=data.valid)
    ours = run(data, replace(CONFIG, n_cases=40)).metrics
    tried = chosen_by_hand(fewer, fewer.train.inputs)
    for n, precision in tried.items():
        np.testing.assert_allclose(ours[f"valid_precision_at_7_neighbors_{n}"], [precision] * 2, rtol=3e-6)
    codes = embedded(data.train.inputs[:40], data.test.inputs, 3, int(ours["n_neighbors"][0]))
    expected = precision_at(codes, data.test.labels, 7)
    np.testing.assert_allclose(ours["test_precision_at_7"], [expected] * 2, rtol=3e-6)


def test_codes_of_two_numbers_are_kept(data):
    data = replace(data, classes=("wheat", "trade"))
    outcome = run(data, replace(CONFIG, n_components=2))
    assert outcome.arrays["codes"].shape == (2, 30, 2) and not outcome.curves
    assert "codes" not in run(data).arrays


def test_more_neighbours_than_documents_are_refused(data):
    with pytest.raises(
        UserError, match=r"^n_neighbors: \(60,\) of 60 training documents of made up are too man"
    ):
        run(data, replace(CONFIG, n_neighbors=(60,)))


@pytest.mark.parametrize("tried", [(), (5, 5), (0,)])
def test_what_cannot_be_chosen_from_is_refused(tried):
    with pytest.raises(ValidationError, match="n_neighbors"):
        replace(CONFIG, n_neighbors=tried)
