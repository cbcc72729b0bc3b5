"""The memory that this process takes, and giving back what it holds for nothing."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys

import jax

M_ARENA_MAX = -8  # of malloc.h


def peak_memory() -> int:
    """The most that this process has had in memory at one time, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def share_pools() -> None:
    """Have all threads that are still to come take memory from two pools, where others have freed some. GNU's
    C library gives a pool to each, and what the threads of the compiler leave in theirs adds up.
    """
    if options := getattr(ctypes.CDLL(None), "mallopt", None):
        options(M_ARENA_MAX, 2)


def give_back() -> None:
    """Return to the system what finished runs have left: the programs, which JAX keeps for another call, and
    what was freed, which GNU's C library keeps for later; compiling frees much of it.
    """
    jax.clear_caches()
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
