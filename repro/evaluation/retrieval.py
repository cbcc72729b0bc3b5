"""How well codes find documents of the same class   [hinton2006science, Fig. 4A]."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from repro.training.compiling import jitted

RANKS = tuple(2**i - 1 for i in range(1, 11))  # 1, 3, 7, ..., 1023
BLOCK = 2**26  # similarities held at a time, 256 MiB in float32


def precision(codes: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> dict[str, float]:
    """`precision_at_k`: which fraction of the k documents nearest to a document is of its class.

    Every document is a query, the others are what it is answered from; nearest is the largest cosine of
    the codes, among equals the earlier document; a code of length zero has cosine 0 with every other.
    Averaged over all N queries, for each k of RANKS that is less than N; NaN if a code is not a number.
    """
    ranks = [k for k in RANKS if k < len(codes)]
    if not ranks:
        return {}
    with jax.default_matmul_precision("highest"):
        at_ranks = np.asarray(_down_to(ranks[-1])(jax.device_put(codes), jax.device_put(labels)))
    return {f"precision_at_{k}": float(at_ranks[k - 1]) for k in ranks}


@lru_cache
def _down_to(deepest: int) -> Callable:
    return jitted(partial(_precision, deepest=deepest))


def _precision(codes: Float[Array, "N C"], labels: Int[Array, " N"], deepest: int) -> Float[Array, " K"]:
    """At every rank from 1 to the deepest."""
    length = jnp.linalg.norm(codes, axis=1, keepdims=True)
    codes = codes / jnp.where(length > 0, length, 1)

    def of_query(i):
        _, nearest = jax.lax.top_k((codes @ codes[i]).at[i].set(-jnp.inf), deepest)
        return labels[nearest] == labels[i]

    n = len(codes)
    hits = jax.lax.map(of_query, jnp.arange(n), batch_size=min(n, max(1, BLOCK // n)))
    found = jnp.cumsum(hits.mean(axis=0))
    found = found / jnp.arange(1, deepest + 1, dtype=found.dtype)
    return jnp.where(jnp.isfinite(codes).all(), found, jnp.nan)
