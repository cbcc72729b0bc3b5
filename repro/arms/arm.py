"""The two arms: one network, one data order, one loss, one budget; only the start differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.random as jr
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Key

from repro.arms.outcome import Fold, Outcome, folds, for_each, on_device, pictures, retrieval
from repro.data.dataset import Dataset
from repro.eras.flops import backprop_flops, stack_flops
from repro.evaluation.reconstruction import scores
from repro.models.autoencoder import Architecture, glorot_start, loss, network, reconstruct, unroll
from repro.models.stack import random_stack, stack_units
from repro.training.backprop import backprop_trainer
from repro.training.conjugate_gradient import conjugate_gradient
from repro.training.fit import UNWATCHED, Fitted, Monitor, compile_ahead, fit, over_seeds
from repro.training.greedy import Pretraining, pretrain


@dataclass(frozen=True)
class Arm:
    """One way to train one autoencoder; defaults are those of the 2006 program [hinton2006code]."""

    widths: tuple[int, ...] = (1000, 500, 250, 30)  # hidden layers of the encoder, the code last
    start: Literal["pretrained", "gaussian", "glorot"] = "pretrained"
    start_scale: float = 0.1  # standard deviation of the weights of untrained RBMs
    pretraining: Pretraining = field(default_factory=Pretraining)
    optimiser: Literal["cg", "adam"] = "cg"
    learning_rate: float | None = None  # of Adam; None: to be chosen from `rates`
    rates: tuple[float, ...] = ()  # candidates, compared on the validation cases
    rate_epochs: int = 0  # fine-tuning epochs given to each candidate
    n_epochs: int = 200  # of fine-tuning
    batch_size: int = 1000  # of fine-tuning
    fold: Fold = "final"


class Start(NamedTuple):
    """Where fine-tuning starts, and what it cost to get there."""

    params: nnx.State  # leading axis S
    curves: dict[str, np.ndarray]
    seconds: float = 0.0
    compile_seconds: float = 0.0


def run_arm(config: Arm, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED) -> Outcome:
    """Start, fine-tune, score; one run per key."""
    inputs = {name: on_device(cases.inputs) for name, cases in folds(data, config.fold).items()}
    train = inputs["train"]
    architecture = Architecture((train.shape[1], *config.widths), data.kind)
    started = start(config, architecture, keys, train, monitor)
    measure, measure_compile_seconds = measures(architecture, started.params, inputs)
    before = measure(started.params)
    fitted = finetune(config, architecture, keys, started.params, train, measure, monitor)
    compile_seconds = started.compile_seconds + measure_compile_seconds + fitted.compile_seconds
    metrics = {name: fitted.curves[name][:, -1] for name in before}
    metrics |= {f"{name}_before": np.asarray(score) for name, score in before.items()}
    finetuning = finetuning_flops(architecture, fitted, len(train), config.batch_size)
    metrics["flops"] = finetuning + pretraining_flops(config, architecture, len(train))
    seconds = {"pretraining": started.seconds, "finetuning": fitted.seconds.sum(), "compile": compile_seconds}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    curves = {**started.curves, **fitted.curves, "seconds": for_each(keys, np.cumsum(fitted.seconds))}
    if config.fold == "choice":
        return Outcome(metrics, curves, {})
    encode, decode = codes_and_reconstructions(architecture, fitted.state.params)
    found = retrieval(data, encode) if data.kind == "count" else {}
    return Outcome(metrics | found, curves, pictures(data, decode, encode))


def start(config: Arm, architecture: Architecture, keys, inputs, monitor: Monitor = UNWATCHED) -> Start:
    """The network before fine-tuning.

    "gaussian" is the stack that pretraining starts from, unrolled untouched; "glorot" draws every layer
    of the network anew.
    """
    keys_start, keys_pretraining, _ = _streams(keys)
    if config.start == "glorot":
        return Start(jax.vmap(partial(glorot_start, architecture=architecture))(keys_start), {})
    draw = partial(random_stack, sizes=architecture.sizes, scale=config.start_scale)
    stack = jax.vmap(draw)(keys_start)
    if config.start == "gaussian":
        return Start(jax.vmap(unroll)(stack), {})
    units = stack_units(len(stack), architecture.visible)
    trained = pretrain(keys_pretraining, config.pretraining, units, stack, inputs, monitor)
    return Start(jax.vmap(unroll)(trained.stack), trained.curves, trained.seconds, trained.compile_seconds)


def finetune(config: Arm, architecture, keys, params, inputs, measure=None, monitor=UNWATCHED) -> Fitted:
    """Backprop through the whole network; the order of the data depends on the key, not on the start."""
    *_, keys_finetuning = _streams(keys)
    return fit(
        keys_finetuning,
        backprop_trainer(partial(mean_loss, architecture), optimiser(config)),
        params,
        inputs,
        n_epochs=config.n_epochs,
        batch_size=config.batch_size,
        measure=measure,
        phase="fine-tuning" if config.fold == "final" else f"fine-tuning at rate {config.learning_rate:g}",
        monitor=monitor,
    )


def optimiser(config: Arm) -> optax.GradientTransformation:
    """Conjugate gradients with three line searches a minibatch, or Adam at the chosen rate."""
    if config.optimiser == "cg":
        return conjugate_gradient()
    assert config.learning_rate is not None, "an arm with rates is run once its rate has been chosen"
    return optax.inject_hyperparams(optax.adam)(config.learning_rate)  # one program for all rates


def mean_loss(architecture: Architecture, params: nnx.State, batch: Float[Array, "B V"]) -> Float[Array, ""]:
    """The loss of the data's kind, averaged over the minibatch."""
    outputs = network(architecture, params)(batch)
    return jax.vmap(partial(loss, architecture.visible))(outputs, batch).mean()


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


def finetuning_flops(
    architecture: Architecture, fitted: Fitted, n_cases: int, batch_size: int
) -> Float[np.ndarray, " S"]:
    """Matrix-product operations of fine-tuning, with as many evaluations as the optimiser made."""
    layers = (*architecture.sizes, *architecture.sizes[-2::-1])
    used = n_cases - n_cases % batch_size  # the ragged tail of an epoch is dropped
    return backprop_flops(layers, used) * fitted.curves["evaluations"].sum(axis=1)


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
