"""Convolutional networks trained side by side by stochastic gradients, each in a setting of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from repro.models.convolutional_network import ConvolutionalNetwork, logits, thinning
from repro.models.perceptron import cross_entropy
from repro.training.convolutional import Shape
from repro.training.fit import Trainer, by_minibatch


class NetworkSetting(NamedTuple):
    """What may differ between networks trained side by side; after so many updates one learns no more."""

    learning_rate: Float[Array, "*S"]  # of the first update; it falls to 0 in a straight line
    weight_decay: Float[Array, "*S"]  # inside the learning-rate bracket, weights only
    momentum: Float[Array, "*S"]
    dropout: Float[Array, "*S"]  # the share of the units below the output that is left out
    n_updates: Int[Array, "*S"]


class NetworkState(NamedTuple):
    """What the next minibatch needs."""

    params: ConvolutionalNetwork
    velocity: ConvolutionalNetwork
    setting: NetworkSetting


def network_trainer(blocks: Sequence[int], image: Shape) -> Trainer:
    """Trains a network that pools in blocks with these sides, from parameters and a setting, on labelled
    cases, each an image of this shape in a row. Info: `loss`, the cross-entropy before the update.
    """

    def init(key, started, inputs):
        del key, inputs
        network, setting = started
        return NetworkState(network, jax.tree.map(jnp.zeros_like, network), setting)

    def step(key, state, batch, n):
        network, velocity, setting = state

        def loss(network):
            kept = thinning(key, setting.dropout, (len(batch), network.output.weights.shape[0]))
            of_case = partial(logits, network, blocks)
            return cross_entropy(jax.vmap(of_case)(batch.inputs.reshape(-1, *image), kept), batch.labels)

        value, slope = jax.value_and_grad(loss)(network)
        slope = decayed(setting, network, slope)
        left = 1 - n.astype(value.dtype) / setting.n_updates.astype(value.dtype)
        rate = setting.learning_rate * left
        velocity = jax.tree.map(
            lambda moved, x: jnp.where(left > 0, setting.momentum * moved - rate * x, 0.0), velocity, slope
        )
        return NetworkState(jax.tree.map(jnp.add, network, velocity), velocity, setting), {"loss": value}

    return by_minibatch(init, step)


def decayed(
    setting: NetworkSetting, network: ConvolutionalNetwork, slope: ConvolutionalNetwork
) -> ConvolutionalNetwork:
    """The slope with that of the penalty of the weights; biases have none."""

    def of_layer(layer, slope):
        return slope._replace(weights=slope.weights + setting.weight_decay * layer.weights)

    layers = tuple(map(of_layer, network.layers, slope.layers))
    return ConvolutionalNetwork(layers, of_layer(network.output, slope.output))
