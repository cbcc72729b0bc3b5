"""The two arms: one network, one data order, one loss, one budget; only the start differs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import NamedTuple

import jax
import jax.random as jr
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Key
from scipy.sparse import csr_array

from repro.data.dataset import OWN, Cases, Dataset
from repro.errors import UserError
from repro.evaluation.reconstruction import scores
from repro.models import initialise
from repro.models.autoencoder import Architecture, network, random_network, reconstruct, to_layers, unroll
from repro.models.stack import random_stack, stack_units
from repro.runs.config import Autoencoding, FanIn, Flops, Gaussian, Glorot, He, Pretrained, Sparse
from repro.runs.outcome import Outcome, cases_of, for_each, on_device, pictures, retrieval
from repro.training.compiling import compile_ahead, drawn, jitted
from repro.training.counts import Counts
from repro.training.descent import evaluations_per_update, trainer
from repro.training.fit import UNWATCHED, Fitted, Monitor, fit, over_seeds, place
from repro.training.flops import backprop_flops, stack_flops
from repro.training.greedy import pretrain


class Started(NamedTuple):
    """Where fine-tuning starts, and what it cost to get there."""

    params: nnx.State  # leading axis S
    curves: dict[str, np.ndarray]
    seconds: float = 0.0
    compile_seconds: float = 0.0


class Length(NamedTuple):
    """How long a fine-tuning is."""

    n_epochs: int
    flops: float | None = None  # to be spent in fine-tuning, where an epoch's are not known beforehand


def autoencode(
    config: Autoencoding, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Start, fine-tune, score; one run per key."""
    cases = cases_of(data, config.learns_from)
    cases["train"] = in_order(config, cases["train"])
    inputs = {name: on_device(some.inputs) for name, some in cases.items()}
    train = inputs["train"]
    architecture = architecture_of(config, data)
    started = start(config, architecture, keys, train, monitor)
    measure, measure_compile_seconds = measures(architecture, started.params, inputs)
    before = measure(started.params)
    length = length_of(config, architecture, len(train), len(data.train.labels))
    fitted = finetune(config, architecture, keys, started.params, train, length, measure, monitor)
    compile_seconds = started.compile_seconds + measure_compile_seconds + fitted.compile_seconds
    metrics = {name: fitted.curves[name][:, -1] for name in before}
    metrics |= {f"{name}_before": np.asarray(score) for name, score in before.items()}
    if (fitted.diverged >= 0).any():
        metrics["diverged_epoch"] = np.where(fitted.diverged >= 0, fitted.diverged, np.nan)
    cost = costs(config, architecture, fitted, len(train))
    metrics["flops"] = cost["flops"][:, -1]
    seconds = {"pretraining": started.seconds, "finetuning": fitted.seconds.sum(), "compile": compile_seconds}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    clock = {"seconds": np.cumsum(fitted.seconds), "epochs": fitted.epochs}
    clock = {name: for_each(keys, value) for name, value in clock.items()}
    curves = {**started.curves, **fitted.curves, **cost, **clock}
    encode, decode = codes_and_reconstructions(architecture, fitted.state.params)
    found = retrieval(data, encode) if data.kind == "count" and data.labelled else {}
    layers = to_layers(architecture, fitted.state.params) if data.source == OWN else ()
    return Outcome(metrics | found, curves, pictures(data, decode, encode), layers)


def in_order(config: Autoencoding, train: Cases) -> Cases:
    """The training cases as they are cut into minibatches: where these are formed once, in an order that is
    random but always the same.
    """
    if config.minibatches == "drawn anew":
        return train
    order = np.asarray(jr.permutation(jr.key(0), len(train.labels)))
    return Cases(train.inputs[order], train.labels[order])


def architecture_of(config: Autoencoding, data: Dataset) -> Architecture:
    """The network of a run on this data set."""
    shape = data.train.inputs.shape
    assert shape is not None, "what SciPy says of a sparse array may be None"
    return Architecture((shape[1], *config.network.widths), data.kind, config.network.activation)


def start(
    config: Autoencoding, architecture: Architecture, keys, inputs, monitor: Monitor = UNWATCHED
) -> Started:
    """The network before fine-tuning.

    A Gaussian start is the stack that pretraining starts from, unrolled untouched; the other random starts
    draw every layer of the network anew.
    """
    how = config.start
    if not isinstance(how, Pretrained | Gaussian):
        draw = partial(random_network, architecture=architecture, draw=partial(drawn_weights, how))
        return Started(drawn(draw, streams(keys).start), {})
    draw = partial(random_stack, sizes=architecture.sizes, scale=how.scale)
    stack = drawn(draw, streams(keys).start)
    if isinstance(how, Gaussian):
        return Started(jitted(jax.vmap(unroll))(stack), {})
    units = stack_units(len(stack), architecture.visible)
    with jax.default_matmul_precision(config.precision.pretraining):
        trained = pretrain(
            streams(keys).pretraining,
            how.pretraining,
            units,
            stack,
            inputs,
            monitor,
            shuffle=config.minibatches == "drawn anew",
        )
    params = jitted(jax.vmap(unroll))(trained.stack)
    return Started(params, trained.curves, trained.seconds, trained.compile_seconds)


def drawn_weights(how: FanIn | Glorot | Sparse | He, key, shape):
    """The weights of one layer."""
    match how:
        case FanIn():
            return how.factor * initialise.fan_in(key, shape)
        case Glorot():
            return how.factor * initialise.glorot(key, shape)
        case He():
            return how.factor * initialise.he(key, shape)
    return how.factor * initialise.sparse(key, shape, how.n_incoming)


def finetune(
    config: Autoencoding, architecture, keys, params, inputs, length: Length, measure=None, monitor=UNWATCHED
) -> Fitted:
    """Backprop through the whole network; the order of the data depends on the key, not on the start."""
    size = minibatch(config, len(inputs))
    n_updates = length.n_epochs * (len(inputs) // size)
    rate = getattr(config.optimiser, "learning_rate", None)

    def enough(fitted: Fitted) -> bool:
        """Whether this is the epoch, of every seed, whose end is nearest to the operations to be spent."""
        if length.flops is None:
            return False
        spent = finetuning_flops(config, architecture, fitted, len(inputs))
        return bool((spent[:, -1] + np.diff(spent, prepend=0)[:, -1] / 2 >= length.flops).all())

    with jax.default_matmul_precision(config.precision.finetuning):
        return fit(
            streams(keys).finetuning,
            trainer(config.optimiser, architecture, config.l2, n_updates, size),
            params,
            inputs,
            n_epochs=length.n_epochs,
            batch_size=size,
            shuffle=config.minibatches == "drawn anew",
            measure=measure,
            report_every=1 if length.flops else ceil(length.n_epochs / (config.n_reports or length.n_epochs)),
            enough=enough,
            phase="fine-tuning" if rate is None else f"fine-tuning at rate {rate:g}",
            monitor=monitor,
        )


def minibatch(config: Autoencoding, n_cases: int) -> int:
    """Cases in a minibatch of fine-tuning."""
    return config.batch_size or n_cases


def length_of(config: Autoencoding, architecture: Architecture, n_cases: int, n_choice: int) -> Length:
    """How long fine-tuning on n_cases is: as long as the budget says, or as what pretraining and the choice
    of a rate on n_choice cases leave of it, to the nearest epoch.

    Raises:
        UserError: if that is less than half an epoch.
    """
    if not isinstance(config.budget, Flops):
        return Length(config.budget.n)
    left = config.budget.total - pretraining_flops(config, architecture, n_cases)
    left -= tuning_flops(config, architecture, n_choice)
    size = minibatch(config, n_cases)
    of_epoch = backprop_flops(architecture.layers, n_cases - n_cases % size)
    each = evaluations_per_update(config.optimiser, architecture.layers, size)
    n_epochs = round(left / of_epoch / (each if each == each else 1.0))
    if n_epochs < 1:
        raise UserError(
            f"a budget of {config.budget.total:g} operations leaves none for fine-tuning: raise it"
        )
    return Length(n_epochs, left if each != each else None)


def measures(architecture: Architecture, params, inputs: dict[str, Array | Counts]) -> tuple[Callable, float]:
    """Scores on each set of cases as one function of the parameters, and the seconds it took to compile.

    They are computed in float32 whatever training rounds to.
    """
    lifted, n_seeds = over_seeds(partial(scores, architecture), (0, None)), len(jax.tree.leaves(params)[0])
    params = place(n_seeds, params, 0)
    inputs = {name: place(n_seeds, some, None) for name, some in inputs.items()}
    with jax.default_matmul_precision("highest"):
        compiled = {name: compile_ahead(lifted, params, some) for name, some in inputs.items()}

    def measure(params):
        return {
            f"{name}_{score}": value
            for name, (function, _) in compiled.items()
            for score, value in function(params, inputs[name]).items()
        }

    return measure, sum(seconds for _, seconds in compiled.values())


def pretraining_flops(config: Autoencoding, architecture: Architecture, n_cases: int) -> float:
    """Matrix-product operations before fine-tuning; none for random starts."""
    if not isinstance(config.start, Pretrained):
        return 0.0
    pretraining = config.start.pretraining
    units = stack_units(len(config.network.widths), architecture.visible)
    n_epochs = tuple(pretraining.layer(depth, kinds)[1] for depth, kinds in enumerate(units))
    return stack_flops(architecture.sizes, n_cases, n_epochs, pretraining.contrastive.k)


def tuning_flops(config: Autoencoding, architecture: Architecture, n_cases: int) -> float:
    """Operations of choosing the rate: the epochs of every candidate; and a pretraining of its own, where the
    run learns from other cases than the choice does and cannot take the choice's.
    """
    if config.tuning is None:
        return 0.0
    size = minibatch(config, n_cases)
    of_epoch = backprop_flops(architecture.layers, n_cases - n_cases % size)
    each = evaluations_per_update(config.optimiser, architecture.layers, size)
    own = 0.0 if config.learns_from == "train" else pretraining_flops(config, architecture, n_cases)
    return own + config.tuning.total_epochs * each * of_epoch


def costs(
    config: Autoencoding, architecture: Architecture, fitted: Fitted, n_cases: int
) -> dict[str, Float[np.ndarray, "S reports"]]:
    """At each report the updates so far and the operations, pretraining included."""
    spent = finetuning_flops(config, architecture, fitted, n_cases)
    updates = np.broadcast_to(fitted.epochs * (n_cases // minibatch(config, n_cases)), spent.shape)
    return {"updates": updates, "flops": pretraining_flops(config, architecture, n_cases) + spent}


def finetuning_flops(
    config: Autoencoding, architecture: Architecture, fitted: Fitted, n_cases: int
) -> Float[np.ndarray, "S reports"]:
    """At each report the operations of fine-tuning so far, with as many evaluations as the optimiser made."""
    evaluations = fitted.curves["evaluations"] * np.diff(fitted.epochs, prepend=0)
    used = n_cases - n_cases % minibatch(config, n_cases)  # the ragged tail of an epoch is dropped
    return backprop_flops(architecture.layers, used) * np.cumsum(evaluations, axis=1)


def codes_and_reconstructions(architecture: Architecture, params: nnx.State) -> tuple[Callable, Callable]:
    """Inputs [N V] to codes [S N C], and to reconstructions [S N V], in float32 as the scores are."""

    def over(function):
        of_all = jitted(jax.vmap(function, (0, None)))

        def of(x):
            dense = x.toarray() if isinstance(x, csr_array) else x
            with jax.default_matmul_precision("highest"):
                return of_all(params, dense)

        return of

    def encode(params, x):
        return network(architecture, params).encode(x)

    return over(encode), over(partial(reconstruct, architecture))


class Streams(NamedTuple):
    """Keys, [S] each."""

    start: Key[Array, " S"]
    pretraining: Key[Array, " S"]
    finetuning: Key[Array, " S"]


def streams(keys: Key[Array, " S"]) -> Streams:
    """What the seeds make of each part of a run."""
    return Streams(*(jax.vmap(jr.fold_in, (0, None))(keys, stream) for stream in range(3)))
