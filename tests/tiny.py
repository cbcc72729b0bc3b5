"""The experiments' own variants on a hundred real cases, as small networks with one epoch of everything."""

import resource
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from experiments import all_experiments
from repro.data.dataset import Cases
from repro.runs.config import Autoencoding, Epochs, Network
from repro.runs.experiment import Experiment, shorter

EXPERIMENTS = all_experiments()
MNIST = EXPERIMENTS["mnist"]
ROOT = Path(__file__).resolve().parent.parent
QUIET = Console(quiet=True)
# most of a test's time is compiling: XLA optimises little, and without MLIR   [jaxlib 0.10; both may go]
SOON = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


@contextmanager
def largest_file(n_bytes):
    """Within, writing more than so many bytes into a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def cut(cases, n):
    """n cases, evenly taken: all classes stay."""
    step = len(cases.labels) // n
    return Cases(cases.inputs[::step][:n], cases.labels[::step][:n])


def tiny(experiment: Experiment) -> Experiment:
    """The same variants as small networks with one epoch of everything."""

    def shrink(config):
        config = experiment.quick(config)
        if not isinstance(config, Autoencoding):
            return config
        widths = config.network.widths
        widths = (*[8] * min(len(widths) - 1, 2), min(widths[-1], 4))
        config = shorter(config, pretraining=1, batch_size=20)
        tuning = config.tuning and replace(config.tuning, n_epochs=(1,))
        network = Network(widths, config.network.activation)
        return replace(config, network=network, budget=Epochs(1), tuning=tuning, batch_size=20)

    return replace(experiment, quick=shrink, expected={})
