"""RCV1-v2, the corpus of the paper: 804,414 Reuters stories of 1996-97, 103 topics [lewis2004rcv1].

It is distributed as stems with the stop words already removed. The files (182 MB) are never downloaded here:
nobody has yet registered their checksums, so they are put into the data folder by hand. They are held
against the number of stories that each must have, and the arrays first prepared from them against
themselves ever after.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from repro.data.documents.lyrl import read_tokens, read_topics
from repro.data.documents.stored import random_halves, stored
from repro.data.documents.table import N_WORDS, Document, tabulate
from repro.data.recipe import Arrays, Recipe
from repro.errors import DataUnavailableError, UserError

HOST = "http://www.ai.mit.edu/projects/jmlr/papers/volume5/lewis04a/"
TOPICS = "rcv1-v2.topics.qrels.gz"  # in a08-topic-qrels/
STORIES = {  # stories of each file in a12-token-files/ [lewis2004rcv1, README B.12.i]
    "lyrl2004_tokens_train.dat.gz": 23_149,
    "lyrl2004_tokens_test_pt0.dat.gz": 199_328,
    "lyrl2004_tokens_test_pt1.dat.gz": 199_339,
    "lyrl2004_tokens_test_pt2.dat.gz": 199_576,
    "lyrl2004_tokens_test_pt3.dat.gz": 183_022,
}


def decode(scratch: Path, data_dir: Path | None) -> Arrays:
    """The 2000 commonest stems of each story; random halves; labels are the most specific topics.

    See `read_topics` for what is most specific. The stories are streamed twice.
    """
    del scratch
    folder = located(data_dir)
    topics = read_topics(folder / TOPICS)
    table = tabulate("rcv1", lambda: documents(folder, topics), N_WORDS)
    return stored("rcv1", table, random_halves(len(table.numbers)))


def located(data_dir: Path | None) -> Path:
    """The folder `<data_dir>/rcv1`, which has all six files.

    Raises:
        DataUnavailableError: there is no data folder, or a file is missing; says whence to fetch.

    """
    files = (*STORIES, TOPICS)
    folder = data_dir / "rcv1" if data_dir else None
    missing = [name for name in files if folder is None or not (folder / name).is_file()]
    if folder is None or missing:
        lacking = f"{folder} lacks" if folder else "rcv1 is never downloaded and no data folder is named:"
        raise DataUnavailableError(
            f"{lacking} {', '.join(missing)}: fetch from {HOST} (a12-token-files, a08-topic-qrels) into a "
            f"folder <dir>/rcv1 and pass --data-dir <dir> (or set REPRO_DATA_DIR); or use reuters21578"
        )
    return folder


def documents(folder: Path, topics: dict[int, str]) -> Iterator[Document]:
    """All stories in the order of the files.

    Raises:
        UserError: a file has another number of stories than it must, or a story has no topic.

    """
    for name, expected in STORIES.items():
        n_stories = 0
        for number, stems in read_tokens(folder / name):
            if number not in topics:
                raise UserError(f"{folder / name}: story {number} has no topic in {TOPICS}")
            n_stories += 1
            yield Document(number, topics[number], stems)
        if n_stories != expected:
            raise UserError(
                f"{folder / name} has {n_stories} stories, expected {expected}: truncated, or another file"
            )


RECIPE = Recipe(
    name="rcv1",
    source="full",
    version="1.0.0",
    kind="count",
    origin=HOST,
    unit=1,
    checksum="",  # none registered: nobody of the project has had the files yet
    decode=decode,
)
