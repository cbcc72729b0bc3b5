"""The program of 2006 against the JAX pipeline, against finite differences, and against scipy."""

import ast
import itertools
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.optimize
from stepping import line_searches

from repro.models.autoencoder import Architecture, network, unroll
from repro.models.rbm import RBM
from repro.models.stack import stack_units
from repro.timing import conjugate2006, program2006
from repro.training.descent import objective
from repro.training.fit import Trainer, batch_order, fit
from repro.training.greedy import Pretraining, pretrain
from repro.training.optimisers.conjugate_gradient import ConjugateGradient, conjugate_gradient_trainer

SIZES = (16, 9, 5, 2)
N_CASES, EPOCHS, BATCH = 43, 7, 6  # three ragged cases; the momentum changes after the fifth epoch
CG_EPOCHS, CG_BATCH = 3, 10


def small_stack():
    """Nothing zero, nothing symmetric."""
    draw = np.random.default_rng(21).normal
    return [
        program2006.RBM(0.8 * draw(size=(v, h)), 0.2 * draw(size=v), 0.2 * draw(size=h))
        for v, h in itertools.pairwise(SIZES)
    ]


def small_cases():
    return np.random.default_rng(22).random((N_CASES, SIZES[0])) ** 2


# --- the same run in both programs ---------------------------------------------------------------------


def keys(stream):
    """One seed; the address from which both programs start to count."""
    return jax.vmap(jr.fold_in, (0, None))(jax.vmap(jr.key)(np.array([12])), stream)


def epoch_keys(key, epoch):
    """As `fit` has them: of the order, and of the steps."""
    return jr.split(jr.fold_in(key, epoch))


def pretraining_order(layer, epoch):
    key_order, _ = epoch_keys(jr.fold_in(keys(1)[0], layer), epoch)
    return np.ravel(batch_order(key_order, N_CASES, BATCH))


def finetuning_order(epoch):
    key_order, _ = epoch_keys(keys(2)[0], epoch)
    return np.ravel(batch_order(key_order, N_CASES, CG_BATCH))


@partial(jax.jit, static_argnames="linear")
def jax_states(where, means, linear):
    """The hidden states of one minibatch from its key: the first Gibbs step, the hidden half."""
    layer, epoch, batch = where
    _, key_steps = epoch_keys(jr.fold_in(keys(1)[0], layer), epoch)

    key_h, _ = jr.split(jr.fold_in(jr.fold_in(key_steps, batch), 0))
    return means + jr.normal(key_h, means.shape) if linear else jr.bernoulli(key_h, means).astype(float)


SAME_CHANCE = program2006.Chance(
    order=lambda layer, epoch: (
        pretraining_order(layer, epoch) if layer < len(SIZES) - 1 else finetuning_order(epoch)
    ),
    states=lambda where, means, linear: np.asarray(jax_states(where, means, linear)),
)


class Counted(NamedTuple):
    """A trainer's state with the evaluations of the minibatches so far, the latest last."""

    params: object
    state: object
    evaluations: jax.Array


def counted(trainer, n_minibatches):
    def init(key, params, inputs):
        return Counted(params, trainer.init(key, params, inputs), jnp.zeros(n_minibatches, jnp.int32))

    def epoch(key, counted, inputs, order, n_before):
        state, infos = trainer.epoch(key, counted.state, inputs, order, n_before)
        evaluations = jnp.append(counted.evaluations[len(order) :], infos["evaluations"])
        return Counted(state.params, state, evaluations), infos

    return Trainer(init, epoch)


def run_jax():
    """(stack after pretraining, errors by layer and epoch, network after fine-tuning, evaluations)."""
    stack = tuple(RBM(*(jnp.asarray(x)[None] for x in rbm)) for rbm in small_stack())
    inputs = jnp.asarray(small_cases())
    config = Pretraining(n_epochs=EPOCHS, batch_size=BATCH)
    trained = pretrain(keys(1), config, stack_units(len(stack)), stack, inputs)
    loss = objective(Architecture(SIZES)).value
    trainer = counted(
        conjugate_gradient_trainer(loss, ConjugateGradient()), CG_EPOCHS * (N_CASES // CG_BATCH)
    )
    start = jax.vmap(unroll)(trained.stack)
    tuned = fit(keys(2), trainer, start, inputs, n_epochs=CG_EPOCHS, batch_size=CG_BATCH).state
    errors = [curve[0] for curve in trained.curves.values()]
    return trained.stack, errors, jax.tree.map(lambda x: x[0], tuned.params), tuned.evaluations[0]


def run_numpy(stack):
    return program2006.train(
        stack, small_cases(), SAME_CHANCE, pretraining=(EPOCHS, BATCH), finetuning=(CG_EPOCHS, CG_BATCH)
    )


@pytest.fixture(scope="module")
def both():
    stack = small_stack()
    theirs = run_numpy(stack)
    return (stack, theirs), run_jax()


def test_pretraining_gives_the_weights_of_the_pipeline(both):
    """Programs that start one eps apart end 9e-16 apart; a momentum or a state amiss shows at 1e-3."""
    (stack, theirs), (jax_stack, errors, *_) = both
    for rbm, ours in zip(stack, jax_stack, strict=True):
        for a, b in zip(rbm, ours, strict=True):
            np.testing.assert_allclose(a, b[0], rtol=0, atol=2e-14)
    np.testing.assert_allclose(theirs.errors, errors, rtol=1e-6)  # curves are averaged in float32


def test_finetuning_gives_the_weights_of_the_pipeline(both):
    """Programs that start one eps apart end 3e-13 apart after 36 line searches; this allows 60 times that."""
    (_, theirs), (_, _, params, evaluations) = both
    assert theirs.evaluations == evaluations.tolist()
    assert len(set(theirs.evaluations)) > 3
    model = network(Architecture(SIZES), params)
    ours = [(layer.kernel[...], layer.bias[...]) for layer in (*model.encoder, *model.decoder)]
    for layer, expected in zip(program2006.layers_of(*theirs[:2]), ours, strict=True):
        for a, b in zip(layer, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-11)


def test_the_program_imports_numpy_and_nothing_of_the_rest():
    for module in (program2006, conjugate2006):
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
        outside = {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}
        assert outside <= {"numpy", "repro.timing.conjugate2006"}


def test_same_seed_same_bytes_and_other_seed_other_bytes():
    def weights(seed):
        rng = np.random.default_rng(seed)
        stack = program2006.random_stack(rng, SIZES)
        chance = program2006.dice(rng, N_CASES)
        plan = {"pretraining": (2, 10), "finetuning": (1, 20)}
        return program2006.train(stack, small_cases(), chance, **plan).weights.tobytes()

    assert weights(1) == weights(1) != weights(2)


def test_dice_keep_the_minibatches_and_draw_states_with_the_given_means(n=40_000, z=4.5):
    chance = program2006.dice(np.random.default_rng(3), n)
    assert sorted(chance.order(0, 0)) == list(range(n))
    np.testing.assert_array_equal(chance.order(0, 0), chance.order(3, 7))
    means = np.array([0.1, 0.5, 0.8])
    variances = {False: means * (1 - means), True: np.ones(3)}
    for linear, variance in variances.items():
        drawn = chance.states((0, 0, 0), np.tile(means, (n, 1)), linear)
        assert np.all(np.abs(drawn.mean(axis=0) - means) < z * np.sqrt(variance / n))
        assert linear or set(np.unique(drawn)) == {0, 1}
    assert np.all(np.abs(drawn.var(axis=0) - 1) < z * np.sqrt(2 / n))


# --- its parts -----------------------------------------------------------------------------------------


def test_backprop_by_hand_is_the_slope_of_the_loss(h=1e-5):
    """Central differences: h² times the third derivative and eps / h times the loss, both about 1e-10."""
    weights, sizes = program2006.unroll(small_stack())
    loss = partial(program2006.loss_and_gradient, sizes=sizes, data=small_cases())
    _, gradient = loss(weights)
    steps = h * np.eye(len(weights))
    slopes = [(loss(weights + step)[0] - loss(weights - step)[0]) / (2 * h) for step in steps]
    np.testing.assert_allclose(gradient, slopes, atol=2e-9)


def test_loss_is_the_cross_entropy_of_the_probabilities():
    weights, sizes = program2006.unroll(small_stack())
    x = cases = small_cases()
    for number, (W, b) in enumerate(program2006.layers_of(weights, sizes)):
        x = x @ W + b if number == 2 else 1 / (1 + np.exp(-(x @ W + b)))
    by_definition = -np.sum(cases * np.log(x) + (1 - cases) * np.log(1 - x)) / len(cases)
    assert program2006.loss_and_gradient(weights, sizes, cases)[0] == pytest.approx(by_definition, rel=1e-13)


def test_minimiser_reaches_the_minimum_scipy_finds():
    def rosenbrock(x):
        return scipy.optimize.rosen(x), scipy.optimize.rosen_der(x)

    x = np.array([-1.2, 1.0, 0.3, 0.7])
    theirs = scipy.optimize.minimize(rosenbrock, x, jac=True, method="CG", tol=1e-10)
    ours, evaluations = conjugate2006.minimise(rosenbrock, x, 150)
    np.testing.assert_allclose(ours, theirs.x, atol=1e-6)
    assert evaluations < 1000


def wavy(x, module):
    """Value and gradient of hills that end in NaN: searches overshoot, turn back, set out anew."""
    value = module.sum(3 * module.sin(x) + 2 * module.cos(2.3 * x)) + 0.01 * module.sum(x * x)
    value = module.where(module.sum(x * x) < 150, value, module.nan)
    return value, 3 * module.cos(x) - 4.6 * module.sin(2.3 * x) + 0.02 * x


def test_line_searches_over_hills_are_those_of_the_pipeline(n_starts=300, n_searches=3):
    # three searches end up to 1e-12 apart; this allows 100 times that
    starts = np.random.default_rng(23).normal(scale=4, size=(n_starts, 3))
    ours, counts = jax.jit(jax.vmap(lambda x: line_searches(lambda x: wavy(x, jnp)[0], x, n_searches)))(
        jnp.asarray(starts)
    )
    runs = [conjugate2006.minimise(partial(wavy, module=np), x, n_searches) for x in starts]
    assert [evaluations for _, evaluations in runs] == counts.tolist()
    np.testing.assert_allclose([x for x, _ in runs], ours, rtol=0, atol=1e-10)


def kinked(slant, x):
    """Valleys with an edge at the bottom, where some line searches find no good point."""
    return jnp.sum(jnp.abs(x - 0.3) * jnp.array([1.0, 3.0, 0.5])) + 0.1 * jnp.sum((x - slant) ** 4)


@pytest.mark.parametrize("slant", [-2.0, 1.25, 0.5, 0.0])
def test_failed_searches_are_taken_as_the_pipeline_takes_them(slant):
    """None fails; two fail with a good one between them; two fail in a row, later and at once."""
    f = partial(kinked, slant)
    x = jnp.array([-1.2, 1.0, 0.7])
    ours, count = line_searches(f, x, 4)
    by_jax = jax.jit(jax.value_and_grad(f))
    theirs, evaluations = conjugate2006.minimise(lambda x: [*map(np.asarray, by_jax(x))], np.asarray(x), 4)
    np.testing.assert_allclose(theirs, ours, rtol=1e-12)
    assert evaluations == int(count)
