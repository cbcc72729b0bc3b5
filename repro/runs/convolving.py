"""Features learnt by convolutional machines, and what support vector machines make of them; beside them
convolutional networks that learn from the labels themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.sparse import csr_array

from repro.data.dataset import Dataset, check_classes
from repro.errors import UserError
from repro.evaluation.classification import balanced, n_of_each
from repro.evaluation.support_vectors import SupportVectors, assess
from repro.models.convolutional_network import ConvolutionalNetwork, logits, random_network
from repro.models.convolutional_rbm import (
    ConvolutionalRBM,
    PooledUnits,
    Stack,
    cropped,
    filtered,
    in_pixels,
    pooling_mean,
)
from repro.models.dbn import BINARY
from repro.models.stack import random_stack
from repro.runs.autoencoding import streams
from repro.runs.config import (
    Convolution,
    ConvolutionalNetworks,
    MachineSettings,
    OneRBM,
    PooledFilters,
    RandomFilters,
)
from repro.runs.few_labels import DRAW
from repro.runs.outcome import Outcome, for_each
from repro.training.compiling import compile_ahead, jitted
from repro.training.contrastive import hidden_means
from repro.training.convolutional import (
    AT_A_TIME,
    ConvolutionalLayer,
    ConvolutionalPretraining,
    Setting,
    Shape,
    pooled_of_each,
    pretrain_convolutional,
)
from repro.training.convolutional_network import NetworkSetting, network_trainer
from repro.training.fit import UNWATCHED, Fitted, Monitor, fit, over_seeds
from repro.training.flops import (
    convolutional_backprop_flops,
    convolutional_stack_flops,
    multiply_adds,
    stack_flops,
)
from repro.training.greedy import pretrain
from repro.training.labelled import Labelled
from repro.training.ranges import drawn

SETTING = 2**18  # the address of the key by which a setting is drawn
SHADES = 127  # of a base, on either side of 0


class Learnt(NamedTuple):
    """Features, and what it took to learn them."""

    encode: Callable[[int, Array], Array]  # of which seed, inputs [N V] -> [N C]
    metrics: dict[str, np.ndarray]  # [S]
    curves: dict[str, np.ndarray]  # [S], of each as many values as epochs
    arrays: dict[str, np.ndarray]  # [S, ...]
    seconds: float = 0.0
    compile_seconds: float = 0.0


def convolve(
    config: Convolution, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Learn features from all training images, and classify by them; one run per key.

    Metrics `test_error_percent_<n>_labels` with the penalty, `inverse_penalty_<n>_labels`, that was best on
    the validation cases, and `test_error_percent_all_labels`; where a setting was drawn its values, under
    the names of its fields; the last `reconstruction_error_layer<i>`.

    Raises:
        UserError: if the data are no square images, filters do not fit, or cases cannot be classified as
            asked.
    """
    image = image_of(data)
    if not isinstance(config.features, OneRBM):
        check_fit(config.features.layers, image)
    if how := config.judged:
        check_classes(data)
        seen = [draw(how.n_labels, data, key) for key in keys]
    inputs = jax.device_put(np.asarray(data.full_train.inputs))
    with jax.default_matmul_precision(config.precision):
        learnt = learn(config, data, keys, inputs, image, monitor)
    metrics, curves = dict(learnt.metrics), dict(learnt.curves)
    seconds = {"pretraining": learnt.seconds, "compile": learnt.compile_seconds}
    if how:
        began = time.perf_counter()
        scores, tried = judge(how, data, seen, learnt)
        metrics, curves = metrics | scores, curves | tried
        seconds["scoring"] = time.perf_counter() - began
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    return Outcome(metrics, curves, learnt.arrays)


def image_of(data: Dataset) -> Shape:
    """The shape of an image of this data set.

    Raises:
        UserError: if it has none that are square.
    """
    inputs = data.train.inputs
    if not isinstance(inputs, csr_array) and isqrt(inputs.shape[1]) ** 2 == inputs.shape[1]:
        return 1, isqrt(inputs.shape[1]), isqrt(inputs.shape[1])
    raise UserError(f"data: {data.name} has no square images: name mnist")


def check_fit(layers: Sequence[ConvolutionalLayer | PooledFilters], image: Shape) -> None:
    """Refuse layers that have no place, or no whole block of places, for their filters.

    Raises:
        UserError: naming the layer.
    """
    _, *sides = image
    for i, layer in enumerate(layers, 1):
        most = min(sides) - layer.block + 1
        if layer.side > most:
            size, given = f"{layer.side} x {layer.side}", " x ".join(map(str, sides))
            raise UserError(
                f"side: the filters of layer {i}, {size}, do not fit into its {given} inputs with a block of"
                f" {layer.block}: name {max(most, 1)} or less, or fewer layers"
            )
        sides = [(n - layer.side + 1) // layer.block for n in sides]


def learn(
    config: Convolution,
    data: Dataset,
    keys: Key[Array, " S"],
    inputs: Float[Array, "N V"],
    image: Shape,
    monitor: Monitor,
) -> Learnt:
    """Learn the features, without labels."""
    match config.features:
        case RandomFilters() as how:
            measured = inputs[: how.n_cases].reshape(-1, *image)
            draw = partial(random_machines, how=how, images=measured)
            stack = jitted(jax.vmap(draw))(streams(keys).start)
            return _of_stack(how.layers, data, keys, stack, image)
        case OneRBM() as how:
            return learn_rbm(how, keys, inputs, monitor)
        case how:
            return learn_machines(how, config.drawn, data, keys, inputs, image, monitor)


def learn_machines(
    how: ConvolutionalPretraining,
    ranges: MachineSettings | None,
    data: Dataset,
    keys: Key[Array, " S"],
    inputs: Float[Array, "N V"],
    image: Shape,
    monitor: Monitor,
) -> Learnt:
    """Convolutional machines, side by side, each in its own setting if there are ranges to draw it from."""
    n_epochs = np.array([[layer.learning.n_epochs for layer in how.layers]] * len(keys))
    chosen, settings = {}, None
    if ranges:
        chosen = settings_of(ranges, keys)
        n_epochs = np.repeat(chosen["n_epochs"].astype(int)[:, None], len(how.layers), axis=1)
        settings = tuple(_setting(layer, chosen, len(inputs)) for layer in how.layers)
        how = replace(how, layers=tuple(_as_long_as(layer, int(n_epochs.max())) for layer in how.layers))
    trained = pretrain_convolutional(
        streams(keys).pretraining,
        how,
        inputs,
        image,
        visible=_visible(data),
        settings=settings,
        monitor=monitor,
    )
    learnt = _of_stack(how.layers, data, keys, trained.stack, image)
    curves = {
        name: _cut(curve, n_epochs[:, depth])
        for depth in range(len(how.layers))
        for name, curve in trained.curves.items()
        if name.endswith(f"_layer{depth + 1}")
    }
    last = {
        name: np.array([of_seed[-1] for of_seed in each])
        for name, each in curves.items()
        if name.startswith("reconstruction_error")
    }
    each = multiply_adds(image, [(layer.n_bases, layer.side, layer.block) for layer in how.layers])
    k = how.layers[0].learning.k
    flops = [convolutional_stack_flops(each, len(inputs), of_seed, k) for of_seed in n_epochs.tolist()]
    metrics = chosen | last | {"flops": np.array(flops)}
    if (trained.diverged >= 0).any():
        metrics["diverged_epoch"] = np.where(trained.diverged >= 0, trained.diverged, np.nan)
    return learnt._replace(
        metrics=metrics, curves=curves, seconds=trained.seconds, compile_seconds=trained.compile_seconds
    )


def settings_of(ranges: Any, keys: Key[Array, " S"]) -> dict[str, np.ndarray]:
    """The setting of each seed, [S] by name; numbers of epochs are whole."""
    seeds = np.asarray(jr.key_data(jax.vmap(jr.fold_in, (0, None))(keys, SETTING)))
    each = [drawn(ranges, np.random.default_rng(seed)) for seed in seeds]
    found = {name: np.array([of_seed[name] for of_seed in each]) for name in each[0]}
    return found | {"n_epochs": np.rint(found["n_epochs"])}


def _setting(layer: ConvolutionalLayer, chosen: dict[str, np.ndarray], n_cases: int) -> Setting:
    """That of a layer of each machine."""
    how, n_machines = layer.learning, len(chosen["n_epochs"])
    own = {name: chosen.get(name, np.full(n_machines, getattr(how, name, 0.0))) for name in Setting._fields}
    n_updates = chosen["n_epochs"] * (n_cases // how.batch_size)
    floats = {name: jnp.asarray(value, jnp.result_type(float)) for name, value in own.items()}
    return Setting(**floats | {"n_updates": jnp.asarray(n_updates, jnp.int32)})


def _as_long_as(layer: ConvolutionalLayer, n_epochs: int) -> ConvolutionalLayer:
    return replace(layer, learning=replace(layer.learning, n_epochs=n_epochs))


def _visible(data: Dataset):
    return "real" if data.kind == "real" else "binary"


def _units(layers: tuple[ConvolutionalLayer, ...], data: Dataset) -> tuple[PooledUnits, ...]:
    return tuple(layer.units("binary" if i else _visible(data)) for i, layer in enumerate(layers))


def _cut(curve: Float[np.ndarray, "S E"], lengths: Int[np.ndarray, " S"]) -> np.ndarray:
    """Of each seed its first values, as many as it has."""
    cut = np.empty(len(curve), object)
    cut[:] = [values[:n].tolist() for values, n in zip(curve, lengths, strict=True)]
    return cut


def _of_stack(
    layers: tuple[ConvolutionalLayer, ...], data: Dataset, keys, stack: Stack, image: Shape
) -> Learnt:
    """The features and bases of machines, however they came to be, with leading axis S."""
    units = _units(layers, data)
    features = jitted(partial(pooled_of_each, units, image, AT_A_TIME))

    def encode(i, inputs):
        return jnp.concatenate(features(jax.tree.map(lambda x: x[i], stack), inputs), axis=1)

    shown = jitted(jax.vmap(partial(in_pixels, units)))(stack)
    bases = {f"bases_layer{i}": _shaded(np.asarray(x)[:, :, 0]) for i, x in enumerate(shown, 1)}
    return Learnt(encode, {"flops": for_each(keys, 0.0)}, {}, bases)


def _shaded(bases: Float[np.ndarray, "S K R T"]) -> np.ndarray:
    """Bases as whole numbers, the largest weight of each at the end; 0 where they are no numbers."""
    largest = np.abs(bases).max(axis=(2, 3), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(np.rint(SHADES * bases / largest)).astype(np.int8)


def random_machines(key: Key[Array, ""], how: RandomFilters, images: Float[Array, "N C Y X"]) -> Stack:
    """Machines that have not learnt; each filter has mean 0."""
    machines = []
    for depth, layer in enumerate(how.layers):
        shape = layer.n_bases, images.shape[1], layer.side, layer.side
        drawn = jr.normal(jr.fold_in(key, depth), shape)
        drawn = drawn - drawn.mean((2, 3), keepdims=True)
        images = cropped(layer.block, (layer.side, layer.side), images)
        received = jax.vmap(partial(filtered, drawn))(images)
        mean, spread = received.mean((0, 2, 3)), received.std((0, 2, 3))
        bias = -how.gain * (mean / spread + how.threshold)
        scale = how.gain / spread
        machine = ConvolutionalRBM(drawn * scale[:, None, None, None], jnp.zeros(shape[1]), bias)
        machines.append(machine)
        images = jax.vmap(partial(pooling_mean, layer.units(), machine))(images)
    return tuple(machines)


def learn_rbm(how: OneRBM, keys: Key[Array, " S"], inputs: Float[Array, "N V"], monitor: Monitor) -> Learnt:
    """One restricted Boltzmann machine, by contrastive divergence."""
    schedule, sizes = how.start.pretraining, (inputs.shape[1], how.n_hidden)
    stack = jax.vmap(partial(random_stack, sizes=sizes, scale=how.start.scale))(streams(keys).start)
    trained = pretrain(streams(keys).pretraining, schedule, (BINARY,), stack, inputs, monitor)
    encode = jitted(partial(hidden_means, BINARY))
    flops = stack_flops(sizes, len(inputs), (schedule.n_epochs,), schedule.contrastive.k)
    return Learnt(
        lambda i, x: encode(jax.tree.map(lambda leaf: leaf[i], trained.stack[0]), x),
        {"flops": for_each(keys, flops)},
        trained.curves,
        {},
        trained.seconds,
        trained.compile_seconds,
    )


def draw(n_labels: Sequence[int], data: Dataset, key: Key[Array, ""]) -> Int[np.ndarray, " n"]:
    """Training cases whose labels may be seen, as many as the largest of these numbers, the same for whatever
    learns from them: the first so many of them are as many of each class. The validation cases are not among
    them.

    Raises:
        UserError: if so many cannot be drawn.
    """
    for n in n_labels:
        n_of_each(data.train.labels, n)
    seed = np.asarray(jr.key_data(jr.fold_in(key, DRAW)))
    return balanced(np.random.default_rng(seed), data.train.labels, max(n_labels))


def judge(
    how: SupportVectors, data: Dataset, seen: list[Int[np.ndarray, " n"]], learnt: Learnt
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Scores of the features of each seed in turn, for those of all cases take much memory."""
    train = data.full_train
    inputs = jax.device_put(np.concatenate([np.asarray(train.inputs), np.asarray(data.test.inputs)]))
    labels = train.labels, len(data.valid.labels), data.test.labels
    with jax.default_matmul_precision("highest"):
        found = [assess(how, learnt.encode(i, inputs), *labels, of_seed) for i, of_seed in enumerate(seen)]
    scores, tried = (
        {name: np.array([of_seed[name] for of_seed in each]) for name in each[0]}
        for each in zip(*found, strict=True)
    )
    return scores, tried


class Lanes(NamedTuple):
    """Networks that are trained side by side, L of them."""

    seeds: Int[np.ndarray, " L"]  # which of the S each has
    cases: Labelled  # that all learn from, or each its own
    n_updates: Int[np.ndarray, " L"]


def train_networks(
    config: ConvolutionalNetworks, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Train a network for each number of labels, all of those that have fewer than there are training cases
    side by side, then those that have all; in the setting of each seed.

    Metrics `test_error_percent_<n>_labels` and `test_error_percent_all_labels`, NaN where it diverged; what
    was drawn, under the names of its fields. Curves `loss_<n>_labels`, `loss_all_labels`.

    Raises:
        UserError: if the data are no square images, filters do not fit, or cases cannot be classified as
            asked.
    """
    check_classes(data)
    image, chosen = image_of(data), settings_of(config.drawn, keys)
    check_fit(config.layers, image)
    n_epochs = chosen["n_epochs"].astype(int)
    metrics, curves, flops = dict(chosen), {}, np.zeros(len(keys))
    seconds, compile_seconds, diverged = 0.0, 0.0, np.full(len(keys), -1)
    test = Labelled(jax.device_put(np.asarray(data.test.inputs)), jax.device_put(data.test.labels))
    for names, lanes in groups(config, data, keys, n_epochs):
        fitted = _trained(config, data, keys, chosen, lanes, image, ", ".join(names), monitor)
        measure = over_seeds(partial(network_error, config.blocks, image), (0, None))
        with jax.default_matmul_precision("highest"):
            measure, more = compile_ahead(measure, fitted.state.params, test)
        errors = np.asarray(measure(fitted.state.params, test))
        errors = np.where(fitted.diverged >= 0, np.nan, errors)
        for i, name in enumerate(names):
            own = slice(i, None, len(names))
            metrics[f"test_error_percent_{name}"] = errors[own]
            curves[f"loss_{name}"] = _cut(fitted.curves["loss"][own], n_epochs)
            diverged = np.maximum(diverged, fitted.diverged[own])
        n_shown = (lanes.n_updates * config.batch_size).tolist()
        each = multiply_adds(image, [(layer.n_bases, layer.side, layer.block) for layer in config.layers])
        n_outputs = fitted.state.params.output.weights[0].size
        flops += np.bincount(lanes.seeds, [convolutional_backprop_flops(each, n_outputs, n) for n in n_shown])
        seconds += float(fitted.seconds.sum())
        compile_seconds += fitted.compile_seconds + more
    if (diverged >= 0).any():
        metrics["diverged_epoch"] = np.where(diverged >= 0, diverged, np.nan)
    metrics |= {"flops": flops, "finetuning_seconds": for_each(keys, seconds)}
    return Outcome(metrics | {"compile_seconds": for_each(keys, compile_seconds)}, curves, {})


def groups(
    config: ConvolutionalNetworks, data: Dataset, keys: Key[Array, " S"], n_epochs: Int[np.ndarray, " S"]
) -> Iterator[tuple[list[str], Lanes]]:
    """What each of some networks learns from, by seed, then by number of labels; and the names of these."""
    seeds, batch_size = np.arange(len(keys)), config.batch_size
    seen = [draw(config.n_labels, data, key) for key in keys]
    members = np.stack([np.resize(some[:n], config.shown) for some in seen for n in config.n_labels])
    inputs, labels = jax.device_put(np.asarray(data.train.inputs)), jax.device_put(data.train.labels)
    whose = np.repeat(seeds, len(config.n_labels))
    n_updates = n_epochs[whose] * (config.shown // batch_size)
    yield (
        [f"{n}_labels" for n in config.n_labels],
        Lanes(whose, Labelled(inputs[members], labels[members]), n_updates),
    )
    if config.all_labels:
        train = data.full_train
        every = Labelled(jax.device_put(np.asarray(train.inputs)), jax.device_put(train.labels))
        yield ["all_labels"], Lanes(seeds, every, n_epochs * (len(train.labels) // batch_size))


def _trained(
    config: ConvolutionalNetworks,
    data: Dataset,
    keys: Key[Array, " S"],
    chosen: dict[str, np.ndarray],
    lanes: Lanes,
    image: Shape,
    phase: str,
    monitor: Monitor,
) -> Fitted:
    """Networks of lanes with the start of their seed, after as many epochs as the longest of them takes."""
    started = jitted(jax.vmap(partial(_network, config, image, int(data.train.labels.max()) + 1)))
    networks = jax.tree.map(lambda x: x[lanes.seeds], started(streams(keys).start))
    own = {name: value[lanes.seeds] for name, value in chosen.items() if name in NetworkSetting._fields}
    floats = {name: jnp.asarray(value, jnp.result_type(float)) for name, value in own.items()}
    setting = NetworkSetting(**floats, n_updates=jnp.asarray(lanes.n_updates, jnp.int32))
    with jax.default_matmul_precision(config.precision):
        return fit(
            streams(keys).finetuning[lanes.seeds],
            network_trainer(config.blocks, image),
            (networks, setting),
            lanes.cases,
            n_epochs=int(chosen["n_epochs"].max()),
            batch_size=config.batch_size,
            phase=phase,
            monitor=monitor,
        )


def _network(
    config: ConvolutionalNetworks, image: Shape, n_classes: int, key: Key[Array, ""]
) -> ConvolutionalNetwork:
    """A random start."""
    shapes, (n_channels, *sides) = [], image
    for layer in config.layers:
        shapes.append((layer.n_bases, n_channels, layer.side, layer.side))
        n_channels, sides = layer.n_bases, [(n - layer.side + 1) // layer.block for n in sides]
    return random_network(key, shapes, n_channels * sides[0] * sides[1], n_classes)


def network_error(
    blocks: tuple[int, ...], image: Shape, network: ConvolutionalNetwork, cases: Labelled
) -> Float[Array, ""]:
    """Per cent of cases misclassified, no unit left out."""

    def of_case(case):
        found = jnp.argmax(logits(network, blocks, case.inputs.reshape(image))).astype(case.labels.dtype)
        return jnp.where(found == case.labels, 0.0, 100.0)

    return jnp.mean(jax.lax.map(of_case, cases, batch_size=min(AT_A_TIME, len(cases))))
