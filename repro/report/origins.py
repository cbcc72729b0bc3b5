"""Where a number comes from: the records of a run, and the command that makes them again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from repro.report.frame import RUN, Frame
from repro.runs.config import (
    SUFFICIENT,
    AsStarted,
    Autoencoders,
    Classifying,
    Config,
    Density,
    Epochs,
    Features,
    Learning,
    Precision,
    Pretrained,
    Supervised,
    Transfer,
    Tuned,
    Tuning,
    deterministic,
    from_json,
    lengths,
    tuning_of,
    with_choice,
)
from repro.runs.experiment import Experiment, shrunk
from repro.runs.record import Record
from repro.runs.run import Request, requested


class Run(NamedTuple):
    """A run: its records, one a seed, and how they are made."""

    key: str  # for links
    experiment: str
    variant: str
    choice: bool  # of a rate
    about: str  # length, precision and device
    records: dict[Path, Record]
    command: str
    today: bool  # whether today's code makes it, or only that of its commit


class Source(NamedTuple):
    """Records of a run that a number is made of."""

    run: Run
    n: int


class Origins:
    """All runs of a frame."""

    def __init__(self, frame: Frame, experiments: Mapping[str, Any]):
        self.frame, self.experiments = frame, experiments

    @cached_property
    def runs(self) -> list[Run]:
        """By experiment and variant."""
        found, taken = [], set()
        rows = self.frame.runs.sort_values(["experiment", "variant", "kind", "epochs"], kind="stable")
        for _, run in rows.groupby(RUN, dropna=False, sort=False):
            first = run.iloc[0]
            key, n = f"run-{first.experiment}-{first.identity}", 1
            while key in taken:
                key, n = f"run-{first.experiment}-{first.identity}-{n + 1}", n + 1
            taken.add(key)
            records = {Path(path): self.frame.record(path) for path in run.path}
            made = command([*records.values()], self.experiments.get(first.experiment))
            about = first.experiment, first.variant, first.kind == "tuning", _about(first)
            found.append(Run(key, *about, records, *made))
        return found

    @cached_property
    def _by_path(self) -> dict[str, Run]:
        return {str(path): run for run in self.runs for path in run.records}

    def of(self, paths: Iterable[str]) -> list[Source]:
        """The runs that these records are of."""
        counts: dict[str, int] = {}
        runs = {(run := self._by_path[path]).key: run for path in sorted(paths)}
        for path in paths:
            key = self._by_path[path].key
            counts[key] = counts.get(key, 0) + 1
        return [Source(run, counts[key]) for key, run in runs.items()]


def _about(row: Any) -> str:
    words = []
    if row.kind in ("autoencoding", "transfer"):
        words += [f"pretrained for {row.pretraining} epochs"] if row.pretraining else []
        words += [f"{row.epochs} epochs"] if row.epochs else []
    networks = row.kind in ("autoencoding", "tuning", "transfer") and pd.notna(row.precision)
    words += [row.precision] if networks else []
    return ", ".join([*words, row.device])


def command(records: Sequence[Record], experiment: Experiment | None) -> tuple[str, bool]:
    """The command that makes the records of a run again on such a machine; and whether it does so with
    today's code, or only with that of their commit, as the variant has changed since.
    """
    record, words = records[0], ["repro"]
    if record.config["kind"] == "timing":
        words += ["time", "--profile", record.profile, "--lane", record.config["part"]]
        return shlex.join(words), True
    words += ["run", record.experiment, "--profile", record.profile, "--only", record.variant]
    config, n = from_json(record.config), max(record.seed for record in records) + 1
    today = _today(record, experiment)
    request = _request(config, today, record)
    words += ["--epochs", str(request.epochs)] if request.epochs else []
    words += ["--pretraining-epochs", str(request.pretraining_epochs)] if request.pretraining_epochs else []
    if (p := request.precision) is not None:
        words += ["--precision", f"{p.pretraining},{p.finetuning}"]
    if not (isinstance(config, Tuning) or deterministic(config)):
        usual = experiment.seeds[record.profile] if experiment else None
        words += ["--seeds", str(n)] if n != usual else []
    same = today is not None and _is_asked(config, requested(today, request, _on_accelerator(record)))
    return shlex.join(words), same


def _today(record: Record, experiment: Experiment | None) -> Config | None:
    """What the variant of a record is now; None if it is no more."""
    if experiment is None or record.variant not in experiment.variants:
        return None
    return (
        shrunk(experiment, record.variant)
        if record.profile == "quick"
        else experiment.variants[record.variant]
    )


def _request(config: Config, today: Config | None, record: Record) -> Request:
    """How to ask for what a run has otherwise than its variant has today."""
    ran, now, request = _network(config), _network(today), Request(record.profile)
    budgets = [getattr(run, "budget", None) for run in (_learns(config), _learns(today))]
    # how long the run itself is
    own = today is not None and (not isinstance(config, Tuning) or isinstance(ran, Classifying))
    if own and isinstance(budgets[0], Epochs) and budgets[0] != budgets[1]:
        request = replace(request, epochs=budgets[0].n)
    if isinstance(config, Density) and isinstance(today, Density):
        pairs = zip(lengths(config.model), lengths(today.model), strict=True)
        whole, layers = (one if one != other else None for one, other in pairs)
        return replace(request, epochs=whole, pretraining_epochs=layers)
    if ran is None or now is None:
        return request
    if isinstance(ran.start, Pretrained) and isinstance(now.start, Pretrained):
        one, other = ([s.n_epochs, s.first_n_epochs] for s in (ran.start.pretraining, now.start.pretraining))
        request = replace(request, pretraining_epochs=one[0]) if one != other else request
    if not _on_accelerator(record):
        return request
    precision = Precision(ran.precision) if isinstance(ran, AsStarted) else ran.precision
    if not isinstance(ran.start, Pretrained | Autoencoders | Supervised):
        precision = replace(precision, pretraining=SUFFICIENT.pretraining)
    return replace(request, precision=precision) if precision != SUFFICIENT else request


def _network(config: Config | None) -> Learning | AsStarted | None:
    """The one that is trained, if there is one."""
    within = _learns(config)
    return within if isinstance(within, Learning | AsStarted) else None


def _learns(config: Config | None) -> Config | Features | None:
    """The run that is tuned, or whose features are transferred; itself where there is none."""
    within = config.run if isinstance(config, Tuning) else config
    return within.features if isinstance(within, Transfer) else within


def _on_accelerator(record: Record) -> bool:
    return record.provenance["platform"] != "cpu"


def _is_asked(config: Config, asked: Config) -> bool:
    """Whether a run is what is asked for; a rate that is to be chosen may be any."""
    if not (isinstance(asked, Classifying) or (isinstance(asked, Tuned) and asked.tuning)):
        return config == asked
    if isinstance(config, Tuning):
        return config == tuning_of(asked)
    chosen = {"learning_rate": getattr(getattr(config, "optimiser", None), "learning_rate", None)}
    return config == with_choice(asked, chosen | {"stop_at": getattr(config, "stop_at", None)})
