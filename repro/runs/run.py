"""Variants × seeds -> records: what is asked for, less what is already recorded."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np
from rich.console import Console

import repro.data
from repro.data.dataset import Dataset
from repro.errors import DataUnavailableError, UserError
from repro.runs import PROGRAMS, Arm, Outcome, rate_choice
from repro.runs.checkpoint import FORMAT_VERSION
from repro.runs.lock import claim
from repro.runs.progress import Watch
from repro.runs.record import (
    Record,
    as_config,
    check_recorded,
    identity,
    load_record,
    provenance,
    record_path,
    revision,
    save_records,
)

PROFILES = ("quick", "paper")
PROCESS = ("commit", "dirty", "device", "cores", "python", "packages")  # what each that worked on a run says
PRECISION = "highest"  # float32 matrix products stay float32 on accelerators: line searches need them


@dataclass(frozen=True)
class Experiment:
    """A claim, its variants, and how the quick profile shrinks them."""

    name: str
    claim: str
    artefact: str  # of the paper
    data: str  # name of the data set; "" where variants name theirs, "<data set>/<variant>"
    variants: dict[str, Any]  # name -> configuration
    quick: Callable[[Any], Any]  # the configuration of the quick profile; None: not part of it
    expected: dict[tuple[str, str], tuple[float, float]]  # quick: (variant, metric) -> range
    seeds: dict[str, int] = field(default_factory=lambda: {"quick": 1, "paper": 5})
    scores: tuple[str, ...] = ("train_squared_error", "test_squared_error")  # shown when a run is over
    figures: tuple[str, ...] = ()  # that show it
    claims: tuple[str, ...] = ()  # that it bears on

    def data_of(self, variant: str) -> str:
        """Name of the data set that a variant learns from."""
        return self.data or variant.partition("/")[0]


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    profile: str = "quick"
    seeds: int | None = None  # None: the experiment's own number
    only: tuple[str, ...] = ()  # variants; none means all
    epochs: int | None = None  # of fine-tuning; None: the variant's own number
    pretraining_epochs: int | None = None  # of every layer; None: the variant's own numbers
    data_dir: Path | None = None
    results: Path = Path("results")


def conduct(experiment: Experiment, order: Order, console: Console) -> list[Path]:
    """Run what is asked for and not yet recorded; returns the paths of all records asked for.

    The order must have passed `check`. The data are loaded when the first run needs them. What cannot be
    had is said and left out, if the experiment has other data sets and the order names no variants.

    Raises:
        DataUnavailableError: if the data cannot be had.
    """
    revision()
    load = partial(repro.data.load, embedded=order.profile == "quick", data_dir=order.data_dir)
    asked = _Asked(experiment, order, lru_cache(maxsize=1)(load), console)
    paths, absent = [], set()
    with jax.default_matmul_precision(PRECISION):
        for variant, config in configurations(experiment, order).items():
            if experiment.data_of(variant) in absent:
                continue
            try:
                paths += _run_variant(asked, variant, _with_rate(asked, variant, config))
            except DataUnavailableError as error:
                _go_on_without(asked, variant, error)
                absent.add(experiment.data_of(variant))
    if not paths and order.profile == "paper":
        raise DataUnavailableError(f"{experiment.name} has nothing to learn from: see above")
    return paths


class _Asked(NamedTuple):
    """What every run of one call shares."""

    experiment: Experiment
    order: Order
    data: Callable[[str], Dataset]
    console: Console


def _go_on_without(asked: _Asked, variant: str, error: DataUnavailableError) -> None:
    """Say which data set is left out; only where the experiment has others and none was asked for by name."""
    experiment = asked.experiment
    if experiment.data or asked.order.only:
        raise error
    line = f"{experiment.name} goes on without {experiment.data_of(variant)}: {error}"
    asked.console.print(line, markup=False)


def check_profile(profile: str) -> None:
    """Refuse a profile that does not exist.

    Raises:
        UserError: naming the profiles.
    """
    if profile not in PROFILES:
        raise UserError(f"no profile {profile!r}; there are: {', '.join(PROFILES)}")


def check(experiment: Experiment, order: Order) -> None:
    """Refuse an order that cannot be carried out.

    Raises:
        UserError: naming what is wrong and the valid choices.
    """
    check_profile(order.profile)
    for name in ("seeds", "epochs", "pretraining_epochs"):
        value = getattr(order, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    if order.data_dir is not None and not order.data_dir.is_dir():
        holds = f"{experiment.data}/" if experiment.data else "the data sets"
        raise UserError(f"--data-dir {order.data_dir} is not a folder: name the one that holds {holds}")
    try:
        order.results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--results {order.results} cannot be written to: {error.strerror}") from error
    for variant in order.only:
        if variant not in experiment.variants:
            choices = ", ".join(experiment.variants)
            raise UserError(f"{experiment.name} has no variant {variant!r}; it has: {choices}")
        if variant not in configurations(experiment, order):
            raise UserError(f"{experiment.name}/{variant} is not in the quick profile: use --profile paper")


def configurations(experiment: Experiment, order: Order) -> dict[str, Any]:
    """The configurations that the order asks for, by variant."""
    chosen = {}
    for variant in order.only or experiment.variants:
        config = experiment.variants[variant]
        config = experiment.quick(config) if order.profile == "quick" else config
        if config is not None:
            chosen[variant] = _with_epochs(config, order)
    return chosen


def _with_epochs(config: Any, order: Order) -> Any:
    """The configuration with the numbers of epochs that the order asks for."""
    if not isinstance(config, Arm):
        return config
    config = replace(config, n_epochs=order.epochs or config.n_epochs)
    n = order.pretraining_epochs
    if config.start != "pretrained" or n is None:
        return config
    return replace(config, pretraining=replace(config.pretraining, n_epochs=n, first_n_epochs=None))


def _with_rate(asked: _Asked, variant: str, config: Any) -> Any:
    """An arm that has rates to choose from gets its rate from the record of the choice, which is made with
    seed 0 for all seeds.
    """
    if not (isinstance(config, Arm) and config.rates):
        return config
    choice = asked._replace(order=replace(asked.order, seeds=1))
    [path] = _run_variant(choice, f"{variant}-choice", rate_choice(config))
    return replace(config, learning_rate=load_record(path).metrics["learning_rate"])


def _run_variant(asked: _Asked, variant: str, config: Any) -> list[Path]:
    """One record per seed; those that exist are kept."""
    experiment, order = asked.experiment, asked.order
    folder, platform = order.results / order.profile / experiment.name, jax.devices()[0].platform
    n_seeds = 1 if getattr(config, "deterministic", False) else order.seeds or experiment.seeds[order.profile]
    paths = {seed: record_path(folder, variant, seed, config, platform) for seed in range(n_seeds)}
    missing = [seed for seed, path in paths.items() if not path.exists()]
    for seed in paths.keys() - set(missing):
        commit = check_recorded(paths[seed], config).provenance["commit"][:8]
        asked.console.print(
            f"{experiment.name}/{variant}: seed {seed} is already recorded, by commit {commit}"
        )
    side_by_side = [missing] if platform != "cpu" else [[seed] for seed in missing]
    for seeds in filter(None, side_by_side):
        _run_seeds(asked, variant, config, {seed: paths[seed] for seed in seeds})
    return list(paths.values())


def _run_seeds(asked: _Asked, variant: str, config: Any, paths: dict[int, Path]) -> None:
    """Run some seeds as one program and write their records."""
    experiment, folder = asked.experiment, asked.order.results / asked.order.profile
    claim(folder)
    data, seeds = asked.data(experiment.data_of(variant)), list(paths)
    origin = provenance(data.source, data.checksum, seeds_side_by_side=len(seeds))
    title, learnt = f"{experiment.name}/{variant}", f"{data.checksum[:8]}.v{FORMAT_VERSION}"
    code = f"{'-'.join(map(str, seeds))}.{identity(config, origin['platform'])}.{learnt}"
    own = folder / experiment.name / ".checkpoints" / f"{variant.replace('/', '.')}.{code}"
    artefacts = folder / ".artefacts" / f"{origin['platform']}.{learnt}"
    about = {name: origin[name] for name in PROCESS}
    with Watch(title, own, artefacts, asked.console, about) as watch:
        outcome = PROGRAMS[type(config)](config, data, jax.vmap(jr.key)(np.array(seeds)), watch)
    processes = watch.processes()
    origin |= {
        "wall_seconds": round(sum(process["seconds"] for process in processes), 2),
        "processes": processes,
        "artefacts": watch.taken,
        "load_average": round(os.getloadavg()[1], 2),  # of five minutes; more than `cores`: slow clock
        "finished": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    records = {}
    for i, (seed, path) in enumerate(paths.items()):
        one = Outcome(*({name: value[i] for name, value in part.items()} for part in outcome))
        about = experiment.name, variant, asked.order.profile, seed, as_config(config)
        records[path] = Record(*about, one.metrics, one.curves, None, origin), one.arrays
    save_records(records)
    watch.forget()
    done = f"recorded seed {', '.join(map(str, seeds))} in {origin['wall_seconds']:.0f} s"
    asked.console.print(f"{title}: {done}")


def out_of_range(experiment: Experiment, order: Order, paths: list[Path]) -> list[str]:
    """Which scores of a plain quick run are not in their expected ranges, a line each."""
    if order.profile != "quick" or order.epochs or order.pretraining_epochs:
        return []
    return [
        f"{experiment.name}/{r.variant}: {metric} is {r.metrics[metric]:.4g}, expected {low:g} to {high:g}"
        for r in map(load_record, paths)
        for (variant, metric), (low, high) in experiment.expected.items()
        if r.variant == variant and not low <= r.metrics[metric] <= high
    ]
