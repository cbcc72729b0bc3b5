"""The estimators: scikit-learn's own checks, and that they are the library's networks and nothing else."""

import io
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from refusal import refused
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import repro
from repro import DeepAutoencoder, StackedRBM
from repro.data.own import propose
from repro.models.stack import down, up
from repro.runs.autoencoding import autoencode
from repro.runs.config import Autoencoding, Epochs, Glorot, Network, Pretrained
from repro.runs.outcome import weights
from repro.training.contrastive import Contrastive
from repro.training.greedy import Pretraining
from repro.training.optimisers import Adam

pytestmark = pytest.mark.usefixtures("single_precision")
RANDOM = np.random.default_rng(5)
BINARY = RANDOM.random((60, 9)).astype(np.float32)
CASES = {
    "binary": BINARY,
    "real": RANDOM.normal([3, -40, 0], [1, 20, 0.01], (60, 3)),
    "count": scipy.sparse.csr_array(RANDOM.poisson(0.4, (60, 12))),
}
SMALL = DeepAutoencoder((5, 2), optimiser="adam", n_epochs=2, pretraining_epochs=2, random_state=0)


SMALLEST = clone(SMALL).set_params(widths=(2,), n_epochs=1, pretraining_epochs=1)


@parametrize_with_checks([SMALLEST, StackedRBM((2,), n_epochs=1)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", CASES)
def test_it_is_the_network_that_a_run_trains(kind, monkeypatch):
    """The same weights, bit for bit, as of the run with the same configuration, cases and seed."""
    from repro.data.dataset import Cases, Dataset

    inputs = propose(CASES[kind]).apply(CASES[kind])
    cases = Cases(inputs, np.arange(60, dtype=np.int32) % 2)
    few = Cases(inputs[:10], cases.labels[:10])
    data = Dataset("mine", "own", kind, "", cases, Cases(inputs[:0], cases.labels[:0]), few)
    start = Pretrained(Pretraining(2, 6, first_learning_rate=0.001 if kind == "real" else None))
    config = Autoencoding("mine", Network((5, 2)), start, Adam(1e-3), Epochs(2), 6)
    fitted = clone(SMALL).set_params(kind=kind).fit(CASES[kind])
    keys = jax.vmap(jax.random.key)(np.array([fitted.seed_]))
    theirs = weights(autoencode(config, data, keys).layers, 0)
    for name, ours in weights([(w[None], b[None]) for w, b in fitted.layers_], 0).items():
        np.testing.assert_array_equal(ours, theirs[name], err_msg=name)


@pytest.mark.parametrize("kind", CASES)
def test_codes_reconstructions_and_score_are_those_of_its_layers(kind):
    """NumPy's products of the layers, whatever units the cases are in."""
    x = CASES[kind]
    fitted = clone(SMALL).set_params(kind=kind).fit(x)
    (w0, b0), (w1, b1), (w2, b2), (w3, b3) = [(w.astype(float), b) for w, b in fitted.layers_]

    def logistic(x):
        return 1 / (1 + np.exp(-x))

    inputs = fitted.scaling_.apply(x)
    inputs = inputs.toarray() if kind == "count" else inputs
    codes = logistic(inputs @ w0 + b0) @ w1 + b1
    outputs = logistic(codes @ w2 + b2) @ w3 + b3
    means = {
        "binary": logistic(outputs),
        "real": outputs,
        "count": np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True),
    }[kind]
    np.testing.assert_allclose(fitted.transform(x), codes, rtol=1e-4, atol=1e-5)
    back = fitted.inverse_transform(fitted.transform(x))
    np.testing.assert_allclose(back, fitted.scaling_.undo(means.astype(np.float32)), rtol=1e-4, atol=1e-5)
    cases = inputs / np.maximum(inputs.sum(axis=1, keepdims=True), 1) if kind == "count" else inputs
    np.testing.assert_allclose(fitted.score(x), -((cases - means) ** 2).sum(axis=1).mean(), rtol=1e-4)


@pytest.mark.parametrize("kind", CASES)
def test_a_stack_climbs_and_comes_down_by_its_own_machines(kind):
    fitted = StackedRBM((5, 2), kind=kind, n_epochs=2, random_state=0).fit(CASES[kind])
    from repro.models.rbm import RBM

    (w0, c0), (w1, c1), (_, b1), (_, b0) = fitted.layers_
    stack = (RBM(*map(jnp.asarray, (w0, b0, c0))), RBM(*map(jnp.asarray, (w1, b1, c1))))
    inputs = fitted.scaling_.apply(CASES[kind])
    inputs = inputs.toarray() if kind == "count" else inputs
    codes = fitted.transform(CASES[kind])
    np.testing.assert_allclose(codes[7], up(stack, jnp.asarray(inputs[7]), kind), rtol=1e-4, atol=1e-5)
    back = fitted.scaling_.apply(fitted.inverse_transform(codes))
    back = back.toarray() if kind == "count" else back
    np.testing.assert_allclose(back[7], down(stack, jnp.asarray(codes[7]), kind), rtol=1e-4, atol=1e-4)


def test_in_a_pipeline_its_parameters_are_searched():
    labels = (BINARY[:, 0] > 0.5).astype(int)
    search = GridSearchCV(
        make_pipeline(clone(SMALL), LogisticRegression()), {"deepautoencoder__widths": [(2,), (5, 2)]}, cv=2
    )
    search.set_params(estimator__deepautoencoder__pretraining_epochs=1, refit=False).fit(BINARY, labels)
    assert len(search.cv_results_["mean_test_score"]) == 2
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_the_same_random_state_is_the_same_network_and_another_another():
    codes = [clone(SMALL).set_params(random_state=seed).fit_transform(BINARY) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert not np.allclose(codes[0], codes[2])


@pytest.mark.parametrize(
    "estimator",
    [
        SMALL,
        DeepAutoencoder((2,), start=Glorot(), optimiser=Adam(1e-3), activation="relu", n_epochs=1),
        StackedRBM((3,), n_epochs=1, contrastive=Contrastive(k=2), random_state=np.random.RandomState(1)),
    ],
)
def test_what_is_saved_is_loaded(tmp_path, estimator):
    fitted = clone(estimator).fit(CASES["real"])
    fitted.save(tmp_path / "mine.npz")
    loaded = repro.load(tmp_path / "mine.npz")
    assert type(loaded) is type(fitted)
    ours, theirs = (each.get_params() | {"random_state": None} for each in (fitted, loaded))
    assert ours == theirs
    np.testing.assert_array_equal(loaded.transform(CASES["real"]), fitted.transform(CASES["real"]))
    again = [each.inverse_transform(fitted.transform(CASES["real"])) for each in (loaded, fitted)]
    np.testing.assert_array_equal(*again)
    assert [*loaded.get_feature_names_out()] == [*fitted.get_feature_names_out()]
    pickle.loads(pickle.dumps(loaded))


def test_widths_of_numpy_are_saved(tmp_path):
    fitted = clone(SMALL).set_params(widths=np.array([3, 2])).fit(BINARY)
    fitted.save(tmp_path / "mine.npz")
    assert repro.load(tmp_path / "mine.npz").widths == (3, 2)


def test_what_are_no_counts_are_refused_where_counts_were_learnt_from():
    fitted = clone(SMALL).fit(CASES["count"])
    with pytest.raises(ValueError, match="count values are not below 0"):
        fitted.transform(-CASES["count"])
    with pytest.raises(ValueError, match="counts are whole numbers"):
        fitted.score(0.5 * CASES["count"])


def test_pixels_are_what_they_are_for_the_command(tmp_path):
    pixels = (BINARY * 127).astype(np.uint8)
    assert clone(SMALL).fit(pixels).scaling_.said == propose(pixels).said
    assert "divided by 255" in propose(pixels).said


def test_nothing_is_unpickled(tmp_path):
    """A file whose arrays are objects would run code if they were."""
    content = io.BytesIO()
    np.savez(content, about=np.array([{}], object), allow_pickle=True)
    (tmp_path / "bad.npz").write_bytes(content.getvalue())
    refused(r"bad\.npz is no saved estimator \(.*allow_pickle", repro.load, tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("estimator", "Nobody", "Nobody"),
        ("parameters", {"widths": [2], "optimiser": {"kind": "nobody"}}, "optimiser is not one of today's"),
        ("parameters", {"width": [2]}, "unexpected keyword argument 'width'"),
    ],
)
def test_a_damaged_file_is_refused_in_a_line(tmp_path, name, value, says):
    clone(SMALL).fit(BINARY).save(tmp_path / "mine.npz")
    with np.load(tmp_path / "mine.npz") as arrays:
        found = dict(arrays)
    found["about"] = np.array(json.dumps(json.loads(str(found["about"])) | {name: value}))
    np.savez(tmp_path / "mine.npz", **found)
    assert says in refused(r"mine\.npz is no saved estimator", repro.load, tmp_path / "mine.npz")


@pytest.mark.parametrize("content", [b"", b"PK", b"nonsense"])
def test_no_file_of_ours_is_refused_in_a_line(tmp_path, content):
    (tmp_path / "mine.npz").write_bytes(content)
    refused(r"mine\.npz is no saved estimator", repro.load, tmp_path / "mine.npz")
    refused(r"nobody\.npz is no saved estimator", repro.load, tmp_path / "nobody.npz")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"start": "pretraind"}, "did you mean 'pretrained'"),
        ({"optimiser": "sgdd"}, "optimiser='sgdd'"),
        ({"activation": "sine"}, "activation: input should be 'logistic'"),
        ({"widths": (0,)}, "widths=0: it must be"),
        ({"kind": "count"}, "kind count has whole numbers alone"),
        ({"kind": "bin"}, "did you mean 'binary'"),
        ({"optimiser": None}, "optimiser=None"),
        ({"widths": 3}, "widths=3: it must be a list of layers"),
        ({"widths": (3.5,)}, "widths=3.5: it must be a whole number"),
        ({"batch_size": 0}, "batch_size=0: it must be a whole number, at least 1"),
        ({"pretraining_epochs": 0}, "pretraining_epochs=0"),
        ({"n_epochs": 0}, "n_epochs=0"),
    ],
)
def test_a_parameter_of_no_use_is_a_value_error(wrong, says):
    with pytest.raises(ValueError, match=says):
        clone(SMALL).set_params(**wrong).fit(BINARY)
