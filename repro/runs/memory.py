"""The memory that this process takes, and giving back what it holds for nothing."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys

import jax


def peak_memory() -> int:
    """The most that this process has had in memory at one time, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def give_back() -> None:
    """Return to the system what finished runs have left: the programs, which JAX keeps for another call, and
    what was freed, which GNU's C library keeps in a pool for each thread; compiling frees much of it.
    """
    jax.clear_caches()
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
