"""A model of binary images is trained, and scored by its log probability of others, in nats."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from repro.data.binary import check_pixels, drawn_once
from repro.data.dataset import Dataset
from repro.evaluation.annealing import LogZ, base_rate, log_z_from_above, log_z_from_below
from repro.evaluation.likelihood import Bounds, bounds_of_dbn, bounds_of_vae, log_prob_of_rbm
from repro.models import mixture, vae
from repro.models.dbn import BINARY
from repro.models.rbm import RBM, hidden_mean, sample_hidden, sample_visible, visible_mean
from repro.models.stack import Stack, random_stack
from repro.runs.autoencoding import streams
from repro.runs.config import Belief, Density, Inferring, Mixture
from repro.runs.outcome import Outcome, as_bytes, for_each, on_device
from repro.training.binary import drawn_anew
from repro.training.compiling import jitted
from repro.training.fit import UNWATCHED, Fitted, Monitor, fit
from repro.training.flops import mixture_flops, stack_flops
from repro.training.gibbs import gibbs_chain
from repro.training.greedy import climb, pretrain
from repro.training.mixture import mixture_trainer
from repro.training.optimisers.first_order import first_order
from repro.training.variational import variational_trainer

SCORING = 3  # which stream of a seed's keys scores it, after `streams` of a run
N_SHOWN = 20  # samples that a figure shows: of the first chains


class Learnt(NamedTuple):
    """A model that has been trained, and what that took."""

    params: Any  # leading axis S
    curves: dict[str, np.ndarray]  # [S, epochs]
    seconds: dict[str, float]  # by phase
    flops: float


class Cases(NamedTuple):
    """What a model is scored on, binary, and the pixels that it has learnt from."""

    test: Float[Array, "N V"]
    train: Float[Array, "M V"]
    pixels: Float[Array, "P V"]


class Judged(NamedTuple):
    """What one model is worth."""

    test: Float[np.ndarray, " N"]  # log p of each case, or the best bound of it
    train: Float[np.ndarray, " M"]
    error: float  # half the 95 % interval of the estimate of the mean of either
    metrics: dict[str, float]
    samples: Float[Array, "n V"]  # probabilities of the pixels in the first draws


class Family(NamedTuple):
    """How models of one kind are trained and judged."""

    learn: Callable[..., Learnt]  # model, keys [S], pixels [P V], monitor
    judge: Callable[..., Judged]  # model, key, params, cases


def learn_density(
    config: Density, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Train a model, and estimate its log probability of test cases and of training cases.

    Metrics, in nats, averaged over cases: `test_log_probability`, `train_log_probability`, each the best
    estimate that there is, which is a lower bound on average or of models with a log Z too high on average;
    `test_log_probability_low` and `_high`, ends of the 95 % interval of that estimate, the cases given; and
    what else the kind of model has to say. `parameters` counts numbers that were learnt.

    Raises:
        UserError: if the data are no images with pixels in [0, 1].
    """
    check_pixels(data)
    model, family = config.model, FAMILIES[type(config.model)]
    n = config.n_scored
    pixels = on_device(data.full_train.inputs)
    learnt = family.learn(model, keys, pixels, monitor)
    cases = Cases(*(on_device(drawn_once(x[:n])) for x in (data.test.inputs, data.full_train.inputs)), pixels)
    began = time.perf_counter()
    judged = [
        family.judge(model, jr.fold_in(key, SCORING), jax.tree.map(lambda x, i=i: x[i], learnt.params), cases)
        for i, key in enumerate(keys)
    ]
    seconds = learnt.seconds | {"scoring": (time.perf_counter() - began) / len(keys)}
    metrics = {name: np.array([each[name] for each in map(_metrics, judged)]) for name in _metrics(judged[0])}
    n_parameters = sum(x[0].size for x in jax.tree.leaves(learnt.params))
    metrics |= {"parameters": for_each(keys, n_parameters), "flops": for_each(keys, learnt.flops)}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    shown = np.stack([as_bytes(np.asarray(each.samples)) for each in judged])
    return Outcome(metrics, learnt.curves, {"samples": shown})


def _metrics(judged: Judged) -> dict[str, float]:
    mean = float(judged.test.mean())
    ends = {"low": mean - judged.error, "high": mean + judged.error}
    scores = {"test_log_probability": mean, "train_log_probability": float(judged.train.mean())}
    return scores | {f"test_log_probability_{end}": value for end, value in ends.items()} | judged.metrics


def learn_mixture(
    model: Mixture, keys: Key[Array, " S"], pixels: Float[Array, "P V"], monitor: Monitor
) -> Learnt:
    """By expectation maximisation."""
    start = partial(mixture.random_mixture, n_components=model.n_components, n_visible=pixels.shape[1])
    trainer = drawn_anew(mixture_trainer(model.pseudo_count))
    fitted = _fit(model, keys, trainer, jax.vmap(start)(streams(keys).start), pixels, monitor)
    flops = mixture_flops(model.n_components, pixels.shape[1], len(pixels) * model.n_epochs)
    return _learnt(fitted, flops)


def judge_mixture(model: Mixture, key: Key[Array, ""], params: mixture.Mixture, cases: Cases) -> Judged:
    """Exactly."""
    log_p = jitted(jax.vmap(mixture.log_prob, (None, 0)))
    samples = jax.vmap(partial(mixture.dream, params))(jr.split(key, N_SHOWN))
    return Judged(
        np.asarray(log_p(params, cases.test)), np.asarray(log_p(params, cases.train)), 0.0, {}, samples
    )


def learn_variational(
    model: Inferring, keys: Key[Array, " S"], pixels: Float[Array, "P V"], monitor: Monitor
) -> Learnt:
    """By climbing the variational bound."""
    of = _network(model, pixels)
    n_updates = model.n_epochs * (len(pixels) // model.batch_size)
    trainer = drawn_anew(variational_trainer(of, model.estimator, first_order(model.optimiser, n_updates)))
    start = jax.vmap(partial(vae.random_vae, of=of))(streams(keys).start)
    fitted = _fit(model, keys, trainer, start, pixels, monitor)
    return _learnt(fitted, 0.0)


def judge_variational(model: Inferring, key: Key[Array, ""], params: vae.VAE, cases: Cases) -> Judged:
    """By importance weighting; `test_bound` is the variational bound."""
    of = _network(model, cases.pixels)
    key_test, key_train, key_samples = jr.split(key, 3)
    test = bounds_of_vae(key_test, of, params, cases.test, model.n_samples)
    train = bounds_of_vae(key_train, of, params, cases.train, model.n_samples)
    samples = jax.vmap(partial(vae.dream, of, params))(jr.split(key_samples, N_SHOWN))
    return _weighted(test, train, 0.0, model.n_samples, {}, samples)


def learn_belief(
    model: Belief, keys: Key[Array, " S"], pixels: Float[Array, "P V"], monitor: Monitor
) -> Learnt:
    """Layer by layer, by contrastive divergence."""
    how, sizes = model.pretraining, (pixels.shape[1], *model.widths)
    stack = jax.vmap(partial(random_stack, sizes=sizes, scale=model.scale))(streams(keys).start)
    bias = jnp.broadcast_to(base_rate(_of(stack, 0)[0], pixels).visible_bias, stack[0].visible_bias.shape)
    stack = (stack[0]._replace(visible_bias=bias), *stack[1:])
    units = (BINARY,) * len(stack)
    trained = pretrain(streams(keys).pretraining, how, units, stack, pixels, monitor)
    n_epochs = tuple(how.layer(depth, BINARY)[1] for depth in range(len(stack)))
    flops = stack_flops(sizes, len(pixels), n_epochs, how.contrastive.k)
    seconds = {"pretraining": trained.seconds, "compile": trained.compile_seconds}
    return Learnt(trained.stack, trained.curves, seconds, flops)


def judge_belief(model: Belief, key: Key[Array, ""], stack: Stack, cases: Cases) -> Judged:
    """By annealed importance sampling of the uppermost RBM, and by importance weighting of the layers below.

    Of several layers `gain` is that of the variational bound by the uppermost, over the network without it,
    averaged over the training cases, and `gain_standard_error` that of the estimate.
    """
    top, (key_z, key_layers, key_first) = stack[-1], jr.split(key, 3)
    seen = cases.pixels
    for rbm in stack[:-1]:
        seen = climb(BINARY, jax.tree.map(lambda x: x[None], rbm), seen)[0]
    log_z, metrics, chains = anneal(model, key_z, top, seen)
    error, samples = log_z.high - log_z.value, means_below(key_layers, stack, chains[:N_SHOWN])
    if len(stack) == 1:
        test, train = (np.asarray(log_prob_of_rbm(top, log_z.value, v)) for v in cases[:2])
        return Judged(test, train, error, metrics, samples)
    n = model.n_samples
    test, train = (
        bounds_of_dbn(jr.fold_in(key_layers, i), stack, log_z.value, v, n) for i, v in enumerate(cases[:2], 1)
    )
    judged = _weighted(test, train, error, n, metrics, samples)
    below = judge_belief(model, key_first, stack[:-1], cases)
    without = below.metrics.get("train_bound", float(below.train.mean()))
    gain = {"gain": judged.metrics["train_bound"] - without}
    gain["gain_standard_error"] = float(np.hypot(error, below.error)) / 1.96
    return judged._replace(metrics=judged.metrics | gain)


def anneal(
    model: Belief, key: Key[Array, ""], rbm: RBM, seen: Float[Array, "P V"]
) -> tuple[LogZ, dict[str, float], Float[Array, "K V"]]:
    """Estimate log Z of an RBM that has learnt from what it has `seen`, from both sides; and chains that go on
    from where annealing ended.
    """
    key_below, key_chains, key_above = jr.split(key, 3)
    base = base_rate(rbm, seen)
    below = log_z_from_below(key_below, base, rbm, model.annealing)
    run = jitted(lambda key, rbm, v: gibbs_chain(key, BINARY, rbm, v, model.n_steps))
    chains = run(key_chains, rbm, below.ends)
    above = log_z_from_above(key_above, base, rbm, model.annealing, chains)
    found = {"log_z": below.value, "log_z_low": below.low, "log_z_high": below.high}
    found |= {"log_z_from_above": above.value, "effective_chains": below.effective_sample_size}
    return below, found, chains


def means_below(key: Key[Array, ""], stack: Stack, v: Float[Array, "n V"]) -> Float[Array, "n V"]:
    """The probabilities of the pixels under states of the visible units of the uppermost RBM: hidden units
    are drawn once more, then each layer given the one above.
    """
    mean = jax.vmap(partial(hidden_mean, BINARY, stack[-1]))(v)
    h = sample_hidden(jr.fold_in(key, 0), BINARY, mean)
    for i, rbm in enumerate(reversed(stack), 1):
        mean = jax.vmap(partial(visible_mean, BINARY, rbm))(h)
        h = sample_visible(jr.fold_in(key, i), BINARY, mean)
    return mean


def _weighted(
    test: Bounds, train: Bounds, error: float, n: int, metrics: dict[str, float], samples: Array
) -> Judged:
    """What importance weights say, n of each case; `error` is of what all cases have in common."""
    spread = np.maximum(n / np.asarray(test.effective_sample_size, float) - 1, 0) / max(n - 1, 1)
    of_draws = 1.96 * float(np.sqrt(spread.sum())) / len(spread)
    found = {f"{name}_bound": float(x.variational.mean()) for name, x in (("test", test), ("train", train))}
    size = {"effective_samples": float(test.effective_sample_size.mean())}
    both = (np.asarray(x.importance_weighted) for x in (test, train))
    return Judged(*both, float(np.hypot(error, of_draws)), metrics | found | size, samples)


def _fit(model, keys, trainer, start, pixels, monitor) -> Fitted:
    return fit(
        streams(keys).finetuning,
        trainer,
        start,
        pixels,
        n_epochs=model.n_epochs,
        batch_size=model.batch_size,
        phase="training",
        monitor=monitor,
    )


def _learnt(fitted: Fitted, flops: float) -> Learnt:
    seconds = {"finetuning": float(fitted.seconds.sum()), "compile": fitted.compile_seconds}
    return Learnt(fitted.state.params, fitted.curves, seconds, flops)


def _network(model: Inferring, pixels: Float[Array, "P V"]) -> vae.Variational:
    return vae.Variational(pixels.shape[1], model.latent, model.hidden)


def _of(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda x: x[i], tree)


FAMILIES = {
    Mixture: Family(learn_mixture, judge_mixture),
    Belief: Family(learn_belief, judge_belief),
    Inferring: Family(learn_variational, judge_variational),
}
