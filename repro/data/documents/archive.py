"""The archive of Reuters-21578, from a data folder or its host: each member that is wanted, verified."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from repro.data.sources import Source, check_reachable, unreachable
from repro.errors import DataUnavailableError, UserError

PATIENCE = 30.0  # seconds without a byte before a download is given up


def archive(name: str, source: Source, scratch: Path, data_dir: Path | None) -> Path:
    """The archive in `<data_dir>/<name>`, or without a data folder downloaded into `scratch`; unverified.

    Raises:
        DataUnavailableError: it is not in the data folder, or cannot be downloaded.

    """
    if data_dir is None:
        check_reachable(name, (source,))
        return download(name, source, scratch / source.filename)
    path = data_dir / name / source.filename
    if not path.is_file():
        absent = "" if data_dir.is_dir() else f" (the data folder {data_dir} does not exist)"
        raise DataUnavailableError(
            f"{path.parent} lacks {source.filename}{absent}: fetch it from {source.url}, "
            f"or leave out --data-dir and REPRO_DATA_DIR to download"
        )
    return path


def download(name: str, source: Source, path: Path) -> Path:
    """Fetch a file over the network into `path`.

    Raises:
        DataUnavailableError: the host refuses, falls silent or breaks off.

    """
    import requests

    try:
        with requests.get(source.url, stream=True, timeout=PATIENCE) as answer, path.open("wb") as file:
            answer.raise_for_status()
            for piece in answer.iter_content(1 << 20):
                file.write(piece)
    except requests.RequestException as error:
        raise DataUnavailableError(unreachable(name, (source,), " ".join(str(error).split()[:30]))) from error
    return path


def read_members(path: Path, wanted: tuple[Source, ...]) -> dict[str, bytes]:
    """The content of the wanted members by name, in the order of `wanted`; nothing is ever unpacked to disk.

    The archive is repacked by whoever serves it, so the members are verified and not the archive. They may
    lie in a folder of the archive.

    Raises:
        UserError: a damaged archive; a member that is missing, altered, or would lie outside the archive's
            own folder.

    """
    sources = {source.filename: source for source in wanted}
    try:
        with tarfile.open(path, "r:gz") as archive:
            chosen = ((name, m) for m in archive if (name := check_safe(path, m)) in sources)
            found = {name: check_member(path, archive, m, sources[name]) for name, m in chosen}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is truncated or no gzipped tar archive ({error}): fetch it again") from error
    if missing := [name for name in sources if name not in found]:
        raise UserError(f"{path} lacks {', '.join(missing)}: it is another archive; fetch {wanted[0].url}")
    return {name: found[name] for name in sources}


def check_safe(path: Path, member: tarfile.TarInfo) -> str:
    """The last part of a member's path, which must lie inside the archive's own folder.

    Raises:
        UserError: an absolute path, one with "..", or something that is neither a file nor a folder.

    """
    inside = PurePosixPath(member.name)
    if inside.is_absolute() or ".." in inside.parts or "\\" in member.name:
        raise UserError(f"{path} has a member of unsafe path {member.name!r}: refused")
    if not (member.isreg() or member.isdir()):
        raise UserError(f"{path} has a member {member.name!r} that is a link or a device: refused")
    return inside.name


def check_member(path: Path, archive: tarfile.TarFile, member: tarfile.TarInfo, source: Source) -> bytes:
    """The content of a member, which must be byte for byte the registered one.

    Raises:
        UserError: it is another file.

    """
    file = archive.extractfile(member) if member.size == source.size else None
    content = file.read() if file else b""
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise UserError(
            f"{path}: the member {member.name} is not the registered one: {member.size} bytes, expected "
            f"{source.size} bytes with SHA-256 {source.sha256}; fetch the archive again from {source.url}"
        )
    return content
