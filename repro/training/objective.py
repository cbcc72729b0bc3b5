"""What backprop lowers, seen through a network's outputs, and its Gauss-Newton matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree


class Objective(NamedTuple):
    """A mean loss over cases, convex in the network's outputs, and a penalty ½ l2 |W|² on all weights."""

    outputs: Callable[[PyTree, Array], Array]  # params, batch [B V] -> natural parameters [B V]
    loss: Callable[[Array, Array], Array]  # outputs [B V], batch [B V] -> mean over cases
    l2: float = 0.0

    def value(self, params: PyTree, batch: Float[Array, "B V"]) -> Float[Array, ""]:
        """The loss on a batch, penalty included."""
        loss = self.loss(self.outputs(params, batch), batch)
        return loss + 0.5 * self.l2 * _squared_weights(params) if self.l2 else loss


def _squared_weights(params: PyTree) -> Float[Array, ""]:
    """|W|² over matrices; biases are free."""
    return jnp.asarray(optax.tree.norm([x for x in jax.tree.leaves(params) if x.ndim > 1], squared=True))


def gauss_newton(objective: Objective, params: PyTree, batch: Float[Array, "B V"]) -> Callable:
    """The product v -> G v with G = mean over cases of JᵀHJ, J the Jacobian of the outputs with respect to
    the parameters, H the Hessian of the loss with respect to the outputs, and l2 on the diagonal of weights.

    Forward over reverse: J v forward, Jᵀ(H J v) back   [schraudolph2002fast; martens2010hf, section 4.2].
    """
    outputs, push = jax.linearize(lambda params: objective.outputs(params, batch), params)
    pull = jax.linear_transpose(push, params)
    _, hessian = jax.linearize(jax.grad(lambda outputs: objective.loss(outputs, batch)), outputs)

    def product(v):
        (through_outputs,) = pull(hessian(push(v)))
        return jax.tree.map(lambda g, x: g + objective.l2 * x if x.ndim > 1 else g, through_outputs, v)

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
