"""Gradients of the variational bound, by two estimators.

Both follow the bound E_q[log p(x, z) - log q(z|x)] by one draw of the latent units for each case: through the
draw, which is a function of parameters and noise (reparameterised), or by the score of the recognition
network, which works for whatever units, discrete ones too [williams1992simple; mnih2014neural].
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from repro.models.vae import VAE, Variational, infer, infer_scored, log_joint, log_recognition, log_weight
from repro.training.fit import Trainer, by_minibatch

Estimator = Literal["reparameterised", "score function"]
KEPT = 0.9  # of the baseline at each update, unless said otherwise; the rest is the bound of the minibatch


class VariationalState(NamedTuple):
    """What the next minibatch needs."""

    params: VAE
    opt_state: Any
    baseline: Float[
        Array, ""
    ]  # running mean of the bound; the score function is multiplied by what exceeds it


def bound(of: Variational, vae: VAE, x: Float[Array, " V"], key: Key[Array, ""]) -> Float[Array, ""]:
    """One draw's estimate of the bound of log p(x), in nats; its gradient passes through the draw."""
    latents, log_q = infer_scored(of, vae, x, key)
    return log_joint(of, vae, x, latents) - log_q


def scored(
    of: Variational, vae: VAE, x: Float[Array, " V"], key: Key[Array, ""], baseline: Float[Array, ""]
) -> Float[Array, ""]:
    """What has the gradient that the score function estimates,
    ∇ log p(x, z) + (bound - baseline) ∇ log q(z|x) of a draw that is held fixed. Its value means nothing.
    """
    latents = jax.lax.stop_gradient(infer(of, vae, x, key))
    reward = jax.lax.stop_gradient(log_weight(of, vae, x, latents)) - baseline
    return log_joint(of, vae, x, latents) + reward * log_recognition(of, vae, x, latents)


def gradient(
    of: Variational,
    estimator: Estimator,
    vae: VAE,
    batch: Float[Array, "B V"],
    key: Key[Array, ""],
    baseline: Float[Array, ""],
) -> tuple[Float[Array, ""], VAE]:
    """The bound and the estimate of its gradient, means over the minibatch, with one draw for each case."""
    keys = jr.split(key, len(batch))

    def of_batch(function, *more):
        return lambda vae: jax.vmap(lambda x, key: function(of, vae, x, key, *more))(batch, keys).mean()

    value, through = jax.value_and_grad(of_batch(bound))(vae)
    if estimator == "reparameterised":
        return value, through
    return value, jax.grad(of_batch(scored, baseline))(vae)


def variational_trainer(
    of: Variational, estimator: Estimator, optimiser: optax.GradientTransformation, kept: float = KEPT
) -> Trainer:
    """Climbs the bound of binary cases; `kept` of the baseline stays at each update.

    Info: `bound`, before the update.
    """

    def init(key, params, inputs):
        del key, inputs
        return VariationalState(params, optimiser.init(params), jnp.zeros(()))

    def step(key, state, batch, n):
        value, ascent = gradient(of, estimator, state.params, batch, key, state.baseline)
        descent = jax.tree.map(jnp.negative, ascent)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats; we do not
            updates, opt_state = optimiser.update(descent, state.opt_state, state.params)
        share = jnp.where(n == 0, 0.0, kept).astype(value.dtype)
        baseline = share * state.baseline + (1 - share) * value
        params: Any = optax.apply_updates(state.params, updates)
        return VariationalState(params, opt_state, baseline), {"bound": value}

    return by_minibatch(init, step)
