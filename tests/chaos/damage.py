"""Ways to damage the bytes of a file, and the values of a JSON file."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

STRANGE: tuple[Any, ...] = (None, "x", "", [], {}, -1, 0, 1e300, float("nan"), True, ["x"], {"x": 1}, "ü\x00")


def truncated(draw: random.Random, content: bytes) -> bytes:
    return content[: draw.randrange(max(1, len(content)))]


def flipped(draw: random.Random, content: bytes) -> bytes:
    """One to five bits are others."""
    changed = bytearray(content or b"\0")
    for _ in range(draw.randint(1, 5)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def emptied(draw: random.Random, content: bytes) -> bytes:
    return b""


def noise(draw: random.Random, content: bytes) -> bytes:
    return draw.randbytes(draw.randint(1, 5000))


def another(draw: random.Random, content: bytes) -> bytes:
    """Of another type altogether."""
    return draw.choice(
        [b"null", b"[]", b"{}", b"<html>404</html>\n", "Grüße\n".encode("latin-1"), b"\0" * 4096]
    )


def longer(draw: random.Random, content: bytes) -> bytes:
    return content + draw.randbytes(draw.randint(1, 100))


def huge_header(draw: random.Random, content: bytes) -> bytes:
    """The beginning claims much more than there is."""
    return content[:4] + b"\xff" * 8 + content[12:]


def packed(draw: random.Random, content: bytes) -> bytes:
    """Gzipped garbage, the second time not whole."""
    return truncated(draw, gzip.compress(draw.randbytes(3000)))


WAYS: tuple[Callable[[random.Random, bytes], bytes], ...]
WAYS = (truncated, flipped, emptied, noise, another, longer, huge_header, packed)


def damaged(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    """In which way, and the bytes, which are not those that were given."""
    while True:
        way = draw.choice(WAYS)
        if (changed := way(draw, content)) != content:
            return way.__name__.replace("_", " "), changed


def forged(draw: random.Random, content: Any) -> tuple[str, Any]:
    """A JSON value with one field, however deep, removed, added or made strange; and what was done."""
    content = json.loads(json.dumps(content))
    holder, where = content, []
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = draw.choice(keys)
        where.append(str(key))
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.3:
            break
        holder = inner
    name, kind = ".".join(where), draw.choice(["removed", "added", "strange", "strange"])
    if kind == "removed":
        del holder[key]
    elif kind == "added" and isinstance(holder, dict):
        holder["stranger"], name = 1, f"{name} and a stranger beside it"
    else:
        holder[key] = draw.choice([value for value in STRANGE if repr(value) != repr(inner)])
        name = f"{name} = {holder[key]!r}"
    return f"{kind} {name}", content
