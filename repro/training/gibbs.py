"""Block-Gibbs sampling of an RBM, all cases of a minibatch at once: one key draws all their noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models.rbm import RBM, Units, hidden_mean, sample_hidden, sample_visible, visible_mean


def gibbs_step(
    key: Key[Array, ""], units: Units, rbm: RBM, v: Float[Array, "B V"], *, mean_field: bool = False
) -> Float[Array, "B V"]:
    """One step v -> h ~ p(h | v) -> v' ~ p(v | h); with mean_field, v' = E[v | h] instead of a sample.

    The authors' program leaves the reconstruction a probability   [hinton2006code, rbm.m].
    """
    key_h, key_v = jr.split(key)
    h = sample_hidden(key_h, units, jax.vmap(hidden_mean, (None, None, 0))(units, rbm, v))
    v_mean = jax.vmap(visible_mean, (None, None, 0, 0))(units, rbm, h, v.sum(1))
    return v_mean if mean_field else sample_visible(key_v, units, v_mean)


def gibbs_chain(
    key: Key[Array, ""], units: Units, rbm: RBM, v: Float[Array, "B V"], k: int, *, mean_field: bool = False
) -> Float[Array, "B V"]:
    """The states after k steps from v."""

    def step(i, v):
        return gibbs_step(jr.fold_in(key, i), units, rbm, v, mean_field=mean_field)

    return jax.lax.fori_loop(0, k, step, v) if k > 1 else step(jnp.int32(0), v)
