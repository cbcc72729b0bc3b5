"""What runs that are not recorded would cost: operations by the library's count, time by recorded rates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from repro.report.frame import Frame
from repro.runs.config import Autoencoding, Flops, Pretrained
from repro.training.flops import backprop_flops, stack_flops

SIZES = {  # of the full data sets: input units, training cases
    "curves": (784, 20_000),
    "mnist": (784, 60_000),
    "faces": (625, 124_200),
    "reuters21578": (2000, 5_683),
    "rcv1": (2000, 402_207),
}


class Cost(NamedTuple):
    """Of some runs of a variant."""

    experiment: str
    n_runs: int
    operations: float  # of their matrix products, pretraining and the choice of a rate included
    seconds: float  # an estimate; NaN if no run on these data is recorded
    device: str  # the recorded runs whose rate it is at


@dataclass(frozen=True)
class Costs:
    """What is known of costs from the recorded runs of a profile."""

    frame: Frame

    def of_runs(self, experiment: str, config: Any, n_runs: int, operations: float | None = None) -> Cost:
        """So many runs of a configuration, at its full length or with so many operations each."""
        if not isinstance(config, Autoencoding):
            return Cost(experiment, n_runs, 0.0, 0.0, "")
        total = n_runs * (self.operations(config) if operations is None else operations)
        rate, device = self.rates.get(config.data, (np.nan, ""))
        return Cost(experiment, n_runs, total, total / rate, device)

    def operations(self, config: Autoencoding) -> float:
        """Of one run, the choice of its rate included; NaN on data of unknown size."""
        if isinstance(config.budget, Flops):
            return config.budget.total
        if config.data not in SIZES:
            return np.nan
        n_visible, n_cases = SIZES[config.data]
        sizes, start = (n_visible, *config.network.widths), config.start
        n_epochs = config.budget.n
        if config.tuning:
            n_epochs += config.tuning.total_epochs
        network = backprop_flops((*sizes, *sizes[-2::-1]), n_cases)
        spent = n_epochs * self.evaluations(config) * network
        if isinstance(start, Pretrained):
            of_layers = [start.pretraining.n_epochs] * len(config.network.widths)
            of_layers[0] = start.pretraining.first_n_epochs or of_layers[0]
            spent += stack_flops(sizes, n_cases, tuple(of_layers), start.pretraining.contrastive.k)
        return spent

    def evaluations(self, config: Autoencoding) -> float:
        """Losses with gradient, or what costs as much, for each minibatch: means of the recorded runs of an
        optimiser, on these data if there are any; 1 if none is recorded.
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
        runs = self._runs
        seconds = [self._seconds(path) for path in runs.path]
        spent = runs.assign(flops=runs.flops.astype(float), seconds=seconds)
        spent = spent.dropna(subset=["flops", "seconds"])
        spent = spent.groupby(["data", "device"])[["flops", "seconds"]].sum()
        rates = (spent.flops / spent.seconds).sort_values()
        return {data: (rate, device) for (data, device), rate in rates.items()}

    @cached_property
    def _runs(self) -> pd.DataFrame:
        runs = self.frame.runs
        return runs[runs.kind == "autoencoding"]

    def _seconds(self, path: str) -> float:
        """Of training; of seeds side by side each one's share."""
        record = self.frame.record(path)
        trained = sum(record.metrics[f"{phase}_seconds"] for phase in ("pretraining", "finetuning"))
        return trained / record.provenance["seeds_side_by_side"]
