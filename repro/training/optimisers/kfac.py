"""K-FAC: a Newton step with the Fisher matrix of each layer as a Kronecker product  [martens2015kfac].

kfac-jax, which is kept, reads JAX's programs by means that JAX 0.10 no longer has. This is the paper's
block-diagonal version with momentum, for networks whose layers are matrices and biases.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.scipy.linalg import cho_factor, cho_solve
from jaxtyping import Array, Bool, Float, PyTree

from repro.training.fit import Trainer, by_minibatch
from repro.training.flops import backprop_flops
from repro.training.objective import Objective, curvature_between, new_damping
from repro.typed import choice


@choice
class KFAC:
    """Defaults are those of the paper   [martens2015kfac, section 13]."""

    damping: float = 150.0  # at first
    damp: float = 20 / 19  # by which damping grows or shrinks in an update  [martens2015kfac, section 6.5]
    period: int = 5  # updates between two adaptations of the damping, and between two inversions
    decay: float = 0.95  # of the factors' running averages, once there are enough updates
    kind: Literal["kfac"] = "kfac"


class Factors(NamedTuple):
    """Of one layer's Fisher matrix A ⊗ G, or what inverts them."""

    inputs: Float[Array, "I1 I1"]  # mean of ā āᵀ, ā the inputs and a 1 for the bias
    outputs: Float[Array, "O O"]  # mean of g gᵀ, g the gradient at what the units receive


class KFACState(NamedTuple):
    """What the next update needs."""

    params: PyTree
    last: PyTree  # the last change of the parameters
    factors: list[Factors]
    roots: list[Factors]  # Cholesky factors of the damped factors
    damping: Float[Array, ""]


class LayeredNetwork(NamedTuple):
    """What K-FAC must see of a network: its layers."""

    to_layers: Callable[[PyTree], list]  # params -> pairs (weights [I O], biases [O])
    from_layers: Callable[[list], PyTree]
    traced: Callable  # params, batch, offsets -> outputs, inputs of every layer
    sample: Callable  # key, outputs -> cases drawn from the distribution that the outputs stand for


def kfac_trainer(objective: Objective, network: LayeredNetwork, config: KFAC) -> Trainer:
    """One step per minibatch along the best combination of the preconditioned gradient and the last change.

    Info: `loss`, before the update; `damping`; `evaluations`, the matrix products of an update in units of
    those of the loss with its gradient.
    """

    def init(key, params, inputs):
        del key
        layers = network.to_layers(params)
        factors = [
            Factors(jnp.zeros((len(weights) + 1,) * 2), jnp.zeros((len(bias),) * 2))
            for weights, bias in layers
        ]
        nothing = optax.tree.zeros_like(params)
        damping = jnp.asarray(config.damping, inputs.dtype)
        return KFACState(params, nothing, factors, factors, damping)

    def step(key, state, batch, n):
        value, gradient = jax.value_and_grad(objective.value)(state.params, batch)
        decay = jnp.minimum(1 - 1 / (n + 1).astype(value.dtype), config.decay)
        seen = statistics(key, network, objective, state.params, batch)
        factors = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.factors, seen)
        due = (n % config.period == 0) | (n < 3)
        total = state.damping + objective.l2
        roots = jax.lax.cond(due, lambda: damped_roots(factors, total), lambda: state.roots)
        uphill = network.from_layers(precondition(network.to_layers(gradient), roots))
        directions = [optax.tree.scale(-1, uphill), state.last]
        slopes = jnp.array([optax.tree.vdot(gradient, direction) for direction in directions])
        change, promised = combine(
            directions, slopes, curvature_between(objective, state.params, batch, directions), state.damping
        )
        params = optax.tree.add(state.params, change)

        def adapt():
            return new_damping(
                state.damping, (objective.value(params, batch) - value) / promised, config.damp**config.period
            )

        damping = jax.lax.cond((n + 1) % config.period == 0, adapt, lambda: state.damping)
        info = {"loss": value, "damping": damping, "evaluations": update_cost(factors, len(batch), due)}
        return KFACState(params, change, factors, roots, damping), info

    return by_minibatch(init, step)


def statistics(key, network: LayeredNetwork, objective: Objective, params, batch: Float[Array, "B V"]):
    """The factors of every layer on this batch, with targets drawn from the model   [sections 3 and 5]."""
    layers = network.to_layers(params)
    offsets = [jnp.zeros((len(batch), len(bias)), batch.dtype) for _, bias in layers]
    outputs, inputs = network.traced(params, batch, offsets)
    drawn = network.sample(key, jax.lax.stop_gradient(outputs))

    def total(offsets):
        return len(batch) * objective.loss(network.traced(params, batch, offsets)[0], drawn)

    received = jax.grad(total)(offsets)
    with_one = [jnp.concatenate([x, jnp.ones((len(x), 1), x.dtype)], axis=1) for x in inputs]
    return [Factors(a.T @ a / len(a), g.T @ g / len(g)) for a, g in zip(with_one, received, strict=True)]


def damped_roots(factors: list[Factors], damping: Float[Array, ""]) -> list[Factors]:
    """Cholesky factors of A + π√λ I and G + √λ/π I, where π² is the ratio of their mean eigenvalues
    [martens2015kfac, section 6.3].
    """

    def damped(matrix, strength):
        return cho_factor(matrix + strength * jnp.eye(len(matrix), dtype=matrix.dtype), lower=True)[0]

    def roots(a, g):
        tiny = jnp.finfo(a.dtype).tiny
        pi = jnp.sqrt((jnp.trace(a) / len(a) + tiny) / (jnp.trace(g) / len(g) + tiny))
        return Factors(damped(a, pi * jnp.sqrt(damping)), damped(g, jnp.sqrt(damping) / pi))

    return [roots(*pair) for pair in factors]


def precondition(gradient: list, roots: list[Factors]) -> list:
    """A⁻¹ ∇W̄ G⁻¹ of every layer, W̄ the weights with the biases as their last row."""

    def solved(layer, root):
        weights, bias = layer
        stacked = jnp.concatenate([weights, bias[None]])
        left = cho_solve((root.inputs, True), stacked)
        both = cho_solve((root.outputs, True), left.T).T
        return both[:-1], both[-1]

    return [solved(layer, root) for layer, root in zip(gradient, roots, strict=True)]


def combine(directions: list[PyTree], slopes: Float[Array, " D"], curvature: Float[Array, "D D"], damping):
    """The change α Δ + μ δ that minimises the damped quadratic, and what it promises   [section 7]."""
    lengths = jnp.array([[optax.tree.vdot(a, b) for b in directions] for a in directions])
    matrix = curvature + damping * lengths
    alone = -slopes[0] / matrix[0, 0]  # at first there is no last change
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    independent = determinant > 1e-6 * matrix[0, 0] * matrix[1, 1]
    safe = jnp.where(independent, determinant, 1.0)
    alpha = (-matrix[1, 1] * slopes[0] + matrix[0, 1] * slopes[1]) / safe
    mu = (matrix[1, 0] * slopes[0] - matrix[0, 0] * slopes[1]) / safe
    alpha, mu = jnp.where(independent, alpha, alone), jnp.where(independent, mu, 0.0)
    change = optax.tree.add(*(optax.tree.scale(*pair) for pair in zip((alpha, mu), directions, strict=True)))
    return change, 0.5 * (alpha * slopes[0] + mu * slopes[1])


def update_cost(factors: list[Factors], n_cases: int, due: Bool[Array, ""]) -> Float[Array, ""]:
    """Operations of this update on a minibatch over those of the loss with its gradient."""
    layers = (*[len(f.inputs) - 1 for f in factors], len(factors[-1].outputs))
    always, inversions = _costs(layers, n_cases)
    return jnp.where(due, always + inversions, always).astype(jnp.float32)


def epoch_cost(config: KFAC, layers: tuple[int, ...], n_cases: int) -> float:
    """The same for network layers inputs to outputs, averaged over a period."""
    always, inversions = _costs(layers, n_cases)
    return always + inversions / config.period


def _costs(layers: tuple[int, ...], n_cases: int) -> tuple[float, float]:
    """Of every update, and of an inversion.

    Of W weights: the gradient, 4 W a case for the drawn targets' gradient, 2 W forward, 4 W for each of two
    directions and 2 (I² + O²) of factors; for the whole minibatch 2 I² O + 2 O² I of triangular solutions,
    and where an inversion is due (I³ + O³) / 3 of Cholesky factors; I counts the bias.
    """
    shapes = [(below + 1, above) for below, above in itertools.pairwise(layers)]
    weights = sum((i - 1) * o for i, o in shapes)
    of_cases = n_cases * (14 * weights + sum(2 * (i**2 + o**2) for i, o in shapes))
    solutions = sum(2 * i * o * (i + o) for i, o in shapes)
    gradient = backprop_flops(layers, n_cases)
    return 1 + (of_cases + solutions) / gradient, sum((i**3 + o**3) / 3 for i, o in shapes) / gradient
