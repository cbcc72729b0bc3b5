"""Every experiment end to end in a tiny setting: data, record, table; interrupted, resumed, refused."""

import os
from dataclasses import replace

import jax
import numpy as np
import pytest
from refusal import refused
from tiny import MNIST, QUIET, tiny

import repro.data
from repro.errors import TooFewCasesError, UserError
from repro.runs.config import PrincipalComponents
from repro.runs.linear import run_pca
from repro.runs.memory import give_back
from repro.runs.programs import PROGRAMS
from repro.runs.progress import Watch
from repro.runs.record import as_text, load_record
from repro.runs.run import Request, out_of_range, run

pytestmark = pytest.mark.usefixtures("single_precision")


def test_what_is_recorded_is_not_run_again(recorded):
    paths = list(recorded.rglob("*.json"))
    before = {path: path.stat().st_mtime_ns for path in paths}
    request = Request(seeds=3, only=("glorot-cg", "pca"), results=recorded)
    assert set(run(tiny(MNIST), request, QUIET)) == set(paths)
    assert {path: path.stat().st_mtime_ns for path in paths} == before


def test_a_record_that_other_defaults_gave_its_name_is_not_taken_for_this_run(recorded):
    """As if the number of components had a default, and that had been another when the record was made."""
    [path] = (recorded / "quick").glob("mnist/pca.seed0.*.json")
    record = load_record(path)
    path.write_text(as_text(record._replace(config=record.config | {"n_components": 29})), encoding="utf-8")
    with pytest.raises(UserError, match=r"pca.* was made when defaults were others: delete it and run"):
        run(tiny(MNIST), Request(only=("pca",), results=recorded), QUIET)


class Interrupted(KeyboardInterrupt):
    pass


def test_an_interrupted_run_leaves_nothing_half_written_and_goes_on_where_it_stopped(
    few_cases, tmp_path, monkeypatch
):
    experiment = tiny(MNIST)
    request = Request(only=("pretrained-cg",), epochs=4, results=tmp_path / "stopped")
    watched, seen = Watch.epoch_done, []

    def stop_after_three(self, phase, fitted, n_epochs):
        monkeypatch.setattr("repro.runs.progress.SECONDS_BETWEEN_CHECKPOINTS", 0)
        watched(self, phase, fitted, n_epochs)
        seen.append((phase, fitted.n_epochs))
        if (phase, fitted.n_epochs) == ("fine-tuning", 3):
            raise Interrupted

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Watch, "epoch_done", stop_after_three)
        run(experiment, request, QUIET)
    assert not list(tmp_path.rglob("*.json"))
    resumed = []
    with monkeypatch.context() as patch:
        patch.setattr(
            Watch, "epoch_done", lambda self, phase, fitted, n: resumed.append((phase, fitted.n_epochs))
        )
        [path] = run(experiment, request, QUIET)
    assert resumed == [("fine-tuning", 4)]
    [unbroken] = run(experiment, replace(request, results=tmp_path / "unbroken"), QUIET)
    ours, theirs = load_record(path), load_record(unbroken)
    assert ours.metrics["test_squared_error"] == theirs.metrics["test_squared_error"]
    assert ours.curves["loss"] == theirs.curves["loss"] and len(ours.curves["seconds"]) == 4
    assert not list(tmp_path.rglob(".checkpoints/*")), "checkpoints go when the record is there"


@pytest.mark.parametrize(
    ("says", "raised", "shown"),
    [
        ("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.", UserError, "out of memory: ask for fewer"),
        ("INTERNAL: something else", jax.errors.JaxRuntimeError, "something else"),
    ],
)
def test_too_little_memory_is_one_line(tmp_path, monkeypatch, says, raised, shown):
    def run_out(*_):
        raise jax.errors.JaxRuntimeError(says)

    monkeypatch.setitem(PROGRAMS, PrincipalComponents, run_out)
    with pytest.raises(raised, match=shown):
        run(tiny(MNIST), Request(only=("pca",), results=tmp_path), QUIET)
    assert not list(tmp_path.rglob("*.json"))


def test_a_minibatch_that_is_too_large_is_one_line_with_the_name_of_the_run(tmp_path, monkeypatch):
    def too_large(*_):
        raise TooFewCasesError("batch_size 9 is larger than the 4 cases: lower it")

    monkeypatch.setitem(PROGRAMS, PrincipalComponents, too_large)
    refused(
        "^mnist/pca.*: batch_size 9 is ", run, tiny(MNIST), Request(only=("pca",), results=tmp_path), QUIET
    )


def test_scores_outside_their_expected_range_are_named(recorded):
    strange = replace(MNIST, expected={("pca", "test_squared_error"): (1.0, 2.0)})
    [line] = out_of_range(strange, Request(results=recorded), list(recorded.rglob("pca*.json")))
    assert line.startswith("mnist/pca: test_squared_error is ") and line.endswith("expected 1 to 2")


@pytest.mark.skipif(
    "REPRO_DATA_DIR" not in os.environ, reason="REPRO_DATA_DIR names no folder of MNIST files"
)
def test_pca_of_the_real_digits_reads_the_published_number():
    give_back()  # all of MNIST takes much
    data = repro.data.load("mnist")
    for n_components, error in ((30, 13.866), (0, 52.897), (2, 43.645)):
        outcome = run_pca(PrincipalComponents("mnist", n_components), data, jax.random.key(0)[None])
        np.testing.assert_allclose(outcome.metrics["test_squared_error"], [error], atol=5e-4)


def test_checkpoints_go_that_a_killed_process_left_beside_its_record(recorded):
    """All that is requested is recorded already; another run has only begun."""
    asked = Request(seeds=3, only=("glorot-cg",), results=recorded)
    [first, *_] = sorted(recorded.rglob("glorot-cg.seed0.*.json"))
    of = first.name.split(".")[-2]
    left = [
        recorded / "quick" / ".checkpoints" / f"mnist.{of}.{'0' * 8}.{seeds}.v1"
        for seeds in ("0", "0-1", "0-9")
    ]
    for folder in left:
        (folder / "layer1").mkdir(parents=True)
    run(tiny(MNIST), asked, QUIET)
    assert [folder.exists() for folder in left] == [False, False, True]
