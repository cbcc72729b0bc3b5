"""Variational autoencoders: how they climb the bound, how noisy its gradients are, what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from repro.data.binary import check_pixels, drawn_once
from repro.data.dataset import Dataset
from repro.errors import TooFewCasesError, UserError
from repro.evaluation.likelihood import bounds_of_vae
from repro.evaluation.noise import noise
from repro.evaluation.reconstruction import loss_of_mean
from repro.models.vae import VAE, Variational, random_vae
from repro.runs.autoencoding import streams
from repro.runs.config import DirectedModel, Flops, Tuning
from repro.runs.outcome import Outcome, cases_of, for_each
from repro.runs.tuning import halve
from repro.training.binary import drawn_anew
from repro.training.compiling import compile_ahead, jitted
from repro.training.descent import from_a_rate
from repro.training.fit import UNWATCHED, Fitted, Monitor, Trainer, fit, over_seeds, place
from repro.training.flops import variational_flops
from repro.training.optimisers.first_order import first_order
from repro.training.variational import bound, variational_trainer

VARIANCES, SCORES = 3, 4  # which streams of a seed's keys draw what is measured, after `streams` of a run
CODE_LENGTH = "valid_code_length"


def climb(
    config: DirectedModel, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Train a model per key; score it on test images whose pixels are drawn once, the same for all models.

    Curves, at each report: `bound` of the minibatches since the last; variances of both gradients of it as
    `measure_variances` says. Metrics: `variance_ratio`, their geometric mean over the reports, and
    `least_variance_ratio`; in nats, averaged over the test images, `test_bound` and `test_log_probability`,
    the importance-weighted estimate, with its standard error over the images; `effective_sample_size` of its
    draws.

    Raises:
        UserError: if the data have no pixels, or the budget leaves no epoch.
    """
    check_pixels(data)
    of = network_of(config, data)
    inputs = jax.device_put(np.asarray(cases_of(data, config.learns_from)["train"].inputs))
    started = random_vaes(of, keys)
    n_epochs = epochs_of(config, of, len(inputs), len(data.train.labels))
    measure, measure_compile_seconds = measure_variances(config, of, keys, started, inputs)
    fitted = train(config, of, keys, started, inputs, n_epochs, measure, monitor)
    metrics, score_compile_seconds = score(config, of, keys, fitted.state.params, data)
    ratios = fitted.curves["variance_ratio"]
    metrics |= {
        "variance_ratio": np.exp(np.log(ratios).mean(axis=1)),
        "least_variance_ratio": ratios.min(axis=1),
    }
    if (fitted.diverged >= 0).any():
        metrics["diverged_epoch"] = np.where(fitted.diverged >= 0, fitted.diverged, np.nan)
    clock = {"seconds": np.cumsum(fitted.seconds), "epochs": fitted.epochs}
    clock["updates"] = fitted.epochs * (len(inputs) // config.batch_size)
    clock["flops"] = clock["updates"] * variational_flops(of.steps, config.estimator, config.batch_size)
    compile_seconds = fitted.compile_seconds + measure_compile_seconds + score_compile_seconds
    cost = {"flops": clock["flops"][-1], "finetuning_seconds": fitted.seconds.sum()}
    cost["compile_seconds"] = compile_seconds
    metrics |= {name: for_each(keys, value) for name, value in cost.items()}
    curves = fitted.curves | {name: for_each(keys, value) for name, value in clock.items()}
    return Outcome(metrics, curves, {})


def choose_rate_of_bound(
    config: Tuning, data: Dataset, keys: Key[Array, 1], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Metrics `learning_rate`, the choice, and `valid_code_length_rate_<rate>` of every candidate where it
    ended: minus the bound, in nats, averaged over the validation images, with one draw for each; and
    `valid_code_length_mean`, of independent pixels with the means of the training images. If all diverged the
    choice is NaN.

    Learns from the training images without the validation images, and never sees test.

    Raises:
        UserError: if the data have no pixels.
    """
    run = config.run
    assert isinstance(run, DirectedModel) and run.tuning
    check_pixels(data)
    how, of, inputs = run.tuning, network_of(run, data), jax.device_put(np.asarray(data.train.inputs))
    started, valid = random_vaes(of, keys), drawn_once(np.asarray(data.valid.inputs))

    def train_until(n_epochs: int, rates: tuple[float, ...], begun: Fitted | None) -> Fitted:
        beside = jax.tree.map(lambda x: jnp.repeat(x, len(rates), axis=0), started)
        each = jnp.repeat(keys, len(rates))
        measure = measure_code_length(of, each, valid)
        start = begun or (beside, jnp.array(rates))
        return train(run, of, each, start, inputs, n_epochs, measure, monitor, rates, how.n_epochs[-1])

    trained, last, seconds = halve(how.candidates, how.n_epochs, train_until, CODE_LENGTH)
    curves = {f"{CODE_LENGTH}_rate_{rate:g}": fitted.curves[CODE_LENGTH] for rate, fitted in trained.items()}
    metrics = {name: curve[:, -1] for name, curve in curves.items()}
    best = min(last, key=last.__getitem__)
    metrics["learning_rate"] = for_each(keys, best if np.isfinite(last[best]) else np.nan)
    of_mean = loss_of_mean("binary", data.train, data.valid._replace(inputs=valid))
    metrics[f"{CODE_LENGTH}_mean"] = for_each(keys, of_mean)
    metrics["flops"] = for_each(keys, tuning_flops(run, of, len(inputs)))
    metrics["finetuning_seconds"] = for_each(keys, seconds)
    return Outcome(metrics, curves, {})


def network_of(config: DirectedModel, data: Dataset) -> Variational:
    """The networks of a run on these images."""
    shape = data.train.inputs.shape
    assert shape is not None, "what SciPy says of a sparse array may be None"
    return Variational(shape[1], config.latent, config.hidden, config.activation)


def random_vaes(of: Variational, keys: Key[Array, " S"]) -> VAE:
    """Where each seed starts, whatever its gradient."""
    return jitted(jax.vmap(partial(random_vae, of=of)))(streams(keys).start)


def epochs_of(config: DirectedModel, of: Variational, n_cases: int, n_choice: int) -> int:
    """How long training on n_cases is: as long as the budget says, or, to the nearest epoch, as what the
    choice of a rate on n_choice cases leaves of it.

    Raises:
        UserError: if that is less than half an epoch.
    """
    if not isinstance(config.budget, Flops):
        return config.budget.n
    left = config.budget.total - tuning_flops(config, of, n_choice)
    n_epochs = round(left / max(1.0, epoch_flops(config, of, n_cases)))
    if n_epochs < 1:
        raise UserError(f"budget: {config.budget.total:g} operations leave none for training: raise it")
    return n_epochs


def epoch_flops(config: DirectedModel, of: Variational, n_cases: int) -> float:
    """Operations of an epoch, whose ragged tail is dropped."""
    return variational_flops(of.steps, config.estimator, n_cases - n_cases % config.batch_size)


def tuning_flops(config: DirectedModel, of: Variational, n_cases: int) -> float:
    """Operations of choosing the rate: the epochs of every candidate."""
    return config.tuning.total_epochs * epoch_flops(config, of, n_cases) if config.tuning else 0.0


def train(
    config: DirectedModel,
    of: Variational,
    keys: Key[Array, " S"],
    start: Any,
    inputs: Float[Array, "N V"],
    n_epochs: int,
    measure: Callable[[VAE], dict[str, Array]],
    monitor: Monitor = UNWATCHED,
    rates: tuple[float, ...] = (),
    n_planned: int | None = None,
) -> Fitted:
    """Climb the bound. The order of the images depends on the key, not on the gradient. With rates each of
    the S has one of them, and reports after every epoch; the schedule is that of `n_planned` epochs.
    """
    n_updates = (n_planned or n_epochs) * (len(inputs) // config.batch_size)
    trainer, named = climber(config, of, n_updates, rates), rates or (config.optimiser.learning_rate,)
    with jax.default_matmul_precision("highest"):
        return fit(
            streams(keys).finetuning,
            from_a_rate(trainer) if rates else trainer,
            start,
            inputs,
            n_epochs=n_epochs,
            batch_size=config.batch_size,
            measure=measure,
            report_every=1 if rates else ceil(n_epochs / config.n_reports),
            phase=f"climbing at rate {', '.join(f'{rate:g}' for rate in named)}",
            monitor=monitor,
        )


def climber(config: DirectedModel, of: Variational, n_updates: int, rates: tuple[float, ...] = ()) -> Trainer:
    """What climbs the bound with so many updates to come; where there are rates, from the first."""
    how = replace(config.optimiser, learning_rate=rates[0]) if rates else config.optimiser
    return drawn_anew(variational_trainer(of, config.estimator, first_order(how, n_updates), config.kept))


def measure_variances(
    config: DirectedModel, of: Variational, keys: Key[Array, " S"], params: VAE, inputs: Float[Array, "N V"]
) -> tuple[Callable[[VAE], dict[str, Array]], float]:
    """For parameters [S] the variances of both gradients, summed over the parameters, times the operations
    of a draw, so that they are at equal cost; and the score function's over the reparameterised one's:
    `variance_ratio`, and the same of the recognition and of the generation network alone. And the seconds
    that compiling took.

    Raises:
        TooFewCasesError: if there are not so many minibatches.
    """
    how, size = config.gradients, config.batch_size
    if how.n_minibatches * size > len(inputs):
        asked = f"n_minibatches: {how.n_minibatches} of {size} are more than the {len(inputs)} cases"
        raise TooFewCasesError(f"{asked}: lower it")
    fixed = drawn_once(np.asarray(inputs[: how.n_minibatches * size]))
    minibatches = jnp.asarray(fixed).reshape(how.n_minibatches, size, -1)
    work = {name: variational_flops(of.steps, name, size) for name in ("reparameterised", "score function")}

    def of_seed(vae, minibatches, key):
        found = noise(of, vae, minibatches, key, how.n_draws)
        ours, theirs = found["reparameterised"], found["score function"]
        price = work["score function"] / work["reparameterised"]
        return {
            "variance_reparameterised": ours.total * work["reparameterised"],
            "variance_score_function": theirs.total * work["score function"],
            "variance_ratio": price * theirs.total / ours.total,
            "variance_ratio_recognition": price * theirs.recognition / ours.recognition,
            "variance_ratio_generation": price * theirs.generation / ours.generation,
        }

    n_seeds = len(keys)
    keys = place(n_seeds, jax.vmap(jr.fold_in, (0, None))(keys, VARIANCES), 0)
    params, minibatches = place(n_seeds, params, 0), place(n_seeds, minibatches, None)
    with jax.default_matmul_precision("highest"):
        compiled, seconds = compile_ahead(over_seeds(of_seed, (0, None, 0)), params, minibatches, keys)
    return lambda params: compiled(params, minibatches, keys), seconds


def measure_code_length(
    of: Variational, keys: Key[Array, " S"], images: Float[np.ndarray, "N V"]
) -> Callable[[VAE], dict[str, Array]]:
    """For parameters [S] minus the bound, averaged over these images, with one draw for each."""

    def of_seed(vae, x, key):
        each = jr.split(jr.fold_in(key, 0), len(x))
        return {CODE_LENGTH: -jax.vmap(lambda x, key: bound(of, vae, x, key))(x, each).mean()}

    n_seeds = len(keys)
    keys = place(n_seeds, jax.vmap(jr.fold_in, (0, None))(keys, SCORES), 0)
    x = place(n_seeds, jnp.asarray(images), None)
    measured = jitted(over_seeds(of_seed, (0, None, 0)))

    def measure(params):
        with jax.default_matmul_precision("highest"):
            return measured(params, x, keys)

    return measure


def score(
    config: DirectedModel, of: Variational, keys: Key[Array, " S"], params: VAE, data: Dataset
) -> tuple[dict[str, np.ndarray], float]:
    """What the models are worth in nats on the test images, and the seconds that compiling took."""
    x = jnp.asarray(drawn_once(np.asarray(data.test.inputs))[: config.n_test])

    def of_seed(vae, x, key):
        return bounds_of_vae(key, of, vae, x, config.n_samples)

    n_seeds = len(keys)
    keys = place(n_seeds, jax.vmap(jr.fold_in, (0, None))(keys, SCORES), 0)
    placed = place(n_seeds, params, 0), place(n_seeds, x, None), keys
    compiled, seconds = compile_ahead(over_seeds(of_seed, (0, None, 0)), *placed)
    began = time.perf_counter()
    found = jax.device_get(compiled(*placed))
    nats = found.importance_weighted.astype(np.float64)
    return {
        "test_bound": found.variational.astype(np.float64).mean(axis=1),
        "test_log_probability": nats.mean(axis=1),
        "test_log_probability_standard_error": nats.std(axis=1, ddof=1) / np.sqrt(nats.shape[1]),
        "effective_sample_size": found.effective_sample_size.mean(axis=1),
        "scoring_seconds": for_each(keys, time.perf_counter() - began),
    }, seconds
