"""What a run has to say: examples, codes and retrieval, and which data they come from."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from oracle import precision_at
from scipy.sparse import csr_array

from repro.data.dataset import Cases, Dataset
from repro.runs.config import Autoencoding, Epochs, Glorot, Network, Rates, tuning_of
from repro.runs.outcome import codes, examples, on_device, pictures, retrieval
from repro.runs.programs import PROGRAMS
from repro.training.counts import Counts
from repro.training.optimisers import Adam

pytestmark = pytest.mark.usefixtures("single_precision")


def dataset(kind, test, labels, classes=()):
    """A data set of which the test cases matter."""
    labels = np.asarray(labels, np.int32)
    few = Cases(test[:3], labels[:3])
    return Dataset("made up", "embedded", kind, "0", few, few, Cases(test, labels), classes)


def images(n, low=0.0, high=1.0):
    return np.random.default_rng(n).uniform(low, high, (n, 5)).astype(np.float32)


def two_seeds(x):
    """Reconstructions of two seeds that differ, beyond [0, 1] too."""
    return np.stack([1.5 * x - 0.2, x[:, ::-1]])


def as_bytes(x):
    """255ths, one number at a time."""
    return np.array([min(255, max(0, round(255 * float(v)))) for v in np.ravel(x)]).reshape(np.shape(x))


# --- examples ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "shown"),
    [([0] * 15, range(10)), ([7] * 4, range(4)), ([2, 1, 1, 2, 0, 1, 0, 2, 2, 0, 0, 0, 0, 0, 0], [4, 1, 0])],
    ids=["no classes", "fewer than ten", "classes"],
)
def test_examples_are_the_first_of_each_class_or_the_first_ten_where_there_are_none(labels, shown):
    for kind in ("binary", "real"):
        x = images(len(labels))
        found = examples(dataset(kind, x, labels), two_seeds)
        expected = np.stack([x[list(shown)]] * 2), two_seeds(x[list(shown)])
        for name, images_shown in zip(("inputs", "reconstructions"), expected, strict=True):
            images_shown = as_bytes(images_shown) if kind == "binary" else images_shown
            np.testing.assert_array_equal(found[f"example_{name}"], images_shown)


def test_binary_images_are_kept_in_255ths_and_real_ones_as_they_are():
    pixels = np.array([[0, 1, 0.3 / 255, 0.7 / 255, 254.4 / 255]], np.float32)
    found = examples(dataset("binary", pixels, [0]), lambda x: np.float64(x)[None] * [1, 1.01, 1, -9, 1])
    assert {image.dtype for image in found.values()} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(found["example_inputs"], [[[0, 255, 0, 1, 254]]])
    np.testing.assert_array_equal(found["example_reconstructions"], [[[0, 255, 0, 0, 254]]])
    patches = images(3, -4, 4)
    found = examples(dataset("real", patches, [0, 0, 0]), lambda x: np.float64(x)[None] / 3)
    assert {image.dtype for image in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["example_inputs"], patches[None])
    np.testing.assert_array_equal(
        found["example_reconstructions"], (np.float64(patches) / 3)[None].astype("f")
    )


# --- codes -------------------------------------------------------------------------------------------


def first_two(x):
    """Two units, which say which case is encoded; of the second seed with the sign reversed."""
    x = x.toarray() if isinstance(x, csr_array) else x
    return np.stack([x[:, :2], -x[:, :2]]).astype(np.float64)


@pytest.fixture
def numbered():
    """1600 cases of three unequal classes in random order; the first unit is the number of the case."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 3, 5], [900, 697, 3]))
    return np.stack([np.arange(1600), np.ones(1600), np.ones(1600)], axis=1).astype(np.float32), labels


def test_codes_are_those_of_the_first_500_of_each_class_with_their_labels(numbered):
    x, labels = numbered
    found = codes(dataset("binary", x, labels), first_two)
    assert set(found) == {"codes", "code_labels"}
    assert found["codes"].shape == (2, 1003, 2) and found["codes"].dtype == np.float32
    np.testing.assert_array_equal(found["code_labels"], [np.repeat([0, 3, 5], [500, 500, 3])] * 2)
    for label in (0, 3, 5):
        expected = [i for i in range(1600) if labels[i] == label][:500]
        for sign, of_seed, its_labels in zip((1, -1), found["codes"], found["code_labels"], strict=True):
            np.testing.assert_array_equal(sign * of_seed[its_labels == label, 0], expected)


@pytest.mark.parametrize("n_units", [1, 3])
def test_codes_of_other_than_two_units_are_not_shown(numbered, n_units):
    data = dataset("count", csr_array(numbered[0]), numbered[1] % 2, ("wheat", "trade"))
    assert codes(data, lambda x: x.toarray()[None, :, :n_units]) == {}


def test_documents_have_no_examples_and_the_names_of_their_classes_with_the_codes(numbered):
    x, labels = numbered

    def never(_):
        raise AssertionError("documents are not reconstructed for pictures")

    names = ("acq", "corn", "dlr", "earn", "gold", "trade")
    found = pictures(dataset("count", csr_array(x), labels, names), never, first_two)
    assert set(found) == {"codes", "code_labels", "class_names", "class_sizes"}
    np.testing.assert_array_equal(found["class_names"], [names] * 2)
    np.testing.assert_array_equal(found["class_sizes"], [np.bincount(labels, minlength=6)] * 2)
    dense = codes(dataset("binary", x, labels), first_two)
    for name, expected in dense.items():
        np.testing.assert_array_equal(found[name], expected)
    assert "class_names" not in dense


def test_images_have_examples_and_codes(numbered):
    x, labels = numbered
    found = pictures(dataset("real", x, labels), lambda x: x[None], first_two)
    assert set(found) == {"example_inputs", "example_reconstructions", "codes", "code_labels"}


# --- counts ------------------------------------------------------------------------------------------


def counts(n, seed):
    """n documents over twelve words; those of the second class use other words more."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.arange(n, dtype=np.int32) % 2)
    rates = np.where(labels[:, None] == 1, np.geomspace(0.2, 3, 12), np.geomspace(3, 0.2, 12))
    return Cases(csr_array(draw.poisson(rates).astype(np.float32)), labels)


@pytest.fixture
def documents():
    parts = counts(12, 1), counts(6, 2), counts(12, 3)
    return Dataset("made up", "embedded", "count", "0", *parts, classes=("wheat", "trade"))


def test_counts_stay_sparse_on_the_device_and_images_what_they_are(documents):
    found = on_device(documents.test.inputs)
    assert isinstance(found, Counts)
    np.testing.assert_array_equal(found[jax.numpy.arange(len(found))], documents.test.inputs.toarray())
    found = on_device(images(4))
    assert isinstance(found, jax.Array) and found.dtype == np.float32
    np.testing.assert_array_equal(found, images(4))


def test_retrieval_is_counted_for_each_seed_on_the_test_documents(documents, monkeypatch):
    of_seeds = np.random.default_rng(4).normal(size=(3, 12, 4))
    asked = []

    def encode(x):
        asked.extend(x.toarray())
        return of_seeds[:, len(asked) - x.shape[0] : len(asked)]

    monkeypatch.setattr("repro.runs.outcome.ENCODED", 5)
    found = retrieval(documents, encode)
    np.testing.assert_array_equal(asked, documents.test.inputs.toarray())
    assert list(found) == [f"test_precision_at_{k}" for k in (1, 3, 7)]
    for k in (1, 3, 7):
        expected = [precision_at(one, documents.test.labels, k) for one in of_seeds]
        np.testing.assert_allclose(found[f"test_precision_at_{k}"], expected, rtol=3e-6)
        assert len(set(expected)) > 1, "seeds that differ"


ARM = Autoencoding(
    data="made up",
    network=Network((2,)),
    start=Glorot(),
    optimiser=Adam(0.01),
    budget=Epochs(1),
    batch_size=6,
)


def run(config, data):
    return PROGRAMS[type(config)](config, data, jax.random.key(0)[None])


def test_an_arm_on_documents_records_how_well_its_own_codes_find_test_documents(documents):
    """The codes it shows, sorted by class, find each other as well as the metrics say."""
    outcome = run(ARM, documents)
    ranks = [name for name in outcome.metrics if "precision" in name]
    assert ranks == [f"test_precision_at_{k}" for k in (1, 3, 7)]
    shown, labels = outcome.arrays["codes"], outcome.arrays["code_labels"]
    assert shown.shape == (1, 12, 2)
    for name in ranks:
        k = int(name.rpartition("_")[2])
        np.testing.assert_allclose(outcome.metrics[name], [precision_at(shown[0], labels[0], k)], rtol=3e-6)


def test_the_choice_of_a_rate_needs_no_test_document(documents):
    nothing = Cases(csr_array((0, 12), dtype=np.float32), np.zeros(0, np.int32))
    arm = replace(ARM, optimiser=Adam(), tuning=Rates((0.01,), (1,)))
    metrics = run(tuning_of(arm), replace(documents, test=nothing)).metrics
    assert metrics["learning_rate"] == [0.01] and np.isfinite(metrics["valid_cross_entropy_rate_0.01"])
    assert not [name for name in metrics if "test" in name or "precision" in name]


def test_an_arm_on_images_shows_its_final_network_and_looks_nothing_up():
    """Where all test images are shown, and not rounded, their error is the score."""
    data = dataset("real", images(10), [0] * 10)
    outcome = run(ARM, replace(data, train=Cases(images(20), np.zeros(20, np.int32))))
    x, shown = (outcome.arrays[f"example_{name}"] for name in ("inputs", "reconstructions"))
    np.testing.assert_array_equal(x[0], data.test.inputs)
    score = ((x - shown) ** 2).sum(axis=-1).mean(axis=-1)
    np.testing.assert_allclose(outcome.metrics["test_squared_error"], score, rtol=3e-6)
    assert outcome.metrics["test_squared_error"] != outcome.metrics["test_squared_error_before"]
    assert not [name for name in outcome.metrics if "precision" in name]
