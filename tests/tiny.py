"""The experiments' own variants on a hundred real cases, as small networks with one epoch of everything."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from experiments import all_experiments
from repro.data.dataset import Cases
from repro.runs import Arm
from repro.runs.run import Experiment

EXPERIMENTS = all_experiments()
MNIST = EXPERIMENTS["mnist"]
ROOT = Path(__file__).resolve().parent.parent
QUIET = Console(quiet=True)


def cut(cases, n):
    """n cases, evenly taken: all classes stay."""
    step = len(cases.labels) // n
    return Cases(cases.inputs[::step][:n], cases.labels[::step][:n])


def tiny(experiment: Experiment) -> Experiment:
    """The same variants as small networks with one epoch of everything."""

    def shrink(config):
        config = experiment.quick(config)
        if not isinstance(config, Arm):
            return config
        widths = (*[8] * min(len(config.widths) - 1, 2), min(config.widths[-1], 4))
        pretraining = replace(config.pretraining, n_epochs=1, batch_size=20)
        return replace(
            config, widths=widths, pretraining=pretraining, n_epochs=1, rate_epochs=1, batch_size=20
        )

    return replace(experiment, quick=shrink, expected={})
