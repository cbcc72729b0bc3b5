"""A generator of images and the discriminator that it learns from   [goodfellow2014generative].

The generator makes pixels of latent units z ~ N(0, 1), with no noise of its own: it gives images in [0, 1] no
probability density. One of binary images it has as soon as a noise is named: here each pixel is on with the
probability that the generator gives it, and then turned over with a probability ε. Everything is of one case;
batch with `jax.vmap` at the door.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models.autoencoder import Activation
from repro.models.initialise import glorot
from repro.models.perceptron import Dropout, Layers, Perceptron, noisy_outputs, outputs, random_layers
from repro.typed import Count, choice


@choice
class Adversarial:
    """Two networks with two hidden layers each, of the same size."""

    n_visible: Count
    latent: Count = 50
    hidden: Count = 200
    activation: Activation = "relu"
    dropout: Dropout | None = Dropout()  # in the discriminator   [goodfellow2014generative, section 5]

    @property
    def generator(self) -> Perceptron:
        """From latent units to the log odds of pixels."""
        return Perceptron((self.latent, self.hidden, self.hidden, self.n_visible), self.activation)

    @property
    def discriminator(self) -> Perceptron:
        """From pixels to the log odds of data against the generator."""
        return Perceptron((self.n_visible, self.hidden, self.hidden, 1), self.activation, self.dropout)


class GAN(NamedTuple):
    """Parameters; also the shape of their gradients."""

    generator: Layers
    discriminator: Layers


def random_gan(key: Key[Array, ""], of: Adversarial) -> GAN:
    """Glorot's weights, biases 0."""
    key_generator, key_discriminator = jr.split(key)
    generator = random_layers(key_generator, of.generator.sizes, glorot)
    return GAN(generator, random_layers(key_discriminator, of.discriminator.sizes, glorot))


def generated(of: Adversarial, generator: Layers, z: Float[Array, " Z"]) -> Float[Array, " V"]:
    """The image of these latent units, pixels in (0, 1)."""
    return jax.nn.sigmoid(outputs(of.generator, generator, z))


def log_odds_of_data(
    of: Adversarial, discriminator: Layers, x: Float[Array, "B V"], key: Key[Array, ""]
) -> Float[Array, " B"]:
    """That each image is of the data, and not the generator's; units left out as the key has it."""
    return noisy_outputs(of.discriminator, discriminator, x, key)[:, 0]


def log_likelihood(
    of: Adversarial,
    noise: float,
    generator: Layers,
    z: Float[Array, " Z"],
    x: Float[Array, " V"],
) -> Float[Array, ""]:
    """Log p(x | z) of a binary image, in nats, with the noise ε: pixels are on with probabilities
    ε + (1 - 2 ε) g(z), between ε and 1 - ε.
    """
    on = noise + (1 - 2 * noise) * generated(of, generator, z)
    return jnp.sum(jnp.log(jnp.where(x == 1, on, 1 - on)))
