"""Documents as word counts: the parsers and the table, on small files in the exact formats."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from refusal import refused

from repro.data.documents.lyrl import read_tokens, read_topics
from repro.data.documents.sgml import Story, read_stories
from repro.data.documents.stored import random_halves, stored
from repro.data.documents.table import Document, tabulate
from repro.data.documents.words import stemming
from repro.data.recipe import SPLITS

pytestmark = pytest.mark.usefixtures("cache")


# --- the SGML of Reuters-21578 -----------------------------------------------------------------------------

SGML = b"""<!DOCTYPE lewis SYSTEM "lewis.dtd">
<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN" CGISPLIT="TRAINING-SET" OLDID="5544" NEWID="1">
<DATE>26-FEB-1987 15:01:01.79</DATE>
<MKNOTE>by hand</MKNOTE>
<TOPICS><D>wheat</D><D>barley</D></TOPICS>
<PLACES><D>usa</D></PLACES>
<PEOPLE></PEOPLE>
<ORGS></ORGS>
<EXCHANGES></EXCHANGES>
<COMPANIES></COMPANIES>
<UNKNOWN> 
&#5;&#5;&#5;C T
u f BC-TWO-S&L   02-26 0105</UNKNOWN>
<TEXT>&#2;
<TITLE>TATE &amp; LYLE &lt;TATE.L></TITLE>
<AUTHOR>    By An Author</AUTHOR>
<DATELINE>    LONDON, Feb 26 - </DATELINE><BODY>Wheat rose.\xfc&#5;
 Reuter
&#3;</BODY></TEXT>
</REUTERS>
<REUTERS TOPICS="NO" LEWISSPLIT="TEST" CGISPLIT="TRAINING-SET" OLDID="5545" NEWID="21578">
<DATE>26-FEB-1987</DATE>
<TOPICS></TOPICS>
<TEXT TYPE="UNPROC">&#2;
NIL 5 &lt; 6
&#3;
</TEXT>
</REUTERS>
"""  # noqa: W291


def test_sgml_stories_are_read_with_topics_in_their_order_and_no_author_or_date():
    first, second = read_stories("some.sgm", SGML)
    assert (first.number, first.topics) == (1, ("wheat", "barley"))
    assert first.text.split() == ["TATE", "&", "LYLE", "<TATE.L>", "Wheat", "rose.ü", "Reuter"]
    assert second == Story(21578, (), second.text) and second.text.split() == ["NIL", "5", "<", "6"]


def test_words_are_stemmed_and_stop_words_and_the_sign_off_left_out():
    text = (
        "The banks' U.S. Banking INTERESTS, and an interest-rate rise of 2 pct; EC: they don't relate. Reuter"
    )
    by_hand = ["bank", "bank", "interest", "interest", "rate", "rise", "pct", "ec", "don", "relat"]
    assert stemming()(text) == by_hand


@pytest.mark.parametrize(
    ("old", "new", "pattern"),
    [
        (b"<AUTHOR>", b"<BYLINE>", "line 16: <BYLINE> in <TEXT>"),
        (b"</AUTHOR>", b"</TITLE>", "line 16: </TITLE> ends nothing that is open"),
        (b"<D>usa</D>", b"usa</D>", "line 6: </D> ends nothing that is open"),
        (b"<D>usa</D>", b"<D>usa", "line 6: </PLACES> ends nothing that is open"),
        (b"<DATE>26-FEB-1987</DATE>", b"<REUTERS>", "line 22: <REUTERS> in <REUTERS>"),
        (b"</REUTERS>\n<REUTERS", b"</REUTERS>\nMore.<REUTERS", "line 20: text outside a story"),
        (b"</REUTERS>\n<REUTERS", b"</REUTERS>\n<D>x</D><REUTERS", "line 21: <D> outside a story"),
        (b' NEWID="1"', b"", r"line 2: a story without a number \(NEWID\)"),
        (b'NEWID="1"', b'NEWID="1.5"', r"line 2: a story without a number \(NEWID\)"),
        (b"<TOPICS></TOPICS>\n", b"", "line 27: story 21578 has no <TOPICS> or no <TEXT>"),
        (b"5 &lt; 6", b"<!-- 5 -->", "line 25: a comment, or something that is no tag"),
        (b"5 &lt; 6", b"<?xml 5?>", "line 25: a processing instruction"),
        (b"5 &lt; 6", b"<![CDATA[5]]>", "line 25: "),
        (b"</TEXT>\n</REUTERS>\n", b"", "the file ends in the middle of a story"),
        (
            b"&#3;\n</TEXT>\n</REUTERS>\n",
            b"</TEXT>\n</REUTERS>\n<REUTERS TOP",
            "ends in the middle of a story",
        ),
    ],
)
def test_malformed_sgml_is_refused_with_its_line(old, new, pattern):
    before, found, after = (
        SGML.rpartition(old) if old.startswith((b"</TEXT", b"&#3")) else SGML.partition(old)
    )
    assert found
    refused(
        f"some.sgm, line .*{pattern.removeprefix('line ')}", read_stories, "some.sgm", before + new + after
    )


# --- RCV1-v2 -----------------------------------------------------------------------------------------------

TOKENS = """.I 2286
.W
recov recov excit
mexic mexic market

.I 2290
.W

.I 2291
.W
market
"""


def test_lyrl_tokens_are_read_story_by_story(tmp_path):
    (tmp_path / "t.gz").write_bytes(gzip.compress(TOKENS.encode()))
    assert list(read_tokens(tmp_path / "t.gz")) == [
        (2286, ["recov", "recov", "excit", "mexic", "mexic", "market"]),
        (2290, []),
        (2291, ["market"]),
    ]


def test_the_label_is_the_rarest_topic_and_the_alphabet_decides_among_equals(tmp_path):
    lines = "CCAT 1 1|C15 1 1|C15 2 1|CCAT 2 1|CCAT 3 1|ECAT 4 1|E11 4 1|E11 5 1|ECAT 5 1|GCAT 1 1"
    (tmp_path / "q.gz").write_bytes(gzip.compress(lines.replace("|", "\n").encode() + b"\n"))
    assert read_topics(tmp_path / "q.gz") == {1: "GCAT", 2: "C15", 3: "CCAT", 4: "E11", 5: "E11"}


def zipped(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))
    return path


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        (".I x\n.W\na\n", "line 1: 'x' is no story number"),
        (".I -5\n.W\na\n", "line 1: '-5' is no story number"),
        ("a b\n.I 1\n.W\na\n", "line 1: 'a b' where"),
        (".W\na\n", "line 1: '.W' where"),
        (".I 1\na\n", "line 2: 'a' where"),
        (".I 1\n.W\na\n.W\nb\n", "line 4: '.W' where"),
        (".I 1\n.W\na\n\n.T\nb\n", "line 5: '.T' where"),
        (".I 1\n\n.I 2\n.W\na\n", "line 3: story 1 ends before its `.W`"),
        (".I 1\n.W\na\n\n.I 2\n", "line 5: story 2 ends before its `.W`"),
    ],
)
def test_malformed_tokens_are_refused_with_their_line(tmp_path, text, pattern):
    refused(f"t.gz, {pattern}", lambda: list(read_tokens(zipped(tmp_path / "t.gz", text))))


@pytest.mark.parametrize("line", ["C15 1", "C15 1 0", "C15 one 1", "C15 1.5 1", " 1 1", "", "C15 1 1 1"])
def test_malformed_topics_are_refused_with_their_line(tmp_path, line):
    refused("q.gz, line 2: ", read_topics, zipped(tmp_path / "q.gz", f"CCAT 1 1\n{line}\n"))


# --- the table ---------------------------------------------------------------------------------------------


def test_the_commonest_words_are_by_occurrences_then_by_alphabet_and_empty_documents_are_dropped():
    corpus = [
        Document(4, "t", ["b", "a", "a"]),
        Document(3, "s", {}),
        Document(2, "s", ["d"]),
        Document(1, "s", {"c": 1, "b": 1}),
    ]
    table = tabulate("x", lambda: iter(corpus), 3)
    assert table.vocabulary == ("a", "b", "c") and table.classes == ("s", "t") and table.n_dropped == 2
    assert np.array_equal(table.counts.toarray(), [[2, 1, 0], [0, 1, 1]])
    assert table.numbers.tolist() == [4, 1] and table.labels.tolist() == [1, 0]


def test_random_halves_are_disjoint_whole_and_the_same_everywhere():
    places = random_halves(101)
    assert [len(places[split]) for split in SPLITS] == [45, 5, 51]
    assert sorted(np.concatenate([*places.values()])) == list(range(101))
    assert random_halves(10)["test"].tolist() == [1, 9, 0, 8, 5]


def test_impossible_tables_are_refused():
    corpus = [Document(1, "s", ["a"]), Document(1, "s", ["b"])]
    refused("x has 2 different words, fewer than the 3", tabulate, "x", lambda: corpus, 3)
    refused("x has two stories of number 1", tabulate, "x", lambda: corpus, 2)
    often = [Document(1, "s", {"a": 65_535}), Document(2, "s", {"a": 65_536})]
    refused("x: story 2 has one word more than 65535 times", tabulate, "x", lambda: often, 1)
    few = tabulate("x", lambda: often[:1], 1)
    refused("x has 1 documents: too few", stored, "x", few, random_halves(1))
