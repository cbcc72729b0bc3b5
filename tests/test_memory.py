"""What a process holds in memory."""

import ctypes
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from several import experiment
from tiny import QUIET, ROOT

import repro.runs.memory
import repro.runs.run
from repro.runs.config import PrincipalComponents
from repro.runs.memory import give_back, held, peak_memory
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
    give_back(above=2 * held())
    assert once._cache_size() == 1
    give_back(above=held() // 2)
    assert once._cache_size() == 0


def test_what_was_freed_goes_before_programs_do(monkeypatch):
    once = jax.jit(lambda x: 3 * x)
    once(jnp.ones(3))
    monkeypatch.setattr(repro.runs.memory, "_trim", lambda: freed.clear())
    freed = [np.ones(50_000_000, np.uint8) for _ in range(8)]
    before = held()
    give_back(above=before - 1)
    assert held() < 0.9 * before and once._cache_size() == 1


POOLS = """
import ctypes, sys, threading
from repro.runs.memory import share_pools
if sys.argv[1] == "shared":
    share_pools()
all_here = threading.Barrier(8)
def work():
    bytearray(1000)
    all_here.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_stats"), reason="GNU's C library alone has pools")
@pytest.mark.parametrize(("how", "most"), [("shared", 2), ("apart", 99)])
def test_threads_share_two_pools_of_memory(how, most):
    done = subprocess.run([sys.executable, "-c", POOLS, how], cwd=ROOT, capture_output=True, text=True)
    n_pools = done.stderr.count("Arena ")
    assert 1 <= n_pools <= most and (how == "shared" or n_pools > 2)


def test_every_run_gives_back_what_it_took(loads, single_precision, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(repro.runs.run, "give_back", lambda: given.append(len([*tmp_path.rglob("*.json")])))
    pca = partial(PrincipalComponents, n_components=1)
    several = experiment(here_a=pca, there_a=pca)
    run(several, Request(results=tmp_path), QUIET)
    assert given == [1, 2]  # when its record is written
