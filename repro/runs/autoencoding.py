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

from repro.data.dataset import Dataset
from repro.evaluation.reconstruction import scores
from repro.models import initialise
from repro.models.autoencoder import Architecture, network, random_network, reconstruct, unroll
from repro.models.stack import random_stack, stack_units
from repro.runs.config import Arm
from repro.runs.optimisers import trainer
from repro.runs.outcome import Outcome, folds, for_each, on_device, pictures, retrieval
from repro.training.fit import UNWATCHED, Fitted, Monitor, compile_ahead, fit, over_seeds
from repro.training.flops import backprop_flops, stack_flops
from repro.training.greedy import pretrain

DRAWS = {
    "fan-in": initialise.fan_in,
    "glorot": initialise.glorot,
    "sparse": initialise.sparse,
    "he": initialise.he,
}


class Started(NamedTuple):
    """Where fine-tuning starts, and what it cost to get there."""

    params: nnx.State  # leading axis S
    curves: dict[str, np.ndarray]
    seconds: float = 0.0
    compile_seconds: float = 0.0


def run_arm(config: Arm, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED) -> Outcome:
    """Start, fine-tune, score; one run per key."""
    inputs = {name: on_device(cases.inputs) for name, cases in folds(data, config.fold).items()}
    train = inputs["train"]
    architecture = Architecture((train.shape[1], *config.widths), data.kind, config.activation)
    started = start(config, architecture, keys, train, monitor)
    measure, measure_compile_seconds = measures(architecture, started.params, inputs)
    before = measure(started.params)
    fitted = finetune(config, architecture, keys, started.params, train, measure, monitor)
    compile_seconds = started.compile_seconds + measure_compile_seconds + fitted.compile_seconds
    metrics = {name: fitted.curves[name][:, -1] for name in before}
    metrics |= {f"{name}_before": np.asarray(score) for name, score in before.items()}
    cost = costs(config, architecture, fitted, len(train))
    metrics["flops"] = cost["flops"][:, -1]
    seconds = {"pretraining": started.seconds, "finetuning": fitted.seconds.sum(), "compile": compile_seconds}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    clock = {"seconds": np.cumsum(fitted.seconds), "epochs": fitted.epochs}
    clock = {name: for_each(keys, value) for name, value in clock.items()}
    curves = {**started.curves, **fitted.curves, **cost, **clock}
    if config.fold == "choice":
        return Outcome(metrics, curves, {})
    encode, decode = codes_and_reconstructions(architecture, fitted.state.params)
    found = retrieval(data, encode) if data.kind == "count" else {}
    return Outcome(metrics | found, curves, pictures(data, decode, encode))


def start(config: Arm, architecture: Architecture, keys, inputs, monitor: Monitor = UNWATCHED) -> Started:
    """The network before fine-tuning.

    "gaussian" is the stack that pretraining starts from, unrolled untouched; the other random starts draw
    every layer of the network anew.
    """
    keys_start, keys_pretraining, _ = _streams(keys)
    if config.start in DRAWS:

        def layer(key, shape):
            return config.start_factor * DRAWS[config.start](key, shape)

        draw = partial(random_network, architecture=architecture, draw=layer)
        return Started(jax.vmap(draw)(keys_start), {})
    draw = partial(random_stack, sizes=architecture.sizes, scale=config.start_scale)
    stack = jax.vmap(draw)(keys_start)
    if config.start == "gaussian":
        return Started(jax.vmap(unroll)(stack), {})
    units = stack_units(len(stack), architecture.visible)
    trained = pretrain(keys_pretraining, config.pretraining, units, stack, inputs, monitor)
    return Started(jax.vmap(unroll)(trained.stack), trained.curves, trained.seconds, trained.compile_seconds)


def finetune(config: Arm, architecture, keys, params, inputs, measure=None, monitor=UNWATCHED) -> Fitted:
    """Backprop through the whole network; the order of the data depends on the key, not on the start."""
    *_, keys_finetuning = _streams(keys)
    size = minibatch(config, len(inputs))
    return fit(
        keys_finetuning,
        trainer(config, architecture, config.n_epochs * (len(inputs) // size)),
        params,
        inputs,
        n_epochs=config.n_epochs,
        batch_size=size,
        measure=measure,
        report_every=ceil(config.n_epochs / (config.n_reports or config.n_epochs)),
        phase="fine-tuning" if config.fold == "final" else f"fine-tuning at rate {config.learning_rate:g}",
        monitor=monitor,
    )


def minibatch(config: Arm, n_cases: int) -> int:
    """Cases in a minibatch of fine-tuning."""
    return config.batch_size or n_cases


def measures(architecture: Architecture, params, inputs: dict[str, Array]) -> tuple[Callable, float]:
    """Scores on each set of cases as one function of the parameters, and the seconds it took to compile."""
    lifted = over_seeds(partial(scores, architecture), (0, None))
    compiled = {name: compile_ahead(lifted, params, some) for name, some in inputs.items()}

    def measure(params):
        return {
            f"{name}_{score}": value
            for name, (function, _) in compiled.items()
            for score, value in function(params, inputs[name]).items()
        }

    return measure, sum(seconds for _, seconds in compiled.values())


def pretraining_flops(config: Arm, architecture: Architecture, n_cases: int) -> float:
    """Matrix-product operations before fine-tuning; none for random starts."""
    if config.start != "pretrained":
        return 0.0
    units = stack_units(len(config.widths), architecture.visible)
    n_epochs = tuple(config.pretraining.layer(depth, kinds)[1] for depth, kinds in enumerate(units))
    return stack_flops(architecture.sizes, n_cases, n_epochs, config.pretraining.contrastive.k)


def costs(
    config: Arm, architecture: Architecture, fitted: Fitted, n_cases: int
) -> dict[str, Float[np.ndarray, "S reports"]]:
    """At each report the updates so far and the matrix-product operations, pretraining included, with as many
    evaluations as the optimiser made.
    """
    size = minibatch(config, n_cases)
    evaluations = fitted.curves["evaluations"] * np.diff(fitted.epochs, prepend=0)
    used = n_cases - n_cases % size  # the ragged tail of an epoch is dropped
    spent = backprop_flops(architecture.layers, used) * np.cumsum(evaluations, axis=1)
    updates = np.broadcast_to(fitted.epochs * (n_cases // size), spent.shape)
    return {"updates": updates, "flops": pretraining_flops(config, architecture, n_cases) + spent}


def codes_and_reconstructions(architecture: Architecture, params: nnx.State) -> tuple[Callable, Callable]:
    """Inputs [N V] to codes [S N C], and to reconstructions [S N V]."""

    def over(function):
        return lambda x: jax.vmap(function, (0, None))(params, on_device(x))

    def encode(params, x):
        return network(architecture, params).encode(x)

    return over(encode), over(partial(reconstruct, architecture))


def _streams(keys: Key[Array, " S"]) -> tuple[Key[Array, " S"], ...]:
    """Keys of the start, of pretraining and of fine-tuning."""
    return tuple(jax.vmap(jr.fold_in, (0, None))(keys, stream) for stream in range(3))
