"""How noisy random estimates of a gradient are."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key, PyTree

from repro.models.vae import VAE, Variational
from repro.training.variational import Estimator, bound, gradient

BASELINE = 2**32 - 1  # the address of the key of the draws that the baseline is the mean of


class Noise(NamedTuple):
    """Variances over draws, summed over the parameters: the trace of their covariance."""

    recognition: Float[Array, ""]
    generation: Float[Array, ""]  # networks of the pixels and of all latent layers but the uppermost

    @property
    def total(self) -> Float[Array, ""]:
        """Of all parameters."""
        return self.recognition + self.generation


def variances(estimate: Callable[[Key[Array, ""]], PyTree], key: Key[Array, ""], n_draws: int) -> PyTree:
    """Of each array that a random estimate gives, the variances of its numbers over so many draws, unbiased
    and summed   [welford1962note].
    """

    def one(seen, i):
        means, squares = seen
        found = estimate(jr.fold_in(key, i))
        moved = jax.tree.map(lambda mean, x: mean + (x - mean) / (i + 1).astype(x.dtype), means, found)
        squares = jax.tree.map(
            lambda s, mean, new, x: s + jnp.sum((x - mean) * (x - new)), squares, means, moved, found
        )
        return (moved, squares), None

    like = jax.eval_shape(estimate, key)
    means = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), like)
    squares = jax.tree.map(lambda x: jnp.zeros((), x.dtype), like)
    (_, squares), _ = jax.lax.scan(one, (means, squares), jnp.arange(n_draws, dtype=jnp.int32))
    return jax.tree.map(lambda s: s / (n_draws - 1), squares)


def noise(
    of: Variational,
    vae: VAE,
    minibatches: Float[Array, "M B V"],
    key: Key[Array, ""],
    n_draws: int,
) -> dict[Estimator, Noise]:
    """Of both gradients of the bound: variances over draws of the latent units, the cases of a minibatch held
    fixed, averaged over the minibatches. Both take the same draws. The baseline is the mean bound of all
    these cases, by a draw of its own for each: what the running mean of training follows.
    """
    numbered = jnp.arange(len(minibatches), dtype=jnp.int32), minibatches

    def bounds(numbered):
        i, batch = numbered
        keys = jr.split(jr.fold_in(jr.fold_in(key, BASELINE), i), len(batch))
        return jax.vmap(lambda x, key: bound(of, vae, x, key))(batch, keys).mean()

    baseline = jax.lax.map(bounds, numbered).mean()

    def of_minibatch(numbered):
        i, batch = numbered

        def estimates(key):
            keys = {how: jr.clone(key) for how in get_args(Estimator)}  # the same draws on purpose
            return {how: gradient(of, how, vae, batch, same, baseline)[1] for how, same in keys.items()}

        return variances(estimates, jr.fold_in(key, i), n_draws)

    found = jax.tree.map(jnp.mean, jax.lax.map(of_minibatch, numbered))
    return {
        how: Noise(_sum(each.recognition), _sum((each.generation, each.pixels)))
        for how, each in found.items()
    }


def _sum(tree: PyTree) -> Float[Array, ""]:
    return sum(jax.tree.leaves(tree), start=jnp.zeros(()))
