"""What small models are worth exactly: sums over all states of the smaller side, many states at a time.

All units are binary, and all is in nats.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from repro.errors import UserError
from repro.evaluation.likelihood import log_prob_of_rbm
from repro.models.dbm import DBM, clamped, folded
from repro.models.dbn import BINARY, log_joint
from repro.models.rbm import RBM, exchanged, free_energy
from repro.models.stack import Stack

MOST = 20  # units, of which all states are gone through
AT_ONCE = 10  # units, of which all states are held at a time: bounds the memory


def log_sum(
    n_units: int, log_term: Callable[[Array], Array], dtype: jnp.dtype, at_once: int = AT_ONCE
) -> Float[Array, ""]:
    """The log of ∑ₓ exp(log_term(x)) over all 2ⁿ states x [n] of n binary units, 2 to the `at_once` at a
    time.

    Raises:
        UserError: of more than 20 units.
    """
    if n_units > MOST:
        raise UserError(
            f"n_units {n_units}: a sum over 2^{n_units} states is refused, 2^{MOST} are the most: use fewer"
            " hidden units, or estimate it by annealed importance sampling"
        )
    n_block, units = 2 ** min(at_once, n_units), jnp.arange(n_units, dtype=jnp.int32)

    def of_block(start):
        numbers = start + jnp.arange(n_block, dtype=jnp.int32)
        states = numbers[:, None] >> units[None] & 1
        return jax.nn.logsumexp(jax.vmap(log_term)(states.astype(dtype)))

    starts = jnp.arange(0, 2**n_units, n_block, dtype=jnp.int32)
    with jax.default_matmul_precision("highest"):
        return jax.nn.logsumexp(jax.lax.map(of_block, starts))


@jax.jit
def log_z(rbm: RBM) -> Float[Array, ""]:
    """The log of ∑ᵥₕ exp(-E(v, h)) of an RBM, by a sum over the states of its smaller side."""
    if len(rbm.visible_bias) > len(rbm.hidden_bias):
        rbm = exchanged(rbm)
    b = rbm.visible_bias
    return log_sum(len(b), lambda v: -free_energy(BINARY, rbm, v), b.dtype)


def log_prob(rbm: RBM, v: Float[Array, "N V"]) -> Float[Array, " N"]:
    """The log probability of each case under an RBM."""
    return log_prob_of_rbm(rbm, log_z(rbm), v)


@jax.jit
def log_z_of_dbm(dbm: DBM) -> Float[Array, ""]:
    """The log of ∑ exp(-E) of a deep Boltzmann machine, by a sum over its even or its odd layers."""
    return log_z(folded(dbm))


@jax.jit
def log_prob_of_dbm(dbm: DBM, v: Float[Array, "N V"]) -> Float[Array, " N"]:
    """The log probability of each case under a deep Boltzmann machine."""
    with jax.default_matmul_precision("highest"):
        of_hidden = jax.vmap(lambda v: log_z_of_dbm(clamped(dbm, v)))(v)
        return v @ dbm.biases[0] + of_hidden - log_z_of_dbm(dbm)


@jax.jit
def log_prob_of_dbn(stack: Stack, v: Float[Array, "N V"]) -> Float[Array, " N"]:
    """The log probability of each case under a deep belief network of two RBMs or more: by a sum over the
    states of all hidden layers but the last, and one over those of the smaller side of the uppermost RBM.
    """
    ends = np.cumsum([len(rbm.hidden_bias) for rbm in stack[:-1]])

    def of_case(v):
        def log_term(hidden):
            return log_joint(stack, (v, *jnp.split(hidden, ends[:-1])))

        return log_sum(int(ends[-1]), log_term, v.dtype)

    return jax.vmap(of_case)(v) - log_z(stack[-1])
