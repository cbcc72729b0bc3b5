"""Some arms with four seeds, and a choice among four rates; `python on_devices.py FILE` on all devices."""

import sys
from dataclasses import replace

import jax
import numpy as np
from test_arms import TINY, keys, made_up

from repro.runs import tuning
from repro.runs.config import Glorot, Rates, tuning_of
from repro.runs.programs import PROGRAMS
from repro.training.optimisers import Adam

ARMS = {"cg": TINY, "adam": replace(TINY, start=Glorot(), optimiser=Adam(0.01))}
CHOICE = replace(TINY, start=Glorot(), optimiser=Adam(), tuning=Rates((0.1, 0.01, 0.02, 0.001), (1, 2)))


def numbers():
    """All that they come to, but for the seconds."""
    found = {}
    for name, arm in ARMS.items():
        outcome = PROGRAMS[type(arm)](arm, made_up(), keys(0, 1, 2, 3))
        found |= {f"{name} {key}": value for key, value in (outcome.metrics | outcome.curves).items()}
    found |= tuning.choose_rate(tuning_of(CHOICE), made_up(), keys(0)).metrics
    return {name: values for name, values in found.items() if "seconds" not in name}


if __name__ == "__main__":
    tuning.side_by_side = lambda: True
    np.savez(sys.argv[1], n_devices=jax.device_count(), **numbers())
