"""Compiling: what XLA is asked for, set in one place."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax

# Most of the time of compiling for a GPU went into Triton's kernels for matrix products; cuBLAS has its own.
ON_GPUS = {"xla_gpu_enable_triton_gemm": False}


def options() -> dict[str, Any]:
    """What this machine's compiler is asked for; nothing on a CPU."""
    return dict(ON_GPUS) if jax.default_backend() == "gpu" else {}


def jitted(function: Callable) -> Callable:
    """The function, compiled for each kind of arguments when it is called with them; outermost only, for JAX
    refuses options within another compiled function.
    """
    return jax.jit(function, compiler_options=options())


def compile_ahead(function: Callable, *args) -> tuple[Callable, float]:
    """The compiled function for arguments like these, and the seconds that compiling took."""
    began = time.perf_counter()
    compiled = jitted(function).lower(*args).compile()
    return compiled, time.perf_counter() - began
