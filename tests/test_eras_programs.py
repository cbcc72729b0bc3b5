"""What is timed computes the right thing, and its operations and bytes are those that a count gives."""

import itertools
from dataclasses import replace
from functools import partial
from importlib.metadata import distributions

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from experiments.convolution import VARIANTS
from repro.models.autoencoder import Architecture, network
from repro.models.convolutional_rbm import PooledUnits
from repro.timing import jax_calls, numpy_calls, peers, program2006
from repro.timing.plan import LARGE_BATCH, LENGTHS, N_SEEDS, groups
from repro.timing.subject import CONVOLUTIONAL, MNIST, NETWORK, RAINA, Subject
from repro.training.convolutional import ConvolutionalLearning, convolutional_trainer
from repro.training.fit import batch_order
from repro.training.flops import direct_flops

SMALL = Subject("jax", "cd1", (12, 7), batch_size=5, n_batches=4)
DEEP = replace(SMALL, workload="backprop", sizes=(12, 7, 4, 3))
# 3 filters of 3 x 3 on 2 channels of 7 x 6, blocks of 2 x 2: of 5 x 4 places the 4 x 4 that are in one
CONVOLUTION = replace(SMALL, workload="convolution", sizes=(2, 7, 6, 3, 3, 2))


# --- the count ------------------------------------------------------------------------------------------


class Counting(np.ndarray):
    """An array that counts the operations of the matrix products it takes part in."""

    flops = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **how):
        inputs = [np.asarray(x) for x in inputs]
        if ufunc is np.matmul:
            Counting.flops += 2 * inputs[0].shape[0] * inputs[0].shape[1] * inputs[1].shape[1]
        if out is not None:
            how["out"] = tuple(x.view(np.ndarray) for x in out)
        found = getattr(ufunc, method)(*inputs, **how)
        return found.view(Counting) if isinstance(found, np.ndarray) else found


@pytest.fixture
def counted(monkeypatch):
    """The cases count what they are multiplied with."""
    cases = numpy_calls.cases
    monkeypatch.setattr(numpy_calls, "cases", lambda subject: cases(subject).view(Counting))
    monkeypatch.setattr(Counting, "flops", 0)


@pytest.mark.parametrize("subject", [SMALL, replace(SMALL, sizes=(4, 30)), DEEP])
def test_flops_are_those_of_the_products_that_are_computed(subject, counted):
    numpy_calls.prepare(subject)()
    assert Counting.flops == subject.flops


def test_flops_of_seeds_side_by_side_and_of_a_direct_run_add_up():
    assert replace(DEEP, n_seeds=5).flops == 5 * DEEP.flops
    assert replace(SMALL, workload="matmul").flops == SMALL.flops
    assert direct_flops(DEEP.layers, 100, 5) == 100 * DEEP.flops / DEEP.n_batches


def test_bytes_are_the_weights_in_each_pass_and_change_and_the_cases():
    """Of two weights 12 x 7: CD-1 passes three times, and reads and writes weights and momentum."""
    assert SMALL.bytes_moved == 4 * 4 * ((3 + 4) * 84 + 60)
    assert replace(SMALL, precision="float64", program="program2006").bytes_moved == 2 * SMALL.bytes_moved
    assert replace(SMALL, workload="backprop").bytes_moved == 4 * 4 * ((2 + 1 + 8) * 84 + 60)
    assert replace(SMALL, workload="copy", sizes=(100,), n_batches=1).bytes_moved == 800


def test_the_operations_and_bytes_of_a_convolution_are_those_of_a_count():
    """Three passes and two outer products, of each filter at each place; filters like weights above."""
    assert CONVOLUTION.flops == 20 * 5 * 2 * (3 * 16) * (2 * 3 * 3)
    assert CONVOLUTION.bytes_moved == 4 * 4 * ((3 + 4) * 3 * 18 + 5 * 84)
    lowest, upper = (Subject("jax", "convolution", sizes) for sizes in CONVOLUTIONAL)
    assert lowest.flops == 100 * 5 * 2 * (40 * 16 * 16) * 12 * 12
    assert upper.flops == 100 * 5 * 2 * (40 * 2 * 2) * 40 * 6 * 6
    assert lowest.bytes_moved == 4 * (7 * 40 * 144 + 100 * 784)
    assert upper.bytes_moved == 4 * (7 * 40 * 40 * 36 + 100 * 40 * 64)


# --- the programs ---------------------------------------------------------------------------------------


def jax_states(key, means, linear):
    """The hidden states of a minibatch, as the first Gibbs step draws them."""
    key_h, _ = jr.split(jr.fold_in(key, 0))
    means = jnp.asarray(means)
    return np.asarray(
        means + jr.normal(key_h, means.shape) if linear else jr.bernoulli(key_h, means).astype(float)
    )


@pytest.mark.parametrize("sizes", [(12, 7), (9, 30)])
def test_the_timed_jax_epoch_of_cd1_is_that_of_the_program_of_2006(sizes):
    """Same weights, batches and random numbers; the second topmost RBM has linear hidden units."""
    subject = replace(SMALL, sizes=sizes)
    key = jr.key(0)
    [rbm] = [program2006.RBM(*(np.array(x) for x in jax_calls.start(subject, key)))]
    change = program2006.RBM(*map(np.zeros_like, rbm))
    key_order, key_steps = jr.split(jr.fold_in(key, 0))
    order = np.ravel(batch_order(key_order, subject.n_cases, subject.batch_size))
    batches = program2006.minibatches(numpy_calls.cases(subject), order, subject.batch_size)
    samplers = (partial(jax_states, jr.fold_in(key_steps, i)) for i in itertools.count())
    program2006.learn_epoch(rbm, change, batches, samplers, subject.linear, 0.5)  # the first epochs' momentum
    call, _ = jax_calls.prepare(subject)
    for ours, theirs in zip(call().params, rbm, strict=True):
        np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-13)


def as_vector(params):
    """Weights and biases of a network as the program of 2006 has them."""
    model = network(Architecture(DEEP.sizes), params)
    layers = (*model.encoder, *model.decoder)
    return np.concatenate([np.ravel(x[...]) for layer in layers for x in (layer.kernel, layer.bias)])


def test_the_timed_jax_epoch_of_backprop_is_that_of_the_program_of_2006():
    key = jr.key(0)
    weights, inputs = as_vector(jax_calls.start(DEEP, key)), numpy_calls.cases(DEEP)
    change = np.zeros_like(weights)
    key_order, _ = jr.split(jr.fold_in(key, 0))
    for members in np.asarray(batch_order(key_order, DEEP.n_cases, DEEP.batch_size)):
        _, gradient = program2006.loss_and_gradient(weights, DEEP.layers, inputs[members])
        numpy_calls.descend(weights, change, gradient)
    call, _ = jax_calls.prepare(DEEP)
    ours = as_vector(jax.tree.map(lambda x: x[0], call().params))
    np.testing.assert_allclose(ours, weights, rtol=0, atol=1e-13)
    assert np.abs(change).max() > 1e-6


def test_a_timed_convolutional_call_is_an_update_for_each_minibatch():
    """Each call goes on where the last one stopped."""
    key, inputs = jr.key(0), jnp.asarray(numpy_calls.cases(CONVOLUTION))
    trainer = convolutional_trainer(PooledUnits(), ConvolutionalLearning(), (2, 7, 6))
    state = trainer.init(key, jax_calls.start(CONVOLUTION, key), inputs)
    call, compile_seconds = jax_calls.prepare(CONVOLUTION)
    for epoch in range(2):
        key_order, key_steps = jr.split(jr.fold_in(jr.key(0), epoch))
        order, before = batch_order(key_order, 20, 5), state.params.filters
        state, infos = trainer.epoch(key_steps, state, inputs, order, 4 * epoch)
        assert inputs.shape == (20, 84) and infos["activation"].shape == (4,)
        for ours, theirs in zip(call().params, state.params, strict=True):
            np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-13)
        assert np.abs(state.params.filters - before).max() > 1e-4
    assert state.params.filters.shape == (3, 2, 3, 3) and compile_seconds > 0


@pytest.mark.parametrize("linear", [False, True])
def test_an_update_in_torch_is_that_of_the_program_of_2006(linear):
    torch = pytest.importorskip("torch", reason="PyTorch is the optional extra `peers`")
    rng = np.random.default_rng(3)
    shapes = [(12, 7), 12, 7]
    rbm, change = (program2006.RBM(*(rng.normal(size=s) for s in shapes)) for _ in range(2))
    theirs = [tuple(torch.tensor(x.copy()) for x in parts) for parts in (rbm, change)]
    data, noise = rng.random((5, 12)), rng.random((5, 7))

    def states(means):
        return means + torch.tensor(noise) if linear else (torch.tensor(noise) < means).double()

    peers.torch_learn(*theirs, torch.tensor(data), states, linear)
    program2006.learn(
        rbm,
        change,
        data,
        lambda means, linear: means + noise if linear else (noise < means).astype(float),
        linear,
        numpy_calls.MOMENTUM,
    )
    for parts, ours in zip(theirs, (rbm, change), strict=True):
        for a, b in zip(parts, ours, strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=0, atol=1e-13)


@pytest.mark.parametrize("program", ["sklearn", "torch"])
def test_peers_learn_from_every_minibatch(program, monkeypatch):
    if program == "torch":
        pytest.importorskip("torch", reason="PyTorch is the optional extra `peers`")
    seen = []
    learner, name = (peers, "torch_learn") if program == "torch" else (_sklearn(), "partial_fit")
    monkeypatch.setattr(learner, name, lambda *a: seen.append([x.shape for x in a if hasattr(x, "shape")]))
    call = peers.prepare(replace(SMALL, program=program))
    call()
    assert [tuple(shapes[-1]) for shapes in seen] == [(5, 12)] * 4


def _sklearn():
    from sklearn.neural_network import BernoulliRBM

    return BernoulliRBM


@pytest.mark.parametrize("workload", ["cd1", "backprop"])
def test_seeds_side_by_side_are_the_seeds_alone(workload):
    subject = replace(SMALL, workload=workload)
    together = jax_calls.prepare(replace(subject, n_seeds=2))[0]().params
    alone = jax_calls.prepare(subject)[0]().params
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        assert a.shape == (2, *b.shape[1:])
        np.testing.assert_allclose(a[0], b[0], rtol=0, atol=1e-13)
        assert b.ndim < 3 or np.any(a[0] != a[1])


def test_precisions_reach_the_matrix_products():
    """What the compiler is asked for; a CPU computes all of them in float32."""
    asked = {}
    for precision in jax_calls.PRECISIONS:
        with jax.default_matmul_precision(jax_calls.PRECISIONS[precision]):
            x = jnp.ones((4, 4), jnp.float32)
            asked[precision] = str(jax.make_jaxpr(lambda x: x @ x)(x))
    assert "HIGHEST" in asked["float32"] and "HIGH" in asked["tf32"] and "BF16_BF16_F32" in asked["bfloat16"]


def test_products_are_computed_for_every_minibatch(single_precision):
    """The sum of one number of each product, which a shortcut would get wrong."""
    call, compile_seconds = jax_calls.products(replace(SMALL, workload="matmul"))
    key, total = jr.key(0), 0.0
    W, x = jr.uniform(jr.fold_in(key, 0), (12, 7)), jr.uniform(jr.fold_in(key, 1), (5, 12))
    for scale in np.linspace(0.5, 1.0, 4):
        hidden = scale * np.asarray(x) @ W
        again = hidden @ W.T
        total += (scale * np.asarray(x).T @ hidden)[0, 0] + (again.T @ (again @ W))[0, 0]
    np.testing.assert_allclose(call(), total, rtol=1e-5)
    assert compile_seconds > 0


# --- the plan -------------------------------------------------------------------------------------------


def subjects(profile, parts, peers=("sklearn", "torch"), on_gpu=("torch",)):
    return [subject for group in groups(LENGTHS[profile], parts, peers, on_gpu) for subject in group]


@pytest.mark.parametrize("profile", LENGTHS)
def test_every_subject_has_a_name_of_its_own_and_something_to_do(profile):
    found = subjects(profile, ("1core", "cpu", "gpu"))
    names = [(subject.variant, subject.part == "gpu") for subject in found]
    assert len({*names}) == len(names)
    assert all(subject.n_batches >= 2 or subject.workload in ("matmul", "copy") for subject in found)
    assert not [s for s in found if s.program == "sklearn" and s.linear]


def test_a_machine_without_gpu_or_peers_gets_the_rest():
    found = subjects("paper", ("cpu",), ())
    assert {s.part for s in found} == {"cpu"} and {s.program for s in found} == {
        "program2006",
        "jax",
        "numpy",
    }


def test_a_peer_that_sees_the_gpu_is_timed_on_it_at_every_size():
    found = [s for s in subjects("paper", ("gpu",)) if s.program == "torch"]
    assert {s.sizes for s in found} == {*MNIST, *RAINA} and {s.part for s in found} == {"gpu"}
    assert {s.program for s in subjects("paper", ("gpu",), on_gpu=())} == {"jax"}


def test_a_folder_that_is_called_like_a_peer_is_none(tmp_path, monkeypatch):
    (tmp_path / "torch").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert peers.installed()["torch"] == ("torch" in {found.name for found in distributions()})
    assert peers.installed()["sklearn"]


def test_names():
    assert Subject("jax", "cd1", MNIST[0]).variant == "jax-cd1-784x1000"
    one_core = Subject("program2006", "cd1", MNIST[0], precision="float64", part="1core")
    assert one_core.variant == "program2006-cd1-784x1000-1core"
    large = Subject("jax", "backprop", RAINA[0], LARGE_BATCH, part="gpu", precision="tf32")
    assert large.variant == "jax-backprop-576x1024-tf32-batch4096"
    assert Subject("jax", "cd1", RAINA[0], 192).variant == "jax-cd1-576x1024"
    assert Subject("jax", "cd1", MNIST[0], n_seeds=N_SEEDS).variant == "jax-cd1-784x1000-5seeds"


def test_the_gpu_has_every_precision_and_both_minibatches_and_seeds_side_by_side():
    found = [s for s in subjects("paper", ("gpu",)) if s.workload in ("cd1", "backprop")]
    for sizes in (*MNIST, *RAINA, NETWORK):
        own = [s for s in found if s.sizes == sizes and s.workload == "backprop"]
        assert {(s.precision, s.batch_size > 1000) for s in own} == set(
            itertools.product(("float32", "tf32", "bfloat16"), (False, True))
        )
        assert sum(s.n_seeds == 5 for s in own) == (sizes not in RAINA)


def test_the_convolutional_rbms_of_the_experiment_are_timed_on_every_part():
    image, expected = (1, 28, 28), []
    for layer in VARIANTS["published"].features.layers:
        expected.append((*image, layer.n_bases, layer.side, layer.block))
        image = layer.pooled_shape(image)
    parts = ("1core", "cpu", "gpu")
    found = [s for s in subjects("paper", parts) if s.workload == "convolution"]
    assert [(s.sizes, s.part) for s in found] == [*itertools.product(expected, parts)]
    assert {(s.program, s.batch_size, s.precision) for s in found} == {("jax", 100, "float32")}


def test_the_quick_profile_times_the_lowest_convolutional_rbm_alone_for_a_moment():
    every = subjects("quick", ("1core", "cpu"))
    found = [s for s in every if s.workload == "convolution"]
    assert [(s.sizes, s.part, s.n_batches) for s in found] == [
        (CONVOLUTIONAL[0], p, 3) for p in ("1core", "cpu")
    ]
    assert sum(s.flops for s in found) < 0.05 * sum(s.flops for s in every)
