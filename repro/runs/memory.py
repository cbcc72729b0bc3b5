"""The memory that this process takes, and giving back what it holds for nothing."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys
from pathlib import Path

import jax

M_ARENA_MAX = -8  # of malloc.h
PLENTY = 750_000_000  # bytes that a process may hold between its runs
LITTLE = 0.85  # of what may be held: if more is left, the next run will be beyond it again
STATM = Path("/proc/self/statm")


def peak_memory() -> int:
    """The most that this process has had in memory at one time, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def held() -> int:
    """What this process has in memory now, in bytes; the most that it had where the system does not say."""
    if not STATM.exists():
        return peak_memory()
    return int(STATM.read_text(encoding="utf-8").split()[1]) * resource.getpagesize()


def share_pools() -> None:
    """Have all threads that are still to come take memory from two pools, where others have freed some. GNU's
    C library gives a pool to each, and what the threads of the compiler leave in theirs adds up.
    """
    if options := getattr(ctypes.CDLL(None), "mallopt", None):
        options(M_ARENA_MAX, 2)


def give_back(above: int = PLENTY) -> None:
    """Where more than so many bytes are held, return to the system what finished runs have left: what was
    freed, which GNU's C library keeps for later; if that is little, also the programs, which JAX keeps for
    another call and which are compiled again if one comes.
    """
    if held() <= above:
        return
    _trim()
    if held() > LITTLE * above:
        jax.clear_caches()
        _trim()


def _trim() -> None:
    """Free what only cycles hold, and return what is free."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
