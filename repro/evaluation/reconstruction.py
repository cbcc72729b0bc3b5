"""How well a network reconstructs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float
from scipy.sparse import csc_array, csr_array

from repro.data.dataset import Cases, Inputs
from repro.models.autoencoder import Architecture, errors, loss, network
from repro.shapes import VisibleKind
from repro.training.counts import Counts, of_each

CHUNK = 1000  # cases at a time: bounds the memory of the hidden layers
DENSE = 2**26  # counts made dense at a time: 256 MiB


def scores(
    architecture: Architecture, params: nnx.State, inputs: Float[Array, "N V"] | Counts
) -> dict[str, Array]:
    """Reconstruction errors by name, averaged over all N cases; see `errors`."""

    def of_case(x):
        return errors(architecture.visible, network(architecture, params)(x), x)

    return jax.tree.map(jnp.mean, of_each(of_case, inputs, CHUNK))


def squared_error(x: Float[np.ndarray, "N V"], reconstruction: Float[np.ndarray, "N V"]) -> float:
    """Sum over pixels of (x - x̂)², averaged over cases; for the linear baselines."""
    return float(((x - reconstruction) ** 2).sum(axis=1, dtype=np.float64).mean())


def loss_of_mean(visible: VisibleKind, train: Cases, cases: Cases) -> float:
    """The loss on some cases, averaged, of a network that gives the mean training case whatever it sees.

    Of documents the mean is that of the training documents' word probabilities.
    """
    if visible == "count":
        mean = _mean_words(csr_array(train.inputs))
        output = jnp.log(jnp.maximum(mean, jnp.finfo(mean.dtype).tiny))
    else:
        mean = jnp.mean(_dense(train.inputs), axis=0)
        output = jax.scipy.special.logit(jnp.clip(mean, 1e-7, 1 - 1e-7)) if visible == "binary" else mean
    of_cases, step = jax.vmap(lambda x: loss(visible, output, x)), max(DENSE // len(mean), 1)
    losses = [of_cases(_dense(cases.inputs[i : i + step])) for i in range(0, len(cases.labels), step)]
    return float(jnp.mean(jnp.concatenate(losses)))


def _mean_words(documents: Float[csr_array, "N V"]) -> Float[Array, " V"]:
    """The documents' word probabilities averaged, of some words after others."""
    n_words = jnp.maximum(_dense(documents.sum(axis=1)[:, None]), 1)
    by_word, step = csc_array(documents), max(DENSE // len(n_words), 1)
    blocks = [by_word[:, i : i + step] for i in range(0, len(by_word.indptr) - 1, step)]
    return jnp.concatenate([jnp.mean(_dense(block) / n_words, axis=0) for block in blocks])


def _dense(x: Inputs | Float[csc_array, "N V"]) -> Float[Array, "N V"]:
    return jnp.asarray(x.toarray() if isinstance(x, csr_array | csc_array) else x)
