"""Word counts that are sparse on the device: what is learnt from them is what is learnt from dense ones."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.sparse import csr_array
from tiny import cut

import repro.data
from repro.evaluation import reconstruction
from repro.evaluation.reconstruction import loss_of_mean, scores
from repro.models.autoencoder import Architecture, random_network
from repro.models.initialise import glorot
from repro.models.rbm import Units
from repro.models.stack import random_stack
from repro.runs import autoencoding, tuning
from repro.runs.config import Autoencoding, Epochs, Glorot, Network, Pretrained, Rates, tuning_of
from repro.runs.programs import PROGRAMS
from repro.training import counts
from repro.training.contrastive import Contrastive, contrastive_trainer
from repro.training.counts import Counts, counts_of, of_each
from repro.training.fit import one_epoch, over_seeds
from repro.training.greedy import Pretraining, climb
from repro.training.optimisers import Adam, HessianFree

pytestmark = pytest.mark.usefixtures("single_precision")


@pytest.fixture
def documents():
    """Six documents over seven words: the first, one within and the last have no word, two have one word
    (the first and the last of the vocabulary), one has all.
    """
    rows = np.array([[0] * 7, [3, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7], [0] * 7, [0] * 6 + [9], [0] * 7])
    return csr_array(rows.astype(np.float32))


def dense_on_device(inputs):
    return jnp.asarray(inputs.toarray())


# --- the type ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [4, [0, 1, 2, 3, 4, 5], [5, 2, 2], [[4, 1], [2, 0], [3, 3]]], ids=str)
def test_members_are_the_rows_of_the_dense_array(documents, members):
    found = jax.jit(lambda x, members: x[members])(counts_of(documents), jnp.array(members))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, documents.toarray()[np.array(members)])


def test_counts_have_the_shape_of_the_dense_array(documents):
    found, dense = counts_of(documents), dense_on_device(documents)
    assert found.longest == 7
    for about in (len, np.ndim, lambda x: x.shape, lambda x: x.dtype):
        assert about(found) == about(dense)


@pytest.mark.parametrize("size", [None, 1, 4, 6, 10])
def test_each_document_is_gone_through_once_in_order(documents, size, monkeypatch):
    monkeypatch.setattr(counts, "BLOCK", 5)
    found = of_each(lambda x: x @ jnp.arange(1.0, 8.0), counts_of(documents), size)
    np.testing.assert_array_equal(found, documents.toarray() @ np.arange(1.0, 8.0))


# --- what is learnt from them ------------------------------------------------------------------------

ARM = Autoencoding(data="rcv1", network=Network((20, 5)), batch_size=30, budget=Epochs(1))
ARMS = {
    "cg": replace(ARM, start=Pretrained(Pretraining(n_epochs=1, batch_size=30))),
    "cg in flight": replace(
        ARM,
        start=Pretrained(Pretraining(n_epochs=1, batch_size=30, climb="in flight")),
        minibatches="formed once",
    ),
    "adam": replace(ARM, start=Glorot(), optimiser=Adam(0.01)),
    "hessian-free": replace(ARM, start=Glorot(), optimiser=HessianFree()),
    "rate": tuning_of(replace(ARM, start=Glorot(), optimiser=Adam(), tuning=Rates((0.01,), (1,)))),
}


@pytest.fixture
def data():
    """Real documents, of all 2000 words."""
    data = repro.data.load("rcv1", embedded=True)
    return replace(data, train=cut(data.train, 100), valid=cut(data.valid, 20), test=cut(data.test, 40))


@pytest.mark.parametrize(("arm", "seeds"), [*((arm, 1 if arm == "rate" else 2) for arm in ARMS), ("adam", 1)])
def test_an_arm_learns_the_same_bytes_as_from_dense_counts(data, arm, seeds, monkeypatch):
    """Scores are of blocks of 30 documents, the last ragged."""
    monkeypatch.setattr(reconstruction, "CHUNK", 30)
    keys = jax.vmap(jr.key)(np.arange(seeds, dtype=np.uint32))

    def learnt():
        found = PROGRAMS[type(ARMS[arm])](ARMS[arm], data, keys)
        timeless = {
            name: x for name, x in (found.metrics | found.curves).items() if not name.endswith("seconds")
        }
        return {name: np.asarray(x).tobytes() for name, x in timeless.items()}

    from_sparse = learnt()
    for room in (autoencoding, tuning):
        monkeypatch.setattr(room, "on_device", dense_on_device)
    assert from_sparse == learnt()


def test_persistent_chains_start_at_the_same_documents(documents):
    (rbm,) = random_stack(jr.key(1), (7, 3), 0.1)
    trainer = contrastive_trainer(
        Units("count"), Contrastive(persistent=True), batch_size=9, steps_per_epoch=1
    )
    sparse, dense = (trainer.init(jr.key(2), rbm, f(documents)) for f in (counts_of, dense_on_device))
    np.testing.assert_array_equal(sparse.chains, dense.chains)
    np.testing.assert_array_equal(sparse.chains, jr.choice(jr.key(2), documents.toarray(), (9,)))


def test_minibatches_formed_once_lie_as_they_did(data):
    train = autoencoding.in_order(replace(ARM, minibatches="formed once"), data.train)
    np.testing.assert_array_equal(
        train.inputs.toarray(), jr.permutation(jr.key(0), dense_on_device(data.train.inputs))
    )
    np.testing.assert_array_equal(train.labels, jr.permutation(jr.key(0), data.train.labels))


def test_the_loss_of_the_mean_document_is_that_of_dense_counts(data, monkeypatch):
    """From the definition, in float64; whether all words and documents are gone through at once or not."""
    train, valid = (cases.inputs.toarray().astype(np.float64) for cases in (data.train, data.valid))
    train, valid = (x / np.maximum(x.sum(axis=1, keepdims=True), 1) for x in (train, valid))
    q = np.maximum(train.mean(axis=0), np.finfo(np.float32).tiny)
    expected = -np.mean(valid @ np.log(q / q.sum()))
    for at_a_time in (2**26, 7000):
        monkeypatch.setattr(reconstruction, "DENSE", at_a_time)
        found = loss_of_mean("count", data.train, data.valid)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


# --- what they take ----------------------------------------------------------------------------------

N, V, LONGEST, WORDS = (
    402_207,
    2000,
    700,
    60,
)  # RCV1's training documents; words of the longest, of the mean one
DENSE_BYTES = 4 * N * V


def bytes_of(function, *shapes):
    """Of the compiled program: arguments, results, and all that lives in between."""
    found = jax.jit(function).lower(*shapes).compile().memory_analysis()
    return found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes


@pytest.fixture
def rcv1():
    """The shapes of RCV1."""
    flat, by_document = (N * WORDS,), (N,)
    whole, real = jnp.int32, jnp.float32
    leaves = [(flat, whole), (flat, real), (by_document, whole), (by_document, whole)]
    return Counts(*(jax.ShapeDtypeStruct(*leaf) for leaf in leaves), n_words=V, longest=LONGEST)


def test_an_epoch_and_the_scores_never_make_all_documents_dense(rcv1):
    """Dense counts alone are 3.2 GB."""
    keys, order = jax.vmap(jr.key)(jnp.arange(1)), jax.ShapeDtypeStruct((1, N // 100, 100), jnp.int32)
    (rbm, *_) = jax.vmap(partial(random_stack, sizes=(V, 500), scale=0.1))(keys)
    trainer = contrastive_trainer(Units("count"), Contrastive(), batch_size=100, steps_per_epoch=N // 100)
    state = jax.eval_shape(over_seeds(trainer.init, (0, 0, None)), keys, rbm, rcv1)
    epoch = over_seeds(partial(one_epoch, trainer), (0, None, 0, None))
    assert bytes_of(epoch, state, rcv1, (keys, order), jnp.int32(0)) < DENSE_BYTES / 8
    architecture = Architecture((V, 500, 250, 125, 10), "count")
    params = jax.vmap(partial(random_network, architecture=architecture, draw=glorot))(keys)
    assert bytes_of(over_seeds(partial(scores, architecture), (0, None)), params, rcv1) < DENSE_BYTES / 8


def test_the_climb_never_makes_all_documents_dense(rcv1):
    """Its result, 500 numbers for each document, is a quarter of the dense counts; it lives twice, beside one
    block of documents.
    """
    (rbm, *_) = jax.vmap(partial(random_stack, sizes=(V, 500), scale=0.1))(jax.vmap(jr.key)(jnp.arange(1)))
    assert bytes_of(partial(climb, Units("count")), rbm, rcv1) < DENSE_BYTES
