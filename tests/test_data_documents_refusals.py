"""Documents as word counts: every way in which their files can be missing or wrong.

None of these tests needs the real corpora or a network.
"""

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import pytest
from refusal import is_empty, refused

from repro import data
from repro.data.documents import archive, rcv1, reuters21578, sample
from repro.data.documents.table import Document
from repro.data.sources import Source

pytestmark = pytest.mark.usefixtures("cache")


# --- the archive of Reuters-21578 --------------------------------------------------------------------------


SGML = b"""<!DOCTYPE lewis SYSTEM "lewis.dtd">
<REUTERS NEWID="1"><TOPICS><D>wheat</D></TOPICS>
<TEXT><TITLE>Wheat up</TITLE><BODY>Tate &amp; Lyle bought wheat. Reuter</BODY></TEXT></REUTERS>
"""

SYMLINK, HARDLINK, FIFO, FOLDER = (
    kind.decode() for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
)


def packed(path: Path, members) -> None:
    """A gzipped tar archive of (name, content) pairs; text for content is the kind of a member."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content.encode(), "/etc/passwd"
                tar.addfile(info)


GOOD = [("reut2-000.sgm", SGML), ("reut2-001.sgm", b"\n" + SGML)]


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A data folder whose small archive has the two members that are registered, until a test damages it."""
    registered = [Source("https://host/a", len(x), hashlib.sha256(x).hexdigest(), name) for name, x in GOOD]
    monkeypatch.setattr(reuters21578, "MEMBERS", tuple(registered))
    packed(tmp_path / "raw/reuters21578/reuters21578.tar.gz", GOOD)
    return tmp_path / "raw"


def test_members_are_read_in_the_registered_order_from_whatever_folder_they_are_packed_in(raw):
    packed(raw / "other.tar.gz", [("README.txt", b"?"), *((f"./some/{n}", x) for n, x in reversed(GOOD))])
    assert list(archive.read_members(raw / "other.tar.gz", reuters21578.MEMBERS).items()) == GOOD


@pytest.mark.parametrize(
    ("members", "pattern"),
    [
        ([*GOOD, ("/etc/passwd", b"x")], "a member of unsafe path '/etc/passwd'"),
        ([("../reut2-000.sgm", SGML), *GOOD], "a member of unsafe path '../reut2-000.sgm'"),
        ([("a/../../x", b"x"), *GOOD], "a member of unsafe path 'a/../../x'"),
        ([("a\\..\\x", b"x"), *GOOD], "a member of unsafe path"),
        ([*GOOD, ("reut2-002.sgm", SYMLINK)], "'reut2-002.sgm' that is a link or a device"),
        ([("reut2-000.sgm", HARDLINK), *GOOD], "'reut2-000.sgm' that is a link or a device"),
        ([*GOOD, ("pipe", FIFO)], "'pipe' that is a link or a device"),
        (GOOD[:1], "lacks reut2-001.sgm: it is another archive"),
        ([GOOD[0], ("reut2-001.sgm", b" " + SGML)], "the member reut2-001.sgm is not the registered one"),
        ([GOOD[0], ("reut2-001.sgm", SGML)], "the member reut2-001.sgm is not the registered one"),
        ([GOOD[0], ("reut2-001.sgm", FOLDER)], "the member reut2-001.sgm is not the registered one"),
    ],
)
def test_an_archive_with_an_unsafe_or_wrong_member_is_refused(cache, raw, members, pattern):
    packed(raw / "reuters21578/reuters21578.tar.gz", members)
    refused(pattern, data.load, "reuters21578", data_dir=raw)
    assert is_empty(cache)


def test_a_wrong_or_missing_extracted_file_is_refused_by_name(cache, raw):
    (raw / "reuters21578/reuters21578.tar.gz").rename(raw / "reuters.tar.gz")
    (raw / "reuters21578/reut2-000.sgm").write_bytes(SGML[:-1])
    refused("raw/reuters21578 lacks reut2-001.sgm: fetch from", data.load, "reuters21578", data_dir=raw)
    (raw / "reuters21578/reut2-001.sgm").write_bytes(GOOD[1][1])
    refused("reut2-000.sgm is truncated: .* fetch it again", data.load, "reuters21578", data_dir=raw)
    (raw / "reuters21578/reut2-000.sgm").write_bytes(SGML)
    refused("reuters21578 has 4 different words, fewer", data.load, "reuters21578", data_dir=raw)
    assert is_empty(cache)


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_truncated_archive_is_refused(cache, raw, keep):
    path = raw / "reuters21578/reuters21578.tar.gz"
    path.write_bytes(path.read_bytes()[:keep])
    refused("reuters21578.tar.gz is (truncated|no whole gzip file)", data.load, "reuters21578", data_dir=raw)
    assert is_empty(cache)


def test_a_missing_archive_is_named_and_so_is_a_missing_data_folder(cache, raw):
    (raw / "reuters21578/reuters21578.tar.gz").rename(raw / "reuters21578/stories.zip")
    refused(
        "raw/reuters21578 lacks reuters21578.tar.gz .what lies there: 'stories.zip'.: fetch from https",
        data.load,
        "reuters21578",
        data_dir=raw,
    )
    refused("the data folder .*nowhere does not exist", data.load, "reuters21578", data_dir=raw / "nowhere")
    assert is_empty(cache)


def test_a_corpus_of_too_few_words_is_refused_and_not_cached(cache, raw):
    refused(
        "reuters21578 has 4 different words, fewer than the 2000", data.load, "reuters21578", data_dir=raw
    )
    assert is_empty(cache)


@pytest.mark.parametrize("answers", [True, False])
def test_a_download_is_verified_like_a_file(cache, raw, monkeypatch, answers):
    requests = pytest.importorskip("requests")

    def send(self, request, **kwargs):
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200 if answers else 503, request.url, request
        answer.raw = io.BytesIO((raw / "reuters21578/reuters21578.tar.gz").read_bytes())
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    expected = "fewer than the 2000" if answers else "cannot be downloaded from https://.*HTTP status 503"
    refused(expected, data.load, "reuters21578")
    assert is_empty(cache)


def test_stems_without_the_stemmer_name_the_package(cache, raw, monkeypatch):
    monkeypatch.setitem(sys.modules, "snowballstemmer", None)
    refused("need the packages snowballstemmer", data.load, "reuters21578", data_dir=raw)
    assert is_empty(cache)


# --- the files of RCV1-v2 ----------------------------------------------------------------------------------


def zipped(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))
    return path


@pytest.fixture
def rcv1_files(tmp_path, monkeypatch):
    """The six files, whole, with one story each."""
    monkeypatch.setattr(rcv1, "STORIES", dict.fromkeys(rcv1.STORIES, 1))
    for i, name in enumerate(rcv1.STORIES):
        zipped(tmp_path / "raw/rcv1" / name, f".I {i}\n.W\nstem stem\n")
    zipped(tmp_path / "raw/rcv1" / rcv1.TOPICS, "".join(f"C15 {i} 1\n" for i in range(5)))
    return tmp_path / "raw"


@pytest.mark.parametrize(
    ("name", "content", "pattern"),
    [
        ("lyrl2004_tokens_train.dat.gz", "", "train.dat.gz has 0 stories, expected 1: truncated"),
        (
            "lyrl2004_tokens_test_pt3.dat.gz",
            ".I 9\n.W\na\n",
            "story 9 has no topic in rcv1-v2.topics.qrels.gz",
        ),
        ("lyrl2004_tokens_test_pt1.dat.gz", ".I 0\n.W\nstem\n", "two stories of number 0"),
        ("rcv1-v2.topics.qrels.gz", "C15 0 1\nC15\n", "rcv1-v2.topics.qrels.gz, line 2"),
        ("rcv1-v2.topics.qrels.gz", "", "story 0 has no topic"),
    ],
)
def test_wrong_rcv1_files_are_refused(cache, rcv1_files, name, content, pattern, monkeypatch):
    monkeypatch.setattr(rcv1, "N_WORDS", 1)
    zipped(rcv1_files / "rcv1" / name, content)
    refused(pattern, data.load, "rcv1", data_dir=rcv1_files)
    assert is_empty(cache)


@pytest.mark.parametrize("name", [*rcv1.STORIES, rcv1.TOPICS])
def test_a_missing_or_truncated_rcv1_file_is_refused_by_name(cache, rcv1_files, name):
    path = rcv1_files / "rcv1" / name
    path.write_bytes(path.read_bytes()[:-4])
    refused(f"{name} is no whole gzip file", data.load, "rcv1", data_dir=rcv1_files)
    path.unlink()
    message = refused(f"raw/rcv1 lacks {name}: fetch from http", data.load, "rcv1", data_dir=rcv1_files)
    assert message.count(".gz") == 1 and "reuters21578" in message
    assert is_empty(cache)


# --- the sample in lda -------------------------------------------------------------------------------------


@pytest.fixture
def lda(tmp_path, monkeypatch):
    """Stand-ins for the three files: two stories over three words."""
    for suffix, text in (
        (".ldac", "2 0:1 2:5\n1 1:2\n"),
        (".tokens", "a\nb\nc\n"),
        (".titles", "0 UK: x\n1 USA: y\n"),
    ):
        (tmp_path / f"reuters{suffix}").write_text(text)
    monkeypatch.setattr(sample, "lda_file", lambda: tmp_path / "reuters.ldac")
    return tmp_path


def test_the_ldac_format_is_read(lda):
    found = sample.documents(lda / "reuters.ldac")
    assert found == [Document(0, "UK", {"a": 1, "c": 5}), Document(1, "USA", {"b": 2})]


@pytest.mark.parametrize(
    ("suffix", "text", "pattern"),
    [
        *((".ldac", f"1 0:1\n1 0:{n}\n", "ldac, line 2") for n in ("-1", "1.5", "nan", "inf", "0", "", "²")),
        (".ldac", "1 0:1\n1 3:1\n", "ldac, line 2: '3:1' is not"),
        (".ldac", "1 0:1\n1 -1:1\n", "ldac, line 2: '-1:1' is not"),
        (".ldac", "1 0:1\n3 0:1 2:1\n", "ldac, line 2: declares '3' words but has 2"),
        (".ldac", "1 0:1\n2 0:1 0:1\n", "ldac, line 2: declares '2' words but has 1"),
        (".ldac", "1 0:1\n\n", "ldac, line 2: declares ''"),
        (".ldac", "1 0:1\n", "has 1 stories but 2 titles"),
        (".ldac", "1 0:70000\n1 1:1\n", "story 0 has one word more than 65535 times"),
        (".titles", "0 UK: x\n2 USA: y\n", "titles, line 2: '2 USA: y' is no title"),
        (".titles", "0 UK: x\n1 USA\n", "titles, line 2: '1 USA' is no title"),
        (".titles", None, "titles cannot be read .*--force-reinstall lda"),
        (".tokens", "a\nb\n", "ldac, line 1: '2:5' is not"),
    ],
)
def test_a_damaged_sample_is_refused(lda, suffix, text, pattern, monkeypatch):
    monkeypatch.setattr(sample, "N_WORDS", 1)
    path = lda / f"reuters{suffix}"
    path.unlink() if text is None else path.write_text(text)
    refused(pattern, data.load, "rcv1", embedded=True)
