"""Every experiment end to end in a tiny setting: data, record, table; interrupted, resumed, refused."""

import json
import os
import re
from dataclasses import replace

import jax
import numpy as np
import pytest
from tiny import MNIST, QUIET, tiny

import repro.data
from repro.errors import UserError
from repro.report.frame import read
from repro.runs import Arm, PrincipalComponents, run_pca
from repro.runs.progress import Watch
from repro.runs.record import identity, load_arrays, load_record, save_records
from repro.runs.run import Order, conduct, out_of_range

pytestmark = pytest.mark.usefixtures("single_precision")


def test_what_is_recorded_is_not_run_again(recorded):
    paths = list(recorded.rglob("*.json"))
    before = {path: path.stat().st_mtime_ns for path in paths}
    order = Order(seeds=3, only=("glorot-cg", "pca"), results=recorded)
    assert set(conduct(tiny(MNIST), order, QUIET)) == set(paths)
    assert {path: path.stat().st_mtime_ns for path in paths} == before


class Interrupted(KeyboardInterrupt):
    pass


def test_an_interrupted_run_leaves_nothing_half_written_and_goes_on_where_it_stopped(
    few_cases, tmp_path, monkeypatch
):
    experiment = tiny(MNIST)
    order = Order(only=("pretrained-cg",), epochs=4, results=tmp_path / "stopped")
    watched, seen = Watch.epoch_done, []

    def stop_after_three(self, phase, fitted, n_epochs):
        monkeypatch.setattr("repro.runs.progress.SECONDS_BETWEEN_CHECKPOINTS", 0)
        watched(self, phase, fitted, n_epochs)
        seen.append((phase, fitted.n_epochs))
        if (phase, fitted.n_epochs) == ("fine-tuning", 3):
            raise Interrupted

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Watch, "epoch_done", stop_after_three)
        conduct(experiment, order, QUIET)
    assert not list(tmp_path.rglob("*.json"))
    resumed = []
    with monkeypatch.context() as patch:
        patch.setattr(
            Watch, "epoch_done", lambda self, phase, fitted, n: resumed.append((phase, fitted.n_epochs))
        )
        [path] = conduct(experiment, order, QUIET)
    assert resumed == [("fine-tuning", 4)]
    [unbroken] = conduct(experiment, replace(order, results=tmp_path / "unbroken"), QUIET)
    ours, theirs = load_record(path), load_record(unbroken)
    assert ours.metrics["test_squared_error"] == theirs.metrics["test_squared_error"]
    assert ours.curves["loss"] == theirs.curves["loss"] and len(ours.curves["seconds"]) == 4
    assert not list(tmp_path.rglob(".checkpoints/*")), "checkpoints go when the record is there"


def test_the_identity_of_a_run_is_its_choices_and_its_kind_of_device():
    assert identity(Arm(), "cpu") == identity(Arm(n_epochs=200), "cpu")
    others = [Arm(n_epochs=3), replace(Arm(), pretraining=replace(Arm().pretraining, n_epochs=3))]
    assert (
        len({identity(Arm(), "cpu"), identity(Arm(), "gpu"), *(identity(arm, "cpu") for arm in others)}) == 4
    )


def test_altered_evidence_is_refused(recorded):
    [path] = recorded.rglob("pca*.json")
    path.with_suffix(".npz").write_bytes(b"something else")
    with pytest.raises(UserError, match=re.escape(path.with_suffix(".npz").name)):
        load_arrays(path, load_record(path))
    path.write_text("{")
    with pytest.raises(UserError, match="is not a record"):
        read(recorded, "quick")


def test_numbers_that_are_not_finite_are_saved_as_null(recorded, tmp_path):
    [path] = recorded.rglob("pca*.json")
    record = load_record(path)
    save_records({tmp_path / "x.json": (record._replace(metrics={"loss": np.float32("nan")}), {})})
    assert json.loads((tmp_path / "x.json").read_text())["metrics"] == {"loss": None}
    assert np.isnan(load_record(tmp_path / "x.json").metrics["loss"])


def test_scores_outside_their_expected_range_are_named(recorded):
    strange = replace(MNIST, expected={("pca", "test_squared_error"): (1.0, 2.0)})
    [line] = out_of_range(strange, Order(results=recorded), list(recorded.rglob("pca*.json")))
    assert line.startswith("mnist/pca: test_squared_error is ") and line.endswith("expected 1 to 2")


@pytest.mark.skipif(
    "REPRO_DATA_DIR" not in os.environ, reason="REPRO_DATA_DIR names no folder of MNIST files"
)
def test_pca_of_the_real_digits_reads_the_published_number():
    data = repro.data.load("mnist")
    for n_components, error in ((30, 13.866), (0, 52.897), (2, 43.645)):
        outcome = run_pca(PrincipalComponents(n_components), data, jax.random.key(0)[None])
        np.testing.assert_allclose(outcome.metrics["test_squared_error"], [error], atol=5e-4)


def test_a_record_of_another_configuration_is_not_taken_for_this_one(recorded, monkeypatch):
    """Changed defaults do not show in a record's name."""
    [path] = recorded.rglob("pca*.json")
    path.write_text(path.read_text().replace('"n_components": 30', '"n_components": 31'))
    with pytest.raises(UserError, match="was recorded with another n_components"):
        conduct(tiny(MNIST), Order(only=("pca",), results=recorded), QUIET)
