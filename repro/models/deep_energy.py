"""A deep energy-based model of binary pixels: its energy is a network's output and a linear term.

`energy` is the definition, for one case; what it gives away is that log p(x) = -E(x) - log Z, with a log Z
that has to be estimated. Batch with `jax.vmap` at the door.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from repro.models.initialise import glorot
from repro.models.perceptron import Layers, Perceptron, outputs, random_layers


class DeepEnergy(NamedTuple):
    """Parameters; also the shape of their gradients."""

    layers: Layers  # of a perceptron with one output
    visible_bias: Float[Array, " V"]


def energy(of: Perceptron, deep: DeepEnergy, x: Float[Array, " V"]) -> Float[Array, ""]:
    """E(x) = -b.x - f(x) in nats, with f(x) the network's one output; it is smooth in x where the hidden
    units are, and so has a gradient between the binary states too.
    """
    [f] = outputs(of, deep.layers, x)
    return -(deep.visible_bias @ x) - f


def random_deep_energy(key: Key[Array, ""], of: Perceptron, visible_bias: Float[Array, " V"]) -> DeepEnergy:
    """Glorot's weights, but none to the output: at the start the pixels are independent, with these log odds,
    and draws from the model are exact.
    """
    *hidden, (weights, bias) = random_layers(key, of.sizes, glorot)
    return DeepEnergy((*hidden, (jnp.zeros_like(weights), bias)), visible_bias)


def log_odds_of_mean(x: Float[Array, "N V"], prior: float = 0.05) -> Float[Array, " V"]:
    """Of each pixel's mean over these cases, drawn towards ½ so that none is infinite: as if of all cases a
    share `prior` more were on, and as many off.
    """
    return jax.scipy.special.logit((jnp.mean(x, axis=0) + prior) / (1 + 2 * prior))
