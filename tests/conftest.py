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


@pytest.fixture(scope="session", autouse=True)
def compile_each_program_once(tmp_path_factory):
    """Most of a test's time is compiling; programs that recur are taken from a cache of this session."""
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("programs")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


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
