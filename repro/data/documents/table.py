"""From documents to a table of counts: the commonest words of a corpus, counted in two passes.

Only the table is ever in memory, four bytes for each word that a document has: the corpus itself is
iterated over twice, and may be streamed from disk both times.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from repro.errors import UserError

N_WORDS = 2000  # [hinton2006science, p. 506]: the 2000 commonest word stems
MOST = 65_535  # occurrences of one word in one document


class Document(NamedTuple):
    """One story before its words are counted."""

    number: int  # as its corpus numbers it
    topic: str
    words: list[str] | dict[str, int]  # one by one in any order, or already counted


class Table(NamedTuple):
    """The stories of a corpus that have a word in the vocabulary, in the order of the corpus."""

    counts: csr_array  # uint16, (N, V)
    numbers: np.ndarray  # int32, (N,): the corpus's own numbers of the stories, all different
    labels: np.ndarray  # int16, (N,): place of each story's topic in `classes`
    vocabulary: tuple[str, ...]  # commonest first
    classes: tuple[str, ...]  # the topics in alphabetical order
    n_dropped: int  # stories left out because none of their words is in the vocabulary


Corpus = Callable[[], Iterable[Document]]  # begins anew at every call


def tabulate(name: str, corpus: Corpus, n_words: int) -> Table:
    """Count the `n_words` commonest words of a corpus, which are those of all its documents together.

    Commonest by occurrences; among equals the alphabet decides. As in the paper the vocabulary is that of
    the whole corpus, test half included. A document left without a word is dropped and counted.
    """
    vocabulary = commonest(name, corpus, n_words)
    columns = {word: column for column, word in enumerate(vocabulary)}
    numbers, topics, topic_codes, n_dropped = array("i"), array("H"), {}, 0
    indices, counts, ends = array("H"), array("H"), array("q", [0])
    for document in corpus():
        row = counted(name, document, columns)
        if not row:
            n_dropped += 1
            continue
        indices.extend(row.keys())
        counts.extend(row.values())
        ends.append(len(indices))
        numbers.append(document.number)
        topics.append(topic_codes.setdefault(document.topic, len(topic_codes)))
    check_different(name, np.asarray(numbers))
    labels, classes = alphabetical(np.asarray(topics), tuple(topic_codes))
    entries = (np.asarray(counts), np.asarray(indices), np.asarray(ends))
    table = csr_array(entries, shape=(len(numbers), n_words))
    return Table(table, np.asarray(numbers), labels, vocabulary, classes, n_dropped)


def counted(name: str, document: Document, columns: dict[str, int]) -> dict[int, int]:
    """How often a document has each word of the vocabulary that it has, by column, in order of columns.

    Raises:
        UserError: one word more often than 16 bits can say.

    """
    row = {columns[word]: n for word, n in Counter(document.words).items() if word in columns}
    if row and max(row.values()) > MOST:
        raise UserError(f"{name}: story {document.number} has one word more than {MOST} times")
    return dict(sorted(row.items()))


def commonest(name: str, corpus: Corpus, n_words: int) -> tuple[str, ...]:
    """The words that occur most often, commonest first, equals in alphabetical order.

    Raises:
        UserError: there are not so many different words.

    """
    totals: Counter[str] = Counter()
    for document in corpus():
        totals.update(document.words)
    if len(totals) < n_words:
        raise UserError(f"{name} has {len(totals)} different words, fewer than the {n_words} asked for")
    return tuple(sorted(totals, key=lambda word: (-totals[word], word))[:n_words])


def check_different(name: str, numbers: np.ndarray) -> None:
    """Pass if no two stories bear the same number.

    Raises:
        UserError: two do; it names the number.

    """
    values, times = np.unique(numbers, return_counts=True)
    if len(values) < len(numbers):
        raise UserError(
            f"{name} has two stories of number {values[times > 1][0]}: the files do not belong together"
        )


def alphabetical(codes: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes and names rearranged so that the names are in alphabetical order."""
    order = sorted(range(len(names)), key=names.__getitem__)
    places = np.empty(len(names), np.int16)
    places[order] = np.arange(len(names))
    return places[codes], tuple(names[i] for i in order)
