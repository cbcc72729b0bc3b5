"""Variants × seeds -> records: what is requested, less what is already recorded."""

from __future__ import annotations

import math
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import jax
import numpy as np
from rich.console import Console

import repro.data
from repro.data.dataset import Dataset
from repro.errors import (
    DataUnavailableError,
    DeviceMemoryError,
    DivergedError,
    TooFewCasesError,
    UserError,
    known,
)
from repro.runs.checkpoint import FORMAT_VERSION
from repro.runs.config import (
    CHOICES,
    SUFFICIENT,
    AsStarted,
    Autoencoders,
    Autoencoding,
    Bound,
    ByHand,
    Classifying,
    Config,
    Convolution,
    ConvolutionalNetworks,
    Density,
    DirectedModel,
    Epochs,
    Flops,
    GradientError,
    Learning,
    Precision,
    Pretrained,
    RandomFilters,
    Supervised,
    Transfer,
    Tuned,
    Tuning,
    deterministic,
    from_json,
    tuning_of,
    with_choice,
    with_epochs,
)
from repro.runs.experiment import Experiment, check_profile, shrunk
from repro.runs.lock import claim
from repro.runs.memory import give_back
from repro.runs.outcome import side_by_side, weights
from repro.runs.programs import PROGRAMS
from repro.runs.progress import Watch, seconds_spent
from repro.runs.provenance import here, processes_on_gpu, provenance, revision
from repro.runs.record import Record, digest, identity, load_record, record_path, save_records
from repro.training.optimisers import LBFGS, ConjugateGradient, HessianFree
from repro.typed import as_json

# what each process that worked on a run says of itself
PROCESS = ("commit", "dirty", "device", "processor", "threads", "python", "packages")
SEARCHING = ConjugateGradient | LBFGS | HessianFree  # what an update costs is known when it is over


@dataclass(frozen=True)
class Request:
    """What the user asks for."""

    profile: str = "quick"
    seeds: int | None = None  # None: the experiment's own number
    only: tuple[str, ...] = ()  # variants; none means all
    epochs: int | None = None  # of fine-tuning; None: the variant's own number
    pretraining_epochs: int | None = None  # of every layer; None: the variant's own numbers
    precision: Precision | None = None  # of an accelerator's products; None: what suffices
    data_dir: Path | None = None
    results: Path = Path("results")
    own: Dataset | None = None  # the user's, which every variant learns from, and whose networks are kept
    workers: str | None = None  # the platform of those that carry it out; None: this process does

    @property
    def platform(self) -> str:
        """Of the devices that carry it out, as JAX calls it."""
        return self.workers or jax.devices()[0].platform

    @property
    def folder(self) -> Path:
        """Of the profile's records."""
        return self.results / self.profile


@dataclass
class Tally:
    """How many programs of a command have begun, of how many that were missing."""

    total: int
    begun: int = 0

    def __str__(self) -> str:
        return f"{self.begun} of {self.total}"


class Session(NamedTuple):
    """What every run of one call shares."""

    experiment: Experiment
    request: Request
    data: Callable[[str], Dataset]
    console: Console
    until: float = math.inf  # of `time.monotonic`: when training is to end
    tally: Tally | None = None


class Unit(NamedTuple):
    """What one program does, as a plain value: any process that has the data can carry it out."""

    experiment: str
    variant: str
    profile: str
    config: Config
    seeds: tuple[int, ...]
    checksum: str  # of the data
    platform: str  # of the device

    @property
    def identity(self) -> str:
        """Of its records."""
        return identity(self.config, self.checksum, self.platform)

    @property
    def title(self) -> str:
        """What it is called in what is said."""
        choice = ", choice of the rate" if isinstance(self.config, Tuning) else ""
        return f"{self.experiment}/{self.variant}{choice}"

    @property
    def name(self) -> str:
        """The same, with its seeds."""
        first, *more = self.seeds
        return f"{self.title}, seeds {first} to {more[-1]}" if more else f"{self.title}, seed {first}"


Made = list[tuple[Record, dict[str, np.ndarray]]]  # records, and the arrays beside them


class Stage(NamedTuple):
    """Records of a variant that may be made at the same time."""

    paths: list[Path]
    missing: list[Unit]


def loader(request: Request) -> Callable[[str], Dataset]:
    """What loads the data of a request by name; it keeps the data set it loaded last."""
    revision()
    if request.own is not None:
        own = request.own
        return lambda name: own
    load = partial(repro.data.load, embedded=request.profile == "quick", data_dir=request.data_dir)
    return lru_cache(maxsize=1)(load)


def run(experiment: Experiment, request: Request, console: Console, tally: Tally | None = None) -> list[Path]:
    """Run what is requested and not yet recorded; returns the paths of all records requested.

    The request must have passed `check`. The data are loaded when the first run needs them. What cannot be
    had is said and left out, if the experiment has other data sets and the request names no variants.

    Raises:
        DataUnavailableError: if the data cannot be had.
    """
    session = Session(experiment, request, loader(request), console, tally=tally)
    paths: list[Path] = []
    absent: set[str] = set()
    for variant, config in configurations(experiment, request).items():
        if config.data not in absent:
            with going_on(session, variant, config, absent):
                paths += _run_variant(session, variant, config)
    return something(session, paths)


@contextmanager
def going_on(session: Session, variant: str, config: Config, absent: set[str]) -> Iterator[None]:
    """Within, a variant is run; if it cannot be, that is said and the experiment goes on without it, or
    without all of its data set, which is then `absent`.

    Raises:
        DataUnavailableError: if there are no other data to go on with.
    """
    experiment, console = session.experiment, session.console
    try:
        yield
    except DataUnavailableError as error:
        if len(experiment.data) == 1 or session.request.only:
            raise
        console.print(f"{experiment.name} goes on without {config.data}: {error}", markup=False)
        absent.add(config.data)
    except DivergedError as error:
        console.print(f"{experiment.name} goes on without {variant}: {error}", markup=False)


def something(session: Session, paths: list[Path]) -> list[Path]:
    """The records of an experiment, which must not be none at full scale.

    Raises:
        DataUnavailableError: if there are none.
    """
    if not paths and session.request.profile == "paper":
        raise DataUnavailableError(f"{session.experiment.name} has nothing to learn from: see above")
    return paths


def check(experiment: Experiment, request: Request) -> None:
    """Refuse a request that cannot be carried out.

    Raises:
        UserError: naming what is wrong and the valid choices.
    """
    check_profile(request.profile)
    for name in ("seeds", "epochs", "pretraining_epochs"):
        value = getattr(request, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    if request.precision and not side_by_side(request.workers):
        raise UserError(
            "--precision is of an accelerator's products; leave it out: a CPU computes in float32"
        )
    if request.data_dir is not None and not request.data_dir.is_dir():
        holds = f"{experiment.data[0]}/" if len(experiment.data) == 1 else "the data sets"
        raise UserError(f"--data-dir {request.data_dir} is not a folder: name the one that holds {holds}")
    for variant in request.only:
        if variant not in experiment.variants:
            raise UserError(
                f"{experiment.name} has no variant {variant!r}; {known(variant, experiment.variants)}"
            )
    for variant in request.only:
        if variant not in configurations(experiment, request):
            raise UserError(f"{experiment.name}/{variant} is not in the quick profile: use --profile paper")


def configurations(experiment: Experiment, request: Request) -> dict[str, Config]:
    """The configurations that are requested, by variant."""
    chosen = {}
    for variant in request.only or experiment.variants:
        config = experiment.variants[variant]
        shown = shrunk(experiment, variant) if request.profile == "quick" else config
        if shown is not None:
            chosen[variant] = requested(shown, request, side_by_side(request.workers))
    return chosen


def requested(config: Config, request: Request, accelerator: bool) -> Config:
    """What a request makes of a variant's configuration, on an accelerator or on a CPU."""
    if isinstance(config, Transfer):
        features = _with_epochs(config.features, request)
        return replace(config, features=_with_precision(features, request) if accelerator else features)
    config = _with_epochs(config, request)
    return _with_precision(config, request) if accelerator else config


def _with_precision(config: Any, request: Request) -> Any:
    """The configuration with the precision that is requested of an accelerator's products, or that suffices;
    of random starts nothing is pretrained.
    """
    precision = request.precision or SUFFICIENT
    if isinstance(config, ConvolutionalNetworks):
        return replace(config, precision=precision.finetuning)
    if isinstance(config, Convolution) and not isinstance(config.features, RandomFilters):
        return replace(config, precision=precision.pretraining)
    if not isinstance(config, Learning | AsStarted):
        return config
    if not isinstance(config.start, Pretrained | Autoencoders | Supervised):
        precision = replace(precision, pretraining=Precision().pretraining)
    return replace(config, precision=precision.pretraining if isinstance(config, AsStarted) else precision)


def _with_epochs(config: Any, request: Request) -> Any:
    """The configuration with the numbers of epochs that are requested."""
    if isinstance(config, Density):
        model = with_epochs(config.model, request.epochs, request.pretraining_epochs)
        return replace(config, model=model)
    if isinstance(config, Learning | ByHand | DirectedModel) and request.epochs:
        config = replace(config, budget=Epochs(request.epochs))
    if not isinstance(config, Learning | AsStarted):
        return config
    n, start = request.pretraining_epochs, config.start
    if isinstance(start, Autoencoders | Supervised) and n is not None:
        return replace(config, start=replace(start, layerwise=replace(start.layerwise, n_epochs=n)))
    if not isinstance(start, Pretrained) or n is None:
        return config
    pretraining = replace(start.pretraining, n_epochs=n, first_n_epochs=None)
    return replace(config, start=replace(start, pretraining=pretraining))


def _run_variant(session: Session, variant: str, config: Config) -> list[Path]:
    """One record per seed; a rate that is still to be chosen is chosen first, with seed 0 for all seeds."""
    config = chosen(session, variant, config)
    return records(session, variant, config, seeds_of(session.experiment, session.request, config))


def chosen(session: Session, variant: str, config: Config) -> Config:
    """The configuration with what is chosen on the validation cases, now if it has not been.

    Raises:
        DivergedError: if every candidate did.
    """
    if not needs_a_choice(config):
        return config
    [path] = records(session, variant, tuning_of(config), range(1))
    return _with_choice(config, path)


def stages(session: Session, variant: str, config: Config) -> Iterator[Stage]:
    """What a variant asks for: the choice of its rate, if that is still to be made, then its runs. What is
    missing of one stage must have been recorded before the next is asked for.

    Raises:
        DivergedError: if every candidate did.
    """
    if needs_a_choice(config):
        choice = due(session, variant, tuning_of(config), range(1))
        yield choice
        config = _with_choice(config, choice.paths[0])
    yield due(session, variant, config, seeds_of(session.experiment, session.request, config))


def needs_a_choice(config: Config) -> TypeGuard[Tuned]:
    """Whether the rate of a configuration, or when a classifier stops, is still to be chosen."""
    if isinstance(config, Classifying):
        return config.stop_at is None
    if not isinstance(config, Autoencoding | DirectedModel) or config.tuning is None:
        return False
    return getattr(config.optimiser, "learning_rate", None) is None


def _with_choice(config: Tuned, choice: Path) -> Tuned:
    """The configuration with what this record of a choice gives.

    Raises:
        DivergedError: if every candidate did.
    """
    metrics = load_record(choice).metrics
    if any(metrics[name] is None or metrics[name] != metrics[name] for name in CHOICES & metrics.keys()):
        raise DivergedError(
            f"{choice}: every candidate diverged, so no rate is chosen: put lower ones into the grid"
        )
    return with_choice(config, metrics)


def seeds_of(experiment: Experiment, request: Request, config: Config) -> range:
    """The seeds that are requested of a configuration."""
    n = request.seeds or experiment.seeds[request.profile]
    return range(1 if deterministic(config) else n)


def known_checksum(request: Request, data: str) -> str:
    """Of a data set, without loading it; empty if none is registered and it is not prepared."""
    if request.own is not None:
        return request.own.checksum
    return repro.data.checksum(data, embedded=request.profile == "quick")


def records(session: Session, variant: str, config: Config, seeds: Iterable[int]) -> list[Path]:
    """The records of these seeds; those that exist are kept.

    Raises:
        UserError: if one of them is of another configuration, which had these for its defaults.
    """
    stage = due(session, variant, config, seeds)
    for unit in stage.missing:
        data, keep = session.data(config.data), partial(record, session, unit)
        carry_out(unit, data, session.request.folder, session.console, keep, session.tally, session.until)
    if stage.missing and session.request.platform == "cpu":
        give_back()
    return stage.paths


def due(session: Session, variant: str, config: Config, seeds: Iterable[int]) -> Stage:
    """The records of these seeds, and what is missing of them; what is there is said.

    Raises:
        UserError: if one of them is of another configuration, which had these for its defaults.
    """
    experiment, request, console = session.experiment, session.request, session.console
    checksum = known_checksum(request, config.data) or session.data(config.data).checksum
    unit = Unit(experiment.name, variant, request.profile, config, (), checksum, request.platform)
    paths = {n: record_path(request.folder, experiment.name, variant, n, unit.identity) for n in seeds}
    missing = [seed for seed, path in paths.items() if not path.exists()]
    for seed in sorted(paths.keys() - set(missing)):
        there = load_record(paths[seed], request.folder)
        if from_json(there.config) != config:
            raise UserError(
                f"{paths[seed]} was made when defaults were others: delete it and run its experiment again"
            )
        commit = there.provenance["commit"][:8]
        console.print(f"{unit.title}: seed {seed} is already recorded, by commit {commit}")
    forget_recorded(request.folder)
    together = programs(config, missing, request.workers)
    return Stage(list(paths.values()), [unit._replace(seeds=tuple(some)) for some in together])


class Work(NamedTuple):
    """What one program does: records that are missing, and before them the choice of the rate if that is."""

    experiment: Experiment
    variant: str
    config: Config
    seeds: tuple[int, ...]
    spent: float = 0.0  # seconds that earlier processes have worked on it, which have left a checkpoint


def missing(experiment: Experiment, request: Request) -> Iterator[Work]:
    """What is requested and not recorded; nothing is loaded for it. Variants are left out whose data cannot
    be had, or whose every rate has diverged.
    """
    for variant, config in configurations(experiment, request).items():
        with suppress(DataUnavailableError, DivergedError):
            yield from _missing(experiment, request, variant, config)


def _missing(experiment: Experiment, request: Request, variant: str, config: Config) -> Iterator[Work]:
    learnt, platform = known_checksum(request, config.data), request.platform

    def path(of: str, seed: int) -> Path:
        return record_path(request.folder, experiment.name, variant, seed, of)

    choosing = None
    if needs_a_choice(config):
        choosing = tuning_of(config)
        if (choice := path(identity(choosing, learnt, platform), 0)).exists():
            config, choosing = _with_choice(config, choice), None
    of = identity(config, learnt, platform)
    absent = [seed for seed in seeds_of(experiment, request, config) if not path(of, seed).exists()]
    for seeds in programs(config, absent, request.workers):
        begun = checkpoints(request.folder, experiment.name, config, of, seeds)
        if choosing:
            of_choice = identity(choosing, learnt, platform)
            begun = checkpoints(request.folder, experiment.name, choosing, of_choice, [0])
        yield Work(experiment, variant, config, tuple(seeds), seconds_spent(begun))


def programs(config: Config, seeds: list[int], workers: str | None = None) -> list[list[int]]:
    """The seeds that one program trains side by side, here or on workers of this platform."""
    if isinstance(config, Bound | GradientError):  # so small that a CPU takes them together
        return [seeds] * bool(seeds)
    alone = not side_by_side(workers) or (isinstance(config, Autoencoding) and searches_to_a_budget(config))
    return [[seed] for seed in seeds] if alone else [seeds] * bool(seeds)


def searches_to_a_budget(config: Autoencoding) -> bool:
    """Whether each seed ends at an epoch of its own: side by side all would end with the last."""
    return isinstance(config.budget, Flops) and isinstance(config.optimiser, SEARCHING)


def carry_out(
    unit: Unit,
    data: Dataset,
    folder: Path,
    console: Console,
    keep: Callable[[Made], object],
    tally: Tally | None = None,
    until: float = math.inf,
    stop: threading.Event | None = None,
) -> None:
    """Train the seeds of a unit as one program and have its records kept; then its checkpoints go, which are
    below the folder, as are the artefacts that it shares with others.
    """
    config, seeds = unit.config, unit.seeds
    claim(folder)
    origin = provenance(data.source, data.checksum, seeds_side_by_side=len(seeds))
    of, learnt = identity(config, data.checksum, origin["platform"]), f"{data.checksum[:8]}.v{FORMAT_VERSION}"
    own = checkpoints(folder, unit.experiment, config, of, seeds)
    artefacts = folder / ".artefacts" / f"{origin['platform']}.{learnt}"
    about = {name: origin[name] for name in PROCESS}
    name = _counted(unit, tally)
    with Watch(name, own, artefacts, console, about, until, stop) as watch, _fits(unit.title):
        outcome = PROGRAMS[type(config)](config, data, jax.vmap(jax.random.key)(np.array(seeds)), watch)
    processes = watch.processes()
    origin |= {
        "wall_seconds": round(sum(process["seconds"] for process in processes), 2),
        "processes": processes,
        "artefacts": watch.taken,
        "load_average": round(os.getloadavg()[1], 2),  # of five minutes; more than `cores`: slow clock
        **processes_on_gpu(),
        "finished": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    made = []
    for i, seed in enumerate(seeds):
        metrics = {name: float(value[i]) for name, value in outcome.metrics.items()}
        curves = {name: np.asarray(value[i], float).tolist() for name, value in outcome.curves.items()}
        arrays = {name: value[i] for name, value in outcome.arrays.items()}
        arrays |= weights(outcome.layers, i)
        about = unit.experiment, unit.variant, unit.profile, seed, of, as_json(config)
        made.append((Record(*about, metrics, curves, None, origin), arrays))
    keep(made)
    watch.forget()


def record(session: Session, unit: Unit, made: Made) -> None:
    """Write the records of a unit, and say so."""
    save_records(session.request.folder, made)
    seconds = made[0][0].provenance["wall_seconds"]
    done = f"recorded seed {', '.join(map(str, unit.seeds))} in {seconds:.0f} s"
    session.console.print(f"{unit.title}: {done}")


def _counted(unit: Unit, tally: Tally | None) -> str:
    """What a program is called while it goes on: variant, seeds, and which of the command's programs."""
    if tally is None or isinstance(unit.config, Tuning):
        return unit.name
    tally.begun += 1
    return f"{unit.name}, {tally}"


@contextmanager
def _fits(title: str) -> Iterator[None]:
    """Within, say in a line which run it was that does not fit.

    Raises:
        TooFewCasesError: if its minibatch is larger than the data.
        DeviceMemoryError: if it needs more memory than the device has.
        JaxRuntimeError: any other.
    """
    try:
        yield
    except TooFewCasesError as error:
        raise TooFewCasesError(f"{title}: {error}") from error
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        fewer = "ask for fewer seeds at a time (--seeds 1, then more: what is recorded is skipped)"
        said = f"{title}: {here().name} is out of memory: {fewer}, or JAX_PLATFORMS=cpu"
        raise DeviceMemoryError(said) from error


def checkpoints(folder: Path, experiment: str, config: Config, of: str, seeds: Sequence[int]) -> Path:
    """The folder of the checkpoints of a run of this identity. Its defaults are in the name too: whoever went
    on with others would not know it.
    """
    whole = digest(as_json(config))[:8]
    name = f"{experiment}.{of}.{whole}.{'-'.join(map(str, seeds))}.v{FORMAT_VERSION}"
    return folder / ".checkpoints" / name


def forget_recorded(folder: Path) -> None:
    """Remove checkpoints of runs that are recorded: who wrote the records was killed before that."""
    for left in (folder / ".checkpoints").glob("*.*.*.*.v*"):
        *experiment, of, _, seeds, _ = left.name.split(".")
        place = folder / ".".join(experiment)
        if all(any(place.rglob(f"*.seed{seed}.{of}.json")) for seed in seeds.split("-")):
            shutil.rmtree(left, ignore_errors=True)


def diverged(experiment: Experiment, paths: list[Path]) -> list[str]:
    """Which seeds trained until their values were no numbers, a line each."""
    ended = [(r, r.metrics.get("diverged_epoch", np.nan)) for r in map(load_record, paths)]
    return [
        f"{experiment.name}/{record.variant}: seed {record.seed} diverged at epoch {epoch:.0f}"
        for record, epoch in ended
        if epoch == epoch
    ]


def out_of_range(experiment: Experiment, request: Request, paths: list[Path]) -> list[str]:
    """Which scores of a plain quick run are not in their expected ranges, a line each."""
    if request.profile != "quick" or request.epochs or request.pretraining_epochs:
        return []
    return [
        f"{experiment.name}/{r.variant}: {metric} is {r.metrics[metric]:.4g}, expected {low:g} to {high:g}"
        for r in map(load_record, paths)
        for (variant, metric), (low, high) in experiment.expected.items()
        if r.variant == variant and not low <= r.metrics[metric] <= high
    ]
