"""Deep Boltzmann machines: one energy over a visible and several hidden layers, and what follows from it.

`energy` is the definition, for one configuration of binary units. It is linear in each unit, so its
derivative gives the conditionals; and layers touch their neighbours alone, so every other one can be summed
out.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from repro.models.rbm import RBM

Layers = tuple[Float[Array, " _"], ...]  # states or means of one case, layer by layer, the visible one first


class DBM(NamedTuple):
    """Parameters of a deep Boltzmann machine; also the shape of its gradients."""

    weights: tuple[Float[Array, "_ _"], ...]  # between each layer and the next
    biases: Layers


def energy(dbm: DBM, layers: Layers) -> Float[Array, ""]:
    """E(x₀, x₁, ...) = -∑ₗ bₗ.xₗ - ∑ₗ xₗ.Wₗ.xₗ₊₁ in nats, x₀ = v and xₗ = hₗ
    [salakhutdinov2009deep, which leaves the biases out].
    """
    of_biases = [b @ x for b, x in zip(dbm.biases, layers, strict=True)]
    of_weights = [x @ W @ y for x, W, y in zip(layers[:-1], dbm.weights, layers[1:], strict=True)]
    return -jnp.sum(jnp.stack(of_biases + of_weights))


def log_odds(dbm: DBM, layers: Layers) -> Layers:
    """Of 1 against 0, for every unit given all others: the energy without it less that with it, -∂E/∂x."""
    return jax.tree.map(jnp.negative, jax.grad(energy, argnums=1)(dbm, layers))


def mean_field(dbm: DBM, v: Float[Array, " V"], n_updates: int = 50) -> Layers:
    """Means of the hidden layers under the factorial distribution nearest to p(h | v) in KL(q | p), or on the
    way to it: each update sets first the odd layers, then the even ones to σ(log odds) at the means of their
    neighbours, and can only raise the variational bound   [salakhutdinov2009deep].
    """
    of_hidden = clamped(dbm, v)

    def update(_, means: Layers) -> Layers:
        for side in (0, 1):
            pairs = enumerate(zip(means, log_odds(of_hidden, means), strict=True))
            means = tuple(jax.nn.sigmoid(x) if depth % 2 == side else mean for depth, (mean, x) in pairs)
        return means

    start = tuple(jnp.full_like(bias, 0.5) for bias in of_hidden.biases)
    return jax.lax.fori_loop(0, n_updates, update, start)


def clamped(dbm: DBM, v: Float[Array, " V"]) -> DBM:
    """The hidden layers alone, v given: exp(-E(v, h₁, ...)) is exp(b₀.v) times theirs."""
    (W, *weights), (_, bias, *biases) = dbm
    return DBM(tuple(weights), (bias + v @ W, *biases))


def folded(dbm: DBM) -> RBM:
    """The same machine as an RBM, which it is: even layers, v among them, are its visible units, odd layers
    its hidden ones. Where there are more than three layers, those that do not touch have weights 0.
    """
    even, odd = range(0, len(dbm.biases), 2), range(1, len(dbm.biases), 2)
    weights = jnp.block([[_between(dbm, i, j) for j in odd] for i in even])
    return RBM(weights, *(jnp.concatenate([dbm.biases[i] for i in side]) for side in (even, odd)))


def _between(dbm: DBM, i: int, j: int) -> Float[Array, "_ _"]:
    if abs(i - j) > 1:
        return jnp.zeros((len(dbm.biases[i]), len(dbm.biases[j])), dbm.biases[i].dtype)
    return dbm.weights[i] if i < j else dbm.weights[j].T
