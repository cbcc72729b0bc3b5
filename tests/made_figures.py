"""Made-up records of every variant that the figures show, and their frames."""

from functools import cache

import numpy as np

from experiments import all_experiments
from repro.report.frame import read
from repro.runs.config import Autoencoding, Pretrained
from repro.runs.record import Record, identity, save_records
from repro.typed import as_json

EXPERIMENTS = all_experiments()
ERROR = "test_squared_error"
N_SEEDS, N_EPOCHS = 2, 4
LABELS = np.repeat(np.arange(10, dtype=np.uint8), range(40, 50))
DIGITS = np.random.default_rng(0).integers(0, 256, (10, 784), np.uint8)
PATCHES = np.random.default_rng(0).normal(size=(10, 625)).astype(np.float32)
RANKS = [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023]
ORIGIN = {"commit": "0" * 40, "data_sha256": "0", "platform": "cpu", "device": "abacus", "cores": 2}
ORIGIN |= {
    "seeds_side_by_side": 1,
    "wall_seconds": 1.0,
    "load_average": 1.0,
    "finished": "2026-11-26T12:00:00Z",
}


@cache
def made_up(experiment, variant, seed, n_epochs=N_EPOCHS):
    """A record with random scores and pictures; the same arguments always give the same."""
    config = EXPERIMENTS[experiment].variants[variant]
    rng = np.random.default_rng([seed, n_epochs, *variant.encode()])
    errors = {f"{part}_squared_error": rng.uniform(2, 50, n_epochs) for part in ("train", "test")}
    metrics = {name: float(error[-1]) for name, error in errors.items()}
    metrics |= {f"{name}_before": rng.uniform(60, 200) for name in errors}
    metrics |= {"train_cross_entropy": rng.uniform(50, 60), "pretraining_seconds": 1.0 + seed}
    images = PATCHES if config.data == "faces" else DIGITS
    arrays = {"example_inputs": images, "example_reconstructions": rng.permutation(images)}
    if experiment == "documents":
        arrays, metrics = {}, metrics | {f"test_precision_at_{k}": rng.uniform() for k in RANKS}
        metrics |= {"n_neighbors": 10.0} if config.kind == "lle" else {}
    if experiment in ("mnist", "documents") and 2 in code_of(config):
        arrays |= {"codes": rng.normal(size=(len(LABELS), 2)).astype(np.float32), "code_labels": LABELS}
        arrays |= {"class_names": np.array([f"class {c}" for c in range(10)])}
        arrays |= {"class_sizes": 1000 - np.arange(10)}  # in all; of those shown the last have the most
    curves = reports(config, errors) if isinstance(config, Autoencoding) else {}
    metrics |= {"flops": curves["flops"][-1]} if curves else {}
    of = identity(config, f"{n_epochs}", "cpu")
    return Record(
        experiment, variant, "quick", seed, of, as_json(config), metrics, curves, None, ORIGIN
    ), arrays


def code_of(config):
    """Sizes of the code."""
    return (config.network.widths[-1],) if isinstance(config, Autoencoding) else (config.n_components,)


def reports(config, errors):
    """One an epoch, a second and 10 updates apart."""
    done = np.arange(1, len(errors[ERROR]) + 1)
    layers = len(config.network.widths) if isinstance(config.start, Pretrained) else 0
    curves = {f"reconstruction_error_layer{i + 1}": [0.0, 0.0] for i in range(layers)}
    curves |= {name: error.tolist() for name, error in errors.items()}
    curves |= {"train_cross_entropy": (100.0 / done).tolist(), "evaluations": [1.0] * len(done)}
    curves |= {"epochs": done.tolist(), "seconds": (1.0 * done).tolist(), "updates": (10.0 * done).tolist()}
    return curves | {"flops": (1e15 + 1e14 * done).tolist()}


def mean(experiment, variant, metric=ERROR):
    """Over the seeds."""
    return np.mean([made_up(experiment, variant, seed)[0].metrics[metric] for seed in range(N_SEEDS)])


def frame_of(folder, made, profile="quick"):
    """The frame of these records with their arrays, written below the folder."""
    save_records(folder / profile, [(record._replace(profile=profile), arrays) for record, arrays in made])
    return read(folder, profile)


def every(*experiments):
    """All variants of these experiments, of every seed."""
    return [
        made_up(name, variant, seed)
        for name in experiments
        for variant in EXPERIMENTS[name].variants
        for seed in range(N_SEEDS)
    ]
