"""Classifiers that learn from a few labels: drawn by the seed, and tuned in two ways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key

from repro.data.dataset import Dataset
from repro.evaluation.classification import balanced, folds, most_frequent
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
from repro.training.fit import UNWATCHED, Fitted, Monitor
from repro.training.labelled import Labelled

DRAW = 2**17  # the address of the key by which labels are drawn
EACH = "_each"  # ends the names of scores that are 0 for networks that are not asked
SCORES = ("error_percent", "cross_entropy")


class Lanes(NamedTuple):
    """Networks that are trained side by side, L of them: those that learn from all of a draw, [S R], then
    those of its folds, [S F R].
    """

    seeds: Int[np.ndarray, " L"]  # which of the S each has
    members: Int[np.ndarray, "L M"]  # the training cases of an epoch, some of them several times
    held_out: Int[np.ndarray, "K H"]  # what those of the folds, the last K, are scored on

    @property
    def n_whole(self) -> int:
        """How many learn from all of a draw."""
        return len(self.seeds) - len(self.held_out)


def learn_from_few(
    config: FewLabels, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Metrics `test_error_percent`, of the rate and the epoch that were chosen on the validation cases, and
    `test_error_percent_within`, of those chosen by cross-validation; and what was chosen.

    All draws, folds and rates are trained side by side, as one program.

    Raises:
        UserError: if the data cannot be classified, or so many labels not be drawn and cut into folds.
    """
    of, lanes = perceptron(config, data), lanes_of(config, data, keys)
    cases = _of(data, lanes.members)
    started = start(config, of, data, keys, cases, monitor)
    layers = jax.tree.map(lambda x: x[lanes.seeds], started.layers)
    measure, compile_seconds = _measure(of, layers, lanes, data)
    order = streams(keys).finetuning[lanes.seeds]
    fitted = train(config, of, layers, order, cases, measure, monitor, config.rates)
    scored = _scored(config, lanes, fitted)
    metrics = _chosen(config, scored, "valid") | _chosen(config, scored, "held_out", "_within")
    guess = most_frequent(data.train.labels, data.valid.labels)
    metrics["valid_error_percent_mean"] = for_each(keys, guess)
    n_shown = lanes.members.shape[1]
    before = pretraining_flops(config, of, len(data.full_train.labels), config.n_labels)
    spent = training_flops(config, of, fitted, n_shown)[:, -1]
    metrics["flops"] = before + np.bincount(lanes.seeds, spent)
    metrics |= _divergence(lanes, fitted)
    compile_seconds += started.compile_seconds + fitted.compile_seconds
    seconds = {"pretraining": started.seconds, "finetuning": fitted.seconds.sum(), "compile": compile_seconds}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    curves = {
        f"{name}_rate_{rate:g}": score[:, i]
        for name, score in scored.items()
        if name.endswith("error_percent")
        for i, rate in enumerate(config.rates)
    }
    clock = {"epochs": fitted.epochs, "seconds": np.cumsum(fitted.seconds)}
    clock["updates"] = fitted.epochs * (n_shown // config.batch_size)
    curves |= {name: for_each(keys, value) for name, value in clock.items()}
    return Outcome(metrics, {**started.curves, **curves}, {})


def lanes_of(config: FewLabels, data: Dataset, keys: Key[Array, " S"]) -> Lanes:
    """The networks of all seeds.

    Raises:
        UserError: if so many labels cannot be drawn, or not be cut into folds.
    """
    drawn = [draw(config, data, key) for key in keys]
    held = folds(config.n_labels, len(np.unique(data.train.labels)), config.n_folds)
    rest = [np.setdiff1d(np.arange(config.n_labels), fold) for fold in held]
    shown = [*drawn, *(of_seed[others] for of_seed in drawn for others in rest)]
    n_shown = max(config.shown, config.n_labels)
    each = np.stack([np.resize(members, n_shown) for members in shown])
    seeds = np.arange(len(drawn))
    whose = np.concatenate([seeds, np.repeat(seeds, config.n_folds)])
    held_out = np.stack([of_seed[fold] for of_seed in drawn for fold in held])
    return Lanes(*(np.repeat(x, len(config.rates), axis=0) for x in (whose, each, held_out)))


def draw(config: FewLabels, data: Dataset, key: Key[Array, ""]) -> Int[np.ndarray, " n"]:
    """The training cases whose labels may be seen; the validation cases are not among them."""
    seed = np.asarray(jr.key_data(jr.fold_in(key, DRAW)))
    return balanced(np.random.default_rng(seed), data.train.labels, config.n_labels)


def _of(data: Dataset, members: Int[np.ndarray, "L M"]) -> Labelled:
    """These training cases, of each lane its own."""
    inputs = jax.device_put(np.asarray(data.train.inputs))
    return Labelled(inputs[members], jax.device_put(data.train.labels)[members])


def _measure(of: Perceptron, layers: Layers, lanes: Lanes, data: Dataset) -> tuple[Callable, float]:
    """Scores of networks that learn from a whole draw on the validation and test cases, and of the others on
    what their fold holds out; 0 where a network is not asked. And the seconds it took to compile them.
    """
    n_whole, n_folded = lanes.n_whole, len(lanes.held_out)
    whole, folded = (
        partial(jax.tree.map, lambda x, i=i: x[i]) for i in (slice(n_whole), slice(n_whole, None))
    )
    splits = {"valid": on_device(data.valid), "test": on_device(data.test)}
    of_whole, seconds = measures(of, whole(layers), splits)
    of_folds, more = measures(of, folded(layers), {"held_out": _of(data, lanes.held_out)})

    def measure(layers: Layers) -> dict[str, Array]:
        found = {name: jnp.pad(x, (0, n_folded)) for name, x in of_whole(whole(layers)).items()}
        found |= {name: jnp.pad(x, (n_whole, 0)) for name, x in of_folds(folded(layers)).items()}
        return {f"{name}{EACH}": x for name, x in found.items()}

    return measure, seconds + more


def _scored(config: FewLabels, lanes: Lanes, fitted: Fitted) -> dict[str, Float[np.ndarray, "S R reports"]]:
    """What each rate came to, of folds on average; infinite where it diverged."""
    n_rates = len(config.rates)

    def found(name: str, some: slice, *shape: int) -> np.ndarray:
        curves = fitted.curves[f"{name}{EACH}"][some]
        return np.nan_to_num(curves.reshape(*shape, n_rates, curves.shape[-1]), nan=np.inf)

    whole = [f"{split}_{score}" for split in ("valid", "test") for score in SCORES]
    scored = {name: found(name, slice(lanes.n_whole), -1) for name in whole}
    for name in (f"held_out_{score}" for score in SCORES):
        scored[name] = found(name, slice(lanes.n_whole, None), -1, config.n_folds).mean(axis=1)
    return scored


def _chosen(
    config: FewLabels, scored: dict[str, Float[np.ndarray, "S R reports"]], by: str, end: str = ""
) -> dict[str, np.ndarray]:
    """What is chosen for each draw by these scores, and what comes of it; NaN where every rate diverged."""
    errors, entropies = (scored[f"{by}_{score}"] for score in SCORES)
    where = [fewest(*each) for each in zip(errors, entropies, strict=True)]
    at = np.arange(len(where)), *np.array(where).T
    metrics = {f"{by}_error_percent": errors[at]}
    metrics |= {f"test_{score}{end}": scored[f"test_{score}"][at] for score in SCORES}
    metrics[f"learning_rate{end}"] = np.array(config.rates)[at[1]]
    metrics[f"epochs_trained{end}"] = at[2] + 1.0
    learnt = np.isfinite(errors[at])
    return {name: np.where(learnt, value, np.nan) for name, value in metrics.items()}


def _divergence(lanes: Lanes, fitted: Fitted) -> dict[str, np.ndarray]:
    """Of seeds whose every network that learns from the whole draw diverged, when the last of them did."""
    diverged = fitted.diverged[: lanes.n_whole].reshape(lanes.seeds.max() + 1, -1)
    last = np.where((diverged >= 0).all(axis=1), diverged.max(axis=1), np.nan)
    return {"diverged_epoch": last} if np.isfinite(last).any() else {}
