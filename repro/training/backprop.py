"""Backprop: any loss with any optax optimiser, L-BFGS among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from repro.training.fit import Trainer, by_minibatch


class BackpropState(NamedTuple):
    """What the next minibatch needs."""

    params: PyTree
    opt_state: Any


def backprop_trainer(
    loss: Callable[..., Float[Array, ""]],
    optimiser: optax.GradientTransformation,
    more: float = 0.0,
    *,
    random: bool = False,
) -> Trainer:
    """Descends `loss(params, batch)`; if it is random, `loss(params, batch, key)`.

    Info: `loss`, before the update; `evaluations` of the loss with its gradient (1 unless the optimiser
    searches along lines), and `more` of them, which the optimiser's own matrix products cost.
    """
    optimiser = optax.with_extra_args_support(optimiser)

    def init(key, params, inputs):
        del key, inputs
        return BackpropState(params, optimiser.init(params))

    def step(key, state, batch, n):
        del n
        params, drawn = state.params, (key,) if random else ()

        def value_fn(params):
            return loss(params, batch, *drawn)

        value, gradient = jax.value_and_grad(value_fn)(params)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats; we do not
            updates, opt_state = optimiser.update(
                gradient, state.opt_state, params, value=value, grad=gradient, value_fn=value_fn
            )
        evaluations = _evaluations(opt_state)
        info = {"loss": value, "evaluations": evaluations.astype(value.dtype) + more if more else evaluations}
        return BackpropState(optax.apply_updates(params, updates), opt_state), info

    return by_minibatch(init, step)


def _evaluations(opt_state: Any) -> Int[Array, ""]:
    """Those of the gradient, and those that optax's line searches count after it."""
    return 1 + optax.tree.get(opt_state, "num_linesearch_steps", jnp.int32(0))
