"""The two formats in which RCV1-v2 is distributed [lewis2004rcv1, appendices 8 and 12], gzipped, streamed."""

from __future__ import annotations

import gzip
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from repro.errors import UserError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a gzipped text file from 1, without their ends; read as Latin-1, a line at a time.

    Raises:
        UserError: it is no whole gzip file.

    """
    try:
        with gzip.open(path, "rt", encoding="latin-1", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                yield number, line.rstrip("\r\n")
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is no whole gzip file ({error}): fetch it again") from error


def read_tokens(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number and the stems of every story: lines `.I <number>`, `.W`, of stems, and a blank one.

    Raises:
        UserError: anything else; it names the line.

    """
    story, stems = None, None  # the story that has begun; its stems from `.W` on
    for number, line in numbered_lines(path):
        if line.startswith(".I "):
            if story is not None:
                yield story, finished(path, number, story, stems)
            story, stems = whole_number(path, number, line[3:]), None
        elif line.startswith(".W") and line.strip() == ".W" and story is not None and stems is None:
            stems = []
        elif stems is not None and not (line.startswith(".") and line[1:2].isupper()):
            stems += line.split()
        elif line.strip():
            raise UserError(at(path, number) + f"{line[:40]!r} where `.I <number>` or `.W` belongs")
    if story is not None:
        yield story, finished(path, number, story, stems)


def finished(path: Path, number: int, story: int, stems: list[str] | None) -> list[str]:
    """The stems of a story that has ended, perhaps none.

    Raises:
        UserError: its text never began.

    """
    if stems is None:
        raise UserError(at(path, number) + f"story {story} ends before its `.W`")
    return stems


def read_topics(path: Path) -> dict[int, str]:
    """The most specific topic of every story, from lines `<topic> <number> 1`.

    Most specific is the rarest: the topic with the fewest stories in the whole file, among equals the first
    in the alphabet. Every story has the ancestors of its topics too, so that an ancestor is never rarer.

    Raises:
        UserError: a line of another form; it names the line.

    """
    topics: dict[str, int] = {}
    stories, codes = array("i"), array("H")
    for number, line in numbered_lines(path):
        fields = line.split(" ")
        if len(fields) != 3 or not fields[0] or fields[2] != "1":
            raise UserError(at(path, number) + f"{line[:40]!r} is not `<topic> <number> 1`")
        stories.append(whole_number(path, number, fields[1]))
        codes.append(topics.setdefault(fields[0], len(topics)))
    frequencies = np.bincount(codes, minlength=len(topics))
    by_rarity = sorted(topics, key=lambda topic: (frequencies[topics[topic]], topic))
    ranks = np.empty(len(topics), np.int64)
    ranks[[topics[topic] for topic in by_rarity]] = np.arange(len(topics))
    order = np.lexsort((ranks[codes], np.asarray(stories)))
    numbers, first = np.unique(np.asarray(stories)[order], return_index=True)
    rarest = ranks[codes][order][first]
    return {story: by_rarity[rank] for story, rank in zip(numbers.tolist(), rarest.tolist(), strict=True)}


def whole_number(path: Path, line: int, text: str) -> int:
    """A story's number.

    Raises:
        UserError: the text is not a number of 1 to 9 digits.

    """
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UserError(at(path, line) + f"{text[:40]!r} is no story number")
    return int(text)


def at(path: Path, line: int) -> str:
    """The beginning of a message about one line of a file."""
    return f"{path}, line {line}: "
