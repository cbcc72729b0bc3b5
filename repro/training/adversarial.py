"""A generator and a discriminator learn from each other   [goodfellow2014generative].

The discriminator is shown pixels of the data as they are, in [0, 1], and pixels that the generator made, not
binary ones drawn with either as probabilities: through a draw the generator would learn nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from repro.models.adversarial import GAN, Adversarial, generated, log_odds_of_data
from repro.models.perceptron import Layers
from repro.training.fit import Trainer, by_minibatch


class AdversarialState(NamedTuple):
    """What the next minibatch needs."""

    params: GAN
    opt_states: tuple[Any, Any]  # of the generator, of the discriminator


def discriminator_loss(
    of: Adversarial, gan: GAN, data: Float[Array, "B V"], z: Float[Array, "K Z"], key: Key[Array, ""]
) -> Float[Array, ""]:
    """-log D(x) - log(1 - D(G(z))), in nats: a mean over the data and a mean over the latent units; 2 log 2
    where it cannot tell one from the other.
    """
    key_data, key_made = jr.split(key)
    of_data = log_odds_of_data(of, gan.discriminator, data, key_data)
    of_made = log_odds_of_data(of, gan.discriminator, _images(of, gan.generator, z), key_made)
    return jax.nn.softplus(-of_data).mean() + jax.nn.softplus(of_made).mean()


def generator_loss(
    of: Adversarial, gan: GAN, z: Float[Array, "K Z"], key: Key[Array, ""]
) -> Float[Array, ""]:
    """-log D(G(z)), in nats, mean over the latent units: the loss that does not saturate
    [goodfellow2014generative, section 3].
    """
    of_made = log_odds_of_data(of, gan.discriminator, _images(of, gan.generator, z), key)
    return jax.nn.softplus(-of_made).mean()


def _images(of: Adversarial, generator: Layers, z: Float[Array, "K Z"]) -> Float[Array, "K V"]:
    return jax.vmap(generated, (None, None, 0))(of, generator, z)


def adversarial_trainer(of: Adversarial, optimiser: optax.GradientTransformation) -> Trainer:
    """For each minibatch an update of the discriminator, and then one of the generator by other latent units,
    as many as cases; each network has an optimiser of its own.

    Info, before the update of each: `discriminator_loss` and `generator_loss`.
    """

    def init(key, params, inputs):
        del key, inputs
        return AdversarialState(
            params, (optimiser.init(params.generator), optimiser.init(params.discriminator))
        )

    def descend(gradient, opt_state, layers):
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats; we do not
            updates, opt_state = optimiser.update(gradient, opt_state, layers)
        updated: Any = optax.apply_updates(layers, updates)
        return updated, opt_state

    def step(key, state, batch, n):
        del n
        gan, (of_generator, of_discriminator) = state.params, state.opt_states
        key_latent, key_judge, key_deceive = jr.split(key, 3)
        seen, answered = jr.normal(key_latent, (2, len(batch), of.latent), batch.dtype)

        def judge(discriminator):
            return discriminator_loss(of, gan._replace(discriminator=discriminator), batch, seen, key_judge)

        loss, gradient = jax.value_and_grad(judge)(gan.discriminator)
        discriminator, of_discriminator = descend(gradient, of_discriminator, gan.discriminator)

        def deceive(generator):
            return generator_loss(of, GAN(generator, discriminator), answered, key_deceive)

        deceived, gradient = jax.value_and_grad(deceive)(gan.generator)
        generator, of_generator = descend(gradient, of_generator, gan.generator)
        info = {"discriminator_loss": loss, "generator_loss": deceived}
        return AdversarialState(GAN(generator, discriminator), (of_generator, of_discriminator)), info

    return by_minibatch(init, step)
