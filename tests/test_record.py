"""A record vouches for itself: edited, copied, renamed or half-missing evidence is refused in one line."""

import json
import shutil

import numpy as np
import pytest

from repro.errors import UserError
from repro.runs.provenance import revision
from repro.runs.record import Record, load_arrays, load_record, load_records, record_path, save_records

ORIGIN = {
    "commit": "0" * 40,
    "data_sha256": "1",
    "platform": "cpu",
    "device": "a processor",
    "cores": 2,
    "seeds_side_by_side": 1,
    "wall_seconds": 1.5,
    "load_average": 0.1,
    "finished": "2026-11-26T00:00:00Z",
}


def made(variant="pca", seed=0, **changes):
    config = {"kind": "pca", "data": "mnist", "n_components": 30}
    record = Record(
        "mnist", variant, "paper", seed, "01234567", config, {"a": 0.5}, {"b": [1.0]}, None, ORIGIN
    )
    return record._replace(**changes)


@pytest.fixture
def folder(tmp_path):
    save_records(tmp_path, [(made(), {"codes": np.arange(3)})])
    return tmp_path


def path_of(folder):
    return record_path(folder, "mnist", "pca", 0, "01234567")


def test_what_was_saved_is_what_is_loaded(folder):
    [(path, record)] = load_records(folder).items()
    assert path == path_of(folder) and record.metrics == {"a": 0.5} and record.curves == {"b": [1.0]}
    np.testing.assert_array_equal(load_arrays(path, record)["codes"], np.arange(3))


def refused(folder, says):
    with pytest.raises(UserError, match=says) as error:
        load_records(folder)
    assert "\n" not in str(error.value)


def rewrite(path, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in content.items() if value != "gone"}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metrics": {"a": 0.4}}, "has been edited since it was written"),
        ({"seed": 1}, "has been edited since it was written"),
        ({"sha256": "gone"}, "has been edited since it was written"),
        ({"metrics": None}, "is not a record .metrics: "),
        ({"metrics": {"a": "low"}}, "is not a record .metrics.a"),
        ({"curves": "gone"}, "is not a record .*curves"),
        ({"provenance": {}}, "is not a record .no provenance of commit, data_sha256"),
        ({"more": 1}, "is not a record .*more"),
    ],
    ids=str,
)
def test_a_record_that_is_not_as_it_was_written_is_refused(folder, changes, says):
    rewrite(path_of(folder), **changes)
    refused(folder, says)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"word"', "\0"])
def test_what_is_no_record_at_all_is_refused(folder, content):
    path_of(folder).write_text(content)
    refused(folder, "is not a record")


@pytest.mark.parametrize("place", ["mnist/copy/pca.seed0.01234567.json", "mnist/pca.seed1.01234567.json"])
def test_a_copy_or_a_record_under_another_name_is_no_second_seed(folder, place):
    other = folder / place
    other.parent.mkdir(exist_ok=True)
    shutil.copy(path_of(folder), other)
    shutil.copy(path_of(folder).with_suffix(".npz"), other.with_suffix(".npz"))
    refused(folder, "is a record of mnist/pca.seed0.01234567.json: delete it, or move it there")


@pytest.mark.parametrize(("name", "value"), [("seeds_side_by_side", 0), ("cores", 0), ("wall_seconds", "x")])
def test_a_record_whose_clock_cannot_be_reckoned_with_is_refused(tmp_path, name, value):
    save_records(tmp_path, [(made(provenance=ORIGIN | {name: value}), {})])
    refused(tmp_path, "is not a record")


def test_arrays_that_are_missing_or_others_are_refused(folder):
    path = path_of(folder)
    record = load_record(path)
    path.with_suffix(".npz").write_bytes(b"others")
    with pytest.raises(UserError, match="is not what its record was written with"):
        load_arrays(path, record)
    path.with_suffix(".npz").unlink()
    refused(folder, "npz is missing: delete pca.seed0.01234567.json and run its experiment again")


def test_numbers_that_are_not_finite_are_saved_as_null(tmp_path):
    [path] = save_records(tmp_path, [(made(metrics={"loss": float("nan")}), {})])
    assert json.loads(path.read_text())["metrics"] == {"loss": None}
    assert np.isnan(load_record(path).metrics["loss"])


def test_a_commit_that_is_named_goes_before_the_history_that_lies_beside_the_code(monkeypatch):
    """On a lent machine that may be the history of an earlier state."""
    revision.cache_clear()
    monkeypatch.setenv("REPRO_COMMIT", "abc")
    assert revision() == ("abc", None)
    revision.cache_clear()
    monkeypatch.delenv("REPRO_COMMIT")
    assert revision()[0] != "abc"
    revision.cache_clear()
