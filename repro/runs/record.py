"""The evidence: one JSON file per variant and seed, with everything needed to know where it came from.

Arrays for the figures lie beside the record in an .npz file of the same name, held to its checksum.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import platform
import subprocess
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from repro.atomic import write_atomically
from repro.errors import UserError

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")
ROOT = Path(__file__).resolve().parents[2]
CODE = ("repro", "experiments", "pyproject.toml", "constraints.txt")  # what can move a number


class Record(NamedTuple):
    """One run of one variant with one seed."""

    experiment: str
    variant: str
    profile: str
    seed: int
    config: dict[str, Any]
    metrics: dict[str, Any]  # units in the name; see results/README.md
    curves: dict[str, Any]  # one entry per epoch
    arrays: str | None  # SHA-256 of the .npz file beside the record
    provenance: dict[str, Any]


def as_config(config: Any) -> dict[str, Any]:
    """A configuration dataclass as plain JSON, its kind included."""
    return {"kind": type(config).__name__, **json.loads(json.dumps(asdict(config)))}


def identity(config: Any, device: str) -> str:
    """Eight hex digits that differ whenever the configuration or the kind of device (cpu, gpu) does.

    Fields at their defaults are left out, so that a new field does not disown old records.
    """
    text = json.dumps([type(config).__name__, _choices(config), device], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _choices(config: Any) -> dict[str, Any]:
    """The fields that are not at their defaults, nested configurations likewise."""
    chosen = {}
    for field in fields(config):
        value = getattr(config, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if value != default:
            chosen[field.name] = _choices(value) if is_dataclass(value) else value
    return chosen


def record_path(folder: Path, variant: str, seed: int, config: Any, device: str) -> Path:
    """Where the record of this run is or will be."""
    return folder / f"{variant}.seed{seed}.{identity(config, device)}.json"


def save_records(records: dict[Path, tuple[Record, dict[str, np.ndarray]]]) -> None:
    """Write all arrays, then the records that vouch for them; each file is there whole or not at all."""
    for path, (record, arrays) in records.items():
        if arrays:
            content = io.BytesIO()
            np.savez_compressed(content, allow_pickle=False, **arrays)
            write_atomically(path.with_suffix(".npz"), content.getvalue())
            checksum = hashlib.sha256(content.getvalue()).hexdigest()
            records = records | {path: (record._replace(arrays=checksum), arrays)}
    for path, (record, _) in records.items():
        write_atomically(path, _as_json(record).encode())


def load_record(path: Path) -> Record:
    """Read one record.

    Raises:
        UserError: if the file is not a record.
    """
    try:
        record = Record(**json.loads(path.read_text()))
        return record._replace(metrics=_with_nan(record.metrics), curves=_with_nan(record.curves))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{path} is not a record ({error}): delete it and run its experiment again"
        ) from error


def check_recorded(path: Path, config: Any) -> Record:
    """The record at `path`, if it is of this very configuration.

    Raises:
        UserError: if a default has changed since, which the name of the file does not show.
    """
    record, asked = load_record(path), as_config(config)
    changed = [name for name in record.config.keys() & asked if differs(record.config[name], asked[name])]
    if changed:
        raise UserError(f"{path} was recorded with another {', '.join(changed)}: move it away and run again")
    return record


def differs(old: Any, new: Any) -> bool:
    """Whether two configurations differ in a field that both have."""
    if isinstance(old, dict) and isinstance(new, dict):
        return any(differs(old[name], new[name]) for name in old.keys() & new)
    return old != new


def load_arrays(path: Path, record: Record) -> dict[str, np.ndarray]:
    """The arrays of the record at `path`.

    Raises:
        UserError: if they are missing, or are not the ones that the record vouches for.
    """
    beside = path.with_suffix(".npz")
    if not beside.is_file():
        raise UserError(f"{beside} is missing: delete {path.name} and run its experiment again")
    content = beside.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.arrays:
        raise UserError(f"{beside} is not what its record was written with: delete both and run again")
    with np.load(io.BytesIO(content)) as arrays:
        return dict(arrays)


def provenance(data_source: str, data_checksum: str, **more: Any) -> dict[str, Any]:
    """Where a number comes from: code, data, software and machine."""
    commit, dirty = revision()
    device = jax.devices()[0]
    return {
        "commit": commit,
        "dirty": dirty,
        "data": data_source,
        "data_sha256": data_checksum,
        "platform": device.platform,
        "device": cpu_name() if device.platform == "cpu" else device.device_kind,
        "cores": os.cpu_count(),
        "precision": f"float32, matrix products {_matmul_precision()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        **more,
    }


@lru_cache
def revision() -> tuple[str, bool | None]:
    """Commit of this checkout, and whether its code differs from it; asked once per process.

    Where there is no checkout of ours, REPRO_COMMIT may name the commit.
    """

    def git(*args):
        command = ["git", "-C", str(ROOT), *args]
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() == ROOT:
            return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", *CODE))
    except (OSError, subprocess.CalledProcessError):
        pass
    return os.environ.get("REPRO_COMMIT", "unknown"), None


@lru_cache
def code_digest() -> str:
    """Eight hex digits of the library's text: a checkpoint is continued by the code that wrote it alone."""
    files = sorted((ROOT / "repro").rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]


def _matmul_precision() -> str:
    return jax.config.values["jax_default_matmul_precision"] or "default"


def _with_nan(values: Any) -> Any:
    """What was saved as null, because it was not finite, as NaN."""
    if isinstance(values, dict):
        return {name: _with_nan(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_with_nan(value) for value in values]
    return math.nan if values is None else values


def cpu_name() -> str:
    """The processor, as it names itself."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _as_json(record: Record) -> str:
    """One line per field, and one per entry of a field that is a dictionary."""

    def line(value):
        if not isinstance(value, dict):
            return json.dumps(_plain(value))
        return (
            "{\n"
            + ",\n".join(f"  {json.dumps(k)}: {json.dumps(_plain(v))}" for k, v in value.items())
            + "\n }"
        )

    return "{\n" + ",\n".join(f" {json.dumps(k)}: {line(v)}" for k, v in record._asdict().items()) + "\n}\n"


def _plain(value: Any) -> Any:
    """Numbers to seven digits, as float32 has them; what is not finite becomes null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
