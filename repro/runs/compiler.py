"""What the compiler needs, set in one place: where compiled programs are kept."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

import jax
from filelock import FileLock
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from rich.console import Console

from repro.data.prepared import cache_dir
from repro.runs.checkpoint import drop_least_recent
from repro.runs.provenance import here, processor

PROGRAM_BYTES = 2 * 2**30  # of compiled programs; beyond, the least recently used go
WORTH_KEEPING = 0.05  # seconds; what compiles faster is not kept, for with each JAX looks at all others


def programs_dir() -> Path:
    """Where compiled programs are kept: a folder for each version of the compiler and kind of device."""
    return cache_dir() / "programs"


def folder() -> Path:
    """Of the programs that this compiler makes for this device; those of a processor run on no other."""
    device = here()
    words = version("jax"), version("jaxlib"), processor() if device.platform == "cpu" else device.name
    return programs_dir() / re.sub(r"[^a-z0-9.]+", "-", "-".join(words).lower())


@contextmanager
def compiled_once(console: Console) -> Iterator[None]:
    """Within, every program is compiled once: it is taken from the user's cache, or kept there. A cache that
    the user has named in JAX_COMPILATION_CACHE_DIR is used as it is.

    Where the folder cannot be written it is said, and programs are kept for this command alone.
    """
    if jax.config.values["jax_compilation_cache_dir"]:
        yield
        return
    with ExitStack() as stack:
        try:
            place = folder()
            _make_ready(place)
        except OSError as error:
            console.print(
                f"the cache {cache_dir()} cannot be written ({error.strerror}): compiled programs are kept "
                "for this command alone; name another folder in REPRO_CACHE_DIR"
            )
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jax.config.update("jax_compilation_cache_dir", str(place))
        jax.config.update("jax_compilation_cache_max_size", PROGRAM_BYTES)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)
        stack.enter_context(warnings.catch_warnings())
        # a program that cannot be read, or kept, is compiled again
        warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache", UserWarning)
        try:
            yield
        finally:
            jax.config.update("jax_compilation_cache_dir", None)
            reset_cache()


def _make_ready(place: Path) -> None:
    """Make the folder, drop those of other compilers and devices that were used longest ago, and what a
    process left half written that died: JAX writes a program's time of use after the program.
    """
    place.mkdir(parents=True, exist_ok=True)
    os.utime(place)
    with FileLock(place / ".lockfile"):
        for program in place.glob("*-cache"):
            if not program.with_name(program.name.removesuffix("-cache") + "-atime").exists():
                program.unlink()
    drop_least_recent(place.parent.iterdir(), PROGRAM_BYTES)
