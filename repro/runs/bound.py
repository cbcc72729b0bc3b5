"""A second RBM is put on a trained one, and learns: what becomes of the variational bound, exactly."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from math import isqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.sparse import csr_array

from repro.data.dataset import Dataset
from repro.errors import UserError
from repro.evaluation.bound import BINARY, Given, bound, given, log_prior, log_probability, states
from repro.models.rbm import RBM, exchanged, sample_hidden
from repro.models.stack import random_stack
from repro.runs.autoencoding import streams
from repro.runs.config import Bound, Gaussian, Small
from repro.runs.outcome import Outcome, for_each
from repro.runs.record import digest
from repro.training.compiling import compile_ahead, jitted
from repro.training.contrastive import contrastive_gradient, contrastive_trainer, hidden_means
from repro.training.fit import UNWATCHED, Fitted, Monitor, fit
from repro.training.gibbs import gibbs_step
from repro.training.greedy import PROGRAM
from repro.typed import as_json

ROUNDING = 1e-9  # nats: a bound that is lower by less has not fallen


class Pair(NamedTuple):
    """Two RBMs before the second learns, and the key of its updates; leaves may have leading axis S."""

    key: Key[Array, "*S"]
    first: RBM
    second: RBM


class Images(NamedTuple):
    """Small images: every one, and each that differs once, with its share of all."""

    every: Float[Array, "N V"]
    distinct: Float[Array, "D V"]
    shares: Float[Array, " D"]


def add_layer(config: Bound, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED) -> Outcome:
    """Train an RBM on all training images, made small; put another on it and train that; a pair per key.

    Metrics, in nats averaged over these images: `gap_before`, log p(v) less its bound before the second has
    learnt; `change_at_start`, of the bound by putting it there; `largest_fall` of the bound in an update,
    whether it `fell` at all, and in how many of the updates; `gain`, of the bound in all.

    Raises:
        UserError: if the data are no images that can be made small.
    """
    every = small(config.images, data)
    distinct, n_each = np.unique(every, axis=0, return_counts=True)
    with jax.enable_x64(True):
        images = Images(*map(jax.device_put, (every, distinct, n_each / len(every))))
        fitted = train_first(config, keys, images.every, monitor)
        first = fitted.state.params
        pairs = Pair(streams(keys).finetuning, first, start_of_second(config, keys, first))
        # one after another: each takes 8 bytes for every state and distinct image, several times
        learn = partial(jax.lax.map, partial(learnt, config, images))
        learn, compile_seconds = compile_ahead(learn, pairs)
        began = time.perf_counter()
        found = jax.device_get(learn(pairs))
        seconds = time.perf_counter() - began
    cost = {"pretraining": fitted.seconds.sum(), "finetuning": seconds}
    cost["compile"] = fitted.compile_seconds + compile_seconds
    metrics, curves = _scores(config, *found)
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in cost.items()}
    curves |= {f"{name}_layer1": curve for name, curve in fitted.curves.items()}
    return Outcome(metrics, curves, {})


def small(how: Small, data: Dataset) -> Float[np.ndarray, "N V"]:
    """All training images, made small.

    Raises:
        UserError: if there are none, or their middle cannot be cut into so many squares.
    """
    inputs = data.full_train.inputs
    if data.kind == "binary" and not isinstance(inputs, csr_array):
        side = isqrt(inputs.shape[1])
        if side**2 == inputs.shape[1]:
            return _small(how, inputs.reshape(-1, side, side))
    raise UserError(f"data: {data.name} has no square images with pixels in [0, 1]: name mnist")


def _small(how: Small, images: Float[np.ndarray, "N A A"]) -> Float[np.ndarray, "N V"]:
    n_cases, whole, _ = images.shape
    middle = whole - 2 * how.margin
    if middle < how.side or middle % how.side:
        left = f"a margin of {how.margin} leaves {middle} of {whole} rows"
        raise UserError(f"images: {left}, which side {how.side} does not divide: change margin or side")
    kept, n = slice(how.margin, how.margin + middle), middle // how.side
    squares = images[:, kept, kept].reshape(n_cases, how.side, n, how.side, n)
    return (squares.mean(axis=(2, 4)) > how.threshold).reshape(n_cases, -1).astype(np.float64)


def train_first(
    config: Bound, keys: Key[Array, " S"], images: Float[Array, "N V"], monitor: Monitor = UNWATCHED
) -> Fitted:
    """The first RBM, by contrastive divergence; runs that differ in the second alone share it."""
    n_visible, n_hidden, batch_size = images.shape[1], config.widths[0], config.batch_size
    how = PROGRAM, as_json(config.images), as_json(config.contrastive), n_hidden, config.n_epochs, batch_size
    n_batches = len(images) // batch_size
    return fit(
        streams(keys).pretraining,
        contrastive_trainer(
            BINARY,
            config.contrastive,
            batch_size=batch_size,
            steps_per_epoch=n_batches,
            n_epochs=config.n_epochs,
        ),
        random_rbms(streams(keys).start, (n_visible, n_hidden), Gaussian().scale),
        images,
        n_epochs=config.n_epochs,
        batch_size=batch_size,
        phase="first layer",
        monitor=monitor.sharing(digest([how, np.asarray(jr.key_data(keys)).tolist()])[:16]),
    )


def start_of_second(config: Bound, keys: Key[Array, " S"], first: RBM) -> RBM:
    """The second RBM of each seed before it learns."""
    if isinstance(config.start, Gaussian):
        others = jax.vmap(jr.fold_in, (0, None))(streams(keys).start, 1)
        return random_rbms(others, config.widths, config.start.scale)
    return jax.vmap(exchanged)(first)


def random_rbms(keys: Key[Array, " S"], shape: tuple[int, int], scale: float) -> RBM:
    """Untrained RBMs."""
    return jitted(jax.vmap(partial(random_stack, sizes=shape, scale=scale)))(keys)[0]


def learnt(
    config: Bound, images: Images, pair: Pair
) -> tuple[Float[Array, " bounds"], Float[Array, " scores"]]:
    """The second RBM learns: the bound before each update and after the last; log p(v) of the first RBM
    alone, and at each report.
    """
    h = states(config.widths[0])
    known = given(pair.first, images.distinct, images.shares, h)
    direction = uphill(config, pair.first, known, images.every)

    def update(second, n):
        log_p, gradient = direction(jr.fold_in(pair.key, n), second)
        return jax.tree.map(lambda x, g: x + config.learning_rate * g, second, gradient), log_p

    second, log_p = jax.lax.scan(update, pair.second, jnp.arange(config.n_updates))
    log_p = jnp.concatenate([log_p, log_prior(second, h)[None]])
    alone = log_prior(exchanged(pair.first), h)
    reported = jnp.concatenate([alone[None], log_p[:: config.n_updates // config.n_reports]])
    return bound(known, log_p), log_probability(pair.first, images.distinct, images.shares, h, reported)


def uphill(config: Bound, first: RBM, known: Given, images: Float[Array, "N V"]) -> Callable:
    """Key, second RBM -> log p(h) of every state, and the direction to go."""
    h = states(config.widths[0])

    def exact(key, second):
        del key
        log_p, back = jax.vjp(partial(log_prior, h=h), second)
        return log_p, back(known.posterior)[0]

    def contrastive(key, second):
        """CD-1 from a state drawn from q(h | v) of each case of a minibatch, whose reconstruction is left a
        probability.
        """
        key_cases, key_hidden, key_gibbs = jr.split(key, 3)
        v = images[jr.randint(key_cases, (config.batch_size,), 0, len(images))]
        drawn = sample_hidden(key_hidden, BINARY, hidden_means(BINARY, first, v))
        model = gibbs_step(key_gibbs, BINARY, second, drawn, mean_field=True)
        downhill = contrastive_gradient(BINARY, second, drawn, model)
        return log_prior(second, h), jax.tree.map(jnp.negative, downhill)

    return contrastive if config.gradient == "contrastive" else exact


def _scores(
    config: Bound, bounds: Float[np.ndarray, "S bounds"], log_p: Float[np.ndarray, "S scores"]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Metrics and curves; the first log p(v) is that of the first RBM alone."""
    alone, log_p = log_p[:, 0], log_p[:, 1:]
    change, every = np.diff(bounds, axis=1), config.n_updates // config.n_reports
    largest_fall = np.maximum(-change.min(axis=1), 0)
    number = np.where(np.isfinite(largest_fall), 1.0, np.nan)
    metrics = {
        "log_probability_before": alone,
        "log_probability": log_p[:, -1],
        "gap_before": np.abs(log_p[:, 0] - bounds[:, 0]),
        "change_at_start": bounds[:, 0] - alone,
        "largest_fall": largest_fall,
        "fell": number * (largest_fall > ROUNDING),
        "falls_percent": number * 100 * np.mean(change < -ROUNDING, axis=1),
        "gain": bounds[:, -1] - alone,
        "log_probability_gain": log_p[:, -1] - alone,
    }
    updates = np.arange(0.0, config.n_updates + 1, every)
    curves = {"updates": np.tile(updates, (len(bounds), 1))}
    return metrics, curves | {"bound": bounds[:, ::every], "log_probability": log_p}
