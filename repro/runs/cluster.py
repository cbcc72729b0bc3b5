"""Units of work carried out by the workers of a Dask scheduler, whose records come back.

A worker shares no disk with the caller. It keeps checkpoints and artefacts in a folder of its own, and data
in its own cache: it takes what it has, and is sent what it has not. What a record says of its origin is said
on the worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import lru_cache, partial
from io import StringIO
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

import repro
import repro.data
from repro.data.dataset import Dataset
from repro.errors import DataUnavailableError, StoppedError, UserError, pip_install
from repro.runs.compiler import compiled_once
from repro.runs.config import Config, Tuning
from repro.runs.experiment import Experiment
from repro.runs.lock import claim
from repro.runs.memory import give_back, share_pools
from repro.runs.progress import SECONDS_BETWEEN_LINES
from repro.runs.provenance import ROOT, Device, here, n_cores, revision
from repro.runs.run import (
    Made,
    Request,
    Session,
    Tally,
    Unit,
    carry_out,
    configurations,
    going_on,
    loader,
    record,
    something,
    stages,
)
from repro.training.compiling import soon

if TYPE_CHECKING:  # an extra, imported where it is needed
    from distributed import Future

LOCAL = "local"  # the address that starts a scheduler here
CORES = 4  # of a worker on a CPU here, unless the number of workers is given
PATIENCE = 3.0  # seconds that a scheduler has to answer
ARRIVAL = 60.0  # seconds that the first worker has to come
# a process that begins so ends when nobody can write to it any longer, as when its caller was killed
WITH_CALLER = """\
import os, threading
threading.Thread(target=lambda: os._exit(len(os.read(0, 1))), daemon=True).start()
"""


class Code(NamedTuple):
    """Which code this is; caller and workers must have the same."""

    version: str
    commit: str

    def __str__(self) -> str:
        return f"repro {self.version}, commit {self.commit[:8]}"


class Worker(NamedTuple):
    """What a worker says of itself."""

    code: Code
    device: Device
    cores: int
    n_units: int  # that it would carry out at a time


class LackingError(Exception):
    """A worker, whose address this holds, has not got the data of a unit."""


# --- on a worker --------------------------------------------------------------------------------------------


def code() -> Code:
    """That of this process."""
    return Code(repro.__version__, revision()[0])


def about(dask_worker: Any) -> Worker:
    """What the worker is on which this is called; `Client.run` fills in the argument by its name."""
    return Worker(code(), here(), n_cores(), dask_worker.state.nthreads)


def on_worker(unit: Unit, caller: Code, topic: str) -> Made:
    """The records of a unit; called on a worker. Its lines go to whoever listens to the topic.

    Raises:
        StoppedError: if nobody waits for them any longer; a checkpoint is kept.
        LackingError: if the data must be sent first.
        UserError: if they cannot be made.
    """
    from distributed import get_worker

    worker, made = get_worker(), []
    fits(worker.address, about(worker), caller, unit.platform)
    share_pools()
    said = Said(partial(worker.log_event, topic))
    console = Console(file=said, force_terminal=False, soft_wrap=True, highlight=False, markup=False)
    data, folder = _data(unit, worker.address), Path(worker.local_directory, "repro", unit.profile)
    try:
        with compiled_once(console), soon(unit.profile == "quick"):
            carry_out(unit, data, folder, console, made.extend, stop=Unwanted())
    except KeyboardInterrupt as stopped:
        raise StoppedError(f"{unit.name} was stopped") from stopped
    if unit.platform == "cpu":
        give_back()
    return made


class Said(StringIO):
    """A stream, each line of which is handed over."""

    def __init__(self, say: Callable[[str], object]):
        super().__init__()
        self.say = say

    def write(self, text: str) -> int:
        """Hand over the lines of a text."""
        for line in filter(None, text.splitlines()):
            self.say(line)
        return len(text)


class Unwanted(threading.Event):
    """Set when the task within which this is made is cancelled, as when whoever asked for it has ended, or
    when its worker closes, as when the scheduler has ended.
    """

    def __init__(self):
        from distributed import get_worker

        super().__init__()
        self.worker, self.key = get_worker(), get_worker().get_current_task()

    def is_set(self) -> bool:
        """Whether it is."""
        task, status = self.worker.state.tasks.get(self.key), self.worker.status.name
        return super().is_set() or not task or task.state == "cancelled" or status in {"closing", "closed"}


def _data(unit: Unit, address: str) -> Dataset:
    """The data of a unit, which must be those of the caller; nothing is downloaded for them.

    Raises:
        LackingError: if they are not here.
        DataUnavailableError: if they are the sample of a package that is not installed here.
        UserError: if they are damaged, or others.
    """
    name, embedded = unit.config.data, unit.profile == "quick"
    if not repro.data.at_hand(name, embedded=embedded):
        raise LackingError(address)
    try:
        data = _loaded(name, embedded)
    except DataUnavailableError as error:
        if not embedded:
            raise LackingError(address) from error
        raise DataUnavailableError(f"worker {address}: {error}") from error
    except UserError as error:
        raise UserError(f"worker {address}: {error}") from error
    if data.checksum != unit.checksum:
        _loaded.cache_clear()
        raise UserError(f"worker {address} has other data called {name}: `repro cache clear --data` there")
    return data


@lru_cache(maxsize=1)
def _loaded(name: str, embedded: bool) -> Dataset:
    return repro.data.load(name, embedded=embedded)


def fits(address: str, worker: Worker, caller: Code, platform: str) -> None:
    """Refuse a worker whose records would be of something else, or that would do several units at a time.

    Raises:
        UserError: naming it, and the remedy.
    """
    if worker.code != caller:
        remedy = "install the same there (REPRO_COMMIT names that of a copy without its history)"
        raise UserError(f"worker {address} has {worker.code}, and this machine {caller}: {remedy}")
    if worker.device.platform != platform:
        raise UserError(
            f"worker {address} computes on a {worker.device.platform}, others on a {platform}: what one "
            "command records is of one kind; end some, or set JAX_PLATFORMS there"
        )
    if worker.n_units > 1:
        raise UserError(
            f"worker {address} would do {worker.n_units} runs at a time: start it with --nthreads 1; "
            "a run uses all the cores that it may"
        )


# --- the scheduler ------------------------------------------------------------------------------------------


class Cluster(NamedTuple):
    """A scheduler that answers, and the workers that it has."""

    client: Any  # distributed.Client, whose methods return something or its promise, by how it was made
    workers: dict[str, Worker]  # by address

    @property
    def platform(self) -> str:
        """Of all workers."""
        return next(iter(self.workers.values())).device.platform

    def __str__(self) -> str:
        devices = {
            w.device.name + (f", {w.cores} threads" if w.device.platform == "cpu" else "")
            for w in self.workers.values()
        }
        return f"{_n_workers(len(self.workers))}: {'; '.join(sorted(devices))}"


@contextmanager
def connected(address: str, console: Console) -> Iterator[Cluster]:
    """The cluster at an address, or one that is started here and ends with this. On leaving, what it has not
    finished is cancelled.

    Raises:
        UserError: if there is none, or its workers are none that can carry out units.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError(f"--cluster needs Dask: {pip_install('cluster')}") from error
    _hush()
    with ExitStack() as stack:
        local = address.split(":")[0] == LOCAL
        place = stack.enter_context(started(address)) if local else address
        if not asyncio.run(_answers(place)):
            remedy = "start one with `dask scheduler`, or mend the address, such as tcp://host:8786"
            raise UserError(f"--cluster {address}: no scheduler answers there: {remedy}")
        client = stack.enter_context(Client(place, timeout=PATIENCE, set_as_default=False))
        if not client.nthreads():
            console.print(f"the scheduler {address} has no workers yet: waits {ARRIVAL:.0f} s for the first")
        yield Cluster(client, _workers(client, address))


def _hush() -> None:
    """Have Dask keep to itself what it notices: what matters is said, in a line."""
    for noisy in ("distributed", "distributed.client", "tornado.application", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


async def _answers(address: str) -> bool:
    """Whether a scheduler is there, and not a worker, or a server of another kind, or nothing."""
    from distributed import Security
    from distributed.core import rpc

    try:
        async with asyncio.timeout(PATIENCE):
            async with rpc(address, connection_args=Security().get_connection_args("client")) as there:
                said: Any = await there.identity()
                return said["type"] == "Scheduler"
    except Exception:  # of many kinds, as many as there are wrong addresses
        return False


def _workers(client: Any, address: str) -> dict[str, Worker]:
    """What the workers say of themselves, once there is one.

    Raises:
        UserError: if there are none, or one cannot carry out units, or they do not go together.
    """
    try:
        client.wait_for_workers(1, timeout=ARRIVAL)
    except TimeoutError as error:
        remedy = f"start some with `dask worker {address} --nthreads 1`"
        raise UserError(f"--cluster {address}: the scheduler has no workers: {remedy}") from error
    workers = {}
    for place, said in client.run(about, on_error="return").items():
        if isinstance(said, UserError):
            raise UserError(f"worker {place}: {said}") from said
        if not isinstance(said, Worker):
            reason = " ".join(str(said).split()) or type(said).__name__
            raise UserError(f"worker {place} cannot run repro ({reason}): install {code()} there")
        workers[place] = said
        fits(place, said, code(), next(iter(workers.values())).device.platform)
    return workers


@contextmanager
def started(address: str) -> Iterator[str]:
    """The address of a scheduler on this machine, once it has workers, each with a part of the machine.

    Raises:
        UserError: if they do not come.
    """
    from distributed import LocalCluster

    _hush()
    shares = parts(address)
    empty: Any = LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0", silence_logs=False)
    with ExitStack() as stack, empty as cluster:
        for part in shares:
            stack.enter_context(_worker(cluster.scheduler_address, part))
        try:
            cluster.wait_for_workers(len(shares), timeout=ARRIVAL)
        except TimeoutError as error:
            raise UserError(f"--cluster {address}: its workers have not come in {ARRIVAL:.0f} s") from error
        yield cluster.scheduler_address


class Part(NamedTuple):
    """What a worker here has of this machine."""

    cores: tuple[int, ...] = ()  # none means all
    gpu: str | None = None  # none means what there is


@contextmanager
def _worker(scheduler: str, part: Part) -> Iterator[None]:
    """Within, a worker is there, and another one if it dies. Ctrl-C is for the caller alone."""
    start = [WITH_CALLER, "from distributed.cli.dask_worker import main", "main()"]
    if part.cores:  # confined before libraries are imported that count them
        start.insert(1, f"os.sched_setaffinity(0, {part.cores})")
    alone = "--nthreads=1 --no-nanny --no-dashboard --memory-limit=0"
    words = [sys.executable, "-P", "-c", "\n".join(start), scheduler, *alone.split()]
    code = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = os.environ | {"DASK_LOGGING__DISTRIBUTED": "critical", "PYTHONPATH": code}
    env |= {"CUDA_VISIBLE_DEVICES": part.gpu} if part.gpu else {}
    over = threading.Event()

    def keep(folder: str) -> None:
        while not over.is_set():
            place = f"--local-directory={folder}"
            with subprocess.Popen([*words, place], env=env, stdin=PIPE, start_new_session=True) as process:
                while process.poll() is None and not over.wait(0.1):
                    pass
                process.kill()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        thread = threading.Thread(target=keep, args=[folder], daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def parts(address: str) -> list[Part]:
    """A GPU for each worker here, or as many cores as the others have.

    Raises:
        UserError: if the address does not say how many there are to be.
    """
    _, given, number = address.partition(":")
    if given and not (number.isdecimal() and int(number)):
        raise UserError(f"--cluster {address}: write {LOCAL}, or {LOCAL}:2 for two workers")
    if gpus := _gpus():
        if int(number or 1) > len(gpus):
            raise UserError(f"--cluster {address}: there are {len(gpus)} GPUs here, one for each worker")
        return [Part(gpu=gpu) for gpu in gpus[: int(number or len(gpus))]]
    n = int(number or max(1, n_cores() // CORES))
    if not hasattr(os, "sched_getaffinity"):
        return [Part()] * n
    cores, each = sorted(os.sched_getaffinity(0)), max(1, n_cores() // n)
    return [Part(tuple(cores[(i * each + j) % len(cores)] for j in range(each))) for i in range(n)]


def _gpus() -> list[str]:
    """The GPUs that JAX sees here, as CUDA_VISIBLE_DEVICES names them. A process of its own asks, for who
    asks holds them.
    """
    if shutil.which("nvidia-smi") is None:
        return []
    words = [sys.executable, "-c", "import jax; print(jax.local_device_count(), jax.default_backend())"]
    little = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    done = subprocess.run(words, env=little, capture_output=True, text=True, check=False)
    number, _, platform = done.stdout.strip().partition(" ")
    if platform != "gpu":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (visible.split(",") if visible else [str(i) for i in range(int(number))])[: int(number)]


# --- the caller ---------------------------------------------------------------------------------------------


class Course:
    """A variant on its way through its stages."""

    def __init__(self, session: Session, variant: str, config: Config, absent: set[str]):
        self.session, self.variant, self.config, self.absent = session, variant, config, absent
        self.stages = stages(session, variant, config)
        self.left = 0  # units of this stage that are not recorded
        self.over = False
        self.paths: list[Path] = []  # of the records of this stage

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Within, something is done for it; if it cannot be, that is said and others go on."""
        with going_on(self.session, self.variant, self.config, self.absent):
            yield

    def ready(self) -> list[Unit]:
        """What can be carried out now that the stage before is recorded; nothing if that was the last."""
        for stage in self.stages:
            self.paths, self.left = stage.paths, len(stage.missing)
            if stage.missing:
                return stage.missing
        self.over = True
        return []


def run_on(
    cluster: Cluster, experiments: Collection[Experiment], request: Request, console: Console, tally: Tally
) -> list[tuple[Experiment, list[Path]]]:
    """Run what is requested of all experiments and not yet recorded, as much at a time as there are workers;
    each experiment with the paths of all its records requested, as from `repro.runs.run.run`.

    Raises:
        UserError: if a unit fails, or the scheduler is gone; what is recorded stays.
    """
    claim(request.folder)
    load, absent = loader(request), {experiment.name: set() for experiment in experiments}
    courses = [
        Course(Session(experiment, request, load, console), variant, config, absent[experiment.name])
        for experiment in experiments
        for variant, config in configurations(experiment, request).items()
    ]
    with Crew(cluster, request, console, tally) as crew:
        for course in courses:
            if course.config.data in course.absent:
                continue
            with course.going_on():
                crew.ask(course, course.ready())
        for course, unit, answer in crew.answers():
            if isinstance(answer, Exception) and course.config.data in course.absent:
                continue
            with course.going_on():
                crew.take(course, unit, answer)
    return [
        (experiment, something(Session(experiment, request, load, console), _paths(courses, experiment)))
        for experiment in experiments
    ]


def _paths(courses: list[Course], experiment: Experiment) -> list[Path]:
    own = (course for course in courses if course.session.experiment is experiment and course.over)
    return [path for course in own for path in course.paths]


class Crew:
    """The workers of a cluster, and what they have been asked for; use as a context, within which what they
    say is heard.
    """

    def __init__(self, cluster: Cluster, request: Request, console: Console, tally: Tally):
        from distributed import as_completed

        self.cluster, self.request, self.console, self.tally = cluster, request, console, tally
        self.client, self.topic = cluster.client, f"repro-{uuid.uuid4().hex}"
        self.asked: dict[Any, tuple[Future, Course, Unit]] = {}
        self.finished = as_completed(loop=self.client.loop, with_results=True, raise_errors=False)
        self.workers = set(cluster.workers)  # addresses
        self.supplied: set[tuple[str, str]] = set()  # addresses of workers, and what data they were sent
        self.done, self.began, self.said = 0, time.monotonic(), -SECONDS_BETWEEN_LINES
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Crew:
        self.client.subscribe_topic(self.topic, lambda event: self._say(event[1]))
        self.client.subscribe_topic("all", lambda event: self._heed(event[1]))
        self.workers |= set(self.client.nthreads())  # those that have come since
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()
        for topic in (self.topic, "all"):
            self.client.unsubscribe_topic(topic)

    def ask(self, course: Course, units: list[Unit]) -> None:
        """Have some units of a course carried out; the choice of a rate, which others wait for, first."""
        for unit in units:
            future = self.client.submit(
                partial(on_worker, unit, code(), self.topic),
                key=f"{unit.name}, {uuid.uuid4().hex}",
                priority=int(isinstance(unit.config, Tuning)),
            )
            self.asked[future.key] = future, course, unit
            self.finished.add(future)

    def answers(self) -> Iterator[tuple[Course, Unit, Any]]:
        """What comes back: the records of a unit, or the exception that it ended with."""
        self._show()
        for future, result in self.finished:
            _, course, unit = self.asked.pop(future.key)
            yield course, unit, result[1] if future.status == "error" else result
            self._show()

    def take(self, course: Course, unit: Unit, answer: Any) -> None:
        """Write the records that came back, and ask for what they were waited for; where it was data that a
        worker lacked, send them and ask again.

        Raises:
            UserError: if the unit failed, or is not carried out for want of workers or a scheduler.
        """
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        if isinstance(answer, LackingError):
            self._supply(str(answer), unit.config.data)
            self.ask(course, [unit])
            return
        if isinstance(answer, KilledWorker):
            n = answer.allowed_failures + 1
            raise UserError(f"{unit.name}: {n} workers died while they did it: see what their logs say last")
        if isinstance(answer, CancelledError):
            raise UserError("the scheduler is gone; what is recorded stays, and the same command goes on")
        if isinstance(answer, BaseException):
            raise answer
        record(course.session, unit, answer)
        self.done += not isinstance(unit.config, Tuning)
        course.left -= 1
        if not course.left:
            self.ask(course, course.ready())

    def _supply(self, address: str, name: str) -> None:
        """Send a worker the data that it has not got, once; if it is gone meanwhile, nothing is sent.

        Raises:
            UserError: if it cannot keep them.
        """
        if (address, name) in self.supplied:
            return
        files = repro.data.packed(name, self.request.data_dir)
        size = sum(map(len, files.values())) / 1e6
        self._say(f"worker {address} is sent {name}, {size:.1f} MB")
        told = self.client.run(repro.data.unpack, name, files, workers=[address], on_error="return")
        if isinstance(told[address], UserError):
            raise UserError(f"worker {address}: {told[address]}")
        if told[address] is None:
            self.supplied.add((address, name))

    def _heed(self, event: Any) -> None:
        """Take notice of workers that come, and say which go."""
        match event:
            case {"action": "add-worker", "worker": address}:
                self.workers.add(address)
            case {"action": "remove-worker", "worker": address}:
                self.workers.discard(address)
                left = f"{_n_workers(len(self.workers))} left" if self.workers else "none left: waits for one"
                self._say(f"worker {address} is gone, {left}")

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _show(self) -> None:
        now, total, left = time.monotonic(), self.tally.total, ""
        if 0 < self.done < total:
            seconds = (now - self.began) / self.done * (total - self.done)
            left = f", {timedelta(seconds=round(seconds))} left"
        line = f"{self.done} of {total} done, on {_n_workers(len(self.workers))}{left}"
        if self.console.is_terminal:
            [task] = self.bar.task_ids or [self.bar.add_task("", total=total)]
            self.bar.update(task, description=line, completed=self.done)
        elif now - self.said > SECONDS_BETWEEN_LINES or self.done == total:
            self._say(line)
            self.said = now


def _n_workers(n: int) -> str:
    return "1 worker" if n == 1 else f"{n} workers"
