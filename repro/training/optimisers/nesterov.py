"""The momentum of 2013."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp

PATIENCE = 250  # updates at one momentum
LAST, AT_LAST = 1000, 0.9  # so many updates end the training, at this momentum at most


def momentum_schedule(limit: float, n_updates: int) -> Callable:
    """Update t, from 0, to its momentum min(1 - 2^(-1 - log₂(⌊t/250⌋ + 1)), limit), and to no more than .9
    for the last 1000 of n_updates   [sutskever2013importance, eq. 5 and section 3].
    """

    def momentum(t):
        level = (t // PATIENCE + 1).astype(jnp.float32)
        growing = jnp.minimum(1 - 0.5 / level, limit)
        return jnp.where(t < n_updates - LAST, growing, jnp.minimum(growing, AT_LAST))

    return momentum
