"""Hidden layers that learn by backprop before the network does: to reconstruct, or to tell classes apart.

Autoassociators and supervised greedy layers are those of bengio2007greedy, section 4: each layer is trained
in a network of its own with one hidden layer, its output layer is thrown away, and its hidden states are the
data of the next.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from repro.models.initialise import glorot
from repro.models.perceptron import Layers, Perceptron, cross_entropy, features, outputs, random_layers
from repro.training.backprop import backprop_trainer
from repro.training.compiling import drawn, jitted
from repro.training.fit import UNWATCHED, Monitor, fit, over_seeds
from repro.training.labelled import Labelled
from repro.training.optimisers.first_order import Adam, first_order
from repro.training.shared import names
from repro.typed import Count, Positive, choice

PROGRAM = 1  # one more whenever the same choices give other numbers: layers trained before are then not taken
Goal = Literal["reconstruct", "classify"]


@choice
class Layerwise:
    """How layers are trained before the network is."""

    n_epochs: Count = 50  # of each
    batch_size: Count = 100
    learning_rate: Positive = 1e-3  # Adam's
    one_by_one: bool = True  # False: all of them as one network

    def groups(self, sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The sizes of the layers that are trained together, each group with its inputs first."""
        return [sizes[i : i + 2] for i in range(len(sizes) - 1)] if self.one_by_one else [sizes]


class Learnt(NamedTuple):
    """Hidden layers (every leaf with leading axis S) and what they cost."""

    hidden: Layers
    curves: dict[str, np.ndarray]  # [S, epochs]: `loss_layer1` ...
    seconds: float
    compile_seconds: float


def learn_layers(
    keys: Key[Array, " S"],
    goal: Goal,
    how: Layerwise,
    sizes: tuple[int, ...],
    cases: Labelled,
    n_classes: int,
    monitor: Monitor = UNWATCHED,
) -> Learnt:
    """Logistic hidden layers of these sizes (inputs first) that have learnt, from Glorot's start, to
    reconstruct the cases, pixels in [0, 1], by their cross-entropy, or to classify them.
    """
    hidden: Layers = ()
    curves, seconds, compile_seconds = {}, 0.0, 0.0
    groups = how.groups(sizes)
    known = names(keys, (PROGRAM, goal, how, cases.shape), [(group,) for group in groups])
    for depth, (group, name) in enumerate(zip(groups, known, strict=True), 1):
        whole = (*group, n_classes) if goal == "classify" else (*group, *group[-2::-1])
        of = Perceptron(whole)
        n_updates = how.n_epochs * (cases.shape[-2] // how.batch_size)
        keys_layer = jax.vmap(jr.fold_in, (0, None))(keys, depth)
        started = drawn(partial(random_layers, sizes=whole, draw=glorot), keys_layer)
        fitted = fit(
            keys_layer,
            backprop_trainer(partial(_loss, goal, of), first_order(Adam(how.learning_rate), n_updates)),
            started,
            cases,
            n_epochs=how.n_epochs,
            batch_size=how.batch_size,
            phase=f"layer{depth}",
            monitor=monitor.sharing(name),
        )
        learnt = tuple(fitted.state.params[: len(group) - 1])
        hidden += learnt
        if len(hidden) + 1 < len(sizes):
            cases = climb(of, learnt, cases)
        curves[f"loss_layer{depth}"] = fitted.curves["loss"]
        seconds += float(fitted.seconds.sum())
        compile_seconds += fitted.compile_seconds
    return Learnt(hidden, curves, seconds, compile_seconds)


def climb(of: Perceptron, hidden: Layers, cases: Labelled) -> Labelled:
    """The states of the last of these layers, of S seeds, as cases [S N H] with their labels."""
    over = None if cases.ndim == 2 else 0
    states = jitted(over_seeds(partial(features, of), (0, over)))(hidden, cases.inputs)
    n_seeds = len(states)
    labels = cases.labels if cases.ndim == 3 else jnp.repeat(cases.labels[None], n_seeds, axis=0)
    return Labelled(states, labels)


def _loss(goal: Goal, of: Perceptron, layers: Layers, batch: Labelled) -> Float[Array, ""]:
    found = outputs(of, layers, batch.inputs)
    if goal == "classify":
        return cross_entropy(found, batch.labels)
    return optax.sigmoid_binary_cross_entropy(found, batch.inputs).sum(axis=-1).mean()
