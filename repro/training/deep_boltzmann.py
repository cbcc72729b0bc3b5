"""Deep Boltzmann machines: RBMs trained one after another with doubled inputs, put together, and then trained
as one, by mean field for the data and persistent chains for the model   [salakhutdinov2009deep].

Defaults are those of the authors' program [salakhutdinov2009code]. Left out of it are its labels and its
penalty on units that are often on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import log1p
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key
from pydantic import Field

from repro.models.dbm import DBM, energy, log_odds, mean_field
from repro.models.initialise import gaussian
from repro.models.rbm import RBM
from repro.models.stack import Stack
from repro.training.binary import drawn_anew
from repro.training.compiling import jitted
from repro.training.fit import UNWATCHED, Monitor, Trainer, by_minibatch, fit, over_seeds
from repro.training.greedy import Pretrained
from repro.training.shared import names
from repro.typed import Count, NotNegative, Positive, Share, choice

PROGRAM = 1  # one more whenever the same choices give other numbers: RBMs trained before are then not taken

States = tuple[Float[Array, "_ _"], ...]  # of several cases or chains, layer by layer, the visible one first
Momentum = tuple[Share, Share]


@choice
class DoubledPretraining:
    """How the RBMs are trained, the lowest first. Each has a number of epochs and the standard deviation of
    the weights that it starts from.
    """

    n_epochs: Annotated[tuple[Count, ...], Field(min_length=2)] = (100, 200)
    scales: Annotated[tuple[Positive, ...], Field(min_length=2)] = (0.001, 0.01)
    k: Count = 1  # Gibbs steps of the reconstruction
    one_more_every: Count | None = 20  # epochs, above the lowest RBM; None: never
    learning_rate: Positive = 0.05  # over the number of Gibbs steps
    weight_decay: NotNegative = 0.001  # inside the learning-rate bracket, weights only
    momentum: Momentum = (0.5, 0.9)  # before and from `momentum_epoch` on
    momentum_epoch: int = 5  # epochs at the first momentum
    batch_size: Count = 100
    kind: Literal["doubled"] = "doubled"

    def __post_init__(self) -> None:
        """Refuse a start for other RBMs than are trained.

        Raises:
            ValueError: naming the field.
        """
        if len(self.scales) != len(self.n_epochs):
            raise ValueError(f"scales must be as many as n_epochs: {self.scales}")

    def n_gibbs(self, depth: int, epoch: Any) -> Any:
        """Gibbs steps of the RBM at this depth in this epoch, counted from 0."""
        return self.k + (epoch // self.one_more_every if depth and self.one_more_every else 0)


@choice
class JointLearning:
    """How all layers are trained together; for the results of the paper it was for 500 epochs."""

    n_epochs: Count = 300
    n_mean_field: Count = 10  # updates of the means, from ½, for each minibatch
    n_chains: Count = 100  # that live on between minibatches, from states that are on half the time
    n_gibbs: Count = 5  # steps of each chain for each minibatch
    learning_rate: Positive = 0.001
    rate_falls: NotNegative = 0.000015  # the rate is divided by 1 + this before each update
    least_rate: NotNegative = 0.0001
    weight_decay: NotNegative = 0.0002  # inside the learning-rate bracket, weights only
    momentum: Momentum = (0.5, 0.9)  # before and from `momentum_epoch` on
    momentum_epoch: int = 5
    batch_size: Count = 100

    def __post_init__(self) -> None:
        """Refuse a rate that would begin below its least value.

        Raises:
            ValueError: naming the field.
        """
        if self.least_rate > self.learning_rate:
            raise ValueError(f"least_rate {self.least_rate} is above learning_rate {self.learning_rate}")

    def rate(self, n_updates: Int[Array, ""]) -> Float[Array, ""]:
        """The learning rate after so many updates."""
        fallen = jnp.exp(-log1p(self.rate_falls) * (jnp.asarray(n_updates, float) + 1))
        return jnp.maximum(self.learning_rate * fallen, self.least_rate)


@choice
class Unpretrained:
    """Weights N(0, scale²), biases 0."""

    scale: Positive = 0.001
    kind: Literal["unpretrained"] = "unpretrained"


@choice
class DeepBoltzmann:
    """How a deep Boltzmann machine learns."""

    start: Annotated[DoubledPretraining | Unpretrained, Field(discriminator="kind")] = DoubledPretraining()
    joint: JointLearning = JointLearning()
    kind: Literal["deep boltzmann"] = "deep boltzmann"


# --- RBM by RBM --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copies:
    """How many copies of its visible and of its hidden units an RBM has. Its energy is that of the plain RBM,
    summed over all pairs of a copy of the ones and a copy of the others; so a unit receives its input, its
    bias included, once from every copy.
    """

    visible: int = 1
    hidden: int = 1


def copies(depth: int, n_rbms: int) -> Copies:
    """Two of the visible units of the lowest RBM and of the hidden units of the uppermost: these stand for
    the layers that are not there yet   [salakhutdinov2009deep, section 3.1].
    """
    return Copies(1 + (depth == 0 < n_rbms - 1), 1 + (0 < depth == n_rbms - 1))


def doubled_hidden_mean(of: Copies, rbm: RBM, v: Float[Array, "B V"]) -> Float[Array, "B H"]:
    """P(h = 1 | every copy of the visible units in the state v)."""
    W, _, c = rbm
    return jax.nn.sigmoid(of.visible * (c[None] + v @ W))


def doubled_visible_mean(of: Copies, rbm: RBM, h: Float[Array, "B H"]) -> Float[Array, "B V"]:
    """P(v = 1 | every copy of the hidden units in the state h)."""
    W, b, _ = rbm
    return jax.nn.sigmoid(of.hidden * (b[None] + h @ W.T))


def doubled_trainer(config: DoubledPretraining, depth: int, *, steps_per_epoch: int) -> Trainer:
    """Trains the RBM at this depth on binary cases by CD-k; everything is sampled but the last hidden means.

    Info: `reconstruction_error`, squared, of the k-step reconstruction, summed over visible units, averaged
    over cases.
    """
    of = copies(depth, len(config.n_epochs))

    def n_gibbs(n_updates):
        return config.n_gibbs(depth, n_updates // steps_per_epoch)

    def rate(n_updates):
        return config.learning_rate / jnp.asarray(n_gibbs(n_updates), float)

    optimiser = descent(config, rate, steps_per_epoch)

    def init(key, rbm, inputs):
        del key, inputs
        return RBMState(rbm, optimiser.init(rbm))

    def step(key, state, batch, n):
        rbm = state.params
        h_data = doubled_hidden_mean(of, rbm, batch)

        def gibbs(i, pair):
            key_h, key_v = jr.split(jr.fold_in(key, i))
            v = _drawn(key_v, doubled_visible_mean(of, rbm, _drawn(key_h, pair[1])))
            return v, doubled_hidden_mean(of, rbm, v)

        v, h = jax.lax.fori_loop(0, n_gibbs(n), gibbs, (batch, h_data))
        gradient = RBM(
            v.T @ h / len(v) - batch.T @ h_data / len(batch),
            v.mean(0) - batch.mean(0),
            h.mean(0) - h_data.mean(0),
        )
        updated, opt_state = _descended(optimiser, gradient, state)
        return RBMState(updated, opt_state), {"reconstruction_error": jnp.sum((batch - v) ** 2, 1).mean()}

    return by_minibatch(init, step)


class RBMState(NamedTuple):
    """What the next minibatch needs."""

    params: RBM
    opt_state: Any


def pretrain_doubled(
    keys: Key[Array, " S"],
    config: DoubledPretraining,
    sizes: tuple[int, ...],
    inputs: Float[Array, "N V"],
    monitor: Monitor = UNWATCHED,
) -> Pretrained:
    """Train an RBM between every two of the layers with these sizes, the visible one first, for each key.

    Every epoch draws new binary cases: of the inputs, pixels in [0, 1], and above the lowest RBM of its
    hidden means given those of the layer below.

    Raises:
        ValueError: if there are not as many RBMs as the configuration is for.
    """
    if len(sizes) != len(config.n_epochs) + 1:
        raise ValueError(
            f"n_epochs: {len(config.n_epochs)} RBMs are not those between layers of {sizes} units"
        )
    trained, curves, seconds, compile_seconds = [], {}, 0.0, 0.0
    known_by = _names(keys, config, sizes, inputs.shape)
    for depth, (pair, name) in enumerate(zip(pairwise(sizes), known_by, strict=True)):
        key_start, key_fit = (jax.vmap(jr.fold_in, (0, None))(keys, 2 * depth + i) for i in (0, 1))
        steps_per_epoch = inputs.shape[-2] // config.batch_size
        fitted = fit(
            key_fit,
            drawn_anew(doubled_trainer(config, depth, steps_per_epoch=steps_per_epoch)),
            _random_rbms(key_start, pair, config.scales[depth]),
            inputs,
            n_epochs=config.n_epochs[depth],
            batch_size=config.batch_size,
            phase=f"layer{depth + 1}",
            monitor=monitor.sharing(name),
        )
        trained.append(fitted.state.params)
        if depth + 2 < len(sizes):
            inputs = _climbed(copies(depth, len(config.n_epochs)), trained[-1], inputs)
        curves |= {f"{curve}_layer{depth + 1}": values for curve, values in fitted.curves.items()}
        seconds += float(fitted.seconds.sum())
        compile_seconds += fitted.compile_seconds
    return Pretrained(tuple(trained), curves, seconds, compile_seconds)


def _names(
    keys: Key[Array, " S"], config: DoubledPretraining, sizes: tuple[int, ...], shape: tuple[int, ...]
) -> Iterator[str]:
    """What the training of each RBM is known by: machines that begin alike share the RBMs that they have in
    common, of which the uppermost is none.
    """
    each = {"n_epochs", "scales"}
    always = PROGRAM, "doubled", shape, [item for item in vars(config).items() if item[0] not in each]
    of = [copies(depth, len(config.n_epochs)) for depth in range(len(config.n_epochs))]
    layers = zip(of, pairwise(sizes), config.n_epochs, config.scales, strict=True)
    return names(keys, always, layers)


def _climbed(of: Copies, rbm: RBM, inputs: Float[Array, "*seeds N V"]) -> Float[Array, "S N H"]:
    over = None if inputs.ndim == 2 else 0
    return jitted(over_seeds(partial(doubled_hidden_mean, of), (0, over)))(rbm, inputs)


def _random_rbms(keys: Key[Array, " S"], shape: tuple[int, int], scale: float) -> RBM:
    def one(key):
        return RBM(gaussian(key, shape, scale), *map(jnp.zeros, shape))

    return jitted(jax.vmap(one))(keys)


def composed(stack: Stack) -> DBM:
    """The RBMs as one machine: a layer between two of them has the biases of both. Those that have no copies,
    between the lowest and the uppermost, are halved, for the layers on both their sides now receive input
    from both sides   [salakhutdinov2009deep, section 3.1].

    Leaves may have leading axis S.
    """

    def halved(depth, rbm):
        plain = len(stack) > 1 and copies(depth, len(stack)) == Copies()
        return jax.tree.map(lambda x: 0.5 * x, rbm) if plain else rbm

    stack = tuple(halved(depth, rbm) for depth, rbm in enumerate(stack))
    between = (below.hidden_bias + above.visible_bias for below, above in pairwise(stack))
    biases = stack[0].visible_bias, *between, stack[-1].hidden_bias
    return DBM(tuple(rbm.weights for rbm in stack), biases)


def random_dbm(key: Key[Array, ""], sizes: tuple[int, ...], scale: float) -> DBM:
    """Weights N(0, scale²), biases 0."""
    pairs = enumerate(pairwise(sizes))
    weights = tuple(gaussian(jr.fold_in(key, depth), pair, scale) for depth, pair in pairs)
    return DBM(weights, tuple(map(jnp.zeros, sizes)))


class Begun(NamedTuple):
    """A machine before its layers learn together (every leaf with leading axis S), and what it cost."""

    dbm: DBM
    curves: dict[str, np.ndarray]  # [S, epochs]: `reconstruction_error_layer1` ...
    seconds: float
    compile_seconds: float


def begun(
    keys: Key[Array, " S"],
    how: DoubledPretraining | Unpretrained,
    sizes: tuple[int, ...],
    inputs: Float[Array, "N V"],
    monitor: Monitor = UNWATCHED,
) -> Begun:
    """The machine of each key, its layers of these sizes, from which joint learning starts."""
    if isinstance(how, Unpretrained):
        return Begun(jitted(jax.vmap(partial(random_dbm, sizes=sizes, scale=how.scale)))(keys), {}, 0.0, 0.0)
    pretrained = pretrain_doubled(keys, how, sizes, inputs, monitor)
    return Begun(composed(pretrained.stack), *pretrained[1:])


# --- all layers together -----------------------------------------------------------------------------


class DeepBoltzmannState(NamedTuple):
    """What the next minibatch needs."""

    params: DBM
    opt_state: Any
    chains: States


def difference(dbm: DBM, data: States, model: States) -> DBM:
    """Gradient of mean E(data) - mean E(model), both held fixed: the statistics of the model less those of
    the data, each a mean of its own. With data means of q(h | v) it is that of minus the bound of log p(v)
    but for what the chains lack   [salakhutdinov2009deep].
    """

    def mean_energy(dbm, states):
        return jax.vmap(energy, (None, 0))(dbm, states).mean()

    return jax.grad(lambda dbm: mean_energy(dbm, data) - mean_energy(dbm, model))(dbm)


def inferred(dbm: DBM, v: Float[Array, "B V"], n_updates: int) -> States:
    """The cases, and the means of their hidden layers by mean field."""
    return v, *jax.vmap(partial(mean_field, dbm, n_updates=n_updates))(v)


def means(dbm: DBM, states: States) -> States:
    """Of every unit the probability to be on, given the layers next to its own."""
    return tuple(map(jax.nn.sigmoid, jax.vmap(log_odds, (None, 0))(dbm, states)))


def gibbs_step(key: Key[Array, ""], dbm: DBM, states: States) -> States:
    """The odd layers are drawn given the even ones, the visible one among them; then those given them."""
    for side in (1, 0):
        drawn = enumerate(zip(states, means(dbm, states), strict=True))
        key_side = jr.fold_in(key, side)
        states = tuple(
            _drawn(jr.fold_in(key_side, depth), mean) if depth % 2 == side else x
            for depth, (x, mean) in drawn
        )
    return states


def run_chains(key: Key[Array, ""], dbm: DBM, start: States, n_steps: int) -> States:
    """Chains after so many Gibbs steps."""
    return jax.lax.fori_loop(0, n_steps, lambda i, states: gibbs_step(jr.fold_in(key, i), dbm, states), start)


def random_states(key: Key[Array, ""], dbm: DBM, n_chains: int) -> States:
    """Of so many chains, every unit on half the time: where chains begin."""
    half = (jnp.full((n_chains, len(bias)), 0.5, bias.dtype) for bias in dbm.biases)
    return tuple(_drawn(jr.fold_in(key, depth), mean) for depth, mean in enumerate(half))


def smoothed(dbm: DBM, chains: States) -> States:
    """The chains with means for the states of odd layers, given the even ones: statistics of the same
    expectation with less noise.
    """
    pairs = enumerate(zip(chains, means(dbm, chains), strict=True))
    return tuple(mean if depth % 2 else x for depth, (x, mean) in pairs)


def deep_boltzmann_trainer(config: JointLearning, *, steps_per_epoch: int) -> Trainer:
    """Trains a deep Boltzmann machine on binary cases.

    Info: `reconstruction_error`, squared, of the pixels' probabilities given the means that mean field finds,
    summed over pixels, averaged over cases.
    """
    optimiser = descent(config, config.rate, steps_per_epoch)

    def init(key, dbm, inputs):
        del inputs
        return DeepBoltzmannState(dbm, optimiser.init(dbm), random_states(key, dbm, config.n_chains))

    def step(key, state, batch, n):
        del n
        dbm = state.params
        data = inferred(dbm, batch, config.n_mean_field)
        chains = run_chains(key, dbm, state.chains, config.n_gibbs)
        gradient = difference(dbm, data, smoothed(dbm, chains))
        updated, opt_state = _descended(optimiser, gradient, state)
        error = jnp.sum((batch - means(dbm, data)[0]) ** 2, axis=1).mean()
        return DeepBoltzmannState(updated, opt_state, chains), {"reconstruction_error": error}

    return by_minibatch(init, step)


# --- both --------------------------------------------------------------------------------------------


def descent(
    config: DoubledPretraining | JointLearning, rate: Callable, steps_per_epoch: int
) -> optax.GradientTransformation:
    """Δ = momentum Δ - rate (gradient + decay W), then W += Δ; the rate is one of the number of updates."""
    early, late = config.momentum
    switch = config.momentum_epoch * steps_per_epoch
    return optax.chain(
        optax.add_decayed_weights(config.weight_decay, mask=_weights_only),
        optax.scale_by_schedule(lambda n: -rate(n)),
        optax.inject_hyperparams(optax.trace)(decay=lambda n: jnp.where(n < switch, early, late)),
    )


def _weights_only(params: Any) -> Any:
    none = jax.tree.map(lambda _: False, params)
    return none._replace(weights=jax.tree.map(lambda _: True, params.weights))


def _descended(optimiser: optax.GradientTransformation, gradient: Any, state: Any) -> tuple[Any, Any]:
    """New parameters and state of the optimiser."""
    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats; we do not
        updates, opt_state = optimiser.update(gradient, state.opt_state, state.params)
        return jax.tree.map(jnp.add, state.params, updates), opt_state


def _drawn(key, mean):
    return jr.bernoulli(key, mean).astype(mean.dtype)
