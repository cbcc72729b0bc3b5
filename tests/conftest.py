"""The strict switches of every test, and the small asymmetric RBMs they share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from repro.models.rbm import RBM

jax.config.update("jax_enable_x64", True)  # tests only; experiments run in float32
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_debug_key_reuse", True)


@pytest.fixture
def rbm():
    """Four visible and three hidden units, nothing zero, nothing symmetric."""
    draw = np.random.default_rng(7).normal
    return RBM(*(jnp.asarray(draw(size=shape)) for shape in [(4, 3), 4, 3]))


@pytest.fixture
def data_prob():
    """A distribution over the sixteen visible states that no small RBM has."""
    p = np.random.default_rng(8).random(16) ** 3
    return p / p.sum()
