"""The stopwatch, the worker processes and the records of `repro time`."""

import io
import math
import os
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from refusal import refused
from rich.console import Console

from repro.cli import main as cli
from repro.cli import tables
from repro.cli import time as timing
from repro.runs.record import load_records
from repro.timing import load, rates
from repro.timing import worker as workers
from repro.timing.load import OtherWork
from repro.timing.plan import LENGTHS, groups
from repro.timing.ranking import standing
from repro.timing.rates import Timing, measured, time_rates
from repro.timing.stopwatch import in_turn
from repro.timing.subject import MNIST, Subject, named

CD = Subject("jax", "cd1", MNIST[0], n_batches=3)
PRODUCTS, SQUARE = replace(CD, workload="matmul"), replace(CD, workload="matmul", sizes=(1024, 1024))
COPY = Subject("jax", "copy", (1000,))
ORIGIN = {"platform": "cpu", "device": "abacus", "host": "abacus", "cores": 4, "cores_used": 4}
ORIGIN |= {"data_sha256": "", "commit": "0" * 40}
IDLE = (0.5, 0.5, 0.5)  # load averages


def test_calls_are_made_in_turn_and_the_first_round_does_not_count():
    made, told = [], []

    def call(name, durations):
        return lambda: made.append(name) or durations.pop(0)

    calls = {"a": call("a", [9.0, 1.0, 2.0]), "b": call("b", [8.0, 3.0, 4.0])}
    assert in_turn(calls, 2, lambda *call: told.append(call)) == {"a": [1.0, 2.0], "b": [3.0, 4.0]}
    assert made == [name for name, _ in told] == ["a", "b"] * 3
    assert [seconds for _, seconds in told] == [9.0, 8.0, 1.0, 3.0, 2.0, 4.0]


def test_metrics_by_hand():
    """3 minibatches of 100 at 784 x 1000 are 2.352 GFLOP; 3 x 100 at 1024 x 1024, 3.146."""
    timings = {
        CD: Timing([0.3, 0.1, 0.2], 1.5),
        PRODUCTS: Timing([0.1], 0.0),
        replace(PRODUCTS, program="numpy"): Timing([0.05], 0.0),
        SQUARE: Timing([0.04], 0.0),
        replace(SQUARE, part="1core"): Timing([1e-9], 0.0),  # of another part of the machine
        replace(SQUARE, precision="float64", program="numpy"): Timing([1e-9], 0.0),  # of another precision
        COPY: Timing([1e-6], 0.0),
    }
    found = measured(CD, timings)
    million = 1e6 / 300
    expected = {
        "seconds_per_update": 0.2 / 3,
        "seconds_per_million_cases": 0.2 * million,
        "seconds_per_epoch": 0.2 * 200,
        "gflops": 2.352 / 0.2,
        "fraction_of_matmul": 0.05 / 0.2,
        "fraction_of_best_matmul": (2.352 / 0.2) / (3.145728 / 0.04),
        "flops_floor_seconds_per_million_cases": 2.352 / (3.145728 / 0.04) * million,
        "bytes_floor_seconds_per_million_cases": CD.bytes_moved / 8e9 * million,
        "compile_seconds": 1.5,
    }
    assert found == pytest.approx(expected, rel=1e-12)
    assert measured(COPY, timings) == {"gigabytes_per_second": pytest.approx(8.0), "compile_seconds": 0.0}


# --- a run without a clock --------------------------------------------------------------------------------


MADE = []


class FakeWorker(workers.Worker):
    """Takes a second for 10^12 operations, twice as long on one core, and as long as told to compile."""

    def __init__(self, part):
        self.part, self.prepared, self.closed = part, [], False
        MADE.append(self)

    def provenance(self):
        return ORIGIN | {"cores_used": 1 if self.part == "1core" else 4}

    def prepare(self, subject):
        self.prepared.append(subject)
        return 0.5 if subject.program == "jax" else 0.0

    def call(self, subject):
        assert subject in self.prepared and subject.part == self.part
        return (2 if self.part == "1core" else 1) * (subject.flops or 1e9) / 1e12

    def spent(self):
        return 0.0

    def forget(self):
        self.prepared.clear()

    def close(self):
        self.closed = True


@pytest.fixture
def no_clock(monkeypatch):
    MADE.clear()
    monkeypatch.setattr(rates, "Worker", FakeWorker)
    monkeypatch.setattr(rates, "installed", lambda: {"sklearn": True, "torch": False})
    monkeypatch.setattr(os, "getloadavg", lambda: IDLE)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


def run(folder, profile="quick", **limits):
    console = Console(record=True, width=200, file=io.StringIO())
    return time_rates(profile, folder, console, **limits), console.export_text()


def written(folder):
    return load_records(folder / "quick", "eras")


@pytest.fixture
def clock(monkeypatch):
    """A clock that calls advance by a second each."""
    now = [0.0]

    def slow(self, subject):
        now[0] += 1.0
        return 1.0

    monkeypatch.setattr(FakeWorker, "call", slow)
    monkeypatch.setattr(rates, "time", SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: 0.0))
    monkeypatch.setattr(rates, "effort", lambda subject: 1.0)
    return now


def test_the_parts_that_are_named_are_timed_and_no_other(tmp_path, no_clock):
    _, said = run(tmp_path, parts=["1core"])
    assert [worker.part for worker in MADE] == ["1core"]
    assert {Subject(**record.config).part for record in written(tmp_path).values()} == {"1core"}
    assert "not installed" not in said and "GPU" not in said


def test_a_part_that_is_not_there_is_refused(tmp_path, no_clock):
    refused("nothing to time on gpu: JAX sees no GPU here", run, tmp_path, parts=["gpu"])


def test_only_the_sizes_that_are_named_are_timed_beside_what_the_machine_can_do(tmp_path, no_clock):
    records, _ = run(tmp_path, parts=["1core"], only=["1x28x28x40x12x2"])
    assert not [*standing(records)]  # other machines are compared in what was timed here
    timed = [Subject(**record.config) for record in written(tmp_path).values()]
    [convolution] = [subject for subject in timed if subject.workload == "convolution"]
    assert named(convolution.sizes) == "1x28x28x40x12x2"
    own, *_ = groups(LENGTHS["quick"], ["1core"], [])
    assert {subject.sizes for subject in timed} == {subject.sizes for subject in own} | {convolution.sizes}


def test_groups_that_do_not_fit_into_the_time_are_said_and_left_out(tmp_path, no_clock, clock):
    sizes = [len(group) for group in groups(LENGTHS["quick"], ["1core"], [])]
    calls = [(1 + LENGTHS["quick"].repeats) * n for n in sizes]
    _, said = run(tmp_path, parts=["1core"], limit=calls[0] + calls[1] + 0.5)
    assert clock[0] == calls[0] + calls[1] and len(written(tmp_path)) == sizes[0] + sizes[1]
    assert said.count("no time for ") == len(sizes) - 2
    assert f"no time for {sizes[2]} programs at " in said and f", about {calls[2]} s here" in said


def test_a_group_that_lasts_longer_than_expected_is_cut_and_the_others_are_kept(tmp_path, no_clock, clock):
    [first, second, *_] = groups(LENGTHS["quick"], ["1core"], [])
    _, said = run(tmp_path, parts=["1core"], limit=(1 + LENGTHS["quick"].repeats) * len(first) - 0.5)
    assert not written(tmp_path) and second
    assert said.count("the time was over before ") == 1 and clock[0] < 40


def test_each_part_of_the_machine_has_its_own_pace():
    """A core does 10^12 operations a second, a GPU a thousand times as many, but takes 2 s to make a program
    ready.
    """
    core, gpu = replace(CD, part="1core"), replace(CD, part="gpu")
    progress = rates.Progress(Console(quiet=True), [], repeats=3)
    assert progress.seconds([core, gpu]) == 0.0  # nothing is known
    for n in (1, 10):
        for subject, rate, ready in ((core, 1e12, 0.1), (gpu, 1e15, 2.0)):
            lasting = replace(subject, n_batches=n)
            progress.prepared(lasting, ready)
            progress.called(lasting, rates.effort(lasting) / rate)
    large = [replace(subject, n_batches=1000) for subject in (core, core, gpu)]
    calls = 4 * rates.effort(large[0]) * (2e-12 + 1e-15)
    assert progress.seconds(large) == pytest.approx(0.1 + 0.1 + 2.0 + calls)
    assert progress.seconds(large[2:]) == pytest.approx(2.0 + 4 * rates.effort(large[0]) * 1e-15)


def test_a_run_writes_a_record_for_each_subject_and_closes_its_workers(tmp_path, no_clock):
    _, said = run(tmp_path)
    assert all(worker.closed and not worker.prepared for worker in MADE)
    records = written(tmp_path).values()
    by_name = {record.variant: record for record in records}
    assert len(by_name) == len(records) > 50
    one, every = by_name["jax-cd1-784x1000-1core"], by_name["jax-cd1-784x1000"]
    assert one.metrics["seconds_per_epoch"] == pytest.approx(2 * 0.4704)  # of 470.4 GFLOP
    assert every.metrics["fraction_of_matmul"] == pytest.approx(1.0)
    assert len(every.curves["call_seconds"]) == LENGTHS["quick"].repeats
    assert every.metrics["compile_seconds"] == 0.5
    assert every.provenance["load_average"] == 0.5
    assert by_name["program2006-cd1-784x1000-1core"].provenance["precision"] == "float64"
    assert not [name for name in by_name if "torch" in name] and "sklearn-cd1-784x1000" in by_name
    assert "torch is not installed and left out" in said and "busy" not in said
    assert "JAX sees no GPU here" in said and "s left" in said


def test_another_run_replaces_the_rows_of_the_machine_and_adds_those_of_another(
    tmp_path, no_clock, monkeypatch
):
    first, _ = run(tmp_path)
    run(tmp_path)
    assert len(written(tmp_path)) == len(first)
    monkeypatch.setitem(ORIGIN, "device", "slide rule")
    run(tmp_path)
    assert len(written(tmp_path)) == 2 * len(first)


def test_a_run_that_is_stopped_keeps_the_groups_that_it_timed(tmp_path, no_clock, monkeypatch, capsys):
    calls = []

    def call(self, subject):
        calls.append(subject)
        if subject.sizes == MNIST[1]:
            raise KeyboardInterrupt
        return 1.0

    monkeypatch.setattr(FakeWorker, "call", call)
    monkeypatch.setattr(sys, "argv", ["repro", "time", "--results", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 130 and all(worker.closed for worker in MADE)
    said = capsys.readouterr().err
    assert "the same command times everything anew" in said and "checkpoint" not in said
    records = written(tmp_path).values()
    assert {record.variant for record in records} == {s.variant for s in calls if s.sizes != MNIST[1]}
    assert "jax-cd1-784x1000" in {record.variant for record in records}


def test_a_busy_machine_is_said_to_be_busy(tmp_path, no_clock, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (4.5, 0.5, 0.5))
    records, said = run(tmp_path)
    assert said.count("the machine is busy (load 4.5 on 4 cores)") == 1
    assert records[0].provenance["load_average"] == 4.5


def test_a_machine_that_becomes_busy_while_it_is_timed_is_noticed(tmp_path, no_clock, monkeypatch):
    """Quiet before, busy once, quiet again: every record has the largest load, for each compares with all."""
    loads = iter([IDLE, IDLE, (7.0, 0.0, 0.0)])
    monkeypatch.setattr(os, "getloadavg", lambda: next(loads, IDLE))
    _, said = run(tmp_path)
    assert said.count("the machine is busy (load 7.0 on 4 cores)") == 1
    assert {r.provenance["load_average"] for r in written(tmp_path).values()} == {7.0}


def test_the_work_of_the_timing_itself_is_no_other_work(monkeypatch):
    """Two cores computing for two minutes leave the kernel's average at 2 (1 - e^-2); the rest is others'."""
    clock, spent = [100.0], [5.0]
    monkeypatch.setattr(load.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(os, "getloadavg", lambda: (0.25, 0.0, 0.0))
    other = OtherWork(lambda: spent[0])
    own = 2 * (1 - math.exp(-2))
    monkeypatch.setattr(os, "getloadavg", lambda: (own + 3.0, 0.0, 0.0))
    for _ in range(4):
        clock[0], spent[0] = clock[0] + 30, spent[0] + 60
    assert other.read() == pytest.approx(3.0)
    monkeypatch.setattr(os, "getloadavg", lambda: IDLE)
    clock[0] += 60
    assert other.read() == pytest.approx(3.0)  # the largest so far


def test_without_affinity_the_one_core_rates_are_left_out(tmp_path, no_clock, monkeypatch):
    monkeypatch.setattr(rates, "confinable", lambda: False)
    records, said = run(tmp_path)
    assert {record.config["part"] for record in records} == {"cpu"}
    assert "cannot tie a process to one core" in said


def test_the_table_shows_where_this_machine_falls(tmp_path, no_clock):
    records, _ = run(tmp_path)
    [own] = [lines for lines in standing(records) if lines.title.startswith("jax-cd1-784x1000 ")]
    assert ("this machine", "1e+03") in own.rows
    numbers = [float(row[-1]) for row in own.rows]
    assert numbers == sorted(numbers, reverse=True) and len(numbers) >= 3
    assert [row for row in own.rows if row[0] == "NVIDIA H200 (recorded)"]


def test_the_command_prints_whole_tables_of_80_columns(tmp_path, no_clock, capsys, monkeypatch):
    monkeypatch.setattr(timing.console, "_width", 80)
    timing.time_machine("quick", tmp_path)
    out = capsys.readouterr().out
    assert "cd1 784x1000, seconds for an epoch of MNIST" in out and "among the recorded machines" in out
    assert "convolution 1x28x28x40x12x2, seconds for a million cases" in out and "nan" not in out
    assert "program2006, all cores, float64" in out and "…" not in out
    assert len(re.findall("GFLOP/s", out)) > 5 and f"in {tmp_path / 'quick' / 'eras'}" in out
    table = [line for line in out.splitlines() if re.search(r"core|%|recorded\)", line) and "`" not in line]
    assert max(map(len, table)) <= 80


def test_timing_a_machine_and_nothing_else_makes_the_tables_of_the_eras(tmp_path, no_clock, capsys):
    timing.time_machine("quick", tmp_path)
    assert f"`repro tables --profile quick --results {tmp_path}`" in capsys.readouterr().out
    tables.tables(False, None, tmp_path)
    page = (tmp_path / "quick" / "tables" / "eras.md").read_text(encoding="utf-8")
    assert "| abacus, 4 cores" in page and "Quick profile: short calls; not evidence" in page
    tables.tables(True, None, tmp_path)
    refused("no records below .*paper: .* --results", tables.tables, False, "paper", tmp_path)


# --- the real processes -----------------------------------------------------------------------------------


def test_a_worker_is_tied_to_one_core_and_times_what_it_is_given():
    if not workers.confinable():
        pytest.skip("this system cannot tie a process to a core")
    worker = workers.Worker("1core")
    try:
        about = worker.provenance()
        small = Subject("jax", "cd1", (6, 4), batch_size=5, n_batches=2, part="1core")
        assert about["cores_used"] == 1 and about["platform"] == "cpu"
        assert worker.prepare(small) > 0 and 0 < worker.call(small) < 60 and worker.spent() > 0
        numpy = replace(small, program="program2006", precision="float64")
        assert worker.prepare(numpy) == 0 and worker.call(numpy) > 0
        refused("cannot prepare jax-cd1-6x-4-batch5", worker.prepare, replace(small, sizes=(6, -4)))
        worker.forget()
        refused("cannot call jax-cd1-6x4", worker.call, small)
        worker._process.kill()
        refused("the process that was to call jax-cd1-6x4.* died", worker.call, small)
    finally:
        worker.close()
    assert not worker._process.is_alive()


def test_a_device_that_is_not_there_is_said_as_by_every_command(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "nonsense")
    worker = workers.Worker("gpu")
    try:
        assert refused("JAX sees no such device", worker.provenance).startswith("JAX_PLATFORMS=nonsense: ")
    finally:
        worker.close()


def test_a_worker_whose_parent_hangs_up_says_nothing(capfd):
    worker = workers.Worker("cpu")
    worker._pipe.send(("prepare", Subject("jax", "cd1", (6, 4), batch_size=5, n_batches=2)))
    worker._pipe.close()
    worker._process.join(60)
    assert worker._process.exitcode == 0 and capfd.readouterr().err == ""


def test_the_folder_must_be_writable(tmp_path):
    (tmp_path / "file").write_text("")
    refused(
        "--results .*file cannot be written to", time_rates, "quick", tmp_path / "file", Console(quiet=True)
    )
