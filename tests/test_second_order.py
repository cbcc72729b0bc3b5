"""Gauss-Newton products, Hessian-free and K-FAC against explicit matrices and solvers that share no code."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from oracle import sigmoid
from stepping import one_step

from repro.models.autoencoder import Architecture, drawn, network, random_network, to_layers, traced
from repro.models.initialise import fan_in
from repro.training.descent import objective, trainer
from repro.training.objective import Objective, curvature_between, gauss_newton, new_damping
from repro.training.optimisers import LBFGS, hessian_free, kfac
from repro.training.optimisers.hessian_free import HessianFree, hessian_free_trainer, solve
from repro.training.optimisers.kfac import KFAC, Factors, LayeredNetwork, epoch_cost, kfac_trainer

KINDS = ["binary", "real", "count"]
DRAW = np.random.default_rng(12)
BATCH = {
    "binary": DRAW.random((7, 5)),
    "real": DRAW.normal(size=(7, 5)),
    "count": DRAW.integers(0, 9, (7, 5)).astype(float),
}


def small(kind):
    """A network of 5-4-2-4-5 units with biases that are not zero, and a batch."""
    architecture = Architecture((5, 4, 2), kind)
    params = random_network(jr.key(3), architecture, fan_in)
    params = jax.tree.map(lambda x: x + 0.1 * jnp.arange(1.0, x.size + 1).reshape(x.shape) / x.size, params)
    return architecture, params, jnp.asarray(BATCH[kind])


def explicit(kind, l2=0.0):
    """G, entry by entry: mean of JᵀHJ with H from the loss's textbook formula, l2 where a weight stands."""
    architecture, params, batch = small(kind)
    flat, unravel = ravel_pytree(params)
    outputs = np.asarray(network(architecture, params)(batch))
    J = np.asarray(jax.jit(jax.jacrev(lambda flat: network(architecture, unravel(flat))(batch)))(flat))
    hessians = {
        "binary": lambda z: np.diag(sigmoid(z) * (1 - sigmoid(z))),
        "real": lambda z: 2 * np.eye(len(z)),
        "count": lambda z: np.diag(softmax(z)) - np.outer(softmax(z), softmax(z)),
    }
    G = np.mean([j.T @ hessians[kind](z) @ j for j, z in zip(J, outputs, strict=True)], axis=0)
    is_weight, _ = ravel_pytree(jax.tree.map(lambda x: jnp.full(x.shape, float(x.ndim > 1)), params))
    return G + l2 * np.diag(is_weight)


def softmax(z):
    return np.exp(z) / np.exp(z).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_gauss_newton_products_are_those_of_the_explicit_matrix(kind, l2):
    architecture, params, batch = small(kind)
    flat, unravel = ravel_pytree(params)

    @jax.jit
    def products(vectors):
        product = gauss_newton(objective(architecture, l2), params, batch)
        return jax.vmap(lambda v: ravel_pytree(product(unravel(v)))[0])(vectors)

    ours = products(jnp.eye(len(flat)))
    np.testing.assert_allclose(ours, explicit(kind, l2), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_curvature_between_directions_is_that_of_the_explicit_matrix(kind):
    architecture, params, batch = small(kind)
    flat, unravel = ravel_pytree(params)
    directions = np.random.default_rng(5).normal(size=(2, len(flat)))
    ours = curvature_between(
        objective(architecture, 0.3), params, batch, [unravel(jnp.asarray(d)) for d in directions]
    )
    np.testing.assert_allclose(ours, directions @ explicit(kind, 0.3) @ directions.T, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [1, 3])  # of 7 cases seven chunks leave none over, three leave one
def test_loss_gradient_and_products_by_chunks_are_those_of_the_whole_batch(kind, chunk, monkeypatch):
    architecture, params, batch = small(kind)
    flat, unravel = ravel_pytree(params)
    goal = objective(architecture, 0.3)
    value, gradient = jax.jit(jax.value_and_grad(goal.value))(params, batch)
    monkeypatch.setattr("repro.training.objective.CHUNK", chunk)

    @jax.jit
    def by_chunks(vectors):
        product = gauss_newton(goal, params, batch)
        products = jax.vmap(lambda v: ravel_pytree(product(unravel(v)))[0])(vectors)
        return goal.value(params, batch), jax.value_and_grad(goal.value)(params, batch), products

    loss, (same_loss, slope), products = by_chunks(jnp.eye(len(flat)))
    np.testing.assert_allclose([loss, same_loss], [value, value], rtol=1e-13)
    np.testing.assert_allclose(ravel_pytree(slope)[0], ravel_pytree(gradient)[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(products, explicit(kind, 0.3), rtol=1e-10, atol=1e-13)


def n_products(function, x):
    """Matrix products in the program of a function; those of a loop count once."""
    return str(jax.make_jaxpr(function)(x)).count("dot_general[")


def test_matrix_products_by_chunks_are_those_counted(monkeypatch):
    """Per layer 1 for a loss, 3 for it with its gradient, 4 for a product G v through a kept linearisation,
    less those that only changing inputs would need; by chunks 1 more for G v, no more for the others.
    """
    architecture, params, batch = small("binary")
    goal, n_layers = objective(architecture, 0.3), len(to_layers(architecture, params))

    def counts():
        def loss(params):
            return goal.value(params, batch[:6])

        functions = (loss, jax.value_and_grad(loss), gauss_newton(goal, params, batch[:6]))
        return [n_products(function, params) for function in functions]

    assert counts() == [n_layers, 3 * n_layers - 1, 4 * n_layers - 2]
    monkeypatch.setattr("repro.training.objective.CHUNK", 3)
    assert counts() == [n_layers, 3 * n_layers - 1, 5 * n_layers - 2]


def test_the_penalty_is_on_weights_alone():
    architecture, params, batch = small("binary")
    squared = sum(float((np.asarray(weights) ** 2).sum()) for weights, _ in to_layers(architecture, params))
    free, held = (objective(architecture, l2).value(params, batch) for l2 in (0.0, 0.3))
    np.testing.assert_allclose(held - free, 0.15 * squared, rtol=1e-10)


# --- Hessian-free -------------------------------------------------------------------------------------

LINEAR = Objective(
    outputs=lambda params, batch: batch @ params["weights"] + params["bias"][None],
    loss=lambda outputs, batch: jnp.mean(jnp.sum((outputs - jnp.cos(3 * batch[:, ::-1])) ** 2, axis=1)),
)
CASES = jnp.asarray(np.random.default_rng(6).normal(size=(40, 4)))
ORIGIN = {"weights": jnp.ones((4, 4)), "bias": jnp.ones(4)}


def least_squares():
    """The weights and biases that fit best, by NumPy."""
    inputs = np.concatenate([CASES, np.ones((40, 1))], axis=1)
    found, *_ = np.linalg.lstsq(inputs, np.cos(3 * np.asarray(CASES)[:, ::-1]), rcond=None)
    return found


def test_hessian_free_solves_a_quadratic_in_one_update():
    trainer = hessian_free_trainer(LINEAR, HessianFree(damping=1e-12, tolerance=0.0, share=1.0))
    state, info = one_step(trainer, jr.key(0), trainer.init(jr.key(0), ORIGIN, CASES), CASES)
    found = np.concatenate([state.params["weights"], state.params["bias"][None]])
    np.testing.assert_allclose(found, least_squares(), rtol=1e-8)
    np.testing.assert_allclose(state.damping, 1e-12 / 1.5)
    assert info["loss"] == LINEAR.value(ORIGIN, CASES)


def test_hessian_free_measures_curvature_on_a_part_and_its_gradient_on_all():
    """With the damping overwhelming, the step is the gradient's, whatever the part."""
    trainer = hessian_free_trainer(LINEAR, HessianFree(damping=1e9, max_iterations=1, share=0.1))
    state, _ = one_step(trainer, jr.key(0), trainer.init(jr.key(0), ORIGIN, CASES), CASES)
    gradient = jax.grad(LINEAR.value)(ORIGIN, CASES)
    np.testing.assert_allclose(state.solution, -ravel_pytree(gradient)[0] / 1e9, rtol=1e-6)


def test_hessian_free_counts_what_is_linearised_anew(monkeypatch):
    trainer = hessian_free_trainer(LINEAR, HessianFree(share=0.5))
    infos = []
    for chunk in (40, 20, 10):  # all cases in one chunk; the half that curvature is measured on; neither
        monkeypatch.setattr("repro.training.objective.CHUNK", chunk)
        state = trainer.init(jr.key(0), ORIGIN, CASES)
        infos.append(one_step(trainer, jr.key(0), state, CASES)[1])
    whole, half, neither = infos
    assert whole["iterations"] == half["iterations"] == neither["iterations"] > 10
    np.testing.assert_allclose(half["loss"], whole["loss"], rtol=1e-12)
    assert half["evaluations"] == whole["evaluations"]
    more = (float(whole["iterations"]) + 2) / 3 * 0.5
    np.testing.assert_allclose(neither["evaluations"] - whole["evaluations"], more, rtol=1e-12)


@pytest.mark.parametrize("how", [HessianFree(), LBFGS()], ids=lambda how: how.kind)
def test_five_seeds_on_all_faces_fit_into_20_gb_by_the_analysis_of_a_cpu(how, single_precision):
    """No array is made; the CPU's compiler stands in for the GPU's."""
    architecture, n_cases = Architecture((625, 2000, 1000, 500, 30), "real"), 124_200
    descent = trainer(how, architecture, 2e-5, 1, n_cases)
    keys = jr.split(jr.key(0), 5)
    inputs = jax.ShapeDtypeStruct((n_cases, 625), jnp.float32)
    params = jax.eval_shape(jax.vmap(lambda key: random_network(key, architecture, fan_in)), keys)
    state = jax.eval_shape(jax.vmap(descent.init, (0, 0, None)), keys, params, inputs)
    order = jax.ShapeDtypeStruct((5, 1, n_cases), jnp.int32)
    epoch = jax.jit(jax.vmap(descent.epoch, (0, 0, None, 0, None)))
    lowered = epoch.lower(keys, state, inputs, order, jnp.int32(0))
    memory = lowered.compile({"xla_backend_optimization_level": "0"}).memory_analysis()
    assert memory is not None
    assert memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes < 20e9


def conjugate_gradients(A, b, x, config):
    """From a textbook, with the stop of section 4.4: iterates from the start on, values of φ."""
    r = b - A @ x
    d, iterates, values = r, [x], [0.5 * x @ A @ x - b @ x]
    while len(values) <= config.max_iterations:
        i = len(values) - 1
        back = max(10, i // 10)
        if (
            i > back
            and values[i] < 0
            and (values[i] - values[i - back]) / values[i] < config.tolerance * back
        ):
            break
        length = (r @ r) / (d @ A @ d)
        x, new = x + length * d, r - length * A @ d
        d, r = new + (new @ new) / (r @ r) * d, new
        iterates.append(x)
        values.append(0.5 * x @ A @ x - b @ x)
    return iterates, values


@pytest.mark.parametrize("tolerance", [0.005, 0.0005, 0.00001])
def test_conjugate_gradients_stop_where_the_textbook_says_and_keep_the_iterates_asked_for(tolerance):
    rng = np.random.default_rng(9)
    rotation, _ = np.linalg.qr(rng.normal(size=(80, 80)))
    A = rotation @ np.diag(np.logspace(-0.7, 0.7, 80)) @ rotation.T
    b, start = rng.normal(size=(2, 80))
    config = HessianFree(tolerance=tolerance)
    iterates, values = conjugate_gradients(A, b, start, config)
    ours = solve(lambda v: jnp.asarray(A) @ v, jnp.asarray(b), jnp.asarray(start), config)
    assert ours.iterations == len(iterates) - 1 < 250
    np.testing.assert_allclose(ours.values[: len(values)], values, rtol=1e-6)
    np.testing.assert_allclose(ours.x, iterates[-1], rtol=1e-5, atol=1e-6)
    kept = [i for i in [1, 2, 3, 4, 5, 7, 9, 11, 14, 18, 24, 31, 40, 51, 67, 87] if i < len(iterates)]
    assert ours.n_kept == len(kept)
    np.testing.assert_allclose(ours.kept[: len(kept)], [iterates[i] for i in kept], rtol=1e-5, atol=1e-6)


def test_backtracking_goes_back_as_long_as_the_loss_falls():
    losses = {9.0: 5.0, 4.0: 3.0, 3.0: 2.0, 2.0: 2.5, 1.0: 0.0}
    solved = solve(lambda v: v, jnp.ones(1), jnp.zeros(1), HessianFree(max_iterations=6))
    kept = jnp.zeros_like(solved.kept).at[:4, 0].set(jnp.array([1.0, 2.0, 3.0, 4.0]))
    solved = solved._replace(x=jnp.array([9.0]), kept=kept, n_kept=jnp.int32(4))
    table = jnp.array([losses.get(float(i), 99.0) for i in range(10)])
    best, lowest, n = hessian_free.backtrack(solved, lambda x: table[x[0].astype(int)])
    assert (best[0], lowest, n) == (3.0, 2.0, 4), "1 would be better still, but lies behind a rise"


def test_a_step_is_shortened_until_it_pays_and_given_up_if_it_never_does():
    def parabola(step):  # least at .3, and back at its first value at .6
        return jnp.sum((step - 0.3) ** 2)

    value, slope = parabola(jnp.zeros(1)), -0.6
    length, n = hessian_free.shorten(
        HessianFree(), parabola, jnp.ones(1), value, parabola(jnp.ones(1)), slope
    )
    k = next(k for k in range(60) if (0.8**k - 0.3) ** 2 <= 0.09 - 0.01 * 0.6 * 0.8**k)
    np.testing.assert_allclose(length, 0.8**k)
    assert n == k == 3
    up = hessian_free.shorten(
        HessianFree(), lambda step: 1.0 + jnp.sum(step), jnp.ones(1), jnp.ones(()), jnp.array(2.0), slope
    )
    assert (up[0], up[1]) == (0.0, 60)


def test_damping_follows_levenberg_and_marquardt():
    for ratio, expected in [(0.2, 1.5), (0.25, 1), (0.75, 1), (0.8, 1 / 1.5), (np.nan, 1.5)]:
        np.testing.assert_allclose(new_damping(jnp.array(3.0), jnp.array(ratio), 1.5), 3.0 * expected)
    assert (HessianFree().damp, KFAC().damp, KFAC().period) == (1.5, 20 / 19, 5)


# --- K-FAC --------------------------------------------------------------------------------------------


def signed_targets(key, outputs):
    """Targets whose gradients 2 (z - t) have exactly the mean outer product 2 I, on 8 copies of 4 units."""
    del key
    n, width = outputs.shape
    unit = jnp.tile(jnp.concatenate([jnp.eye(width), -jnp.eye(width)]), (n // (2 * width), 1))
    return outputs + jnp.sqrt(width / 2) * unit


MIRROR = Objective(  # one linear layer that is to turn a case around
    outputs=lambda params, batch: batch[:, ::-1] @ params["weights"] + params["bias"][None],
    loss=lambda outputs, batch: jnp.mean(jnp.sum((outputs - batch) ** 2, axis=1)),
)
LAYER = LayeredNetwork(
    to_layers=lambda params: [(params["weights"], params["bias"])],
    from_layers=lambda layers: dict(zip(("weights", "bias"), layers[0], strict=True)),
    traced=lambda params, batch, offsets: (MIRROR.outputs(params, batch) + offsets[0], [batch[:, ::-1]]),
    sample=signed_targets,
)


def test_the_preconditioned_direction_solves_the_explicit_fisher():
    """One linear layer with real outputs: its Fisher matrix is a Kronecker product, so K-FAC is exact."""
    batch = jnp.repeat(CASES[:10], 8, axis=0)
    params = jax.tree.map(lambda x: x / 3, ORIGIN)
    flat, unravel = ravel_pytree(params)
    product = gauss_newton(MIRROR, params, batch)
    fisher = jax.vmap(lambda v: ravel_pytree(product(unravel(v)))[0])(jnp.eye(len(flat)))
    gradient = jax.grad(MIRROR.value)(params, batch)
    factors = kfac.statistics(jr.key(0), LAYER, MIRROR, params, batch)
    roots = kfac.damped_roots(factors, jnp.array(1e-18))
    ours = LAYER.from_layers(kfac.precondition(LAYER.to_layers(gradient), roots))
    theirs = np.linalg.solve(fisher, ravel_pytree(gradient)[0])
    np.testing.assert_allclose(ravel_pytree(ours)[0], theirs, rtol=1e-5)


def test_damped_factors_are_those_of_section_6_3():
    rng = np.random.default_rng(2)
    A, G = (x @ x.T for x in (rng.normal(size=(4, 9)), rng.normal(size=(3, 9))))
    W, b = rng.normal(size=(3, 3)), rng.normal(size=3)
    pi = np.sqrt((np.trace(A) / 4) / (np.trace(G) / 3))
    damped = np.kron(A + pi * np.sqrt(0.7) * np.eye(4), G + np.sqrt(0.7) / pi * np.eye(3))
    expected = np.linalg.solve(damped, np.concatenate([W, b[None]]).ravel()).reshape(4, 3)
    roots = kfac.damped_roots([Factors(jnp.asarray(A), jnp.asarray(G))], jnp.array(0.7))
    [(weights, bias)] = kfac.precondition([(jnp.asarray(W), jnp.asarray(b))], roots)
    np.testing.assert_allclose(np.concatenate([weights, bias[None]]), expected, rtol=1e-10)


def test_steps_are_combined_as_the_damped_quadratic_asks():
    directions, slopes = [jnp.array([1.0, 2.0, 0.5]), jnp.array([0.3, -1.0, 2.0])], np.array([-1.5, 0.7])
    curvature = np.array([[2.0, 0.4], [0.4, 1.0]])
    vectors = np.array(directions)
    alpha = np.linalg.solve(curvature + 0.3 * vectors @ vectors.T, -slopes)
    change, promised = kfac.combine(directions, jnp.asarray(slopes), jnp.asarray(curvature), jnp.array(0.3))
    np.testing.assert_allclose(change, alpha @ vectors, rtol=1e-10)
    np.testing.assert_allclose(promised, 0.5 * alpha @ slopes, rtol=1e-10)
    first, _ = kfac.combine(
        [directions[0], jnp.zeros(3)], jnp.array([-1.5, 0.0]), jnp.diag(jnp.array([2.0, 0.0])), jnp.array(0.3)
    )
    np.testing.assert_allclose(first, 1.5 / (2 + 0.3 * 5.25) * vectors[0], rtol=1e-10)


def test_kfac_solves_a_quadratic_in_one_update():
    batch = jnp.repeat(CASES, 8, axis=0)
    trainer = kfac_trainer(MIRROR, LAYER, KFAC(damping=1e-18))
    state, _ = one_step(trainer, jr.key(0), trainer.init(jr.key(0), ORIGIN, batch), batch)
    np.testing.assert_allclose(state.params["weights"], np.eye(4)[::-1], atol=1e-6)
    np.testing.assert_allclose(state.params["bias"], 0, atol=1e-6)


def test_seeds_side_by_side_decompose_the_factors_only_when_it_is_due():
    """What is a choice under vmap, and not both branches and a select."""
    trainer = kfac_trainer(MIRROR, LAYER, KFAC())
    keys = jax.vmap(jr.key)(jnp.arange(3))
    state = jax.vmap(lambda key: trainer.init(key, ORIGIN, CASES))(keys)
    epoch = jax.vmap(trainer.epoch, (0, 0, None, None, None))
    order = jnp.arange(40).reshape(5, 8)
    program = jax.make_jaxpr(epoch)(keys, state, CASES, order, jnp.int32(0)).jaxpr
    [body] = [one.params["jaxpr"].jaxpr for one in program.eqns if one.primitive.name == "scan"]
    choices = [one for one in body.eqns if one.primitive.name == "cond"]
    assert len(choices) == 2, "the roots, and the damping"
    assert not any("cholesky" in one.primitive.name for one in body.eqns)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_can_be_traced(kind):
    architecture, params, batch = small(kind)
    layers = to_layers(architecture, params)
    offsets = [jnp.zeros((7, len(bias))) for _, bias in layers]
    outputs, inputs = traced(architecture, params, batch, offsets)
    np.testing.assert_allclose(outputs, network(architecture, params)(batch), rtol=1e-12)
    assert [x.shape[1] for x in inputs] == [len(weights) for weights, _ in layers]
    np.testing.assert_allclose(inputs[2], network(architecture, params).encode(batch), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_drawn_from_the_model_have_the_curvature_of_the_loss(kind, n=200_000, z=4.5):
    """The mean of g gᵀ over targets is the Hessian: what makes Fisher and Gauss-Newton matrix one."""
    outputs = jnp.array([0.5, -1.0, 0.2])
    targets = drawn(jr.key(4), kind, jnp.broadcast_to(outputs, (n, 3)))
    loss = objective(Architecture((3, 2), kind)).loss
    hessian = jax.hessian(lambda o: loss(o[None], targets[:1]))(outputs)
    gradient = jax.vmap(jax.grad(lambda o, t: loss(o[None], t[None])), (None, 0))
    g = np.asarray(gradient(outputs, targets))
    products = g[:, :, None] * g[:, None]
    error = products.std(axis=0) / np.sqrt(n) + 1e-12
    assert np.all(np.abs(products.mean(axis=0) - hessian) < z * error)


def test_operations_of_k_fac_are_those_counted_by_hand():
    """Two layers, 3 to 2 and 2 to 3 units, minibatches of 10."""
    weights, with_bias = 3 * 2 + 2 * 3, [(4, 2), (3, 3)]
    gradient = 2 * 10 * (3 * weights - 6)
    drawn, forward, two_directions = 4 * 10 * weights, 2 * 10 * weights, 2 * 4 * 10 * weights
    factors = sum(2 * 10 * (i * i + o * o) for i, o in with_bias)
    solutions = sum(2 * (i * i * o + o * o * i) for i, o in with_bias)
    inversions = sum((i**3 + o**3) / 3 for i, o in with_bias)
    update = gradient + drawn + forward + two_directions + factors + solutions
    np.testing.assert_allclose(epoch_cost(KFAC(), (3, 2, 3), 10), (update + inversions / 5) / gradient)
    empty = [Factors(jnp.zeros((i, i)), jnp.zeros((o, o))) for i, o in with_bias]
    for due, expected in ((True, update + inversions), (False, update)):
        cost = kfac.update_cost(empty, 10, jnp.array(due))
        np.testing.assert_allclose(cost, expected / gradient, rtol=1e-6)
