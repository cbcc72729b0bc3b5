"""Made-up pictures, and experiments over several data sets."""

import numpy as np

from repro.data.dataset import Cases, Dataset
from repro.runs.experiment import Experiment


def made_up(name, seed=0, n_pixels=16):
    """A hundred pictures to learn from, as many as the other tests take of the embedded digits."""
    draw = np.random.default_rng(seed)

    def cases(n):
        pixels = draw.random((n, 3)) @ draw.random((3, n_pixels))
        return Cases((pixels / pixels.max()).astype(np.float32), np.arange(n, dtype=np.int32) % 10)

    return Dataset(name, "embedded", "binary", f"{seed:08}", cases(100), cases(20), cases(20))


def experiment(**configs):
    """An experiment whose variants are called `<data set>/<letter>`, given as `<data set>_<letter>` with what
    to run on that data set.
    """
    variants = {}
    for name, config in configs.items():
        data, _, letter = name.rpartition("_")
        variants[f"{data}/{letter}"] = config(data)
    return Experiment("several", "", "", variants, quick=lambda config: config, expected={})
