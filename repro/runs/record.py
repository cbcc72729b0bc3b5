"""The evidence: one JSON file per variant and seed, with everything needed to know where it came from.

A record vouches for itself by a checksum, and for the arrays beside it (an .npz file of the same name) by
another. Its place says what it is: `<experiment>/<variant>.seed<seed>.<identity>.json`.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from repro.atomic import write_atomically
from repro.errors import UserError
from repro.typed import distinctive, in_one_line

ORIGIN = ("commit", "data_sha256", "platform", "device", "cores", "seeds_side_by_side", "wall_seconds")
ORIGIN += ("load_average", "finished")
LEAST = {
    "cores": 1,
    "seeds_side_by_side": 1,
    "wall_seconds": 0,
    "load_average": 0,
}  # of those that are numbers


class Record(NamedTuple):
    """One run of one variant with one seed."""

    experiment: str
    variant: str
    profile: str
    seed: int
    identity: str  # of what was run
    config: dict[str, Any]
    metrics: dict[str, float]  # units in the name; see results/README.md; null in the file is NaN
    curves: dict[str, list[float]]  # one entry per epoch
    arrays: str | None  # SHA-256 of the .npz file beside the record
    provenance: dict[str, Any]


_RECORD = TypeAdapter(Record)


def identity(config: Any, data_sha256: str, platform: str) -> str:
    """Eight hex digits that differ whenever the configuration, the data or the kind of device does."""
    return digest([distinctive(config), data_sha256, platform])[:8]


def digest(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def record_path(folder: Path, experiment: str, variant: str, seed: int, of: str) -> Path:
    """Where in the folder of a profile the record of this identity is or will be."""
    return folder / experiment / f"{variant}.seed{seed}.{of}.json"


def save_records(folder: Path, records: list[tuple[Record, dict[str, np.ndarray]]]) -> list[Path]:
    """Write all arrays, then the records that vouch for them; each file is there whole or not at all."""
    paths = []
    for record, arrays in records:
        path = record_path(folder, record.experiment, record.variant, record.seed, record.identity)
        paths.append(path)
        if arrays:
            content = io.BytesIO()
            np.savez_compressed(content, allow_pickle=False, **arrays)
            write_atomically(path.with_suffix(".npz"), content.getvalue())
            record = record._replace(arrays=hashlib.sha256(content.getvalue()).hexdigest())
        write_atomically(path, as_text(record).encode())
    return paths


def load_records(folder: Path, experiment: str | None = None) -> dict[Path, Record]:
    """Every record below the folder of a profile, or of one experiment of it, by path.

    Raises:
        UserError: if a file is no record, has been edited, or does not lie where its record belongs.
    """
    below = folder / experiment if experiment else folder
    return {path: load_record(path, folder) for path in sorted(below.rglob("*.seed*.json"))}


def load_record(path: Path, folder: Path | None = None) -> Record:
    """Read one record, and hold it to its checksum, its place in the folder and its arrays being there.

    Raises:
        UserError: if it is not a record as it was written.
    """
    remedy = "delete it and run its experiment again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        checksum = content.pop("sha256", None)
        numbers = {name: _with_nan(content[name]) for name in ("metrics", "curves")}
        record = _RECORD.validate_python(Record(**content | numbers))
        lacking = [name for name in ORIGIN if name not in record.provenance]
        lacking += [n for n, least in LEAST.items() if n not in lacking and not record.provenance[n] >= least]
    except ValidationError as error:
        raise UserError(f"{path} is not a record ({in_one_line(error)}): {remedy}") from error
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(f"{path} is not a record ({error}): {remedy}") from error
    if lacking:
        raise UserError(f"{path} is not a record (no provenance of {', '.join(lacking)}): {remedy}")
    if checksum != digest(content):
        raise UserError(f"{path} has been edited since it was written: {remedy}")
    place = (
        record_path(folder, record.experiment, record.variant, record.seed, record.identity)
        if folder
        else path
    )
    if place != path:
        raise UserError(
            f"{path} is a record of {place.relative_to(place.parents[1])}: delete it, or move it there"
        )
    if record.arrays and not path.with_suffix(".npz").is_file():
        raise UserError(
            f"{path.with_suffix('.npz')} is missing: delete {path.name} and run its experiment again"
        )
    return record


def load_arrays(path: Path, record: Record) -> dict[str, np.ndarray]:
    """The arrays of the record at `path`; none if it has none.

    Raises:
        UserError: if they are not the ones that the record vouches for.
    """
    if record.arrays is None:
        return {}
    beside = path.with_suffix(".npz")
    content = beside.read_bytes()
    if hashlib.sha256(content).hexdigest() != record.arrays:
        raise UserError(f"{beside} is not what its record was written with: delete both and run again")
    with np.load(io.BytesIO(content)) as arrays:
        return dict(arrays)


def n_epochs(record: Record) -> int:
    """Fine-tuning epochs that a record has behind it; 0 if nothing was fine-tuned."""
    if "epochs" in record.curves:
        return int(record.curves["epochs"][-1])
    return len(record.curves.get("seconds", ()))


def layer_epochs(record: Record) -> list[int]:
    """Epochs of each pretrained layer, lowest first."""
    layers = sorted(name for name in record.curves if name.startswith("reconstruction_error_layer"))
    return [len(record.curves[name]) for name in layers]


def recorded(records: Iterable[Record]) -> str:
    """How much there is and what it took: "11 variants, 12 runs, 2:03:10 on AMD EPYC"."""
    records = list(records)
    if not records:
        return "nothing yet"
    variants = {record.variant for record in records if record.config.get("kind") != "tuning"}
    devices = sorted({record.provenance["device"] for record in records})
    shares = [r.provenance["wall_seconds"] / r.provenance["seeds_side_by_side"] for r in records]
    seconds = timedelta(seconds=round(sum(shares)))
    return f"{len(variants)} variants, {len(records)} runs, {seconds} on {', '.join(devices)}"


def as_text(record: Record) -> str:
    """One line per field, and one per entry of a field that is a dictionary; its checksum last."""
    content = record._asdict() | {"metrics": _plain(record.metrics), "curves": _plain(record.curves)}
    content = json.loads(json.dumps(content))
    content["sha256"] = digest(content)

    def line(value):
        if not isinstance(value, dict):
            return json.dumps(value)
        return "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n }"

    return "{\n" + ",\n".join(f" {json.dumps(k)}: {line(v)}" for k, v in content.items()) + "\n}\n"


def _with_nan(values: Any) -> Any:
    """What was saved as null, because it was not finite, as NaN."""
    if isinstance(values, dict):
        return {name: _with_nan(value) for name, value in values.items()}
    if isinstance(values, list):  # of numbers but for a few: a call for each would take longest of all
        return [_with_nan(x) if isinstance(x, list | dict) else math.nan if x is None else x for x in values]
    return math.nan if values is None else values


def _plain(value: Any) -> Any:
    """Numbers to seven digits, as float32 has them; what is not finite becomes null."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
