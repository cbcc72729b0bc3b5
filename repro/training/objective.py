"""What backprop lowers, seen through a network's outputs, and its Gauss-Newton matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

# Cases whose activations live at once. Those of the largest network (faces, 76 kB a case) take 6 GB with five
# seeds side by side. A quarter of MNIST is one chunk, so that its curvature is linearised once.
CHUNK = 2**14


class Objective(NamedTuple):
    """A mean loss over cases, convex in the network's outputs, and a penalty ½ l2 |W|² on all weights."""

    outputs: Callable[[PyTree, Array], Array]  # params, batch [B V] -> natural parameters [B V]
    loss: Callable[[Array, Array], Array]  # outputs [B V], batch [B V] -> mean over cases
    l2: float = 0.0

    def value(self, params: PyTree, batch: Float[Array, "B V"]) -> Float[Array, ""]:
        """The loss on a batch, penalty included."""
        several = n_chunks(len(batch)) > 1
        loss = jnp.asarray((_loss_by_chunks if several else _mean_loss)(self, params, batch))
        return loss + 0.5 * self.l2 * _squared_weights(params) if self.l2 else loss


def n_chunks(n_cases: int) -> int:
    """Into how many parts a batch is cut so that its activations fit into memory."""
    return -(-n_cases // CHUNK)


def mean_by_chunks(function: Callable[[Array], PyTree], batch: Float[Array, "B V"]) -> PyTree:
    """What `function` gives on a batch, a tree of means over its cases, from chunks one after another; the
    few cases that equal chunks leave over come first.
    """
    size, n_left = divmod(len(batch), n_chunks(len(batch)))

    def add(total, chunk):
        return jax.tree.map(lambda t, x: t + len(chunk) / len(batch) * x, total, function(chunk)), None

    empty = jax.tree.map(jnp.zeros_like, jax.eval_shape(function, batch[:size]))
    begun = add(empty, batch[:n_left])[0] if n_left else empty
    return jax.lax.scan(add, begun, batch[n_left:].reshape(-1, size, batch.shape[1]))[0]


def _mean_loss(objective: Objective, params: PyTree, batch: Float[Array, "B V"]) -> Float[Array, ""]:
    return objective.loss(objective.outputs(params, batch), batch)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _loss_by_chunks(objective: Objective, params: PyTree, batch: Float[Array, "B V"]) -> Float[Array, ""]:
    """The mean loss. Its gradient is computed with it, chunk by chunk: otherwise reverse mode keeps the
    activations of all chunks, or computes them twice.
    """
    return mean_by_chunks(partial(_mean_loss, objective, params), batch)


def _loss_and_gradient(objective, params, batch):
    return mean_by_chunks(partial(jax.value_and_grad(_mean_loss, argnums=1), objective, params), batch)


def _scaled_gradient(objective, gradient, change):
    del objective
    return jax.tree.map(lambda g: change * g, gradient), None  # inputs are not learnt


_loss_by_chunks.defvjp(_loss_and_gradient, _scaled_gradient)


def _squared_weights(params: PyTree) -> Float[Array, ""]:
    """|W|² over matrices; biases are free."""
    return jnp.asarray(optax.tree.norm([x for x in jax.tree.leaves(params) if x.ndim > 1], squared=True))


def gauss_newton(objective: Objective, params: PyTree, batch: Float[Array, "B V"]) -> Callable:
    """The product v -> G v with G = mean over cases of JᵀHJ, J the Jacobian of the outputs with respect to
    the parameters, H the Hessian of the loss with respect to the outputs, and l2 on the diagonal of weights.

    Forward over reverse: J v forward, Jᵀ(H J v) back   [schraudolph2002fast; martens2010hf, section 4.2].
    A batch of one chunk is linearised once; of several each is linearised anew for every product.
    """

    def through_outputs(batch):
        outputs, push = jax.linearize(lambda params: objective.outputs(params, batch), params)
        pull = jax.linear_transpose(push, params)
        _, hessian = jax.linearize(jax.grad(lambda outputs: objective.loss(outputs, batch)), outputs)
        return lambda v: pull(hessian(push(v)))[0]

    def by_chunks(v):
        return mean_by_chunks(lambda chunk: through_outputs(chunk)(v), batch)

    without_penalty = through_outputs(batch) if n_chunks(len(batch)) == 1 else by_chunks

    def product(v):
        return jax.tree.map(lambda g, x: g + objective.l2 * x if x.ndim > 1 else g, without_penalty(v), v)

    return product


def curvature_between(
    objective: Objective, params: PyTree, batch: Float[Array, "B V"], directions: list[PyTree]
) -> Float[Array, "D D"]:
    """All products dᵢ.G.dⱼ; each direction goes through the network once, forward."""
    outputs, push = jax.linearize(lambda params: objective.outputs(params, batch), params)
    _, hessian = jax.linearize(jax.grad(lambda outputs: objective.loss(outputs, batch)), outputs)
    pushed = [push(direction) for direction in directions]
    bent = [hessian(change) for change in pushed]
    weights = [[x for x in jax.tree.leaves(direction) if x.ndim > 1] for direction in directions]
    return jnp.array(
        [
            [
                jnp.vdot(a, b) + objective.l2 * optax.tree.vdot(v, w)
                for b, w in zip(bent, weights, strict=True)
            ]
            for a, v in zip(pushed, weights, strict=True)
        ]
    )


def new_damping(damping: Float[Array, ""], ratio: Float[Array, ""], factor: float) -> Float[Array, ""]:
    """Levenberg-Marquardt: more where the loss fell by less than a quarter of what the quadratic promised (or
    by nothing that is a number), less where by more than three quarters.
    """
    trusted = jnp.where(ratio > 0.75, damping / factor, damping)
    return jnp.where(ratio >= 0.25, trusted, damping * factor)
