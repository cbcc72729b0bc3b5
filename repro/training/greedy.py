"""Greedy layerwise pretraining: train an RBM, climb, repeat   [hinton2006science, p. 504]."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from repro.models.dbn import BINARY
from repro.models.rbm import RBM, Units, sample_hidden
from repro.models.stack import Stack
from repro.training.binary import drawn_anew
from repro.training.compiling import jitted
from repro.training.contrastive import Contrastive, contrastive_trainer, hidden_means
from repro.training.counts import Counts
from repro.training.fit import UNWATCHED, Monitor, Trainer, fit, over_seeds
from repro.training.shared import names
from repro.typed import choice

PROGRAM = 3  # one more whenever the same choices give other numbers: layers trained before are then not taken


# a layer's data: the hidden means of the trained RBM below, or those met during its last epoch, while its
# weights still moved   [hinton2006code, rbm.m]
Climb = Literal["trained", "in flight"]
Seen = Literal["means", "states"]  # a layer's data: hidden means, or states drawn anew in every epoch


@choice
class Pretraining:
    """How a stack is pretrained; defaults as in the authors' program [hinton2006code, mnistdeepauto.m]."""

    n_epochs: int = 50  # per layer
    batch_size: int = 100
    contrastive: Contrastive = Contrastive()
    top_learning_rate: float = 0.001  # of the RBM with linear hidden units [hinton2006code, rbmhidlinear.m]
    first_learning_rate: float | None = None  # of the lowest RBM, where it is not that of the others
    first_n_epochs: int | None = None  # likewise
    climb: Climb = "trained"
    seen: Seen = "means"

    def layer(self, depth: int, units: Units) -> tuple[Contrastive, int]:
        """How the RBM at this depth, with these units, is trained, and for how many epochs."""
        rate, n_epochs = self.contrastive.learning_rate, self.n_epochs
        if depth == 0 and self.first_learning_rate is not None:
            rate = self.first_learning_rate
        if depth == 0 and self.first_n_epochs is not None:
            n_epochs = self.first_n_epochs
        if units.hidden == "real":
            rate = self.top_learning_rate
        return replace(self.contrastive, learning_rate=rate), n_epochs


class Pretrained(NamedTuple):
    """A trained stack (every leaf with leading axis S) and what it cost."""

    stack: Stack
    curves: dict[str, np.ndarray]  # [S, epochs]: `reconstruction_error_layer1` ...
    seconds: float
    compile_seconds: float


def pretrain(
    keys: Key[Array, " S"],
    config: Pretraining,
    units: tuple[Units, ...],
    stack: Stack,
    inputs: Float[Array, "N V"] | Counts,
    monitor: Monitor = UNWATCHED,
    *,
    shuffle: bool = True,
) -> Pretrained:
    """Train the RBMs of `stack` (leading axis S), whose units are given, one after another, lowest first.

    Each learns from the hidden means of the RBM below; or from hidden states given those of the layer below
    it, the lowest from pixels drawn as their values say. It does so from minibatches that are drawn anew for
    every epoch, or without `shuffle` are the cases as they lie, cut. Stacks that begin alike, such as those
    of networks that differ in the code layer alone, share the RBMs they have in common; but not if data met
    in flight are to be had, which are not kept with a trained RBM.
    """
    trained, curves, seconds, compile_seconds = [], {}, 0.0, 0.0
    always = PROGRAM, inputs.shape, config.batch_size, shuffle, config.climb, config.seen
    layers = [(kinds, *config.layer(depth, kinds), *stack[depth]) for depth, kinds in enumerate(units)]
    in_flight = config.climb == "in flight"
    for depth, (kinds, rbm, name) in enumerate(zip(units, stack, names(keys, always, layers), strict=True)):
        contrastive, n_epochs = config.layer(depth, kinds)
        trainer = contrastive_trainer(
            kinds,
            contrastive,
            batch_size=config.batch_size,
            steps_per_epoch=inputs.shape[-2] // config.batch_size,
            n_epochs=n_epochs,
            keep_hidden=in_flight and depth + 1 < len(stack),
        )
        states, above = config.seen == "states", config.seen == "states" and depth > 0
        if states:
            trainer = drawn_anew(above_others(trainer) if above else trainer)
        layer = f"layer{depth + 1}"
        fitted = fit(
            jax.vmap(jr.fold_in, (0, None))(keys, depth),
            trainer,
            Upper(rbm, tuple(trained)) if above else rbm,
            inputs,
            n_epochs=n_epochs,
            batch_size=config.batch_size,
            shuffle=shuffle,
            phase=layer,
            monitor=monitor if in_flight else monitor.sharing(name),
        )
        if depth + 1 < len(stack) and not states:
            inputs = fitted.state.hidden if in_flight else climb(kinds, fitted.state.params, inputs)
        trained.append(fitted.state.params.rbm if above else fitted.state.params)
        curves |= {f"{curve}_{layer}": values for curve, values in fitted.curves.items()}
        seconds += float(fitted.seconds.sum())
        compile_seconds += fitted.compile_seconds
    return Pretrained(tuple(trained), curves, seconds, compile_seconds)


class Upper(NamedTuple):
    """An RBM that learns, and the trained ones below it, the lowest first."""

    rbm: RBM
    below: Stack


class UpperState(NamedTuple):
    """What the next epoch needs: of the RBM that learns, what its trainer keeps."""

    params: Upper
    kept: Any


def above_others(trainer: Trainer) -> Trainer:
    """The same of an RBM whose cases are hidden states of those below it, drawn layer by layer given the
    cases, binary pixels: what the bound of a deep belief network is about   [hinton2006dbn].
    """

    def states(key, below, inputs):
        for i, rbm in enumerate(below):
            inputs = sample_hidden(jr.fold_in(key, i), BINARY, hidden_means(BINARY, rbm, inputs))
        return inputs

    def init(key, upper, inputs):
        key_up, key_init = jr.split(key)
        return UpperState(upper, trainer.init(key_init, upper.rbm, states(key_up, upper.below, inputs)))

    def epoch(key, state, inputs, order, n_before):
        key_up, key_epoch = jr.split(key)
        drawn = states(key_up, state.params.below, inputs)
        kept, infos = trainer.epoch(key_epoch, state.kept, drawn, order, n_before)
        return UpperState(state.params._replace(rbm=kept.params), kept), infos

    return Trainer(init, epoch)


def climb(units: Units, rbm: RBM, inputs: Float[Array, "*seeds N V"] | Counts) -> Float[Array, "S N H"]:
    """The hidden means of all cases under RBMs with leading axis S: the data of the next layer."""
    over = None if inputs.ndim == 2 else 0
    return jitted(over_seeds(partial(hidden_means, units), (0, over)))(rbm, inputs)
