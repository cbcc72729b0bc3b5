"""A cluster: the records are those that this machine would make, whatever happens to its workers."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from glob import glob
from io import StringIO

import numpy as np
import pytest
from refusal import refused
from rich.console import Console
from test_cli import command
from tiny import EXPERIMENTS, MNIST, QUIET, ROOT, SOON, tiny

import repro.runs.cluster
from repro.data import prepared
from repro.data.documents import RCV1
from repro.errors import TooFewCasesError
from repro.runs.cluster import Code, Part, Worker, connected, fits, parts, run_on, started
from repro.runs.config import Precision, SemanticAnalysis
from repro.runs.experiment import Experiment
from repro.runs.provenance import Device
from repro.runs.record import load_record
from repro.runs.run import Request, Tally, missing, run
from tests.chaos.trees import different, litter

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
pytestmark = pytest.mark.usefixtures("single_precision")

ARMS = ("pca-18", "glorot-adam", "logistic-pca-6")  # one of them has its rate chosen
CURVES = ("run", "curves", *(word for arm in ARMS for word in ("--only", arm)), "--seeds", "2")
CURVES += ("--epochs", "1")
N = 6  # records of it: one of PCA, a choice, and two of each other arm
LONG = ("run", "curves", "--only", "logistic-pca-6", "--seeds", "2", "--epochs", "200")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """That of the workers."""
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def scheduler(cache):
    """The address of one with two workers, whose cache is empty and who have no data folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_CACHE_DIR", str(cache))
        patch.setenv("XLA_FLAGS", SOON)
        patch.delenv("REPRO_DATA_DIR", raising=False)
        with started("local:2") as address:
            yield address


@pytest.fixture(scope="module")
def alone(cache, tmp_path_factory):
    """The records of a process of its own, on as many cores as a worker has."""
    folder, cores = tmp_path_factory.mktemp("alone"), parts("local:2")[0].cores
    start = f"import os; os.sched_setaffinity(0, {cores}); from repro.cli.__main__ import main; main()"
    words = [sys.executable, "-c", start, *CURVES, "--results", folder]
    env = os.environ | {"REPRO_CACHE_DIR": str(cache), "XLA_FLAGS": SOON}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def client(scheduler):
    with distributed.Client(scheduler, set_as_default=False) as client:
        yield client


def until(holds):
    """Wait, but not for ever; whether it holds."""
    end = time.monotonic() + 60.0
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


@contextmanager
def when_busy(client, n, strike):
    """Within, so many workers come to be busy; then one of them is struck, of which the address is given."""

    def wait():
        until(lambda: sum(map(bool, client.processing().values())) == n)
        strike(next(worker for worker, tasks in client.processing().items() if tasks))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    yield
    thread.join()


def test_workers_make_the_records_that_one_process_makes(alone, scheduler, tmp_path, capsys, monkeypatch):
    words = (*CURVES, "--cluster", scheduler, "--results", tmp_path)
    code, out, err = command(capsys, monkeypatch, *words)
    assert (code, err) == (0, "")
    assert different(tmp_path, alone) == [] and litter(tmp_path) == []
    assert out.count(": recorded seed") == N and "5 of 5 done, on 2 workers\n" in out
    assert "curves/logistic-pca-6, seed 1: fine-tuning epoch 1/1, test squared error" in out
    code, out, _ = command(capsys, monkeypatch, *words)
    assert code == 0 and ": recorded seed" not in out and out.count("already recorded") == N


def test_what_a_worker_was_doing_that_is_killed_is_done_elsewhere(
    alone, scheduler, client, tmp_path, capsys, monkeypatch
):
    numbers = client.run(os.getpid)
    with when_busy(client, 2, lambda address: os.kill(numbers[address], signal.SIGKILL)):
        code, out, err = command(capsys, monkeypatch, *CURVES, "--cluster", scheduler, "--results", tmp_path)
    assert (code, err) == (0, "")
    assert different(tmp_path, alone) == [] and litter(tmp_path) == []
    assert out.count(": recorded seed") == N and out.count(" is gone, ") == 1


@pytest.fixture
def heeded():
    """Ctrl-C, which a shell's background job ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_the_workers_and_the_next_command_finds_them_idle(
    scheduler, client, tmp_path, capsys, monkeypatch, heeded
):
    words = ("--cluster", scheduler, "--results", tmp_path)
    client.wait_for_workers(2)

    folders = [about["local_directory"] for about in client.scheduler_info()["workers"].values()]

    def found(pattern):  # `Path.glob` fails where folders come and go
        return [len(glob(f"repro/quick/.checkpoints/{pattern}", root_dir=folder)) for folder in folders]  # noqa: PTH207

    def press(_):
        until(lambda: found("*/fine-tuning") == [1, 1])
        os.kill(os.getpid(), signal.SIGINT)

    with when_busy(client, 2, press):
        code, _, err = command(capsys, monkeypatch, *LONG, *words)
    assert (code, err) == (
        130,
        "repro: stopped; the same command goes on from the last record and checkpoint\n",
    )
    began = time.monotonic()
    assert command(capsys, monkeypatch, *LONG[:2], "--only", "pca-6", *words)[0] == 0
    assert time.monotonic() - began < 20.0
    assert len(list(tmp_path.rglob("*.json"))) == 1
    assert until(lambda: found("*/fine-tuning/*/checksum") == [1, 1])


COUNTS = Experiment(
    "mine", "", "", {"lsa": SemanticAnalysis("rcv1", 2)}, quick=lambda config: config, expected={}
)


def made_up_documents():
    """Arrays as those of RCV1 are stored: a hundred documents of twelve words."""
    draw, arrays = np.random.default_rng(0), {"vocabulary": np.array([f"word{i}" for i in range(12)])}
    for split in ("train", "valid", "test"):
        arrays[f"{split}_counts"] = draw.integers(1, 9, 300).astype(np.uint8)
        arrays[f"{split}_indices"] = np.concatenate([draw.permutation(12)[:3] for _ in range(100)]).astype(
            np.int32
        )
        arrays[f"{split}_indptr"] = np.arange(0, 301, 3)
        arrays[f"{split}_labels"] = np.arange(100, dtype=np.int32) % 4
    return arrays | {"classes": np.array(list("abcd"))}


def on(scheduler, experiment, request):
    """The records of an experiment that workers have made, and what was said."""
    console = Console(file=StringIO(), soft_wrap=True, markup=False)
    with connected(scheduler, console) as cluster:
        request = replace(request, workers=cluster.platform)
        [(_, paths)] = run_on(cluster, [experiment], request, console, Tally(1))
    return paths, console.file.getvalue()


def test_data_go_once_to_a_worker_that_has_none(scheduler, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.delenv("REPRO_DATA_DIR", raising=False)
    (tmp_path / "mine").mkdir()
    prepared.write(RCV1, made_up_documents(), prepared.folder(RCV1))
    first, second = (Request("paper", results=tmp_path / name) for name in ("first", "second"))
    [path], said = on(scheduler, COUNTS, first)
    assert said.count(" is sent rcv1, 0.0 MB\n") == 1
    record = load_record(path)
    assert record.provenance["data_sha256"] == prepared.settled(RCV1)
    [alike], said = on(scheduler, COUNTS, second)
    assert " is sent " not in said and load_record(alike).metrics["test_precision_at_1"] >= 0
    there = cache / prepared.folder(RCV1).name
    assert {p.name: p.read_bytes() for p in there.iterdir()} == prepared.packed(RCV1)
    other = made_up_documents() | {"train_labels": np.zeros(100, np.int32)}
    monkeypatch.setenv("REPRO_CACHE_DIR", str(tmp_path / "others"))
    (tmp_path / "others").mkdir()
    prepared.write(RCV1, other, prepared.folder(RCV1))
    third = Request("paper", results=tmp_path / "third")
    refused(
        r"worker tcp://.* has other data called rcv1: `repro cache clear --data` there",
        on,
        scheduler,
        COUNTS,
        third,
    )


def test_a_unit_that_fails_says_what_it_says_without_a_cluster(scheduler, tmp_path):
    """The experiment is a user's: workers need not have it."""
    config = replace(EXPERIMENTS["curves"].variants["logistic-pca-6"], batch_size=9999)
    mine = Experiment("mine", "", "", {"large": config}, quick=lambda config: config, expected={})
    with pytest.raises(TooFewCasesError) as here:
        run(mine, Request(results=tmp_path / "here"), QUIET)
    with pytest.raises(TooFewCasesError) as there:
        on(scheduler, mine, Request(results=tmp_path / "there"))
    assert str(here.value).startswith("mine/large: ")
    assert str(there.value) == str(here.value)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tcp://127.0.0.1:1"], "--cluster tcp://127.0.0.1:1: no scheduler answers there: start one with `d"),
        (["my-cluster"], "--cluster my-cluster: no scheduler answers there: start one with `dask scheduler`"),
        (["tls://127.0.0.1:1"], "--cluster tls://127.0.0.1:1: no scheduler answers there: "),
        (["local:0"], "--cluster local:0: write local, or local:2 for two workers"),
        (["local", "--for", "8m"], "--for is of this machine alone: leave --cluster out"),
        (["local", "--plan"], "--plan is of this machine alone: leave --cluster out"),
    ],
)
def test_what_is_no_cluster_is_one_line_and_exit_code_2(words, says, tmp_path, capsys, monkeypatch):
    began = time.monotonic()
    code, _, err = command(
        capsys, monkeypatch, "run", "mnist", "--results", tmp_path / "new", "--cluster", *words
    )
    assert code == 2 and err.startswith(f"repro: {says}") and err.count("\n") == 1
    assert time.monotonic() - began < 15.0 and not (tmp_path / "new").exists()


def test_a_worker_is_no_scheduler(client, capsys, monkeypatch):
    [address, *_] = client.scheduler_info()["workers"]
    code, _, err = command(capsys, monkeypatch, "run", "mnist", "--cluster", address)
    assert code == 2 and "no scheduler answers there" in err


def test_without_dask_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, err = command(capsys, monkeypatch, "run", "mnist", "--cluster", "local")
    assert (code, err) == (2, "repro: --cluster needs Dask: pip install 'layerwise-repro[cluster]'\n")


def test_a_scheduler_without_workers_is_waited_for_and_refused(monkeypatch, capsys):
    monkeypatch.setattr(repro.runs.cluster, "ARRIVAL", 0.5)
    with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as empty:
        address = empty.scheduler_address
        code, out, err = command(capsys, monkeypatch, "run", "mnist", "--cluster", address)
    assert code == 2 and out == f"the scheduler {address} has no workers yet: waits 0 s for the first\n"
    assert err == (
        f"repro: --cluster {address}: the scheduler has no workers: start some with "
        f"`dask worker {address} --nthreads 1`\n"
    )


CODE, CPU = Code("1.0", "a" * 40), Device("abacus", "cpu")


@pytest.mark.parametrize(
    ("worker", "says"),
    [
        (
            Worker(Code("1.0", "b" * 40), CPU, 1, 1),
            "has repro 1.0, commit bbbbbbbb, and this machine repro 1.0,",
        ),
        (
            Worker(CODE, Device("H200", "gpu"), 1, 1),
            "computes on a gpu, others on a cpu: what one command re",
        ),
        (Worker(CODE, CPU, 8, 8), "would do 8 runs at a time: start it with --nthreads 1; "),
    ],
)
def test_workers_that_do_not_go_together_are_refused(worker, says):
    refused(f"worker tcp://there:1 {says}", fits, "tcp://there:1", worker, CODE, "cpu")
    fits("tcp://there:1", Worker(CODE, CPU, 8, 1), CODE, "cpu")


def test_what_is_missing_is_that_of_the_workers_devices(tmp_path):
    here = Request(seeds=2, only=("pretrained-cg",), results=tmp_path)
    [work] = missing(tiny(MNIST), replace(here, workers="gpu"))
    assert work.seeds == (0, 1) and work.config.precision == Precision("tensorfloat32")
    assert [work.seeds for work in missing(tiny(MNIST), here)] == [(0,), (1,)]


def test_each_worker_here_has_its_part(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3, 5, 6, 7, 8, 9, 10, 11})
    assert parts("local") == [Part((2, 3, 5, 6)), Part((7, 8, 9, 10))]
    assert parts("local:3")[1:] == [Part((6, 7, 8)), Part((9, 10, 11))]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4})
    assert parts("local") == [Part((4,))] and parts("local:2") == [Part((4,)), Part((4,))]
    monkeypatch.setattr(repro.runs.cluster, "_gpus", lambda: ["4", "6"])
    assert parts("local") == [Part(gpu="4"), Part(gpu="6")] and parts("local:1") == [Part(gpu="4")]
    refused("--cluster local:3: there are 2 GPUs here, one for each worker", parts, "local:3")
