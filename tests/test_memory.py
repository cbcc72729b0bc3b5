"""What a process holds in memory."""

import jax
import jax.numpy as jnp
import numpy as np
from tiny import MNIST, QUIET, tiny

import repro.runs.run
from repro.runs.memory import give_back, peak_memory
from repro.runs.run import Request, run


def test_the_peak_is_in_bytes_and_never_falls():
    before = peak_memory()
    filled = np.ones(200_000_000, np.uint8)
    assert 1e8 < before < 1e11 and peak_memory() >= before
    del filled
    assert peak_memory() >= before


def test_a_program_that_nobody_calls_any_more_is_given_back():
    def double(x):
        return 2 * x

    once = jax.jit(double)
    once(jnp.ones(3))
    assert once._cache_size() == 1
    give_back()
    assert once._cache_size() == 0


def test_every_run_gives_back_what_it_took(few_cases, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(
        repro.runs.run, "give_back", lambda: given.append(len(list(tmp_path.rglob("*.json"))))
    )
    run(tiny(MNIST), Request(seeds=2, only=("glorot-cg", "pca"), results=tmp_path), QUIET)
    assert given == [1, 2, 3]  # after each record
