"""What is in a folder, and in what two results folders differ that should not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

# Of a record, what is about time and place, and so not the same in two runs of the same configuration. All
# else is compared, byte for byte in effect: values, and the order in which the file has them.
OF_TIME = {"wall_seconds", "processes", "load_average", "finished"}  # of its provenance
OF_PLACE = {"artefacts"}  # of its provenance: which process had trained the layers that it started from
CLOCKED = ("seconds",)  # how the names of its metrics and curves end that a clock measured
VOUCHED = "sha256"  # of all of it, the above too
LITTER = (".writing-*", ".preparing-*", "*orbax-checkpoint-tmp*", "core", "core.*")
SET_ASIDE = ("*.damaged",)  # nothing is, but where something was damaged


def hashes(*folders: Path) -> dict[str, str]:
    """The SHA-256 of every file, "folder" for every folder; locks left out, which are no content."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.name not in (".lock", ".lockfile"):
                whole = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
                found[str(path)] = whole
    return found


def plain(path: Path) -> Any:
    """The content of a file that must be the same in two runs."""
    if path.suffix != ".json":
        return path.read_bytes()
    record = json.loads(path.read_text(encoding="utf-8"))
    for field in ("metrics", "curves"):
        record[field] = {name: x for name, x in record[field].items() if not name.endswith(CLOCKED)}
    origin = record["provenance"]
    record["provenance"] = {name: x for name, x in origin.items() if name not in OF_TIME | OF_PLACE}
    return json.dumps({name: value for name, value in record.items() if name != VOUCHED})


def evidence(folder: Path) -> list[str]:
    """The records, arrays and figures of a results folder."""
    kept = {".json", ".npz", ".png", ".pdf"}
    return sorted(
        str(p.relative_to(folder)) for p in folder.rglob("*") if p.suffix in kept and not _hidden(p, folder)
    )


def different(found: Path, unbroken: Path) -> list[str]:
    """In what the evidence differs from that of an unbroken run, a line each."""
    ours, theirs = evidence(found), evidence(unbroken)
    wrong = [f"{name} is missing" for name in theirs if name not in ours]
    wrong += [f"{name} should not be there" for name in ours if name not in theirs]
    same = [name for name in ours if name in theirs]
    return wrong + [f"{name} is another" for name in same if plain(found / name) != plain(unbroken / name)]


def litter(*folders: Path, patterns: tuple[str, ...] = LITTER) -> list[str]:
    """What should be gone when a command has ended, a line each."""
    left = [path for folder in folders for pattern in patterns for path in folder.rglob(pattern)]
    left += [path for folder in folders for path in folder.glob("*/.checkpoints/*")]
    return [f"{path} is left" for path in left]


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
