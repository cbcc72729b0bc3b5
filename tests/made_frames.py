"""Made-up records of the experiments' own variants, and frames of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from experiments import all_experiments, answer
from repro.report.frame import Frame
from repro.report.verdicts import Evidence
from repro.runs.config import Autoencoding, Epochs, Pretrained, Tuning, deterministic, tuning_of
from repro.runs.record import Record, identity
from repro.typed import as_json

EXPERIMENTS = all_experiments()
ORIGIN = {"commit": "0", "data_sha256": "0", "platform": "cpu", "device": "abacus", "cores": 2}
ORIGIN |= {"seeds_side_by_side": 1, "wall_seconds": 60.0, "load_average": 1.0, "finished": "2026"}
COSTS = {"pretraining_seconds": 0.0, "finetuning_seconds": 10.0, "flops": 1e13}


def record(experiment, variant, config, metrics, curves=None, *, seed=0, device="abacus"):
    """One record; its configuration is a typed value."""
    about = experiment, variant, "paper", seed, identity(config, "0", device)
    return Record(*about, as_json(config), metrics, curves or {}, None, ORIGIN | {"device": device})


def runs(
    experiment, variant, *, seeds=5, epochs=None, pretraining=None, curve=None, device="abacus", **metrics
):
    """Records of the first seeds of a variant, at full length unless numbers of epochs are given.

    Metrics are numbers for seed 0, a thousandth of which is added for each further seed but to operations, or
    lists of one for each seed. `curve` has as many values of `flops` and of scores as reports.
    """
    config = EXPERIMENTS[experiment].variants[variant]
    if pretraining and isinstance(config.start, Pretrained):
        schedule = replace(config.start.pretraining, n_epochs=pretraining)
        config = replace(config, start=replace(config.start, pretraining=schedule))
    n, layers = 0, 0
    if isinstance(config, Autoencoding):
        n = epochs or getattr(config.budget, "n", 7)
        if isinstance(config.start, Pretrained):
            layers = config.start.pretraining.n_epochs
        if config.tuning:
            config = replace(config, optimiser=replace(config.optimiser, learning_rate=0.01))
        if epochs and isinstance(config.budget, Epochs):
            config = replace(config, budget=Epochs(epochs))
    for seed in range(1 if deterministic(config) else seeds):
        factor = 1 + 0.001 * seed
        scores = {
            k: v[seed] if isinstance(v, list) else v if k == "flops" else v * factor
            for k, v in metrics.items()
        }
        curves = {name: list(np.array(values)) for name, values in (curve or {}).items()}
        n_reports = len(next(iter(curves.values()), [0]))
        if n:
            done = np.linspace(0, n, n_reports + 1)[1:].tolist()
            curves |= {"epochs": done, "evaluations": [1.0] * n_reports, "seconds": [1.0] * n_reports}
        curves |= {"reconstruction_error_layer1": [0.0] * layers} if layers else {}
        yield record(experiment, variant, config, COSTS | scores, curves, seed=seed, device=device)


def tuning(experiment, variant, losses, mean=None, name="valid_cross_entropy", **metrics):
    """The record of the choice of a variant's rate, with a loss for each candidate."""
    run = EXPERIMENTS[experiment].variants[variant]
    config = tuning_of(run) if isinstance(run, Autoencoding) else None
    assert isinstance(config, Tuning) and run.tuning and len(losses) == len(run.tuning.candidates)
    found = dict(zip(run.tuning.candidates, losses, strict=True))
    scores = {f"{name}_rate_{rate:g}": loss for rate, loss in found.items()}
    scores |= {} if mean is None else {f"{name}_mean": mean}
    finite = {rate: loss for rate, loss in found.items() if np.isfinite(loss)}
    scores["learning_rate"] = min(finite, key=finite.__getitem__) if finite else np.nan
    return record(experiment, variant, config, scores | {"flops": 1e12} | metrics)


def arms(data, share, begins, optimiser, error, valid=None, seeds=5, losses=(3, 2, 1, 2, 3)):
    """One arm of the answer, with the record of the choice of its rate if it has one."""
    variant = f"{share}/{data}/{begins}-{optimiser}"
    loss = "valid_squared_error" if data == "faces" else "valid_cross_entropy"
    scores = {"test_squared_error": error, "test_cross_entropy": error, loss: valid or error}
    scores |= {"test_precision_at_7": 0.5} if data == "reuters21578" else {}
    total = answer.SHARES[share] * answer.RECIPE[data]
    yield from runs("answer", variant, seeds=seeds, flops=total, **scores)
    if rates := EXPERIMENTS["answer"].variants[variant].tuning:
        yield tuning("answer", variant, losses[: len(rates.candidates)], name=loss)


def answered(ratios, shares=("tenth", "all")):
    """All arms: with Adam, which is best, the error from the best random start is so many times the other;
    with other optimisers nine times as much.
    """
    for share, data, begins, optimiser in answer.CELLS:
        if share not in shares:
            continue
        error = 1.0 if optimiser == "adam" else 2.0
        if begins != "pretrained":
            of_share = ratios[data][share] if isinstance(ratios[data], dict) else ratios[data]
            error *= of_share * (1 if begins == "sparse" else 1.5) * (1 if optimiser == "adam" else 9)
        yield from arms(data, share, begins, optimiser, [error * (1 + 0.001 * s) for s in range(5)])


def frame(*records, profile="paper"):
    """A frame of records and lists of records."""
    found = [one for some in records for one in ([some] if isinstance(some, Record) else some)]
    paths = [
        Path(f"{r.experiment}/{r.variant}.seed{r.seed}.{r.identity}.{r.provenance['device']}") for r in found
    ]
    assert len(set(paths)) == len(paths), "two records of one run"
    return Frame(profile, Path("results"), dict(zip(paths, found, strict=True)))


def evidence(*records):
    """The evidence that these records are."""
    return Evidence(frame(*records), EXPERIMENTS)
