"""The raw files of a data set: found in a data folder and verified, or waiting on a host that answers."""

from __future__ import annotations

import csv
import hashlib
import os
import threading
from pathlib import Path
from typing import NamedTuple

from repro.errors import DataUnavailableError, UserError

PATIENCE = 3.0  # seconds that the host has to answer, name resolution included


class Source(NamedTuple):
    """One raw file, as `checksums.tsv` registers it for tensorflow-datasets and for us."""

    url: str
    size: int  # bytes
    sha256: str
    filename: str


def registered(path: Path) -> tuple[Source, ...]:
    """The sources in a `checksums.tsv` (columns: address, bytes, SHA-256, file name)."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.reader(lines, delimiter="\t")
        return tuple(Source(url, int(size), sha256, name) for url, size, sha256, name in rows)


def data_folder(data_dir: str | Path | None) -> Path | None:
    """The folder of raw files: the argument, else REPRO_DATA_DIR, else None."""
    chosen = data_dir or os.environ.get("REPRO_DATA_DIR")
    return Path(chosen).expanduser() if chosen else None


def obtain(name: str, sources: tuple[Source, ...], data_dir: Path | None) -> Path | None:
    """The folder `<data_dir>/<name>` with its files verified; None if they are to be downloaded.

    Raises:
        DataUnavailableError: a file is missing or not the registered one; or, without a data folder, the host
            does not answer.

    """
    if data_dir is None:
        check_reachable(name, sources)
        return None
    folder = data_dir / name
    missing = [source.filename for source in sources if not (folder / source.filename).is_file()]
    if missing:
        absent = "" if data_dir.is_dir() else f" (the data folder {data_dir} does not exist)"
        raise DataUnavailableError(
            f"{folder} lacks {', '.join(missing)}{absent}: fetch from {host(sources)}, "
            f"or leave out --data-dir and REPRO_DATA_DIR to download"
        )
    for source in sources:
        check_file(folder / source.filename, source)
    return folder


def check_file(path: Path, source: Source) -> None:
    """Pass if a file is byte for byte the registered one.

    Raises:
        UserError: it is truncated, altered, another file altogether, or unreadable.

    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend its permissions") from error
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        wrong = "truncated" if len(content) < source.size else "altered, or another file"
        raise UserError(
            f"{path} is {wrong}: {len(content)} bytes with SHA-256 {found}, expected {source.size} bytes "
            f"with SHA-256 {source.sha256}; fetch it again from {source.url}"
        )


def check_reachable(name: str, sources: tuple[Source, ...]) -> None:
    """Pass if the host of the files answers within PATIENCE seconds, as tensorflow-datasets would ask it.

    The question is put in a daemon thread because no time limit of a socket covers name resolution.

    Raises:
        DataUnavailableError: no answer, or a refusal; names the three ways to do without the network.

    """
    url = sources[0].url
    outcome: list[str] = []
    asker = threading.Thread(target=lambda: outcome.append(refusal(url)), daemon=True)
    asker.start()
    asker.join(PATIENCE)
    reason = outcome[0] if outcome else f"no answer within {PATIENCE:g} s"
    if reason:
        raise DataUnavailableError(unreachable(name, sources, reason))


def refusal(url: str) -> str:
    """Why an address cannot be downloaded, in a few words; empty if it can."""
    import requests  # what tensorflow-datasets downloads with: same proxies, same certificates

    try:
        status = requests.head(url, timeout=PATIENCE, allow_redirects=True).status_code
    except Exception as error:
        return type(error).__name__
    return "" if status == requests.codes.ok else f"HTTP status {status}"


def unreachable(name: str, sources: tuple[Source, ...], reason: str) -> str:
    """What to say of files that cannot be downloaded, with the three ways out."""
    files = ", ".join(source.filename for source in sources)
    return (
        f"{name} cannot be downloaded from {sources[0].url} ({reason}): either put {files} into a folder "
        f"<dir>/{name} and pass --data-dir <dir> (or set REPRO_DATA_DIR); or carry a prepared cache here and "
        f"name it in REPRO_CACHE_DIR; or use --profile quick, which runs on the embedded sample"
    )


def host(sources: tuple[Source, ...]) -> str:
    """The folder that the files are served from."""
    return sources[0].url.rpartition("/")[0] + "/"
