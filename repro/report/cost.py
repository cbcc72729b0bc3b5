"""What runs that are not recorded would cost: operations by the library's count, time by recorded rates."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from repro.models.autoencoder import Architecture
from repro.models.perceptron import Perceptron
from repro.report.frame import Frame, select
from repro.runs.classifying import pretraining_flops
from repro.runs.config import (
    Autoencoders,
    Autoencoding,
    Classifying,
    Config,
    Density,
    Epochs,
    FewLabels,
    Flops,
    Learning,
    Pretrained,
    Supervised,
    Transfer,
    from_json,
)
from repro.runs.provenance import Device
from repro.runs.run import Work, needs_a_choice
from repro.training.descent import evaluations_per_update
from repro.training.flops import backprop_flops, stack_flops

SIZES = {  # of the full data sets: input units, training cases
    "curves": (784, 20_000),
    "mnist": (784, 60_000),
    "faces": (625, 124_200),
    "reuters21578": (2000, 5_683),
    "rcv1": (2000, 402_207),
}
SAMPLES = {  # of those of the quick profile
    "curves": (784, 2_500),
    "mnist": (784, 4_500),
    "faces": (625, 6_000),
    "rcv1": (2000, 198),
}
N_CLASSES = 10  # of all data that are classified: digits
PHASES = ("pretraining", "finetuning")
# what has to agree for a recorded run to say how fast another is, the nearest first
NEAREST = (["device", "data", "optimiser"], ["device", "data"], ["device"])
NEAREST += (["platform", "data"], ["platform"], ["data"], [])


class Cost(NamedTuple):
    """Of some runs of a variant."""

    experiment: str
    n_runs: int
    operations: float  # of a network's matrix products, pretraining and one choice of a rate included
    seconds: float  # an estimate; NaN if no run on these data is recorded
    device: str  # the recorded runs whose rate it is at


class Estimate(NamedTuple):
    """How long a program takes; NaN where no run is recorded, or the data are of unknown size."""

    parts: dict[Hashable, float]  # seconds by what they go to; programs that share a part pay for it once
    first: float  # seconds until its first checkpoint
    devices: frozenset[str]  # the recorded runs whose rates these are


class Near(NamedTuple):
    """Of the recorded runs that are nearest to another; NaN where none are recorded."""

    pretraining: float  # operations per second
    finetuning: float
    compiling: float  # seconds, the most that any of them took
    besides: float  # seconds of a program that are neither training nor compiling, their median
    devices: frozenset[str]


class _Nearest(dict[tuple[Device, str, str], Near]):
    """By device, data and optimiser."""

    def __init__(self, spent: pd.DataFrame):
        self.spent = spent

    def __missing__(self, key: tuple[Device, str, str]) -> Near:
        """Look it up, once."""
        (device, platform), data, optimiser = key
        own = {"device": device, "platform": platform, "data": data, "optimiser": optimiser}
        found = [self._of_phase(phase, own) for phase in PHASES]
        about = found[-1][["compiling", "besides"]].agg({"compiling": "max", "besides": "median"})
        sums = [some.groupby("device")[["flops", "seconds"]].sum().sort_values("flops") for some in found]
        rates = [float((s.flops / s.seconds).iloc[-1]) if len(s) else np.nan for s in sums]
        devices = frozenset(str(s.index[-1]) for s in sums if len(s))
        self[key] = Near(*rates, *about.astype(float), devices)
        return self[key]

    def _of_phase(self, phase: str, own: dict[str, str]) -> pd.DataFrame:
        some = self.spent[(self.spent.phase == phase) & (self.spent.flops > 0)]
        nearest = (select(some, **{name: own[name] for name in columns}) for columns in NEAREST)
        return next((rows for rows in nearest if len(rows)), some)


@dataclass(frozen=True)
class Costs:
    """What is known of costs from the recorded runs of a profile."""

    frame: Frame
    small: bool = False  # whether it is runs of the quick profile that are asked about

    def of_runs(self, experiment: str, config: Any, n_runs: int, operations: float | None = None) -> Cost:
        """So many runs of a configuration, at its full length, a rate chosen once for all of them; or with so
        many operations each.
        """
        if not isinstance(config, Learning):
            seconds, each, device = self._longest(config)
            return Cost(experiment, n_runs, n_runs * each, n_runs * seconds, device)
        if operations is None:
            once = self.choosing(config)
            total = once + n_runs * (self.operations(config) - once)
        else:
            total = n_runs * operations
        rate, device = self._own_rate(config) or self.rates.get(config.data, (np.nan, ""))
        return Cost(experiment, n_runs, total, total / rate, device)

    def estimate(self, work: Work, here: Device) -> Estimate:
        """How long a program takes here, by the rates of the recorded runs that are nearest: of this device,
        of others of its kind, of any. Compiling takes as long as it ever took, but once for programs that are
        alike.
        """
        config, n = work.config, len(work.seeds)
        own = "run", work.experiment.name, work.variant, work.seeds
        if isinstance(config, Classifying | FewLabels):
            return self._of_classifiers(work, config, here)
        if not isinstance(config, Autoencoding):
            longest, _, device = self._longest(config, here)
            return Estimate({own: n * longest}, n * longest, frozenset({device} - {""}))
        near = self._nearest[here, config.data, config.optimiser.kind]
        like = config.data, config.network, config.batch_size
        trained = "pretraining", config.start, config.precision.pretraining, *like[:2]
        parts: dict[Hashable, float] = {("compiling", config.optimiser.kind, n, *like): near.compiling}
        pretraining = self.pretraining(config) / near.pretraining
        if needs_a_choice(config):
            parts["choice", *own[1:3]] = self.choice(config) / near.finetuning
            if isinstance(config.start, Pretrained):
                parts[(*trained, "train", (0,))] = pretraining
        parts[own] = near.besides + n * self.finetuning(config) / near.finetuning
        n_reports = config.n_reports or self.finetuning(config) / self._epoch(config)
        first = parts[own] / n_reports
        if isinstance(config.start, Pretrained):
            parts[(*trained, config.learns_from, work.seeds)] = n * pretraining
            first = n * pretraining / config.start.pretraining.n_epochs
        return Estimate(parts, near.compiling + first, near.devices)

    def _of_classifiers(self, work: Work, config: Classifying | FewLabels, here: Device) -> Estimate:
        """Seconds by the rate of recorded runs of the kind, in which all their time is counted."""
        rate, device = self._own_rate(config, here) or (np.nan, "")
        own = "run", work.experiment.name, work.variant, work.seeds
        before = self.pretraining(config) / rate
        training = (self.operations(config) - self.choosing(config)) / rate - before
        parts: dict[Hashable, float] = {own: len(work.seeds) * training}
        first = parts[own] / config.budget.n
        layers = "pretraining", config.start, config.precision.pretraining, config.data, config.network
        if before:
            parts[(*layers, work.seeds)] = first = len(work.seeds) * before
        if needs_a_choice(config):
            again = before if isinstance(config.start, Supervised) else 0.0
            parts["choice", *own[1:3]] = self.choosing(config) / rate - again
            if before:
                parts[(*layers, "to choose", (0,)) if again else (*layers, (0,))] = before
        return Estimate(parts, first, frozenset({device} - {""}))

    def _longest(self, config: Config, here: Device | None = None) -> tuple[float, float, str]:
        """The most seconds that a run of this kind has taken, its operations, and the device: on this one, on
        the same data, of the same features or kind of model, if there are any; none if no such run is
        recorded, for PCA and LSA take moments.
        """
        runs = select(self.frame.runs, kind=config.kind).dropna(subset="wall_seconds")
        alike = {"data": config.data, "device": here and here.name}
        if isinstance(config, Transfer):
            alike["features"] = config.features.kind
        if isinstance(config, Density):
            alike["model"] = config.model.kind
        for name, value in alike.items():
            same = select(runs, **{name: value})
            runs = same if len(same) else runs
        if runs.empty:
            return 0.0, 0.0, ""
        longest = runs.loc[runs.wall_seconds.idxmax()]
        return (
            float(longest.wall_seconds),
            0.0 if pd.isna(longest.flops) else float(longest.flops),
            str(longest.device),
        )

    def operations(self, config: Learning) -> float:
        """Of one run, the choice of its rate included; NaN on data of unknown size."""
        if not isinstance(config, Autoencoding):
            n_times = 1 if isinstance(config, Classifying) else len(config.rates) * (1 + config.n_folds)
            training = n_times * config.budget.n * self._epoch(config)
            return training + self.pretraining(config) + self.choosing(config)
        if isinstance(config.budget, Flops):
            return config.budget.total
        return self.finetuning(config) + self.before(config)

    def choosing(self, config: Learning) -> float:
        """Operations of choosing a rate, or how long a classifier learns, beforehand; and of a pretraining of
        its own, where the run cannot take the choice's.
        """
        if isinstance(config, FewLabels):  # choose while they learn
            return 0.0
        if isinstance(config, Autoencoding):
            return self.before(config) - self.pretraining(config)
        own = self.pretraining(config) if isinstance(config.start, Supervised) else 0.0
        return own + max(1, len(config.rates)) * config.budget.n * self._epoch(config)

    def pretraining(self, config: Learning) -> float:
        """Operations before fine-tuning, none for random starts."""
        start, size = config.start, self._size(config)
        if size is None and isinstance(start, Pretrained | Autoencoders | Supervised):
            return np.nan
        if not isinstance(config, Autoencoding):
            n_visible, n_cases = size or (0, 0)
            n_labelled = config.n_labels if isinstance(config, FewLabels) else n_cases
            return pretraining_flops(config, self._perceptron(config, n_visible), n_cases, n_labelled)
        if not isinstance(start, Pretrained):
            return 0.0
        of_layers = [start.pretraining.n_epochs] * len(config.network.widths)
        of_layers[0] = start.pretraining.first_n_epochs or of_layers[0]
        sizes = (size[0], *config.network.widths)
        return stack_flops(sizes, size[1], tuple(of_layers), start.pretraining.contrastive.k)

    def choice(self, config: Autoencoding) -> float:
        """Operations of choosing a rate, but for pretraining."""
        return config.tuning.total_epochs * self._epoch(config) if config.tuning else 0.0

    def finetuning(self, config: Autoencoding) -> float:
        """Operations of fine-tuning."""
        if isinstance(config.budget, Epochs):
            return config.budget.n * self._epoch(config)
        return config.budget.total - self.before(config)

    def before(self, config: Autoencoding) -> float:
        """Operations before fine-tuning: pretraining, and the choice of a rate, which has its own where the
        run learns from other cases.
        """
        twice = 2 if config.tuning and config.learns_from == "all" else 1
        return twice * self.pretraining(config) + self.choice(config)

    def _epoch(self, config: Learning) -> float:
        """Operations of an epoch of fine-tuning."""
        if (found := self._size(config)) is None:
            return np.nan
        n_visible, n_cases = found
        if isinstance(config, Autoencoding):
            layers = Architecture((n_visible, *config.network.widths)).layers
        else:
            layers = self._perceptron(config, n_visible).sizes
        each = evaluations_per_update(config.optimiser, layers, config.batch_size or n_cases)
        each = each if each == each else self.evaluations(config)
        n_shown = max(config.shown, config.n_labels) if isinstance(config, FewLabels) else n_cases
        return each * backprop_flops(layers, n_shown)

    def _perceptron(self, config: Classifying | FewLabels, n_visible: int) -> Perceptron:
        return Perceptron((n_visible, *config.network.widths, N_CLASSES))

    def _size(self, config: Learning) -> tuple[int, int] | None:
        """Input units and training cases, if they are known."""
        return (SAMPLES if self.small else SIZES).get(config.data)

    def evaluations(self, config: Learning) -> float:
        """Losses with gradient, or what costs as much, for each minibatch of an optimiser that searches as
        long as it must: means of its recorded runs, on these data if there are any; 1 if none is recorded.
        """
        recorded = self._evaluations
        recorded = recorded[recorded.optimiser == config.optimiser.kind]
        same = recorded[recorded.data == config.data]
        return float((recorded if same.empty else same).evaluations.mean()) if len(recorded) else 1.0

    @cached_property
    def _evaluations(self) -> pd.DataFrame:
        runs = self._runs
        each = [np.mean(self.frame.record(path).curves["evaluations"]) for path in runs.path]
        return runs[["data", "optimiser"]].assign(evaluations=each)

    @cached_property
    def rates(self) -> dict[str, tuple[float, str]]:
        """Operations per second of all recorded runs on a data set together, on the device where that is the
        most, by data set.
        """
        spent = self._spent.groupby(["data", "device"])[["flops", "seconds"]].sum()
        rates = (spent.flops / spent.seconds).sort_values()
        return {data: (rate, device) for (data, device), rate in rates.items()}

    def _own_rate(self, config: Learning, here: Device | None = None) -> tuple[float, str] | None:
        """The same of recorded runs of a kind of classifier, all their time counted in, for much of it is not
        spent on products: on this device or one like it, if need be of the other kind, or else on any. None
        of other runs, and if none is recorded.
        """
        return None if isinstance(config, Autoencoding) else self._of_kind(config.kind, here)

    @cached_property
    def _of_kind(self) -> Callable[[str, Device | None], tuple[float, str] | None]:
        """The rate of a kind of classifier, found once."""
        return cache(self._rate_of_kind)

    def _rate_of_kind(self, kind: str, here: Device | None) -> tuple[float, str] | None:
        kinds = self.frame.runs.kind.isin([Classifying.kind, FewLabels.kind])
        all_kinds = self.frame.runs[kinds].dropna(subset=["flops", "wall_seconds"])
        own = select(all_kinds, kind=kind)
        alike = {"device": here.name, "platform": here.platform} if here else {}
        nearest = [
            select(some, **{name: value}) for some in (own, all_kinds) for name, value in alike.items()
        ]
        runs = next((some for some in nearest if len(some)), own)
        if runs.empty:
            return None
        spent = runs.groupby("device")[["flops", "wall_seconds"]].sum()
        rates = (spent.flops / spent.wall_seconds).sort_values()
        return float(rates.iloc[-1]), str(rates.index[-1])

    @cached_property
    def _spent(self) -> pd.DataFrame:
        """Of each recorded run its operations, its seconds and those of compiling it, by phase."""
        rows, recorded = [], replace(self, small=self.frame.small)
        for run in self._runs.itertuples():
            record = self.frame.record(run.path)
            pretraining = np.nan_to_num(recorded.pretraining(from_json(record.config)))
            before = min(float(pretraining), run.flops)
            took = [record.metrics[f"{phase}_seconds"] for phase in PHASES]
            compiling = record.metrics.get("compile_seconds", np.nan)
            shared = took[0] if record.provenance.get("artefacts") else 0.0  # another run's time
            besides = record.provenance["wall_seconds"] - sum(took) - np.nan_to_num(compiling) + shared
            of_phases = {"pretraining": before, "finetuning": run.flops - before}
            for phase, flops in of_phases.items():
                about = {name: getattr(run, name) for name in ("data", "device", "platform", "optimiser")}
                seconds = record.metrics[f"{phase}_seconds"] / record.provenance["seeds_side_by_side"]
                about |= {"compiling": compiling, "besides": max(0.0, besides)}
                rows.append({**about, "phase": phase, "flops": flops, "seconds": seconds})
        numbers = dict.fromkeys(["flops", "seconds", "compiling", "besides"], float)
        found = pd.DataFrame(rows, columns=["data", "device", "platform", "optimiser", "phase", *numbers])
        return found.astype(numbers).dropna(subset=["flops", "seconds"])

    @cached_property
    def _nearest(self) -> _Nearest:
        return _Nearest(self._spent)

    @cached_property
    def _runs(self) -> pd.DataFrame:
        runs = self.frame.runs
        return runs[runs.kind == "autoencoding"]
