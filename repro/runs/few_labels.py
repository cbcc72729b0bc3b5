"""Classifiers that learn from a few labels: drawn by the seed, and tuned in two ways."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key

from repro.data.dataset import Dataset
from repro.evaluation.classification import balanced, folds
from repro.models.perceptron import Layers, Perceptron
from repro.runs.autoencoding import streams
from repro.runs.classifying import (
    fewest,
    measures,
    on_device,
    perceptron,
    pretraining_flops,
    start,
    train,
    training_flops,
)
from repro.runs.config import FewLabels
from repro.runs.outcome import Outcome, for_each
from repro.training.fit import UNWATCHED, Monitor
from repro.training.labelled import Labelled

DRAW = 2**17  # the address of the key by which labels are drawn
EACH = "_each"  # ends the names of scores that are 0 for networks that are not asked
SCORES = ("error_percent", "cross_entropy")


def learn_from_few(
    config: FewLabels, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Metrics `test_error_percent`, of the rate and the epoch that were chosen on the validation cases, and
    `test_error_percent_within`, of those chosen by cross-validation; and what was chosen.

    All draws, folds and rates are trained side by side, as one program: first the networks that learn from
    all of a draw, [S R] of them, then those of the folds, [S F R].
    """
    of, n_seeds, rates = perceptron(config, data), len(keys), config.rates
    drawn = np.stack([draw(config, data, key) for key in keys])
    held = folds(config.n_labels, of.sizes[-1], config.n_folds)
    rest = [np.setdiff1d(np.arange(config.n_labels), fold) for fold in held]
    n_shown = max(config.shown, config.n_labels)
    each = [np.resize(of_seed, n_shown) for of_seed in drawn]
    each += [np.resize(of_seed[others], n_shown) for of_seed in drawn for others in rest]
    cases = _of(data, np.repeat(np.stack(each), len(rates), axis=0))
    started = start(config, of, data, keys, cases, monitor)

    def beside(n: int) -> Layers:
        return jax.tree.map(lambda x: jnp.repeat(x, n, axis=0), started.layers)

    n_whole = n_seeds * len(rates)
    layers = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b]), beside(len(rates)), beside(len(rates) * config.n_folds)
    )
    lanes = streams(keys).finetuning
    lanes = jnp.concatenate([jnp.repeat(lanes, len(rates)), jnp.repeat(lanes, len(rates) * config.n_folds)])
    held_out = _of(data, np.repeat(np.stack([d[f] for d in drawn for f in held]), len(rates), axis=0))
    measure, compile_seconds = _measure(of, layers, n_whole, data, held_out)
    fitted = train(config, of, layers, lanes, cases, measure, monitor, rates)

    def found(name: str, lanes: slice, *shape: int) -> np.ndarray:
        return np.nan_to_num(
            fitted.curves[f"{name}{EACH}"][lanes].reshape(*shape, len(rates), -1), nan=np.inf
        )

    whole, of_folds = slice(n_whole), slice(n_whole, None)
    scored = {
        f"{split}_{score}": found(f"{split}_{score}", whole, n_seeds)
        for split in ("valid", "test")
        for score in SCORES
    }
    scored |= {
        f"held_out_{score}": found(f"held_out_{score}", of_folds, n_seeds, config.n_folds).mean(axis=1)
        for score in SCORES
    }
    metrics = _chosen(config, scored, "valid") | _chosen(config, scored, "held_out", "_within")
    n_cases = len(data.full_train.labels)
    before = pretraining_flops(config, of, n_cases, config.n_labels)
    spent = training_flops(config, of, fitted, n_shown)[:, -1].reshape(-1, len(rates)).sum(axis=1)
    metrics["flops"] = before + spent[:n_seeds] + spent[n_seeds:].reshape(n_seeds, -1).sum(axis=1)
    compile_seconds += started.compile_seconds + fitted.compile_seconds
    seconds = {"pretraining": started.seconds, "finetuning": fitted.seconds.sum(), "compile": compile_seconds}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    curves = {
        f"{name}_rate_{rate:g}": score[:, i]
        for name, score in scored.items()
        if name.endswith("error_percent")
        for i, rate in enumerate(rates)
    }
    clock = {"epochs": fitted.epochs, "seconds": np.cumsum(fitted.seconds)}
    clock["updates"] = fitted.epochs * (n_shown // config.batch_size)
    curves |= {name: for_each(keys, value) for name, value in clock.items()}
    return Outcome(metrics, {**started.curves, **curves}, {})


def draw(config: FewLabels, data: Dataset, key: Key[Array, ""]) -> Int[np.ndarray, " n"]:
    """The training cases whose labels may be seen; the validation cases are not among them."""
    seed = np.asarray(jr.key_data(jr.fold_in(key, DRAW)))
    return balanced(np.random.default_rng(seed), data.train.labels, config.n_labels)


def _of(data: Dataset, members: Int[np.ndarray, "L M"]) -> Labelled:
    """These training cases, of each lane its own."""
    inputs = jax.device_put(np.asarray(data.train.inputs))
    return Labelled(inputs[members], jax.device_put(data.train.labels)[members])


def _measure(of: Perceptron, layers: Layers, n_whole: int, data: Dataset, held_out: Labelled):
    """Scores of networks that learn from a whole draw on the validation and test cases, and of the others on
    what their fold holds out; 0 where a network is not asked.
    """
    of_draws, of_each_fold = partial(_lanes, slice(n_whole)), partial(_lanes, slice(n_whole, None))
    splits = {"valid": on_device(data.valid), "test": on_device(data.test)}
    of_whole, seconds = measures(of, jax.tree.map(of_draws, layers), splits)
    of_folds, more = measures(of, jax.tree.map(of_each_fold, layers), {"held_out": held_out})

    def measure(layers: Layers) -> dict[str, Array]:
        n_others = len(layers[0][0]) - n_whole
        found = of_whole(jax.tree.map(of_draws, layers))
        scored = {f"{name}{EACH}": jnp.pad(x, (0, n_others)) for name, x in found.items()}
        found = of_folds(jax.tree.map(of_each_fold, layers))
        return scored | {f"{name}{EACH}": jnp.pad(x, (n_whole, 0)) for name, x in found.items()}

    return measure, seconds + more


def _lanes(part: slice, x: Array) -> Array:
    return x[part]


def _chosen(
    config: FewLabels, scored: dict[str, Float[np.ndarray, "S R reports"]], by: str, end: str = ""
) -> dict[str, np.ndarray]:
    """What is chosen for each draw by these scores, and what comes of it."""
    errors, entropies = (scored[f"{by}_{score}"] for score in SCORES)
    where = [fewest(*each) for each in zip(errors, entropies, strict=True)]
    at = np.arange(len(where)), *np.array(where).T
    metrics = {f"{by}_error_percent": errors[at]}
    metrics |= {f"test_{score}{end}": scored[f"test_{score}"][at] for score in SCORES}
    metrics[f"learning_rate{end}"] = np.array(config.rates)[at[1]]
    metrics[f"epochs_trained{end}"] = at[2] + 1.0
    return metrics
