"""How fast Markov chains forget."""

from __future__ import annotations

import jax
import numpy as np
from jaxtyping import Array, Float


def autocorrelation_times(x: Float[Array, "D K T"]) -> Float[np.ndarray, " D"]:
    """Integrated autocorrelation times τ = 1 + 2 ∑ₜ ρₜ, in steps, of D quantities along K chains in
    equilibrium: the mean of T correlated steps is worth that of T / τ independent ones. NaN if nothing moves.

    The sum goes as far as Geyer's initial monotone sequence [geyer1992practical]; ρ is that of all chains
    together, so that chains which stay apart have a long one.
    """
    from blackjax.diagnostics import effective_sample_size  # here: 50 MB that others do without

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        size = np.asarray(jax.jit(jax.vmap(effective_sample_size))(x))
    return np.where(size > 0, x[0].size / np.where(size > 0, size, 1), np.nan)
