"""The variational autoencoder: a directed model of binary pixels, and a network that infers its latent units
[kingma2014autoencoding; with several stochastic layers burda2015importance, section 5].

Everything is of one case; batch with `jax.vmap` at the door. Log densities are in nats.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from repro.models.autoencoder import Activation, Layer
from repro.models.initialise import glorot
from repro.models.perceptron import Layers, Perceptron, features, outputs, random_layers

Latents = tuple[Array, ...]  # z₁ next to the pixels, then those above: [Zₗ] each


@dataclass(frozen=True)
class Variational:
    """Which networks stand between the pixels and the latent layers."""

    n_visible: int
    latent: tuple[int, ...]  # units of each stochastic layer, that next to the pixels first
    hidden: tuple[int, ...]  # units of both deterministic layers below each of them
    activation: Activation = "tanh"

    @property
    def steps(self) -> list[tuple[int, int, int]]:
        """Units below, between and above, from the pixels up."""
        return list(zip((self.n_visible, *self.latent), self.hidden, self.latent, strict=False))


class Conditional(NamedTuple):
    """A Gaussian with independent components, given what is below or above it."""

    hidden: Layers
    mean: Layer
    log_variance: Layer


class VAE(NamedTuple):
    """Parameters; also the shape of their gradients."""

    recognition: tuple[Conditional, ...]  # q(z₁|x), q(z₂|z₁), ...
    generation: tuple[Conditional, ...]  # p(z₁|z₂), ...; the uppermost layer has N(0, 1)
    pixels: Layers  # of the log odds of the pixels, given z₁


def random_vae(key: Key[Array, ""], of: Variational) -> VAE:
    """Glorot's weights, biases 0."""
    up, down, last = jr.split(key, 3)
    upward = [_random_conditional(jr.fold_in(up, i), *step) for i, step in enumerate(of.steps)]
    downward = [_random_conditional(jr.fold_in(down, i), *step[::-1]) for i, step in enumerate(of.steps[1:])]
    n_visible, hidden, latent = of.steps[0]
    pixels = random_layers(last, (latent, hidden, hidden, n_visible), glorot)
    return VAE(tuple(upward), tuple(downward), pixels)


def _random_conditional(key: Key[Array, ""], given: int, hidden: int, n: int) -> Conditional:
    *below, mean = random_layers(key, (given, hidden, hidden, n), glorot)
    [log_variance] = random_layers(jr.fold_in(key, len(below) + 1), (hidden, n), glorot)
    return Conditional(tuple(below), mean, log_variance)


def gaussian(
    of: Variational, conditional: Conditional, given: Float[Array, " G"]
) -> tuple[Float[Array, " Z"], Float[Array, " Z"]]:
    """Means and log variances of the units, given others."""
    seen = features(_deterministic(of), conditional.hidden, given)
    [mean, log_variance] = [seen @ weights + bias for weights, bias in conditional[1:]]
    return mean, log_variance


def _deterministic(of: Variational) -> Perceptron:
    """What the layers between have in common; sizes are those of their weights."""
    return Perceptron((), of.activation)


def log_gaussian(
    z: Float[Array, " Z"],
    mean: Float[Array, " Z"] | float = 0.0,
    log_variance: Float[Array, " Z"] | float = 0.0,
) -> Float[Array, ""]:
    """Log N(z; mean, variance)."""
    squares = (z - mean) ** 2 * jnp.exp(-log_variance)
    return -0.5 * jnp.sum(squares + log_variance + jnp.log(2 * jnp.pi))


def infer(of: Variational, vae: VAE, x: Float[Array, " V"], key: Key[Array, ""]) -> Latents:
    """Latent units drawn from q(z|x), as a function of the parameters and of noise that does not depend on
    them: gradients pass through   [kingma2014autoencoding, section 2.4].
    """
    return infer_scored(of, vae, x, key)[0]


def infer_scored(
    of: Variational, vae: VAE, x: Float[Array, " V"], key: Key[Array, ""]
) -> tuple[Latents, Float[Array, ""]]:
    """The same, and their log q(z|x): the network is passed once, and its gradients go back once."""
    latents, given, log_q = [], x, jnp.zeros(())
    for i, conditional in enumerate(vae.recognition):
        mean, log_variance = gaussian(of, conditional, given)
        noise = jr.normal(jr.fold_in(key, i), mean.shape, mean.dtype)
        given = mean + jnp.exp(0.5 * log_variance) * noise
        log_q += log_gaussian(given, mean, log_variance)
        latents.append(given)
    return tuple(latents), log_q


def log_recognition(of: Variational, vae: VAE, x: Float[Array, " V"], latents: Latents) -> Float[Array, ""]:
    """Log q(z|x)."""
    given = (x, *latents)
    each = zip(vae.recognition, given, latents, strict=False)
    return sum((log_gaussian(z, *gaussian(of, q, below)) for q, below, z in each), start=jnp.zeros(()))


def log_joint(of: Variational, vae: VAE, x: Float[Array, " V"], latents: Latents) -> Float[Array, ""]:
    """Log p(x, z) = log p(x|z₁) + log p(z₁|z₂) + ... + log N(z_L; 0, 1)."""
    logits = outputs(_deterministic(of), vae.pixels, latents[0])
    of_pixels = x @ logits - jnp.sum(jax.nn.softplus(logits))
    each = zip(vae.generation, itertools.pairwise(latents), strict=True)
    between = (log_gaussian(below, *gaussian(of, p, above)) for p, (below, above) in each)
    return sum(between, start=of_pixels + log_gaussian(latents[-1]))


def log_weight(of: Variational, vae: VAE, x: Float[Array, " V"], latents: Latents) -> Float[Array, ""]:
    """Log p(x, z) - log q(z|x): its mean over q is a lower bound of log p(x), the mean of its exponential is
    p(x) itself   [kingma2014autoencoding, eq. 2; burda2015importance, eq. 8].
    """
    return log_joint(of, vae, x, latents) - log_recognition(of, vae, x, latents)


def dream(of: Variational, vae: VAE, key: Key[Array, ""]) -> Float[Array, " V"]:
    """The probabilities of the pixels in a draw from the model."""
    n = of.latent[-1]
    above = jr.normal(jr.fold_in(key, 0), (n,), vae.pixels[0][0].dtype)
    for i, conditional in enumerate(reversed(vae.generation), 1):
        mean, log_variance = gaussian(of, conditional, above)
        above = mean + jnp.exp(0.5 * log_variance) * jr.normal(jr.fold_in(key, i), mean.shape, mean.dtype)
    return jax.nn.sigmoid(outputs(_deterministic(of), vae.pixels, above))
