"""Classifiers: how they start, how long they train, what they get wrong."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from repro.data.dataset import Cases, Dataset, check_classes
from repro.evaluation.classification import most_frequent, scores
from repro.models import initialise
from repro.models.perceptron import (
    Layers,
    Perceptron,
    cross_entropy,
    features,
    noisy_outputs,
    random_layers,
    recognition_layers,
)
from repro.models.stack import random_stack, stack_units
from repro.runs.autoencoding import drawn_weights, streams
from repro.runs.config import (
    Autoencoders,
    Classifying,
    FewLabels,
    Gaussian,
    Pretrained,
    RelativeRates,
    Supervised,
    Tuning,
)
from repro.runs.outcome import Outcome, cases_of, for_each
from repro.training.backprop import backprop_trainer
from repro.training.compiling import compile_ahead, drawn, jitted
from repro.training.descent import evaluations_per_update, from_a_rate
from repro.training.fit import UNWATCHED, Fitted, Monitor, Trainer, beside, fit, over_seeds, place
from repro.training.flops import backprop_flops, stack_flops
from repro.training.greedy import pretrain
from repro.training.labelled import Labelled
from repro.training.layerwise import Layerwise, learn_layers
from repro.training.optimisers import ConjugateGradient
from repro.training.optimisers.conjugate_gradient import conjugate_gradient_trainer
from repro.training.optimisers.first_order import first_order

OUTPUT = 2**16  # the address of the key of the output layer: beyond those of hidden layers


class Started(NamedTuple):
    """Where a classifier starts, and what it cost to get there."""

    layers: Layers  # leading axis S
    curves: dict[str, np.ndarray]
    seconds: float = 0.0
    compile_seconds: float = 0.0


def classify(
    config: Classifying, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Start, train until the training cross-entropy is what was chosen, score; one run per key.

    Scores are those of the first epoch at whose end it was that low, of each seed its own, or of the last.

    Raises:
        UserError: if the data cannot be classified.
    """
    of = perceptron(config, data)
    cases = {name: on_device(some) for name, some in cases_of(data, config.learns_from).items()}
    started = start(config, of, data, keys, cases["train"], monitor)
    measure, compile_seconds = measures(of, started.layers, cases)
    before = measure(started.layers)
    layers, alone = train_output_layer(config, of, started.layers, keys, cases["train"], monitor)

    def enough(fitted: Fitted) -> bool:
        return config.stop_at is not None and bool((_low_enough(config, fitted)).any(axis=1).all())

    fitted = train(
        config,
        of,
        layers,
        streams(keys).finetuning,
        cases["train"],
        measure,
        monitor,
        n_epochs=config.budget.n * (1 if config.stop_at is None else config.longer),
        enough=enough,
    )
    low = _low_enough(config, fitted)
    ended = np.where(low.any(axis=1), low.argmax(axis=1), low.shape[1] - 1)
    each = np.arange(len(keys)), ended
    metrics = {name: fitted.curves[name][each] for name in before}
    metrics |= {f"{name}_before": np.asarray(score) for name, score in before.items()}
    diverged = (fitted.diverged >= 0) & (fitted.diverged <= fitted.epochs[ended])
    if diverged.any():
        metrics["diverged_epoch"] = np.where(diverged, fitted.diverged, np.nan)
    metrics["epochs_trained"] = fitted.epochs[ended].astype(float)
    metrics["stopped_by_rule"] = low.any(axis=1).astype(float)
    n_cases = len(cases["train"])
    spent = pretraining_flops(config, of, len(data.full_train.labels), n_cases) + training_flops(
        config, of, fitted, n_cases, alone
    )
    metrics["flops"] = spent[each]
    compile_seconds += started.compile_seconds + fitted.compile_seconds
    seconds = {"pretraining": started.seconds, "finetuning": fitted.seconds.sum(), "compile": compile_seconds}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    updates = fitted.epochs * (n_cases // config.batch_size)
    clock = {"seconds": np.cumsum(fitted.seconds), "epochs": fitted.epochs, "updates": updates}
    curves = {name: for_each(keys, value) for name, value in clock.items()}
    return Outcome(metrics, {**started.curves, **fitted.curves, **curves, "flops": spent}, {})


def choose_stop(config: Tuning, data: Dataset, keys: Key[Array, 1], monitor: Monitor = UNWATCHED) -> Outcome:
    """Metrics `stop_at`, the training cross-entropy at the epoch with the fewest errors on the validation
    cases, of all candidate rates, and `learning_rate`, the candidate that had it. The other metrics are
    `valid_error_percent` of the choice, `valid_error_percent_rate_<rate>` of every candidate at its best
    epoch, and `valid_error_percent_mean`, of naming the most frequent class. NaN if all diverged.

    Learns from the training cases without the validation cases, but for what is learnt without labels, and
    never sees test. All candidates are trained side by side, as one program.

    Raises:
        UserError: if the data cannot be classified.
    """
    run = config.run
    assert isinstance(run, Classifying)
    of, train_cases = perceptron(run, data), on_device(data.train)
    started = start(run, of, data, keys, train_cases, monitor)
    layers, alone = train_output_layer(run, of, started.layers, keys, train_cases, monitor)
    n = max(1, len(run.rates))
    starts, several = beside((layers, streams(keys).finetuning), n)
    measure, _ = measures(of, starts, {"train": train_cases, "valid": on_device(data.valid)})
    fitted = train(run, of, starts, several, train_cases, measure, monitor, run.rates)
    valid = [fitted.curves[f"valid_{score}"] for score in ("error_percent", "cross_entropy")]
    errors, entropies = (np.nan_to_num(scores, nan=np.inf) for scores in valid)
    rate, epoch = fewest(errors, entropies)
    metrics = {"stop_at": fitted.curves["train_cross_entropy"][rate, epoch]}
    metrics |= {"valid_error_percent": errors[rate, epoch], "epochs_trained": float(fitted.epochs[epoch])}
    metrics |= {f"valid_error_percent_rate_{r:g}": errors[i].min() for i, r in enumerate(run.rates)}
    if run.rates:
        metrics["learning_rate"] = run.rates[rate] if np.isfinite(errors[rate, epoch]) else np.nan
    metrics["valid_error_percent_mean"] = most_frequent(data.train.labels, data.valid.labels)
    n_cases = len(train_cases)
    before = pretraining_flops(run, of, len(data.full_train.labels), n_cases)
    metrics["flops"] = before + training_flops(run, of, fitted, n_cases, alone)[:, -1].sum()
    metrics["pretraining_flops"] = before
    metrics["pretraining_seconds"] = started.seconds
    metrics["finetuning_seconds"] = fitted.seconds.sum()
    names = ("valid_error_percent", "train_cross_entropy")
    rates = [f"_rate_{r:g}" for r in run.rates] or [""]
    curves = {f"{name}{r}": fitted.curves[name][i : i + 1] for name in names for i, r in enumerate(rates)}
    return Outcome(
        {name: for_each(keys, value) for name, value in metrics.items()}, {**started.curves, **curves}, {}
    )


def fewest(errors: Float[np.ndarray, ...], entropies: Float[np.ndarray, ...]) -> tuple[int, ...]:
    """Where the fewest errors are; of equals where the cross-entropy is lowest."""
    best = np.lexsort((entropies.ravel(), errors.ravel()))[0]
    return tuple(int(i) for i in np.unravel_index(best, errors.shape))


def _low_enough(config: Classifying, fitted: Fitted) -> np.ndarray:
    """At which reports, of which seeds, the training cross-entropy was what training is to come to."""
    stop_at = -np.inf if config.stop_at is None else config.stop_at
    return fitted.curves["train_cross_entropy"] <= stop_at


def perceptron(config: Classifying | FewLabels, data: Dataset) -> Perceptron:
    """The network of a run on this data set.

    Raises:
        UserError: if it cannot be classified.
    """
    check_classes(data)
    shape = data.train.inputs.shape
    assert shape is not None, "what SciPy says of a sparse array may be None"
    sizes = (shape[1], *config.network.widths, int(data.train.labels.max()) + 1)
    return Perceptron(sizes, config.network.activation, config.dropout)


def on_device(cases: Cases) -> Labelled:
    """Cases with their labels where they are learnt from and scored."""
    return Labelled(jax.device_put(np.asarray(cases.inputs)), jax.device_put(cases.labels))


def start(
    config: Classifying | FewLabels,
    of: Perceptron,
    data: Dataset,
    keys: Key[Array, " S"],
    labelled: Labelled,
    monitor: Monitor = UNWATCHED,
) -> Started:
    """The network before it is trained: hidden layers that have learnt without labels, from all training
    cases, or with the labels of those that it may see, or random ones; and a random output layer.

    Below a Gaussian start's or a pretrained one's output layer, that is as the stack was: N(0, scale²).
    """
    how, hidden = config.start, of.sizes[:-1]
    if not isinstance(how, Pretrained | Gaussian | Autoencoders | Supervised):
        draw = partial(random_layers, sizes=of.sizes, draw=partial(drawn_weights, how))
        return Started(drawn(draw, streams(keys).start), {})
    with jax.default_matmul_precision(config.precision.pretraining):
        if isinstance(how, Pretrained | Gaussian):
            below = _stack(how, hidden, data, keys, monitor)
            draw = partial(initialise.gaussian, scale=how.scale)
        else:
            goal = "classify" if isinstance(how, Supervised) else "reconstruct"
            cases = labelled if goal == "classify" else on_device(data.full_train)
            learning = streams(keys).pretraining
            learnt = learn_layers(learning, goal, how.layerwise, hidden, cases, of.sizes[-1], monitor)
            below, draw = Started(*learnt), initialise.glorot
    address = jax.vmap(jr.fold_in, (0, None))(streams(keys).start, OUTPUT)
    [top] = drawn(partial(random_layers, sizes=of.sizes[-2:], draw=draw), address)
    return below._replace(layers=(*below.layers, top))


def _stack(
    how: Pretrained | Gaussian,
    sizes: tuple[int, ...],
    data: Dataset,
    keys: Key[Array, " S"],
    monitor: Monitor,
) -> Started:
    """The layers of a stack of RBMs, all of whose hidden units are binary; of a Gaussian start untrained."""
    stack = drawn(partial(random_stack, sizes=sizes, scale=how.scale), streams(keys).start)
    if isinstance(how, Gaussian):
        return Started(recognition_layers(stack), {})
    units = stack_units(len(stack) + 1)[:-1]
    inputs = jax.device_put(np.asarray(data.full_train.inputs))
    trained = pretrain(streams(keys).pretraining, how.pretraining, units, stack, inputs, monitor)
    return Started(
        recognition_layers(trained.stack), trained.curves, trained.seconds, trained.compile_seconds
    )


def train(
    config: Classifying | FewLabels,
    of: Perceptron,
    layers: Layers,
    keys: Key[Array, " S"],
    cases: Labelled,
    measure: Callable[[Layers], dict[str, Array]],
    monitor: Monitor = UNWATCHED,
    rates: tuple[float, ...] = (),
    n_epochs: int | None = None,
    enough: Callable[[Fitted], bool] = lambda _: False,
) -> Fitted:
    """Backprop through the whole network, from layers with leading axis S; with rates each of the S has one
    of them, in turn. It is as long as the budget says, or another number of epochs; schedules are the
    budget's.
    """
    n_updates = config.budget.n * (cases.shape[-2] // config.batch_size)
    descent, begun, phase = descends(config, of, n_updates, rates), layers, "fine-tuning"
    if rates:
        descent = from_a_rate(descent)
        begun = layers, jnp.tile(jnp.array(rates), len(keys) // len(rates))
        phase = f"fine-tuning at rate {', '.join(f'{rate:g}' for rate in rates)}"
    with jax.default_matmul_precision(config.precision.finetuning):
        return fit(
            keys,
            descent,
            begun,
            cases,
            n_epochs=n_epochs or config.budget.n,
            batch_size=config.batch_size,
            measure=measure,
            enough=enough,
            phase=phase,
            monitor=monitor,
        )


def train_output_layer(
    config: Classifying, of: Perceptron, layers: Layers, keys, cases: Labelled, monitor: Monitor = UNWATCHED
) -> tuple[Layers, Fitted | None]:
    """The layers after the epochs in which the output layer learns alone, on what the others make of the
    cases   [hinton2006code, backpropclassify.m].
    """
    if not config.n_alone:
        return layers, None
    *hidden, top = layers
    states = jitted(over_seeds(partial(features, of), (0, None)))(tuple(hidden), cases.inputs)
    seen = Labelled(states, jnp.repeat(cases.labels[None], len(states), axis=0))
    alone = replace(of, sizes=of.sizes[-2:], dropout=None)
    n_updates = config.n_alone * (len(cases) // config.batch_size)
    with jax.default_matmul_precision(config.precision.finetuning):
        fitted = fit(
            streams(keys).finetuning,
            descends(config, alone, n_updates),
            (top,),
            seen,
            n_epochs=config.n_alone,
            batch_size=config.batch_size,
            phase="output layer",
            monitor=monitor,
        )
    return (*hidden, *fitted.state.params), fitted


def descends(
    config: Classifying | FewLabels, of: Perceptron, n_updates: int, rates: tuple[float, ...] = ()
) -> Trainer:
    """What lowers the cross-entropy with so many updates to come; where there are rates, from the first."""
    how = config.optimiser
    if isinstance(how, ConjugateGradient):
        return conjugate_gradient_trainer(partial(_loss, replace(of, dropout=None)), how)
    if rates:
        how = replace(how, learning_rate=rates[0])
    steps = first_order(how, n_updates)
    relative = config.relative_rates if isinstance(config, Classifying) else RelativeRates()
    if relative != RelativeRates():
        steps = optax.chain(steps, _scaled(relative))
    more = evaluations_per_update(how, of.sizes, config.batch_size) - 1
    return backprop_trainer(partial(_loss, of), steps, more, random=True)


def _loss(of: Perceptron, layers: Layers, batch: Labelled, key: Key[Array, ""] | None = None):
    """The cross-entropy, with units left out where the network has dropout."""
    return cross_entropy(noisy_outputs(of, layers, batch.inputs, key), batch.labels)


def _scaled(relative: RelativeRates) -> optax.GradientTransformation:
    """Updates as the relative rates have them."""

    def scale(updates, params):
        del params
        factors = [1.0] * (len(updates) - 1) + [relative.output]
        return tuple((f * w, f * relative.biases * b) for f, (w, b) in zip(factors, updates, strict=True))

    return optax.stateless(scale)


def measures(of: Perceptron, layers: Layers, cases: dict[str, Labelled]) -> tuple[Callable, float]:
    """Scores on each set of cases, [N] or of each seed its own [S N], as one function of the parameters, and
    the seconds it took to compile. They are computed in float32 whatever training rounds to.
    """
    n_seeds, compiled = len(jax.tree.leaves(layers)[0]), {}
    layers = place(n_seeds, layers, 0)
    for name, some in cases.items():
        over = None if some.ndim == 2 else 0
        placed: Any = place(n_seeds, some, over)
        with jax.default_matmul_precision("highest"):
            compiled[name] = (
                *compile_ahead(over_seeds(partial(scores, of), (0, over)), layers, placed),
                placed,
            )

    def measure(layers):
        return {
            f"{name}_{score}": value
            for name, (function, _, some) in compiled.items()
            for score, value in function(layers, some).items()
        }

    return measure, sum(seconds for _, seconds, _ in compiled.values())


def pretraining_flops(
    config: Classifying | FewLabels, of: Perceptron, n_unlabelled: int, n_labelled: int
) -> float:
    """Matrix-product operations before training; none for random starts."""
    hidden, how = of.sizes[:-1], config.start
    match how:
        case Pretrained():
            each = (how.pretraining.n_epochs,) * (len(hidden) - 1)
            return stack_flops(hidden, n_unlabelled, each, how.pretraining.contrastive.k)
        case Autoencoders():
            return _layerwise_flops(how.layerwise, hidden, None, n_unlabelled)
        case Supervised():
            return _layerwise_flops(how.layerwise, hidden, of.sizes[-1], n_labelled)
    return 0.0


def _layerwise_flops(how: Layerwise, hidden: tuple[int, ...], n_classes: int | None, n_cases: int) -> float:
    """Of training layers before the network, to classify or, without classes, to reconstruct."""
    groups = how.groups(hidden)
    wholes = [(*group, n_classes) if n_classes else (*group, *group[-2::-1]) for group in groups]
    learning = how.n_epochs * sum(backprop_flops(whole, n_cases) for whole in wholes)
    return learning + sum(forward_flops(group, n_cases) for group in groups[:-1])


def forward_flops(sizes: tuple[int, ...], n_cases: int) -> float:
    """Through layers of these sizes once."""
    return 2.0 * n_cases * sum(a * b for a, b in itertools.pairwise(sizes))


def training_flops(
    config: Classifying | FewLabels, of: Perceptron, fitted: Fitted, n_cases: int, alone: Fitted | None = None
) -> Float[np.ndarray, "S reports"]:
    """At each report the operations of training so far, of the output layer alone too."""
    evaluations = fitted.curves["evaluations"] * np.diff(fitted.epochs, prepend=0)
    used = n_cases - n_cases % config.batch_size
    spent = backprop_flops(of.sizes, used) * np.cumsum(evaluations, axis=1)
    if alone is None:
        return spent
    top = backprop_flops(of.sizes[-2:], used) * alone.curves["evaluations"].sum(axis=1)
    return spent + np.resize(top, len(spent))[:, None] + forward_flops(of.sizes[:-1], n_cases)
