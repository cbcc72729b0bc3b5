"""Reuters-21578, Distribution 1.0: Reuters stories of 1987, of which 11,367 have topics.

Stands in for RCV1-v2 where that cannot be had: the same agency, the same kind of topics, a seventieth of the
stories. Copyright Reuters Ltd. and Carnegie Group, free for research.
"""

from __future__ import annotations

from pathlib import Path

from repro.data.documents.archive import read_members
from repro.data.documents.sgml import read_stories
from repro.data.documents.stored import random_halves, stored
from repro.data.documents.table import N_WORDS, Document, tabulate
from repro.data.documents.words import stemming
from repro.data.recipe import Arrays, Recipe
from repro.data.sources import Source, file_of, host, located, obtain, registered, verified

MEMBERS = registered(Path(__file__).with_name("members.tsv"))
ARCHIVE = Source(MEMBERS[0].url, 0, "", "reuters21578.tar.gz", ("reuters21578.tar",))


def decode(scratch: Path, data_dir: Path | None) -> Arrays:
    """The 2000 commonest stems of each story that has a topic, titles included; random halves.

    11,367 stories, none of them without a word: 5,115 / 568 / 5,684. The label is the topic that a story
    lists first, one of 82; the lists are in no particular order.
    """
    corpus = documents(*members(scratch, data_dir))
    table = tabulate("reuters21578", lambda: corpus, N_WORDS)
    return stored("reuters21578", table, random_halves(len(table.numbers)))


def members(scratch: Path, data_dir: Path | None) -> tuple[Path, dict[str, bytes]]:
    """Where the SGML files are, an archive or a folder that it was extracted into, and what is in them.

    Fails as `obtain`, `read_members` and `verified` do.
    """
    folder = data_dir / "reuters21578" if data_dir else None
    if data_dir and folder and not file_of(ARCHIVE, folder) and any(file_of(one, folder) for one in MEMBERS):
        paths = located("reuters21578", MEMBERS, data_dir)
        return folder, {path.name: verified(path, one) for path, one in zip(paths, MEMBERS, strict=True)}
    path = obtain("reuters21578", ARCHIVE, scratch, data_dir)
    return path, read_members(path, MEMBERS)


def documents(path: Path, files: dict[str, bytes]) -> list[Document]:
    """The stories that have topics, in order; `path` is for messages."""
    stems = stemming()
    return [
        Document(story.number, story.topics[0], stems(story.text))
        for name, content in files.items()
        for story in read_stories(f"{path}: {name}", content)
        if story.topics
    ]


RECIPE = Recipe(
    name="reuters21578",
    source="full",
    version="1.0.0",
    kind="count",
    origin=host(MEMBERS),
    unit=1,
    checksum="593319215bb1b72d9c1ca31f11494d850a4bcf294ef9c3999fd3f956b6f854ce",
    decode=decode,
)
