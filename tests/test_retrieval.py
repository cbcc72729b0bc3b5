"""How well codes find documents of their class, and what latent semantic analysis makes of documents."""

import jax
import numpy as np
import pytest
import scipy.linalg
from oracle import precision_at
from scipy.sparse import csr_array

from repro.data.dataset import Cases, Dataset
from repro.evaluation import retrieval
from repro.evaluation.baselines import fit_lsa, log_counts
from repro.evaluation.retrieval import precision
from repro.runs.config import SemanticAnalysis
from repro.runs.linear import run_lsa

pytestmark = pytest.mark.usefixtures("single_precision")

# means of at most 40 fractions in float32, 40 x 6e-8; one miscounted document is 1 / (40 x 31) = 8e-4
COUNTED = {"rtol": 3e-6}


def random_codes(n, n_classes=3):
    """Codes that tell the classes apart, but not well."""
    draw = np.random.default_rng(n)
    labels = draw.integers(0, n_classes, n).astype(np.int32)
    codes = draw.normal(size=(n_classes, 3))[labels] + draw.normal(size=(n, 3))
    return codes.astype(np.float32), labels


def assert_counted(found, codes, labels):
    for name, value in found.items():
        rank = int(name.removeprefix("precision_at_"))
        np.testing.assert_allclose(value, precision_at(codes, labels, rank), err_msg=name, **COUNTED)


@pytest.mark.parametrize(
    ("n", "ranks"), [(1, []), (2, [1]), (3, [1]), (4, [1, 3]), (8, [1, 3, 7]), (40, [1, 3, 7, 15, 31])]
)
def test_precision_is_counted_as_by_hand_at_the_ranks_below_the_number_of_cases(n, ranks):
    codes, labels = random_codes(n)
    found = precision(codes, labels)
    assert list(found) == [f"precision_at_{k}" for k in ranks]
    assert_counted(found, codes, labels)


def test_a_single_class_is_found_at_every_rank_up_to_1023():
    draw = np.random.default_rng(0).normal(size=(1024, 2)).astype(np.float32)
    ranks = [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023]
    assert precision(draw, np.full(1024, 4, np.int32)) == {f"precision_at_{k}": 1.0 for k in ranks}


def test_among_equals_and_codes_of_length_zero_the_earlier_document_comes_first():
    """Along the axes every length, quotient and cosine is exact: nearly all of them are ties."""
    draw = np.random.default_rng(1)
    axes = np.array([[0, 0, 0], [4, 0, 0], [0, 0.5, 0], [-1, 0, 0], [0, 0, 2]], np.float32)
    codes, labels = axes[draw.integers(0, 5, 40)], draw.integers(0, 3, 40).astype(np.int32)
    assert (np.abs(codes).sum(axis=1) == 0).sum() > 4
    found = precision(codes, labels)
    assert_counted(found, codes, labels)
    backwards = [precision_at(codes[::-1], labels[::-1], k) for k in (1, 3, 7, 15, 31)]
    assert not np.allclose(list(found.values()), backwards, **COUNTED), "a case in which the order matters"


def test_the_query_itself_is_never_found():
    """Of classes with one member each there is nothing to find but the query."""
    codes, _ = random_codes(40)
    assert set(precision(codes, np.arange(40, dtype=np.int32)).values()) == {0.0}


def test_only_the_direction_of_a_code_counts():
    codes, labels = random_codes(40)
    scales = 2.0 ** np.random.default_rng(2).integers(-12, 12, (40, 1))  # powers of two: nothing is rounded
    assert precision((codes * scales).astype(np.float32), labels) == precision(codes, labels)
    inner_products = codes * scales @ (codes * scales).T
    np.fill_diagonal(inner_products, -np.inf)
    assert (inner_products.argmax(1) != (codes @ codes.T - np.diag([np.inf] * 40)).argmax(1)).any()


@pytest.fixture
def in_blocks(monkeypatch):
    """Precision with as many similarities held at a time as asked for, and the program that counts it."""
    traced = retrieval._precision.__wrapped__

    def precision_in_blocks(block, codes, labels):
        program = jax.jit(lambda *args: traced(*args), static_argnums=2)  # new: BLOCK is read in tracing
        monkeypatch.setattr(retrieval, "BLOCK", block)
        monkeypatch.setattr(retrieval, "_precision", program)
        return precision(codes, labels), str(jax.make_jaxpr(program, static_argnums=2)(codes, labels, 31))

    return precision_in_blocks


@pytest.mark.parametrize(
    ("block", "queries"), [(1, 1), (7 * 40 + 39, 7), (8 * 40, 8)], ids=["single", "ragged", "even"]
)
def test_blocks_bound_the_memory_and_change_nothing(in_blocks, block, queries):
    codes, labels = random_codes(40)
    whole, held = in_blocks(2**26, codes, labels)
    assert "f32[40,40]" in held
    cut, held = in_blocks(block, codes, labels)
    assert "f32[40,40]" not in held and (queries == 1 or f"f32[{queries},40]" in held)
    assert cut == whole
    assert_counted(cut, codes, labels)


# --- latent semantic analysis ------------------------------------------------------------------------


def counts(n, seed, dtype=np.float32):
    """n documents over forty words, the first far commoner than the last."""
    draw = np.random.default_rng(seed)
    rates = draw.gamma(0.5, size=(n, 40)) * np.geomspace(6, 0.3, 40)
    return csr_array(draw.poisson(rates).astype(dtype))


def by_dense_svd(train, test, n, dtype=np.float32):
    """Codes of test documents: log(1 + count) along the first right singular vectors, not centred.

    And how exact an iteration on AᵀA can be: 100 eps σ₁² over the smallest gap between the σᵢ².
    """
    *_, sizes, directions = scipy.linalg.svd(np.log(1 + train.toarray().astype(float)), full_matrices=False)
    exactness = 100 * np.finfo(dtype).eps * sizes[0] ** 2 / (-np.diff(sizes**2))[:n].min()
    return np.log(1 + test.toarray().astype(float)) @ directions[:n].T, exactness


def assert_equal_up_to_signs(found, codes, atol):
    assert atol < 5e-3 < 0.1 < np.abs(codes).max(axis=0).min()
    np.testing.assert_allclose(found * np.sign((found * codes).sum(axis=0)), codes, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 3, 7])
def test_lsa_is_the_dense_singular_value_decomposition_of_log_counts(n, dtype):
    train, test = counts(60, 0, dtype), counts(9, 5, dtype)
    found = fit_lsa(train, n).transform(log_counts(test))
    assert_equal_up_to_signs(found, *by_dense_svd(train, test, n, dtype))


def test_lsa_is_the_same_twice():
    once, again = (fit_lsa(counts(60, 0), 3).components_ for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_log_counts_keep_the_pattern_and_leave_the_counts_alone():
    raw = counts(60, 0)
    logs = log_counts(raw)
    assert isinstance(logs, csr_array) and logs.dtype == np.float32 and logs.shape == raw.shape
    np.testing.assert_array_equal(logs.indices, raw.indices)
    np.testing.assert_array_equal(logs.indptr, raw.indptr)
    np.testing.assert_allclose(logs.toarray(), np.log(1 + counts(60, 0).toarray()), rtol=3e-7)
    np.testing.assert_array_equal(raw.toarray(), counts(60, 0).toarray())


def test_the_lsa_arm_looks_test_documents_up_and_never_makes_counts_dense(monkeypatch):
    draw = np.random.default_rng(3)
    train, valid, test = (Cases(counts(n, n), draw.integers(0, 2, n).astype(np.int32)) for n in (20, 10, 18))
    names = ("wheat", "trade")
    data = Dataset("made up", "embedded", "count", "0", train, valid, test, classes=names)
    both = csr_array(np.concatenate([train.inputs.toarray(), valid.inputs.toarray()]))
    codes, exactness = by_dense_svd(both, test.inputs, 2)

    def refused(*_, **__):
        raise AssertionError("sparse counts were made dense")

    with monkeypatch.context() as patch:
        patch.setattr(csr_array, "toarray", refused)
        patch.setattr(csr_array, "todense", refused)
        outcome = run_lsa(SemanticAnalysis("reuters21578", 2), data, jax.vmap(jax.random.key)(np.arange(2)))
    by_class = np.concatenate([codes[test.labels == c] for c in (0, 1)])
    assert_equal_up_to_signs(outcome.arrays["codes"][1], by_class, exactness)
    ranks = [name for name in outcome.metrics if "precision" in name]
    assert ranks == [f"test_precision_at_{k}" for k in (1, 3, 7, 15)] and not outcome.curves
    for name in ranks:
        expected = precision_at(codes, test.labels, int(name.rpartition("_")[2]))
        np.testing.assert_allclose(outcome.metrics[name], [expected] * 2, **COUNTED)


def test_codes_that_are_not_numbers_have_no_precision():
    """A seed that diverged must not look like chance."""
    codes = np.full((8, 2), np.nan, np.float32)
    assert all(np.isnan(share) for share in precision(codes, np.zeros(8, np.int32)).values())
