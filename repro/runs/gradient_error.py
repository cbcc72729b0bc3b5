"""How good estimates of the gradient are, on models so small that it can be computed exactly."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from repro.data.dataset import Dataset
from repro.evaluation.gradients import Errors, errors, mean_log_prob_of_dbm, mean_log_prob_of_vae
from repro.evaluation.mixing import autocorrelation_times
from repro.models.dbm import DBM, folded
from repro.models.rbm import Units, free_energy
from repro.models.vae import VAE, Variational, random_vae
from repro.runs.autoencoding import streams
from repro.runs.bound import small
from repro.runs.config import GradientError, SmallMachine, SmallVariational
from repro.runs.outcome import Outcome, for_each
from repro.training.compiling import compile_ahead, jitted
from repro.training.deep_boltzmann import (
    JointLearning,
    States,
    begun,
    deep_boltzmann_trainer,
    difference,
    gibbs_step,
    inferred,
    smoothed,
)
from repro.training.fit import UNWATCHED, Fitted, Monitor, fit
from repro.training.optimisers import Adam
from repro.training.optimisers.first_order import first_order
from repro.training.variational import gradient, variational_trainer


class Studied(NamedTuple):
    """What was found of one seed."""

    errors: Errors
    log_probability: Float[Array, ""]  # mean log p of the minibatch, in nats
    said: Float[Array, "D K T"] | None  # what K chains say at each of their steps, if there are chains


class Model(NamedTuple):
    """What one kind of model does; everything after training is of one seed."""

    batch_size: int
    learn: Any  # keys, images, monitor -> Fitted
    study: Any  # state, minibatch, key -> Studied


def estimate_gradients(
    config: GradientError, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Train a model on all training images, made small; estimate the gradient of one minibatch many times.

    Metrics, of distances as multiples of the exact gradient's length: `relative_distance`, `relative_bias`,
    `relative_spread`, `gradient_norm`; `minibatch_log_probability`, in nats; of a deep Boltzmann machine
    `autocorrelation_free_energy_steps` and, of the slowest pixel, `autocorrelation_pixel_steps`.

    Raises:
        UserError: if the data are no images that can be made small.
    """
    every = small(config.images, data)
    with jax.enable_x64(True):
        images = jax.device_put(every)
        batch_size, learn, study = _model(config, images.shape[1])
        fitted = learn(keys, images, monitor)

        def of_seed(numbered):
            state, key = numbered
            key_cases, key_study = jr.split(key)
            return study(
                state, images[jr.choice(key_cases, len(images), (batch_size,), replace=False)], key_study
            )

        # one after another: some take a number for each state and case, several times
        each = fitted.state, streams(keys).finetuning
        of_all, compile_seconds = compile_ahead(partial(jax.lax.map, of_seed), each)
        began = time.perf_counter()
        found = jax.device_get(of_all(each))
        cost = {"finetuning": fitted.seconds.sum(), "estimating": time.perf_counter() - began}
        metrics = _metrics(found)
    cost["compile"] = fitted.compile_seconds + compile_seconds
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in cost.items()}
    return Outcome(metrics, fitted.curves, {})


def _metrics(found: Studied) -> dict[str, np.ndarray]:
    """Of each seed."""
    metrics = {name: np.asarray(x) for name, x in found.errors._asdict().items()}
    metrics["minibatch_log_probability"] = np.asarray(found.log_probability)
    if found.said is not None:
        times = np.array([autocorrelation_times(jnp.asarray(of_seed)) for of_seed in found.said])
        metrics["autocorrelation_free_energy_steps"] = times[:, 0]
        metrics["autocorrelation_pixel_steps"] = np.nanmax(times[:, 1:], axis=1)
    return metrics


def _model(config: GradientError, n_visible: int) -> Model:
    if isinstance(config.model, SmallMachine):
        return _machine(config.model, config.n_estimates, n_visible)
    return _variational(config.model, config.n_estimates, n_visible)


def _machine(config: SmallMachine, n_estimates: int, n_visible: int) -> Model:
    joint = config.joint

    def learn(keys, images, monitor) -> Fitted:
        start = begun(streams(keys).start, config.start, (n_visible, *config.widths), images).dbm
        trainer = deep_boltzmann_trainer(joint, steps_per_epoch=len(images) // joint.batch_size)
        how = {"n_epochs": joint.n_epochs, "batch_size": joint.batch_size, "monitor": monitor}
        return fit(streams(keys).pretraining, trainer, start, images, **how)

    def study(state, batch, key) -> Studied:
        log_p, exact = jax.value_and_grad(mean_log_prob_of_dbm)(state.params, batch)
        estimates, said = estimated(key, state.params, batch, state.chains, joint, n_estimates)
        return Studied(errors(estimates, exact), log_p, said)

    return Model(joint.batch_size, learn, study)


def estimated(
    key: Key[Array, ""],
    dbm: DBM,
    batch: Float[Array, "B V"],
    chains: States,
    how: JointLearning,
    n_estimates: int,
) -> tuple[DBM, Float[Array, "D K T"]]:
    """So many estimates of the gradient [n ...], as learning makes them while the machine stays as it is, the
    chains going on from one to the next; and what each chain says at each of its steps: the free energy of
    its even layers, which alone are a reversible chain, and every pixel.
    """
    data = inferred(dbm, batch, how.n_mean_field)
    of_even = jax.vmap(partial(free_energy, Units(), folded(dbm)))

    def step(chains, i):
        chains = gibbs_step(jr.fold_in(key, i), dbm, chains)
        return chains, (of_even(jnp.concatenate(chains[::2], axis=1)), chains[0])

    def one(chains, i):
        numbers = i * how.n_gibbs + jnp.arange(how.n_gibbs, dtype=jnp.int32)
        chains, said = jax.lax.scan(step, chains, numbers)
        downhill = difference(dbm, data, smoothed(dbm, chains))
        return chains, (jax.tree.map(jnp.negative, downhill), said)

    _, (estimates, said) = jax.lax.scan(one, chains, jnp.arange(n_estimates, dtype=jnp.int32))
    energies, pixels = (x.reshape(-1, *x.shape[2:]) for x in said)
    return estimates, jnp.concatenate([energies[..., None], pixels], axis=2).transpose(2, 1, 0)


def _variational(config: SmallVariational, n_estimates: int, n_visible: int) -> Model:
    of = Variational(n_visible, latent=(2,), hidden=(config.width,))

    def learn(keys, images, monitor) -> Fitted:
        optimiser = first_order(Adam(config.learning_rate), 1)
        start = jitted(jax.vmap(partial(random_vae, of=of)))(streams(keys).start)
        how = {"n_epochs": config.n_epochs, "batch_size": config.batch_size, "monitor": monitor}
        trainer = variational_trainer(of, "reparameterised", optimiser)
        return fit(streams(keys).pretraining, trainer, start, images, **how)

    def study(state, batch, key) -> Studied:
        log_p, exact = jax.value_and_grad(partial(mean_log_prob_of_vae, of))(state.params.pixels, v=batch)
        keys = jax.vmap(jr.fold_in, (None, 0))(key, jnp.arange(n_estimates, dtype=jnp.int32))
        estimates = jax.lax.map(lambda key: reparameterised(of, state.params, batch, key), keys)
        return Studied(errors(estimates, exact), log_p, None)

    return Model(config.batch_size, learn, study)


def reparameterised(of: Variational, vae: VAE, batch: Float[Array, "B V"], key: Key[Array, ""]) -> Any:
    """The estimate of the gradient, as learning makes it, for the parameters that log p depends on."""
    _, ascent = gradient(of, "reparameterised", vae, batch, key, jnp.zeros(()))
    return ascent.pixels
