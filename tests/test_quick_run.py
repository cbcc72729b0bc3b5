"""The quick profile, whole, from the command line, as `make reproduce` runs it."""

import re
import subprocess
import sys
from importlib.util import find_spec
from io import StringIO

import jax
import numpy as np
import pandas as pd
import pytest
from tiny import EXPERIMENTS, ROOT

import repro.data
from repro.report.frame import read, shown
from repro.report.tables import build, stem
from repro.runs.run import Request, configurations


def command(folder, *words):
    """`repro` in a process of its own, writing to the folder."""
    words = [sys.executable, "-m", "repro.cli", *words, "--profile", "quick", "--results", folder]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The process that ran, and its results; once for all tests."""
    results = tmp_path_factory.mktemp("quick")
    return command(results, "run"), results


@pytest.fixture
def quick_run(finished):
    """The results."""
    return finished[1]


def test_the_quick_profile_is_in_its_expected_ranges(finished):
    assert finished[0].returncode == 0, finished[0].stderr
    assert list(finished[1].rglob("*.seed0.*.json"))
    assert all(experiment.expected for experiment in EXPERIMENTS.values())


def test_the_quick_profile_is_done_in_little_memory(finished):
    [taken] = re.findall(r"^at most (.*) GB of memory were taken$", finished[0].stdout, re.MULTILINE)
    assert 0.3 < float(taken) <= 1.5  # most of it while K-FAC is compiled


def test_every_variant_goes_from_data_to_record_to_table(quick_run):
    samples = {status.name for status in repro.data.status() if status.source == "embedded" and status.ready}
    frame = read(quick_run, "quick")
    runs, contents = shown(frame.runs), build(frame, EXPERIMENTS)
    for name, experiment in EXPERIMENTS.items():
        asked = configurations(experiment, Request())
        expected = {variant for variant, config in asked.items() if config.data in samples}
        found = runs[runs.experiment == name].drop_duplicates("variant").set_index("variant")
        assert set(found.index) == expected
        for path in found.path:
            record = frame.record(path)
            assert any(np.isfinite(record.metrics.get(score, np.nan)) for score in experiment.scores)
            assert record.provenance["data_sha256"]
            assert record.provenance["packages"]["jax"] == jax.__version__
            pictures = frame.arrays(path)
            assert pictures.get("example_inputs", np.zeros(0, np.uint8)).dtype in (np.uint8, np.float32)
        if expected:
            table = contents[quick_run / "quick" / "tables" / f"{stem(name)}.csv"]
            assert expected <= set(pd.read_csv(StringIO(table)).variant)


def test_every_figure_of_the_quick_profile_is_drawn(quick_run):
    assert command(quick_run, "tables").returncode == 0
    drawn = command(quick_run, "figures")
    without_lda = {"fig_4a", "fig_4bc", "fig_s5"} if find_spec("lda") is None else set()
    untimed = {"fig_speedup"}  # `repro time` is no part of the run
    assert drawn.returncode == 0, drawn.stderr
    assert set(re.findall("(.*) is not drawn", drawn.stdout)) == without_lda | untimed
