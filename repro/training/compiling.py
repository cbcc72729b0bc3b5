"""Compiling: what XLA is asked for, set in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
from jaxtyping import Array, Key

# Most of the time of compiling for a GPU went into Triton's kernels for matrix products; cuBLAS has its own.
ON_GPUS = {"xla_gpu_enable_triton_gemm": False}
# Programs that hardly run are compiled in two thirds of the time, and of the memory, for a CPU.
SOON_ON_CPUS = {"xla_backend_optimization_level": 1, "xla_cpu_use_fusion_emitters": False}
# Those that draw a start, or the minibatches of an epoch, run for a moment however they are compiled.
SELDOM_ON_CPUS = SOON_ON_CPUS | {"xla_backend_optimization_level": 0}
_soon = ContextVar("soon", default=False)


@contextmanager
def soon(whether: bool = True) -> Iterator[None]:
    """Within, programs are compiled in little time rather than for speed, if the compiler knows how."""
    token = _soon.set(whether and _knows(SOON_ON_CPUS))
    try:
        yield
    finally:
        _soon.reset(token)


def _knows(asked: dict[str, Any]) -> bool:
    """Whether this compiler has such options: they are XLA's, and change with its versions."""
    try:
        jax.jit(lambda: 0, compiler_options=asked)()
    except RuntimeError:
        return False
    return True


def options(seldom: bool = False) -> dict[str, Any]:
    """What this machine's compiler is asked for, also of programs that run `seldom` or for a moment."""
    match jax.default_backend():
        case "gpu":
            return dict(ON_GPUS)
        case "cpu" if _soon.get():
            return dict(SELDOM_ON_CPUS if seldom else SOON_ON_CPUS)
    return {}


def jitted(function: Callable) -> Callable:
    """The function, compiled for each kind of arguments when it is called with them; outermost only, for JAX
    refuses options within another compiled function.
    """
    return jax.jit(function, compiler_options=options())


def drawn(draw: Callable[[Key[Array, ""]], Any], keys: Key[Array, " S"]) -> Any:
    """What `draw` makes of each key, by one program that is called once: operation by operation every random
    number's shape would be a program of its own.
    """
    return jax.jit(jax.vmap(draw), compiler_options=options(seldom=True))(keys)


def compile_ahead(function: Callable, *args) -> tuple[Callable, float]:
    """The compiled function for arguments like these, and the seconds that compiling took."""
    began = time.perf_counter()
    compiled = jitted(function).lower(*args).compile()
    return compiled, time.perf_counter() - began
