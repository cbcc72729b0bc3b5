"""Convolutional RBMs with probabilistic max pooling, trained by contrastive divergence one after another
[lee2009convolutional].

Defaults are those of the authors' later program for its lowest layer [lee2011code, demo_cdbn.m], but it
learns from one image at a time, at a rate that falls and with a momentum of 0.5 in its first epochs.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key
from pydantic import Field

from repro.models.convolutional_rbm import (
    ConvolutionalRBM,
    PooledUnits,
    Stack,
    cropped,
    detection_mean,
    energy,
    pooled,
    sample_detection,
    visible_mean,
)
from repro.models.rbm import Units, sample_visible
from repro.training.compiling import jitted
from repro.training.counts import of_each
from repro.training.fit import UNWATCHED, Monitor, Trainer, by_minibatch, fit, over_seeds
from repro.typed import Count, NotNegative, Positive, Share, choice

AT_A_TIME = 100  # cases whose features are found at once: 4 MB of detection units, of MNIST under 40 filters
ENDLESS = np.iinfo(np.int32).max  # updates

Shape = tuple[int, int, int]  # channels, rows and columns of an image
States = tuple[Float[Array, "_ C Y X"], Float[Array, "_ K I J"]]  # visible and detection units, or means


class Setting(NamedTuple):
    """What may differ between machines trained side by side: of `ConvolutionalLearning` the fields of these
    names, and after how many updates one learns no more, though others may.
    """

    learning_rate: Float[Array, "*S"]
    sparsity: Float[Array, "*S"]
    sparsity_strength: Float[Array, "*S"]
    weight_decay: Float[Array, "*S"]
    momentum: Float[Array, "*S"]
    n_updates: Int[Array, "*S"]


@choice
class ConvolutionalLearning:
    """How one convolutional RBM is trained."""

    k: Count = 1  # Gibbs steps between data and reconstruction
    mean_field: bool = True  # reconstructions stay means; False samples them
    learning_rate: Positive = 0.02  # of gradients averaged over cases and over places in them
    sparsity: Share = 0.002  # of each base: the mean of its detection units, which its bias is pushed to
    sparsity_strength: NotNegative = 5.0  # inside the learning-rate bracket, times mean less target
    weight_decay: NotNegative = 0.01  # inside the learning-rate bracket, filters only
    momentum: Share = 0.9
    batch_size: Count = 100
    n_epochs: Count = 100

    def setting(self) -> Setting:
        """The values that may differ between machines trained side by side; this one learns on and on."""
        *names, _ = Setting._fields
        own = {name: jnp.asarray(getattr(self, name)) for name in names}
        return Setting(**own, n_updates=jnp.int32(ENDLESS))


@choice
class ConvolutionalLayer:
    """One convolutional RBM."""

    n_bases: Count = 40
    side: Count = 12  # of its filters, which are square
    block: Count = 2  # side of the blocks of detection units
    learning: ConvolutionalLearning = ConvolutionalLearning()

    def units(self, visible: Literal["binary", "real"] = "binary") -> PooledUnits:
        """What its units are."""
        return PooledUnits(visible, self.block)

    def pooled_shape(self, image: Shape) -> Shape:
        """That of its pooling layer: bases, rows and columns."""
        _, rows, columns = image
        down, across = ((n - self.side + 1) // self.block for n in (rows, columns))
        return self.n_bases, down, across


@choice
class ConvolutionalPretraining:
    """How a convolutional deep belief network is trained, the lowest layer first   [lee2009convolutional]."""

    layers: Annotated[tuple[ConvolutionalLayer, ...], Field(min_length=1)] = (
        ConvolutionalLayer(),
        ConvolutionalLayer(side=6),
    )
    scale: Positive = 0.01  # of the weights that training starts from, N(0, scale²)
    kind: Literal["convolutional"] = "convolutional"


class ConvolutionalState(NamedTuple):
    """What the next minibatch needs."""

    params: ConvolutionalRBM
    velocity: ConvolutionalRBM
    setting: Setting


def convolutional_trainer(units: PooledUnits, config: ConvolutionalLearning, image: Shape) -> Trainer:
    """Trains a convolutional RBM by CD-k on images of this shape, each case one of them in a row, cropped
    where blocks would not tile the detection layer.

    Info: `reconstruction_error`, squared, of the k-step reconstruction, summed over the units that are not
    cropped, averaged over cases; `activation`, the mean of the detection units given the data.
    """

    def init(key, rbm, inputs):
        del key, inputs
        return ConvolutionalState(rbm, jax.tree.map(jnp.zeros_like, rbm), config.setting())

    def step(key, state, batch, n):
        rbm, velocity, setting = state
        v = cropped(units.block, rbm.filters.shape[2:], batch.reshape(len(batch), *image))
        data = v, detection_means(units, rbm, v)
        model = gibbs_chain(key, units, rbm, data, config.k, mean_field=config.mean_field)
        activation = data[1].mean((0, 2, 3))
        slope = regularised(setting, rbm, difference(units, rbm, data, model), activation)
        learns = n < setting.n_updates
        velocity = jax.tree.map(
            lambda moved, x: jnp.where(learns, setting.momentum * moved - setting.learning_rate * x, 0.0),
            velocity,
            slope,
        )
        error = jnp.sum((v - model[0]) ** 2, axis=(1, 2, 3)).mean()
        info = {"reconstruction_error": error, "activation": activation.mean()}
        return ConvolutionalState(jax.tree.map(jnp.add, rbm, velocity), velocity, setting), info

    return by_minibatch(init, step)


def from_a_setting(inner: Trainer) -> Trainer:
    """The trainer that starts from parameters and a setting, which takes the place of its configuration's."""

    def init(key, started, inputs):
        rbm, setting = started
        return inner.init(key, rbm, inputs)._replace(setting=setting)

    return inner._replace(init=init)


def detection_means(
    units: PooledUnits, rbm: ConvolutionalRBM, v: Float[Array, "B C Y X"]
) -> Float[Array, "B K I J"]:
    """P(h = 1 | v) of every case."""
    return jax.vmap(partial(detection_mean, units), (None, 0))(rbm, v)


def gibbs_chain(
    key: Key[Array, ""],
    units: PooledUnits,
    rbm: ConvolutionalRBM,
    start: States,
    k: int,
    *,
    mean_field: bool = False,
) -> States:
    """Visible units after k steps v -> h ~ p(h | v) -> v' ~ p(v | h), or with mean_field v' = E[v | h]; with
    them, before and after, the means of detection units given them.
    """

    def step(i, states):
        key_h, key_v = jr.split(jr.fold_in(key, i))
        h = sample_detection(key_h, units, states[1])
        v = jax.vmap(partial(visible_mean, units), (None, 0))(rbm, h)
        v = v if mean_field else sample_visible(key_v, Units(units.visible), v)
        return v, detection_means(units, rbm, v)

    return jax.lax.fori_loop(0, k, step, start) if k > 1 else step(jnp.int32(0), start)


def difference(units: PooledUnits, rbm: ConvolutionalRBM, data: States, model: States) -> ConvolutionalRBM:
    """Gradient of mean E(data) - mean E(model), both held fixed; with means of detection units given the
    visible ones that of mean F(data) - mean F(model).

    Each mean is over the cases of its phase. Those of filters and hidden biases are also over the places of
    the detection layer, those of visible biases over the pixels of a channel   [lee2011code, fobj_crbm.m].
    """

    def mean_energy(rbm, states):
        return jax.vmap(partial(energy, units), (None, 0, 0))(rbm, *states).mean()

    filters, visible, hidden = jax.grad(lambda rbm: mean_energy(rbm, data) - mean_energy(rbm, model))(rbm)
    n_pixels, n_places = (x.shape[2] * x.shape[3] for x in data)
    return ConvolutionalRBM(filters / n_places, visible / n_pixels, hidden / n_places)


def regularised(
    setting: Setting, rbm: ConvolutionalRBM, gradient: ConvolutionalRBM, activation: Float[Array, " K"]
) -> ConvolutionalRBM:
    """The gradient with decay of the filters, and with the push of each hidden bias by which the activation
    of its base, averaged over cases and places, comes to the target   [lee2009convolutional].
    """
    push = setting.sparsity_strength * (activation - setting.sparsity)
    return gradient._replace(
        filters=gradient.filters + setting.weight_decay * rbm.filters,
        hidden_bias=gradient.hidden_bias + push,
    )


# --- one after another -------------------------------------------------------------------------------


class ConvolutionalPretrained(NamedTuple):
    """A trained stack (every leaf with leading axis S) and what it cost."""

    stack: Stack
    curves: dict[str, np.ndarray]  # [S, epochs]: `reconstruction_error_layer1`, `activation_layer1` ...
    seconds: float
    compile_seconds: float
    diverged: np.ndarray  # [S]: the epoch of its layer at which values ceased to be numbers, or -1


def pretrain_convolutional(
    keys: Key[Array, " S"],
    config: ConvolutionalPretraining,
    images: Float[Array, "*seeds N V"],
    image: Shape,
    *,
    visible: Literal["binary", "real"] = "binary",
    settings: tuple[Setting, ...] | None = None,
    monitor: Monitor = UNWATCHED,
) -> ConvolutionalPretrained:
    """Train the RBMs for each key, the lowest on images of this shape, every other one on the means of the
    pooling units of the one below, which it takes for binary pixels.

    Settings, one for each layer, with leading axis S, take the place of those of the configuration.

    Raises:
        ValueError: if there are not as many settings as layers.
    """
    if settings is not None and len(settings) != len(config.layers):
        raise ValueError(f"settings: {len(settings)} are not one for each of {len(config.layers)} layers")
    trained, curves, seconds, compile_seconds = [], {}, 0.0, 0.0
    inputs, diverged = images, np.full(len(keys), -1)
    for depth, layer in enumerate(config.layers):
        key_start, key_fit = (jax.vmap(jr.fold_in, (0, None))(keys, 2 * depth + i) for i in (0, 1))
        units = layer.units("binary" if depth else visible)
        shape = layer.n_bases, image[0], layer.side, layer.side
        start = jitted(jax.vmap(partial(random_rbm, shape=shape, scale=config.scale)))(key_start)
        trainer = convolutional_trainer(units, layer.learning, image)
        fitted = fit(
            key_fit,
            from_a_setting(trainer) if settings else trainer,
            (start, settings[depth]) if settings else start,
            inputs,
            n_epochs=layer.learning.n_epochs,
            batch_size=layer.learning.batch_size,
            phase=f"layer{depth + 1}",
            monitor=monitor,
        )
        trained.append(fitted.state.params)
        if depth + 1 < len(config.layers):
            (inputs,) = pooled_features((units,), (trained[-1],), inputs, image)
            image = layer.pooled_shape(image)
        curves |= {f"{curve}_layer{depth + 1}": values for curve, values in fitted.curves.items()}
        seconds += float(fitted.seconds.sum())
        compile_seconds += fitted.compile_seconds
        diverged = np.where(diverged < 0, fitted.diverged, diverged)
    return ConvolutionalPretrained(tuple(trained), curves, seconds, compile_seconds, diverged)


def random_rbm(key: Key[Array, ""], shape: tuple[int, int, int, int], scale: float) -> ConvolutionalRBM:
    """Filters of this shape, bases first, from N(0, scale²); biases 0."""
    return ConvolutionalRBM(scale * jr.normal(key, shape), jnp.zeros(shape[1]), jnp.zeros(shape[0]))


def pooled_features(
    units: tuple[PooledUnits, ...],
    stack: Stack,
    images: Float[Array, "*seeds N V"],
    image: Shape,
    at_a_time: int = AT_A_TIME,
) -> tuple[Float[Array, "S N _"], ...]:
    """Means of the pooling units of each layer for every case, under stacks with leading axis S; see
    `pooled_of_each`.
    """
    features = partial(pooled_of_each, units, image, at_a_time)
    return jitted(over_seeds(features, (0, None if images.ndim == 2 else 0)))(stack, images)


def pooled_of_each(
    units: tuple[PooledUnits, ...],
    image: Shape,
    at_a_time: int,
    stack: Stack,
    images: Float[Array, "N V"],
) -> tuple[Float[Array, "N _"], ...]:
    """Means of the pooling units of each layer for every case, an image of this shape in a row: bases, rows
    and columns in a row too; of so many cases at a time.
    """

    def of_case(case):
        return tuple(layer.ravel() for layer in pooled(units, stack, case.reshape(image)))

    return of_each(of_case, images, at_a_time)
