"""What an interrupted run leaves, what is made of it, and what happens to what is damaged."""

import io
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import chain, count
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from filelock import FileLock
from refusal import refused
from rich.console import Console
from tiny import ROOT

import repro.runs.lock
import repro.runs.progress
from repro.atomic import write_atomically
from repro.errors import UserError
from repro.models.rbm import Units
from repro.models.stack import random_stack
from repro.runs.checkpoint import Checkpoints, drop_least_recent, find_artefact, keep_artefact
from repro.runs.lock import claim
from repro.runs.progress import FINISHED, PROCESSES, Watch, seconds_spent
from repro.training.contrastive import Contrastive, contrastive_trainer
from repro.training.fit import UNWATCHED, by_minibatch, fit


@pytest.fixture(autouse=True)
def every_epoch_is_kept(monkeypatch):
    monkeypatch.setattr(repro.runs.progress, "SECONDS_BETWEEN_CHECKPOINTS", 0)
    monkeypatch.setattr(repro.runs.progress, "SECONDS_BETWEEN_LINES", 0)


def trained(monitor=UNWATCHED, n_epochs=5, n_hidden=4, measure=None):
    """A small RBM with persistent chains, for two seeds: everything a state can hold."""
    keys = jax.vmap(jr.key)(np.arange(2))
    data = (jr.uniform(jr.key(4), (30, 6)) < 0.4).astype(jnp.float32)
    trainer = contrastive_trainer(Units(), Contrastive(persistent=True), batch_size=5, steps_per_epoch=6)
    params = jax.vmap(lambda key: random_stack(key, (6, n_hidden), 0.1)[0])(keys)
    params = jax.tree.map(lambda x: x.astype(jnp.float32), params)
    how = {"n_epochs": n_epochs, "batch_size": 5, "monitor": monitor, "phase": "layer1", "measure": measure}
    return fit(keys, trainer, params, data, **how)


class Said:
    """A watch on a folder, and what it prints."""

    def __init__(self, folder, **about):
        self.console = Console(file=io.StringIO(), soft_wrap=True)
        self.watch = Watch("run", folder / "own", folder / "artefacts", self.console, about)

    @property
    def lines(self):
        return self.console.file.getvalue().splitlines()


@pytest.fixture
def unbroken(single_precision):
    return trained()


@pytest.fixture
def stopped(single_precision, tmp_path):
    """The folder of a run that was stopped after three epochs."""
    with Said(tmp_path).watch as watch:
        trained(watch, n_epochs=3)
    return tmp_path


def resumed(folder, **how):
    """Training to the end, and what was said."""
    said = Said(folder)
    with said.watch as watch:
        return trained(watch, **how), said.lines


def assert_same(ours, theirs):
    """Bit for bit, but for the clock."""
    assert jax.tree.map(lambda x: x.dtype, ours.state) == jax.tree.map(lambda x: x.dtype, theirs.state)
    jax.tree.map(np.testing.assert_array_equal, ours.state, theirs.state)
    jax.tree.map(np.testing.assert_array_equal, ours.curves, theirs.curves)
    np.testing.assert_array_equal(ours.epochs, theirs.epochs)
    np.testing.assert_array_equal(ours.diverged, theirs.diverged)


def test_a_checkpoint_gives_curves_back_in_their_order(single_precision, tmp_path):
    """And so a run that was killed when training was over has the record that it would have had, byte for
    byte.
    """

    def measure(params):
        return {name: params.weights.mean((1, 2)) for name in ("train_error", "error")}

    with Said(tmp_path).watch as watch:
        unbroken = trained(watch, measure=measure)
    fitted, _ = resumed(tmp_path, measure=measure)
    assert list(fitted.curves) == list(unbroken.curves)


def steps(folder):
    return sorted(path.name for path in (folder / "own" / "layer1").iterdir())


def test_a_resumed_run_is_the_run_that_was_never_stopped(unbroken, stopped):
    fitted, lines = resumed(stopped)
    assert_same(fitted, unbroken)
    assert lines[0] == "run: layer1 goes on from epoch 3, done before"
    assert steps(stopped) == ["4", "5"], "the latest two are kept"


def test_what_takes_long_to_write_is_kept_more_rarely(single_precision, tmp_path, monkeypatch):
    monkeypatch.setattr(repro.runs.progress, "SECONDS_BETWEEN_CHECKPOINTS", 1.0)
    with Said(tmp_path / "small").watch as watch:
        trained(watch)
    assert steps(tmp_path / "small") == ["5"], "the end of a phase is"
    monkeypatch.setattr(repro.runs.progress, "LARGE", 1)
    with Said(tmp_path / "large").watch as watch:
        trained(watch)
    assert steps(tmp_path / "large") == []


def test_a_fresh_run_goes_on_from_nowhere(single_precision, tmp_path):
    _, lines = resumed(tmp_path)
    assert len(lines) == 5 and not any("goes on" in line for line in lines)


def test_the_time_left_does_not_count_compiling(single_precision, tmp_path, monkeypatch):
    now = chain([1000.0] * 3, count(1060.0))  # a minute passes before the first epoch is done, then seconds
    clock = SimpleNamespace(monotonic=lambda: next(now), perf_counter=time.perf_counter)
    monkeypatch.setattr(repro.runs.progress, "time", clock)
    monkeypatch.setattr(repro.runs.progress, "SECONDS_BETWEEN_CHECKPOINTS", math.inf)
    _, lines = resumed(tmp_path)
    left = [line.rpartition(", ")[2] for line in lines[:4]]
    assert left == ["0:00:00 left", "0:00:02 left", "0:00:01 left", "0:00:01 left"]


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_taken(unbroken, stopped, damage):
    latest = stopped / "own" / "layer1" / "3"
    damage(max((latest / "state").rglob("*"), key=lambda path: path.is_file() and path.stat().st_size))
    fitted, lines = resumed(stopped)
    assert_same(fitted, unbroken)
    reason = "its content is not what was written"
    assert lines[0] == f"run: the checkpoint {latest} cannot be used ({reason}); it is set aside as 3.damaged"
    assert lines[1] == "run: layer1 goes on from epoch 2, done before"
    assert steps(stopped) == ["3.damaged", "4", "5"]
    assert "cannot be used" not in " ".join(resumed(stopped)[1]), "it is in nobody's way any longer"


def test_where_no_checkpoint_is_whole_training_begins_anew(unbroken, stopped):
    for step in ("2", "3"):
        shutil.rmtree(stopped / "own" / "layer1" / step)
        (stopped / "own" / "layer1" / step).mkdir()
    fitted, lines = resumed(stopped)
    assert_same(fitted, unbroken)
    assert [line.count("(it is not whole)") for line in lines[:3]] == [1, 1, 0]


def test_the_checkpoint_of_another_network_is_set_aside(stopped):
    fitted, lines = resumed(stopped, n_hidden=5)
    assert_same(fitted, trained(n_hidden=5))
    assert "is of another network or trainer" in lines[0]


def test_a_damaged_layer_is_trained_anew(single_precision, tmp_path):
    def layer():
        said = Said(tmp_path)
        with said.watch as watch:
            return trained(watch.sharing("x")), watch.taken, said.lines

    made, taken, _ = layer()
    assert not taken
    found, [taken], lines = layer()
    assert lines == ["run: layer1 has been trained before, for 5 epochs"]
    assert taken["phase"] == "layer1" and taken["identity"] == "x"
    assert found.state._fields == ("params",) and found.seconds.tolist() == made.seconds.tolist()
    assert_same(found, made._replace(state=found.state._replace(params=made.state.params)))
    for path in (tmp_path / "artefacts" / "x" / "finished").glob("5/state/d/*"):
        flip(path)
    anew, taken, lines = layer()
    assert not taken and "cannot be used" in lines[0] and "layer1 epoch 5/5" in lines[-1]
    assert_same(anew, made)
    assert layer()[1]


def test_a_run_that_diverged_is_said_once_and_stays_so(single_precision, tmp_path):
    class Falls(NamedTuple):
        params: jax.Array

    falling = by_minibatch(
        init=lambda key, params, inputs: Falls(params),
        step=lambda key, state, batch, n: (Falls(state.params - 1), {"loss": jnp.log(state.params)}),
    )
    keys, inputs = jax.vmap(jr.key)(np.arange(2)), jnp.zeros((5, 1))
    for n_lines in (5, 1):
        said = Said(tmp_path)
        with said.watch as watch:
            how = {"n_epochs": 6, "batch_size": 5, "monitor": watch}
            fitted = fit(keys, falling, jnp.array([1.0, 2.0]), inputs, **how)
        assert fitted.diverged.tolist() == [2, 3] and fitted.n_epochs == 3
        assert len(said.lines) == n_lines
        assert watch.diverged == {"fit": [2, 3]}
        if n_lines == 5:
            at = "the values are not numbers"
            assert (
                said.lines[2]
                == f"run: fit has diverged, 1 of 2 seeds, from epoch 2 on {at}: the others go on"
            )
            assert said.lines[4].endswith(f"2 of 2 seeds, from epoch 2, 3 on {at}: all stop here")


def test_the_layers_used_longest_ago_are_removed(tmp_path):
    for i, name in enumerate(["cpu/new", "cpu/old", "gpu/older", "gpu/newest"]):
        (tmp_path / name / "finished").mkdir(parents=True)
        (tmp_path / name / "finished" / "params").write_bytes(bytes(10))
        os.utime(tmp_path / name, (0, {0: 3, 1: 2, 2: 1, 3: 4}[i]))
    drop_least_recent(tmp_path.glob("*/*"), limit=25)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["new", "newest"]
    drop_least_recent(tmp_path.glob("*/*"), limit=5)
    assert [path.name for path in tmp_path.glob("*/*")] == ["newest"], "what was just made stays"


def test_every_process_that_worked_on_a_run_is_listed(single_precision, tmp_path):
    for commit, n_epochs in (("a", 2), ("b", 4)):
        said = Said(tmp_path, commit=commit)
        with said.watch as watch:
            trained(watch, n_epochs=n_epochs)
            time.sleep(0.05)
        processes = watch.processes()
    assert [process["commit"] for process in processes] == ["a", "b"]
    assert all(process["seconds"] >= 0.05 and process["began"].endswith("Z") for process in processes)
    watch.forget()
    assert not (tmp_path / "own").exists()


def test_ctrl_c_is_heeded_at_the_next_report_which_is_kept(unbroken, monkeypatch, tmp_path):
    monkeypatch.setattr(repro.runs.progress, "SECONDS_BETWEEN_CHECKPOINTS", 1e9)
    handler = signal.getsignal(signal.SIGINT)

    def press(params):
        signal.raise_signal(signal.SIGINT)
        return {}

    with pytest.raises(KeyboardInterrupt), Said(tmp_path).watch as watch:
        trained(watch, measure=press)
    assert signal.getsignal(signal.SIGINT) is handler
    fitted, lines = resumed(tmp_path)
    assert lines[0] == "run: layer1 goes on from epoch 1, done before"
    assert_same(fitted, unbroken)


def test_ctrl_c_where_nothing_is_trained_is_heeded_at_the_end(tmp_path):
    with pytest.raises(KeyboardInterrupt), Said(tmp_path).watch:
        signal.raise_signal(signal.SIGINT)


TWICE = """
import signal, sys, time
from pathlib import Path
from rich.console import Console
from repro.runs.progress import Watch
with Watch("run", Path(sys.argv[1]), Path(sys.argv[1]), Console()):
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    time.sleep(60)
"""

HOLDS = """
import sys, time
from pathlib import Path
from repro.runs.lock import claim
claim(Path(sys.argv[1]))
print("claimed", flush=True)
time.sleep(600)
"""


def python(program, folder, **how):
    return subprocess.Popen([sys.executable, "-c", program, folder], cwd=ROOT, text=True, **how)


def test_ctrl_c_twice_ends_at_once(tmp_path):
    with python(TWICE, tmp_path, stderr=subprocess.PIPE) as process:
        _, err = process.communicate()
    assert process.returncode == 130
    assert err == "repro: stopped at once; the same command goes on from the last checkpoint\n"


FULL = """
import resource, sys
from pathlib import Path
import jax, jax.random as jr, numpy as np
from rich.console import Console
from repro.errors import UserError
from repro.runs.progress import Watch
from repro.training.fit import Fitted
fitted = Fitted(jr.normal(jr.key(0), (1, 10000)), {}, np.ones(1), np.ones(1), diverged=np.full(1, -1))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with Watch("run", Path(sys.argv[1]), Path(sys.argv[1]), Console(quiet=True)) as watch:
        watch.restore("layer1", fitted._replace(epochs=np.zeros(0), seconds=np.zeros(0)))
        watch.epoch_done("layer1", fitted, 1)
except UserError as error:
    print(f"repro: {error}", file=sys.stderr)
"""


@pytest.mark.parametrize("size", [0, 300, 3000, 20000])
def test_a_full_disk_is_one_line(tmp_path, size):
    """In a process of its own: files may grow to a size and no further."""
    words = [sys.executable, "-c", FULL, tmp_path, str(size)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith(f"repro: {tmp_path}") and done.stderr.count("\n") == 1
    assert " cannot be written (File too large): make room, mend its permissions, or name " in done.stderr


def test_what_another_process_is_writing_is_not_swept(tmp_path):
    with python(HOLDS, tmp_path / "other", stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == "claimed\n"
        beside, left = (tmp_path / f".writing-a.json.{n}.x" for n in (other.pid, 2**22 + 1))
        beside.touch(), left.touch()
        write_atomically(tmp_path / "a.json", b"{}")
        assert beside.exists() and not left.exists()
        other.kill()
    write_atomically(tmp_path / "a.json", b"{}")
    assert not beside.exists()


DIES = """
import os, sys
from pathlib import Path
from repro.atomic import write_atomically
from repro.runs.lock import claim
folder = Path(sys.argv[1])
claim(folder)
Path.replace = lambda *_: os.kill(os.getpid(), 9)
write_atomically(folder / "mnist" / "pca.json", b"{}")
"""


def test_what_a_killed_process_left_half_written_goes_with_the_next_command(tmp_path):
    with python(DIES, tmp_path) as process:
        process.wait()
    assert process.returncode == -9
    assert [path.name[:18] for path in (tmp_path / "mnist").iterdir()] == [".writing-pca.json."]
    claim(tmp_path)
    assert not list((tmp_path / "mnist").iterdir())
    repro.runs.lock._HELD.pop(tmp_path).release()


def test_a_second_process_that_would_train_is_refused_until_the_first_has_died(tmp_path):
    with python(HOLDS, tmp_path, stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == "claimed\n"
        try:
            with pytest.raises(UserError) as refused:
                claim(tmp_path)
        finally:
            first.kill()
    assert str(refused.value) == (
        f"another command trains in {tmp_path}: wait until it is over, or name another folder"
    )
    claim(tmp_path)
    claim(tmp_path)
    with pytest.raises(TimeoutError):
        FileLock(tmp_path / ".lock").acquire(timeout=0)
    repro.runs.lock._HELD.pop(tmp_path).release()


def test_what_is_being_written_is_there_when_the_checkpoints_are_closed(unbroken, tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(unbroken)
    checkpoints.close()
    again = Checkpoints(tmp_path)
    assert_same(again.latest(unbroken._replace(curves={}, epochs=np.zeros(0)), print), unbroken)
    again.close()


def test_a_damaged_log_of_a_process_is_one_line(tmp_path):
    log = tmp_path / PROCESSES / "20260101T000000.0.1"
    log.parent.mkdir()
    for content in ("{", "[]", "{}", '{"seconds": "long"}', "\x00"):
        log.write_text(content, encoding="utf-8")
        refused(f"{log} is damaged .*: delete it", seconds_spent, tmp_path)


def test_an_artefact_that_does_not_say_who_made_it_is_made_again(unbroken, tmp_path):
    folder, said = tmp_path / "artefacts" / "of" / "one" / FINISHED, []
    keep_artefact(folder, unbroken, {"began": "2026"})
    start = unbroken._replace(epochs=np.zeros(0), seconds=np.zeros(0), curves={})
    assert find_artefact(folder, start, said.append)[1] == {"began": "2026"} and not said
    (folder / "made").write_bytes(b"\xff")
    assert find_artefact(folder, start, said.append) is None
    assert not folder.exists() and "made cannot be used" in said[0]
