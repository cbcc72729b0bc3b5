"""Where a number comes from: code, data, software and machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax

from repro.errors import UserError
from repro.training.compiling import options

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")
ENVIRONMENT = ("XLA_FLAGS", "NPROC", "OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "JAX_ENABLE_X64")
ROOT = Path(__file__).resolve().parents[2]
CODE = ("repro", "experiments", "pyproject.toml", "constraints.txt")  # what can move a number


class Device(NamedTuple):
    """What computes here."""

    name: str
    platform: str  # as JAX calls it: "cpu", "gpu"


def here() -> Device:
    """The first device that JAX sees; a processor as it names itself.

    Raises:
        UserError: if it sees none of the kind that is asked for, or its compiler refuses XLA_FLAGS.
    """
    if flags := os.environ.get("XLA_FLAGS"):
        _check(flags)
    try:
        device = jax.devices()[0]
    except (RuntimeError, AssertionError) as error:
        asked = os.environ.get("JAX_PLATFORMS", "")
        remedy = "unset it, or install the JAX of that device (README.md, Full scale)"
        raise UserError(f"JAX_PLATFORMS={asked}: JAX sees no such device here: {remedy}") from error
    return Device(cpu_name() if device.platform == "cpu" else device.device_kind, device.platform)


@lru_cache
def _check(flags: str) -> None:
    """Have another process try the flags: one that does not know them is ended by the compiler.

    Raises:
        UserError: if it is.
    """
    words = [sys.executable, "-c", "import jax; jax.devices()"]
    little = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # of a GPU's memory
    done = subprocess.run(words, env=little, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode and "XLA_FLAGS" in done.stderr:
        said = next(line for line in done.stderr.splitlines() if "XLA_FLAGS" in line)
        raise UserError(f"XLA_FLAGS={flags}: {said.partition('] ')[2] or said}: mend or unset it")


def provenance(data_source: str, data_checksum: str, **more: Any) -> dict[str, Any]:
    """The origin of what this process computes now."""
    commit, dirty = revision()
    device = here()
    return {
        "commit": commit,
        "dirty": dirty,
        "data": data_source,
        "data_sha256": data_checksum,
        "platform": device.platform,
        "device": device.name,
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": n_cores(),  # rounding differs with their number: so many decide a number's last digits
        "compiler": options(),
        "environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        **more,
    }


@lru_cache
def revision() -> tuple[str, bool | None]:
    """Commit of this checkout, and whether its code differs from it; asked once per process.

    Of a copy without its history, or with another's, REPRO_COMMIT names the commit.
    """

    def git(*args):
        command = ["git", "-C", str(ROOT), *args]
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()

    if said := os.environ.get("REPRO_COMMIT"):
        return said, None
    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() == ROOT:
            return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", *CODE))
    except (OSError, subprocess.CalledProcessError):
        pass
    return "unknown", None


def processes_on_gpu() -> dict[str, int]:
    """The processes that compute on the GPU now, this one included, as its driver counts them; nothing where
    there is no GPU, or its driver does not say.
    """
    command = ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"]
    if here().platform == "cpu":
        return {}
    try:
        found = subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return {}
    n = len({line.strip() for line in found.splitlines() if line.strip().isdigit()})  # each on all its GPUs
    return {"processes_on_gpu": n} if n else {}


def n_cores() -> int:
    """Cores that this process may use, and so the threads that XLA computes with."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """The processor, as it names itself."""
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


@lru_cache
def processor() -> str:
    """The exact processor: a virtual machine may give many of them one name, and rounding differs."""
    about = _cpuinfo()
    exact = [f"{word} {about[name]}" for word, name in NUMBERS.items() if name in about]
    widest = next((f for f in ("avx512f", "avx2", "avx") if f in about.get("flags", "").split()), "")
    return ", ".join(filter(None, [cpu_name(), *exact, widest]))


NUMBERS = {"family": "cpu family", "model": "model", "stepping": "stepping"}


def _cpuinfo() -> dict[str, str]:
    """What the kernel says of the first core; nothing where it does not."""
    path = Path("/proc/cpuinfo")
    first = path.read_text(encoding="utf-8").split("\n\n")[0] if path.exists() else ""
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}
