"""Documents as word counts: what arrives from the real corpora and from a small one in RCV1's formats."""

import gzip
import json
import os
import re
import sys
import tarfile
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from repro import data
from repro.data import prepared
from repro.data.documents import rcv1, reuters21578, sample
from repro.data.documents.archive import read_members
from repro.data.documents.sgml import read_stories
from repro.data.recipe import SPLITS, describe
from repro.errors import UserError

RAW = Path(os.environ.get("REPRO_DATA_DIR", "no-such-folder"))
ARCHIVE = RAW / "reuters21578" / "reuters21578.tar.gz"
needs_files = pytest.mark.skipif(not ARCHIVE.is_file(), reason="REPRO_DATA_DIR has no reuters21578/")
needs_lda = pytest.mark.skipif(sample.lda_file() is None, reason="lda is not installed")


pytestmark = pytest.mark.usefixtures("cache")


def refused(pattern, call, *args, **kwargs) -> str:
    """The message of the UserError that a call must raise."""
    with pytest.raises(UserError, match=pattern) as caught:
        call(*args, **kwargs)
    return str(caught.value)


@pytest.fixture(scope="module")
def reuters_cache(tmp_path_factory):
    """A cache that holds Reuters-21578, prepared once."""
    where = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_CACHE_DIR", str(where))
        assert data.prepare("reuters21578", RAW) == where / "reuters21578-1.0.0"
    return where


# --- Reuters-21578 -----------------------------------------------------------------------------------------
ONCE = """monei help bank england said provid unspecifi total todai compar liquid shortag estim revis"""
MONEY = {"market": 3, "given": 2, "late": 2, "worth": 2, "mln": 4, "stg": 4, "assist": 2}  # and the others
MONEY |= dict.fromkeys(re.findall("[a-z]+", ONCE), 1)  # once: story 3067, counted by hand


def stories_of(arrays):
    return {split: arrays[f"{split}_stories"] for split in SPLITS}


@needs_files
def test_the_real_stories_are_all_there_once_and_split_in_halves(reuters_cache, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE_DIR", str(reuters_cache))
    with tarfile.open(ARCHIVE) as archive:
        members = [m for m in archive if m.name.endswith(".sgm")]
        raw = b"".join(archive.extractfile(m).read() for m in members)
    expected = {
        int(re.search(rb'NEWID="(\d+)"', story)[1]): re.search(rb"<TOPICS><D>([a-z-]+)</D>", story)[
            1
        ].decode()
        for story in raw.split(b"<REUTERS ")
        if b"<TOPICS><D>" in story
    }
    assert len(expected) == raw.count(b"<TOPICS><D>") == 11_367
    arrays, loaded = prepared.fetch(reuters21578.RECIPE, None), data.load("reuters21578")
    stories = stories_of(arrays)
    assert {split: len(x) for split, x in stories.items()} == {"train": 5115, "valid": 568, "test": 5684}
    assert sorted(np.concatenate([*stories.values()])) == sorted(expected) and arrays["dropped"].tolist() == [
        0
    ]
    for split, numbers in stories.items():
        labels = getattr(loaded, split).labels
        assert [loaded.classes[label] for label in labels] == [expected[number] for number in numbers]
    assert list(loaded.classes) == sorted(set(expected.values()))


@needs_files
def test_the_real_counts_are_those_of_a_story_counted_by_hand(reuters_cache, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE_DIR", str(reuters_cache))
    loaded, arrays = data.load("reuters21578"), prepared.fetch(reuters21578.RECIPE, None)
    split, row = next((s, list(x).index(3067)) for s, x in stories_of(arrays).items() if 3067 in x)
    found = getattr(loaded, split).inputs[[row]].toarray()[0]
    assert {loaded.vocabulary[i]: found[i] for i in np.flatnonzero(found)} == {
        word: n for word, n in MONEY.items() if word in loaded.vocabulary
    }
    assert set(MONEY) - set(loaded.vocabulary) <= {"unspecifi"}
    assert loaded.classes[getattr(loaded, split).labels[row]] == "money-fx"


@needs_files
def test_the_real_set_is_sparse_verified_and_has_the_commonest_stems(reuters_cache, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE_DIR", str(reuters_cache))
    loaded = data.load("reuters21578")
    assert (loaded.name, loaded.source, loaded.kind) == ("reuters21578", "full", "count")
    assert loaded.checksum == reuters21578.RECIPE.checksum == data.verify("reuters21578")
    parts = [getattr(loaded, split).inputs for split in ("train", "valid", "test", "full_train")]
    for x in parts:
        assert isinstance(x, csr_array) and x.dtype == np.float32 and x.shape[1] == 2000
        assert (x.data == np.rint(x.data)).all() and x.data.min() >= 1 and x.sum(axis=1).min() >= 1
    assert (parts[3] != csr_array(np.vstack([parts[0].toarray(), parts[1].toarray()]))).nnz == 0
    assert len(loaded.full_train.labels) == parts[3].shape[0] == 5683
    totals = sum(x.sum(axis=0) for x in parts[:3])
    assert (np.diff(totals) <= 0).all() and loaded.vocabulary[:2] == ("said", "mln")


@needs_files
def test_the_members_of_the_real_archive_are_the_registered_ones():
    members = read_members(ARCHIVE, reuters21578.MEMBERS)
    assert list(members) == [f"reut2-{i:03}.sgm" for i in range(22)]
    assert sum(len(read_stories(name, content)) for name, content in members.items()) == 21_578


@needs_files
@pytest.mark.parametrize("form", ["extracted", "plain tar", "both"])
def test_stories_are_taken_as_people_have_them(tmp_path, form):
    folder = tmp_path / "reuters21578"
    folder.mkdir()
    if form != "extracted":
        (folder / "reuters21578.tar").write_bytes(gzip.decompress(ARCHIVE.read_bytes()))
    with tarfile.open(ARCHIVE) as archive:
        stories = [member for member in archive if member.name.endswith(".sgm")]
        for member in stories[: {"extracted": 22, "plain tar": 0, "both": 1}[form]]:
            archive.extract(member, folder, filter="data")
    where, files = reuters21578.members(tmp_path, tmp_path)
    assert where == (folder if form == "extracted" else folder / "reuters21578.tar")
    assert files == read_members(ARCHIVE, reuters21578.MEMBERS)


# --- RCV1-v2 -----------------------------------------------------------------------------------------------
def write_rcv1(folder, stories, topics=("C15", "CCAT", "E11")):
    """The six files with some stories each, {number: words}, stems eight a line; the topics take turns."""
    folder.mkdir(parents=True)
    numbers = list(stories)
    shares = dict(zip(rcv1.STORIES, np.array_split(numbers, 5), strict=True))
    for name, share in shares.items():
        lines = []
        for number in share.tolist():
            rows = [" ".join(stories[number][i : i + 8]) for i in range(0, len(stories[number]), 8)]
            lines += [f".I {number}", ".W", *rows, ""]
        (folder / name).write_bytes(gzip.compress("\n".join(lines).encode()))
    qrels = [f"{topics[number % len(topics)]} {number} 1\n" for number in numbers]
    (folder / rcv1.TOPICS).write_bytes(gzip.compress("".join(qrels).encode()))
    return {name: len(share) for name, share in shares.items()}


@pytest.fixture
def small_rcv1(tmp_path, monkeypatch):
    """Sixty stories over twelve skewed words; two have none of the commonest nine."""
    draw = np.random.default_rng(5)
    words, p = np.array([f"w{i:x}" for i in range(12)]), 0.6 ** np.arange(12)
    stories = {2286 + 7 * i: list(draw.choice(words, draw.integers(5, 40), p=p / p.sum())) for i in range(58)}
    stories |= {9000: ["rare", "wb"], 9001: []}
    monkeypatch.setattr(rcv1, "STORIES", write_rcv1(tmp_path / "raw" / "rcv1", stories))
    monkeypatch.setenv("REPRO_DATA_DIR", str(tmp_path / "raw"))
    monkeypatch.setattr(rcv1, "N_WORDS", 9)
    return stories


def test_rcv1_is_counted_as_by_hand_and_nothing_is_lost_between_disk_and_host(small_rcv1, cache):
    totals = Counter(word for words in small_rcv1.values() for word in words)
    common = sorted(sorted(totals), key=lambda word: -totals[word])[:9]
    loaded, arrays = data.load("rcv1"), prepared.fetch(rcv1.RECIPE, None)
    assert list(loaded.vocabulary) == common and loaded.classes == ("C15", "CCAT", "E11")
    assert (loaded.name, loaded.source, loaded.kind) == ("rcv1", "full", "count")
    for split, numbers in stories_of(arrays).items():
        cases = getattr(loaded, split)
        assert isinstance(cases.inputs, csr_array) and cases.inputs.dtype == np.float32
        by_hand = [[small_rcv1[number].count(word) for word in common] for number in numbers]
        assert np.array_equal(cases.inputs.toarray(), by_hand)
        assert np.array_equal(cases.labels, numbers % 3)
    counted = np.concatenate([*stories_of(arrays).values()])
    assert sorted(counted) == [n for n in small_rcv1 if n < 9000] and arrays["dropped"].tolist() == [2]
    assert [len(x) for x in stories_of(arrays).values()] == [27, 2, 29]
    types = {name.partition("_")[2]: x.dtype for name, x in arrays.items() if name.startswith("test")}
    assert types == {"indptr": "<i8", "indices": "<u2", "counts": "<u2", "labels": "<i2", "stories": "<i4"}
    assert all(isinstance(x, np.memmap) for x in arrays.values())


def test_rcv1_without_a_registered_checksum_is_held_against_its_first_preparation(
    small_rcv1, cache, monkeypatch
):
    first = data.load("rcv1", data_dir=None)
    assert len(first.checksum) == 64 and data.verify("rcv1") == first.checksum
    monkeypatch.delenv("REPRO_DATA_DIR")
    again = data.load("rcv1")
    assert again.checksum == first.checksum and (again.test.inputs != first.test.inputs).nnz == 0
    alter(cache / "rcv1-1.0.0")
    refused("rcv1-1.0.0/manifest.json is missing, damaged or altered", data.load, "rcv1")


def alter(folder):
    """Another label in the cache, and the manifest altered to suit but for the one checksum over it all."""
    manifest = json.loads((folder / "manifest.json").read_text())
    labels = np.load(folder / "test_labels.npy") ^ 1
    np.save(folder / "test_labels.npy", labels)
    manifest["arrays"]["test_labels"] = describe(labels)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_rcv1_without_a_data_folder_says_where_to_fetch_it(cache):
    message = refused("no data folder is named", data.load, "rcv1")
    assert all(name in message for name in (*rcv1.STORIES, rcv1.TOPICS, "--data-dir", "REPRO_DATA_DIR"))
    refused("rcv1 is not prepared in .*: run `repro data prepare rcv1`", data.verify, "rcv1")
    assert next(line.checksum for line in data.status() if line.name == "rcv1") == "" and not [
        *cache.iterdir()
    ]


def test_memory_grows_by_less_than_two_kilobytes_a_story(tmp_path, monkeypatch):
    draw = np.random.default_rng(3)
    words, p = np.array([f"stem{i}" for i in range(5000)]), 1 / np.arange(10, 5010)
    peaks = []
    for n in (500, 2500):
        drawn = draw.choice(words, (n, 120), p=p / p.sum())
        monkeypatch.setattr(rcv1, "STORIES", write_rcv1(tmp_path / str(n) / "rcv1", dict(enumerate(drawn))))
        tracemalloc.start()
        rcv1.decode(tmp_path, tmp_path / str(n))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 2000 < 2000  # bytes; the texts alone would be 1,000 characters a story


# --- the sample in lda -------------------------------------------------------------------------------------
@needs_lda
def test_the_embedded_stories_are_those_of_the_package(cache):
    folder = sample.lda_file().parent
    rows = [line.split()[1:] for line in (folder / "reuters.ldac").read_text().splitlines()]
    words = (folder / "reuters.tokens").read_text().split()
    titles = (folder / "reuters.titles").read_text().splitlines()
    dense = np.zeros((395, 4258))
    for row, pairs in zip(dense, rows, strict=True):
        for place, n in (pair.split(":") for pair in pairs):
            row[int(place)] = float(n)
    common = sorted(range(4258), key=lambda i: (-dense[:, i].sum(), words[i]))[:2000]
    loaded = data.load("rcv1", embedded=True)
    assert loaded.vocabulary == tuple(words[i] for i in common)
    for split, digits in {"train": "0246", "valid": "8", "test": "13579"}.items():
        chosen, cases = [i for i in range(395) if str(i)[-1] in digits], getattr(loaded, split)
        assert np.array_equal(cases.inputs.toarray(), dense[np.ix_(chosen, common)])
        countries = [re.match(r"\d+ ([^:]+):", titles[i])[1].upper() for i in chosen]
        assert [loaded.classes[label] for label in cases.labels] == countries
    assert (loaded.name, loaded.source, loaded.checksum) == ("rcv1", "embedded", sample.RECIPE.checksum)
    assert len(loaded.classes) == 53 and not cache.exists()


def test_without_lda_the_extra_and_the_reason_are_named(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    assert sample.lda_file() is None
    refused(
        r"wheels end at Python 3.12\): pip install 'layerwise-repro\[embedded\]'",
        data.load,
        "rcv1",
        embedded=True,
    )
