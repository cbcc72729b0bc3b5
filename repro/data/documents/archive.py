"""The archive of Reuters-21578: each member that is wanted, verified."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path, PurePosixPath

from repro.data.sources import Source, unpacked
from repro.errors import UserError


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
        with tarfile.open(fileobj=io.BytesIO(unpacked(path)), mode="r:") as archive:
            chosen = ((name, m) for m in archive if (name := check_safe(path, m)) in sources)
            found = {name: check_member(path, archive, m, sources[name]) for name, m in chosen}
    except (tarfile.TarError, OSError) as error:
        raise UserError(f"{path} is truncated or no tar archive ({error}): fetch it again") from error
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
