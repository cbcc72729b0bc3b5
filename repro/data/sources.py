"""The raw files of a data set: in a data folder, or downloaded from a host that answers in time."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from repro.errors import DataUnavailableError, UserError

PATIENCE = 3.0  # seconds that the host has to answer, name resolution included
SILENCE = 30.0  # seconds without a byte before a download that has begun is given up
GZIP = b"\x1f\x8b"  # how gzipped files begin

T = TypeVar("T")


class Source(NamedTuple):
    """One raw file: as a host has it, or with size and checksum of what it unpacks to."""

    url: str
    size: int  # bytes
    sha256: str
    filename: str
    others: tuple[str, ...] = ()  # names that people have it under too


def registered(path: Path) -> tuple[Source, ...]:
    """The sources in a table of tensorflow-datasets' (address, bytes, SHA-256, file name)."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.reader(lines, delimiter="\t")
        return tuple(Source(url, int(size), sha256, name) for url, size, sha256, name in rows)


def data_folder(data_dir: str | Path | None) -> Path | None:
    """The folder of raw files: the argument, else REPRO_DATA_DIR, else None.

    Raises:
        UserError: if it is in the home of a user whom the system does not know.

    """
    chosen = data_dir or os.environ.get("REPRO_DATA_DIR")
    try:
        return Path(chosen).expanduser() if chosen else None
    except RuntimeError as error:
        raise UserError(
            f"the data folder {chosen}: {error} Name another in --data-dir or REPRO_DATA_DIR"
        ) from error


def obtain(name: str, source: Source, scratch: Path, data_dir: Path | None) -> Path:
    """A file in `<data_dir>/<name>`, or without a data folder downloaded into `scratch`; unverified.

    Raises:
        DataUnavailableError: it is not in the data folder, or cannot be downloaded.

    """
    if data_dir is None:
        return fetched(name, source, scratch)
    return located(name, (source,), data_dir)[0]


def located(name: str, sources: tuple[Source, ...], data_dir: Path) -> list[Path]:
    """The files in `<data_dir>/<name>`, under whichever of their names; unverified.

    Raises:
        DataUnavailableError: one is missing; says what lies there instead.

    """
    folder = data_dir / name
    paths = [file_of(source, folder) for source in sources]
    if missing := [source.filename for source, path in zip(sources, paths, strict=True) if path is None]:
        raise DataUnavailableError(
            f"{folder} lacks {', '.join(missing)}{_instead(folder, paths)}: fetch from {host(sources)}, "
            f"or leave out --data-dir and REPRO_DATA_DIR to download"
        )
    return [path for path in paths if path]


def _instead(folder: Path, paths: list[Path | None]) -> str:
    """What is there, in parentheses, where files are missing from a folder of the data folder."""
    if not folder.parent.is_dir():
        return f" (the data folder {folder.parent} does not exist)"
    place = folder if folder.is_dir() else folder.parent
    strangers = sorted(path.name for path in set(place.glob("*")) - set(paths))
    there = ", ".join(map(repr, strangers[:5]))
    if place != folder:
        return f" (it does not exist; what lies in {place}: {there or 'nothing'})"
    return f" (what lies there: {there})" if there else ""


def file_of(source: Source, folder: Path) -> Path | None:
    """The file in a folder, under the first of its names that is in use; None if under none."""
    paths = (folder / name for name in (source.filename, *source.others))
    return next((path for path in paths if path.is_file()), None)


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
        UserError: it cannot be read.

    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): mend its permissions") from error


def unpacked(path: Path) -> bytes:
    """The content of a file that is gzipped or not, whatever its name.

    Raises:
        UserError: it is half a gzip file, a damaged one, or unreadable.

    """
    content = read(path)
    try:
        return gzip.decompress(content) if content.startswith(GZIP) else content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path} is no whole gzip file ({error}): fetch it again") from error


def verified(path: Path, source: Source) -> bytes:
    """What a file unpacks to, byte for byte the registered content.

    Raises:
        UserError: it is truncated, altered, another file altogether, or unreadable.

    """
    content = unpacked(path)
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        wrong = "truncated" if len(content) < source.size else "altered, or another file"
        raise UserError(
            f"{path} is {wrong}: {len(content)} bytes with SHA-256 {found}, expected {source.size} bytes "
            f"with SHA-256 {source.sha256}; fetch it again from {source.url}"
        )
    return content


def check_reachable(name: str, sources: tuple[Source, ...]) -> None:
    """Pass if the host of the files answers, as tensorflow-datasets would ask. Fails as `answered` does."""
    import requests  # what tensorflow-datasets downloads with: same proxies, same certificates

    def ask(**kwargs) -> None:
        requests.head(sources[0].url, allow_redirects=True, **kwargs)

    answered(name, sources, ask)


def fetched(name: str, source: Source, scratch: Path) -> Path:
    """A file downloaded into `scratch`, where pooch puts it whole or not at all. Fails as `answered` does.

    No checksum is given to pooch: hosts pack the same content anew, hence it is verified once it is decoded.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it announces each file, and what to do about checksums

    def ask(**kwargs) -> str:
        get: Any = pooch.HTTPDownloader(chunk_size=1 << 20, **kwargs)  # its own type says no
        return pooch.retrieve(source.url, None, source.filename, scratch, downloader=get)

    return Path(answered(name, (source,), ask))


def answered(name: str, sources: tuple[Source, ...], ask: Callable[..., T]) -> T:
    """What `ask` returns, which passes its keywords to requests; the host has PATIENCE seconds to answer.

    It runs in a daemon thread because no time limit of a socket covers name resolution.

    Raises:
        DataUnavailableError: no answer, a refusal, or one that breaks off; names the three ways to do
            without the network.

    """
    import requests

    began, outcome = threading.Event(), Future()

    def hear(reply, **_) -> None:
        if not reply.is_redirect:
            began.set()
            if reply.status_code != requests.codes.ok:
                raise DataUnavailableError(unreachable(name, sources, f"HTTP status {reply.status_code}"))

    def run() -> None:
        try:
            outcome.set_result(ask(timeout=(PATIENCE, SILENCE), hooks={"response": hear}))
        except Exception as error:
            outcome.set_exception(error)
        began.set()

    threading.Thread(target=run, daemon=True).start()
    if not began.wait(PATIENCE):
        raise DataUnavailableError(unreachable(name, sources, f"no answer within {PATIENCE:g} s"))
    try:
        return outcome.result()
    except requests.RequestException as error:
        raise DataUnavailableError(unreachable(name, sources, type(error).__name__)) from error


def unreachable(name: str, sources: tuple[Source, ...], reason: str) -> str:
    """What to say of files that cannot be downloaded, with the three ways out."""
    files = ", ".join(source.filename for source in sources)
    return (
        f"{name} cannot be downloaded from {sources[0].url} ({reason}): either put {files} into a folder "
        f"<dir>/{name} and pass --data-dir <dir> (or set REPRO_DATA_DIR); or carry a prepared cache here and "
        f"name it in REPRO_CACHE_DIR; or use --profile quick, which runs on the embedded sample"
    )


def host(sources: tuple[Source, ...]) -> str:
    """The address of a file, or the folder that several are served from."""
    return sources[0].url if len(sources) == 1 else sources[0].url.rpartition("/")[0] + "/"
