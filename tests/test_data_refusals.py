"""The data room, when files are missing or wrong, the network is down, or the cache has been altered.

None of these tests needs the canonical files or a network.
"""

import gzip
import hashlib
import json
import shutil
import socket
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from refusal import is_empty, refused

from repro import data
from repro.cli.data import state
from repro.data import prepared, sources
from repro.data.faces import olivetti
from repro.data.mnist import recipe as mnist
from repro.data.recipe import SPLITS, Recipe, checksum, describe
from repro.data.registry import status_of

pytestmark = pytest.mark.usefixtures("cache")


# --- the raw files -----------------------------------------------------------------------------------------


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A data folder whose four files are what is registered, until a test damages one."""
    folder = tmp_path / "raw" / "mnist"
    folder.mkdir(parents=True)
    registered = []
    for source in mnist.UNPACKED:
        content = source.filename.encode() * 50
        (folder / source.filename).write_bytes(gzip.compress(content))
        registered.append(source._replace(size=len(content), sha256=hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(mnist, "UNPACKED", tuple(registered))
    return folder.parent


def repack(change):
    """Damage to what a gzipped file holds."""
    return lambda path: path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


def flip(path: Path, at: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("source", mnist.SOURCES, ids=lambda source: source.filename)
@pytest.mark.parametrize(
    ("damage", "verdict"),
    [
        (flip, "no whole gzip file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "no whole gzip file"),
        (repack(lambda content: content[:-1] + b"?"), "altered, or another file"),
        (repack(lambda content: content[:-1]), "truncated"),
        (lambda path: path.write_bytes(b"some other file" * 1000), "altered, or another file"),
    ],
    ids=["gzip-altered", "gzip-truncated", "altered", "truncated", "wrong"],
)
def test_a_wrong_raw_file_is_refused_by_name(cache, raw, source, damage, verdict):
    damage(raw / "mnist" / source.filename)
    remedy = "fetch it again" if "gzip" in verdict else f"fetch it again from {source.url}"
    refused(f"{source.filename} is {verdict}.*{remedy}", data.load, "mnist", data_dir=raw)
    assert is_empty(cache)


@pytest.mark.parametrize("source", mnist.SOURCES, ids=lambda source: source.filename)
def test_a_missing_raw_file_is_named_and_not_downloaded(cache, raw, source, monkeypatch):
    monkeypatch.setattr(sources, "answered", lambda *_: pytest.fail("asked the network"))
    monkeypatch.setenv("REPRO_DATA_DIR", str(raw))
    (raw / "mnist" / source.filename).unlink()
    message = refused(f"{raw}/mnist lacks {source.filename}: fetch from https://storage", data.load, "mnist")
    assert message.count(".gz") == 1  # the others are not said to be missing
    (raw / "mnist" / "digits.zip").write_bytes(b"?")
    refused(f"lacks {source.filename} .what lies there: 'digits.zip'.: fetch from", data.load, "mnist")
    assert is_empty(cache)


def test_a_missing_data_folder_is_named(cache, raw, tmp_path):
    refused(
        "nowhere/mnist lacks .*the data folder .*/nowhere does not exist",
        data.load,
        "mnist",
        data_dir=tmp_path / "nowhere",
    )
    shutil.rmtree(raw / "mnist")
    refused("lacks train-images-idx3-ubyte.gz, train-labels", data.load, "mnist", data_dir=str(raw))
    assert is_empty(cache)


def hang(*_args, **_kwargs):
    time.sleep(sources.PATIENCE + 3)
    raise OSError("too late")


@pytest.fixture
def silent_host():
    """The address of a host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.mark.parametrize("trouble", ["names do not resolve", "the host is silent", "the host refuses"])
def test_no_network_is_reported_within_five_seconds(cache, monkeypatch, silent_host, trouble):
    if trouble == "names do not resolve":
        monkeypatch.setattr(socket, "getaddrinfo", hang)
    else:
        address = silent_host if "silent" in trouble else "http://127.0.0.1:9/"
        moved = tuple(source._replace(url=address + source.filename) for source in mnist.SOURCES)
        monkeypatch.setattr(mnist, "SOURCES", moved)
    start = time.perf_counter()
    message = refused("mnist cannot be downloaded from http", data.load, "mnist")
    assert time.perf_counter() - start < 5
    assert all(source.filename in message for source in mnist.SOURCES)
    assert all(
        way in message for way in ("--data-dir", "REPRO_DATA_DIR", "REPRO_CACHE_DIR", "--profile quick")
    )
    assert is_empty(cache)


def test_the_three_seconds_run_until_the_last_of_several_hosts_answers(cache, monkeypatch, silent_host):
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", silent_host)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        moved = olivetti.SOURCE._replace(url=f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setattr(olivetti, "SOURCE", moved)
        start = time.perf_counter()
        refused(f"faces cannot be downloaded from {moved.url} .no answer within 3 s", data.load, "faces")
        assert time.perf_counter() - start < 5
    assert is_empty(cache)


# --- the cache ---------------------------------------------------------------------------------------------


def small_recipe(**changes) -> Recipe:
    """A recipe of random pixels that needs no raw files."""
    draw = np.random.default_rng(7).integers
    arrays = {f"{split}_inputs": draw(0, 256, (5, 12), dtype=np.uint8) for split in SPLITS}
    arrays |= {f"{split}_labels": draw(0, 10, 5, dtype=np.uint8) for split in SPLITS}
    registered = checksum({name: describe(x) for name, x in arrays.items()})
    recipe = Recipe("small", "full", "2.0.0", "binary", "here", 255, registered, lambda *_: dict(arrays))
    return replace(recipe, **changes)


def test_the_cache_gives_back_memory_maps_of_what_was_stored(cache):
    recipe = small_recipe()
    for _ in ("prepared", "from the cache"):
        found = prepared.fetch(recipe, None)
        for name, expected in recipe.decode(cache, None).items():
            assert isinstance(found[name], np.memmap) and found[name].dtype == np.uint8
            assert np.array_equal(found[name], expected)
    assert [path.name for path in cache.iterdir()] == ["small-2.0.0"]


def test_a_prepared_set_is_not_prepared_again():
    prepared.fetch(small_recipe(), None)
    prepared.fetch(small_recipe(decode=lambda *_: pytest.fail("decoded again")), None)


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (lambda folder: flip(folder / "test_labels.npy"), "test_labels.npy"),
        (lambda folder: flip(folder / "train_inputs.npy", at=8), "train_inputs.npy"),
        (lambda folder: (folder / "valid_inputs.npy").write_bytes(b""), "valid_inputs.npy"),
        (lambda folder: (folder / "valid_labels.npy").unlink(), "valid_labels.npy"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json"),
        (lambda folder: replace_array(folder), "manifest.json"),
    ],
    ids=["byte", "header", "emptied", "deleted", "no-manifest", "other-manifest", "manifest-altered-to-suit"],
)
def test_an_altered_cache_is_refused_by_name(cache, damage, names):
    prepared.fetch(small_recipe(), None)
    damage(cache / "small-2.0.0")
    pattern = (
        f"small-2.0.0/{names} is missing, damaged or altered.*delete the folder {cache}/small-2.0.0 and run"
    )
    refused(pattern, prepared.fetch, small_recipe(), None)


def replace_array(folder: Path) -> None:
    """Alter an array, and the manifest so that it fits."""
    np.save(folder / "test_labels.npy", np.zeros(5, np.uint8))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arrays"]["test_labels"] = describe(np.zeros(5, np.uint8))
    manifest["checksum"] = checksum(manifest["arrays"])
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", ["train_inputs.npy", "manifest.json"])
def test_a_damaged_set_is_not_listed_as_ready(cache, name):
    where = cache / "small-2.0.0"
    prepared.fetch(small_recipe(), None)
    assert state(status_of(small_recipe())).endswith(f" MB in {where}")
    (where / name).write_bytes((where / name).read_bytes()[:-9])
    line = state(status_of(small_recipe()))
    assert line == f"damaged: delete the folder {where} and run `repro data prepare small`"


def test_arrays_that_are_not_the_registered_ones_are_never_cached(cache):
    refused(
        "small from here decodes to arrays with SHA-256", prepared.fetch, small_recipe(checksum="0"), None
    )
    assert is_empty(cache)


def test_a_failure_while_storing_leaves_nothing(cache, monkeypatch):
    monkeypatch.setattr(prepared, "MANIFEST", "no/such/folder.json")
    refused(f"the cache {cache} cannot be written.*REPRO_CACHE_DIR", prepared.fetch, small_recipe(), None)
    assert is_empty(cache)


def test_the_slower_of_two_processes_accepts_the_work_of_the_faster(cache):
    def decode(scratch, data_dir):
        return dict(prepared.fetch(small_recipe(), None))  # the other process, start to finish

    prepared.fetch(small_recipe(decode=decode), None)
    assert [path.name for path in cache.iterdir()] == ["small-2.0.0"]


def test_a_cache_that_cannot_be_written_is_named(cache):
    cache.write_text("a file is in the way")
    refused(f"the cache {cache} cannot be written", prepared.fetch, small_recipe(), None)


def test_where_the_cache_is(monkeypatch, tmp_path):
    assert prepared.cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("REPRO_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert prepared.cache_dir() == tmp_path / "xdg" / "repro"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert prepared.cache_dir() == tmp_path / ".cache" / "repro"


def test_preparing_without_tensorflow_datasets_names_the_package(cache, raw, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    refused("pip install tensorflow-datasets", data.load, "mnist", data_dir=raw)
    assert is_empty(cache)
