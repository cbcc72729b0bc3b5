"""Contrastive divergence, CD-k, and its persistent form."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float

from repro.models.rbm import RBM, Units, bias_factor, hidden_mean, visible_mean
from repro.training.counts import Counts, of_each
from repro.training.fit import Trainer, by_minibatch
from repro.training.gibbs import gibbs_chain
from repro.typed import choice


@choice
class Contrastive:
    """How one RBM is trained; defaults are those of the authors' program [hinton2006code, rbm.m]."""

    k: int = 1  # Gibbs steps between data and reconstruction
    persistent: bool = False  # negative phase from chains that live on between minibatches
    mean_field: bool = True  # reconstructions stay probabilities; False samples them
    learning_rate: float = 0.1  # per case: the gradient is a mean over the minibatch
    rate_falls: bool = False  # in a straight line, to 0 with the last update
    weight_decay: float = 0.0002  # inside the learning-rate bracket, weights only
    momentum: tuple[float, float] = (0.5, 0.9)  # before and from `momentum_epoch` on
    momentum_epoch: int = 5  # epochs at the first momentum


class ContrastiveState(NamedTuple):
    """What the next minibatch needs."""

    params: RBM
    opt_state: Any
    chains: Float[Array, "B V"] | None  # persistent only
    hidden: Float[Array, "N H"] | None  # the hidden mean of each case when it was last learnt from


def contrastive_gradient(
    units: Units, rbm: RBM, data: Float[Array, "B V"], model: Float[Array, "K V"]
) -> RBM:
    """Gradient of mean F(data) - mean F(model), model states held fixed   [hinton2002training, eq. 5].

    -∂F/∂(W, b, c) of a case is <v h>, <v> and <h> with h at its conditional mean. Counts with a bias per word
    have <N h> for <h>. For real units -∂F/∂b is <v> - b and -∂F/∂c is <h> - c; the b and c are left out, for
    they cancel between the two phases. One product over the cases of both phases, signed, serves W.
    """
    h_data, h_model = hidden_means(units, rbm, data), hidden_means(units, rbm, model)
    v = jnp.concatenate([data, model])
    h = jnp.concatenate([-h_data / len(data), h_model / len(model)])
    counted = h * jax.vmap(bias_factor, (None, 0))(units, v)[:, None]
    return RBM(v.T @ h, model.mean(0) - data.mean(0), counted.sum(0))


def contrastive_trainer(
    units: Units,
    config: Contrastive,
    *,
    batch_size: int,
    steps_per_epoch: int,
    n_epochs: int | None = None,
    keep_hidden: bool = False,
) -> Trainer:
    """Trains an RBM, for so many epochs where its rate falls. Persistent chains, one per case of a minibatch,
    start at randomly drawn cases. The state keeps the hidden means met on the way if asked to.

    Info: `reconstruction_error`, squared, summed over visible units, averaged over cases: of the k-step
    reconstruction, or for persistent chains of the one-step mean-field reconstruction.

    Raises:
        ValueError: if the rate falls and the number of epochs is not said.
    """
    if config.rate_falls and n_epochs is None:
        raise ValueError("n_epochs: needed where rate_falls, to 0 with the last of them")
    optimiser = _optimiser(config, steps_per_epoch, n_epochs)

    def init(key, rbm, inputs):
        chains = inputs[jr.choice(key, len(inputs), (batch_size,))] if config.persistent else None
        hidden = hidden_means(units, rbm, inputs) if keep_hidden else None
        return ContrastiveState(rbm, optimiser.init(rbm), chains, hidden)

    def step(key, state, batch, n):
        del n
        rbm, chains = state.params, state.chains
        model = _negative_phase(key, units, config, rbm, batch if chains is None else chains)
        gradient = contrastive_gradient(units, rbm, batch, model)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats; we do not
            updates, opt_state = optimiser.update(gradient, state.opt_state, rbm)
            updated = jax.tree.map(jnp.add, rbm, updates)
        reconstruction = model if chains is None else _mean_field_reconstruction(units, rbm, batch)
        info = {"reconstruction_error": jnp.sum((batch - reconstruction) ** 2, axis=1).mean()}
        info |= {"hidden": hidden_means(units, rbm, batch)} if keep_hidden else {}
        chains = None if chains is None else model
        return ContrastiveState(updated, opt_state, chains, state.hidden), info

    def epoch(key, state, inputs, order, n_before):
        state, infos = by_minibatch(init, step).epoch(key, state, inputs, order, n_before)
        if keep_hidden:
            state = state._replace(hidden=state.hidden.at[order].set(infos.pop("hidden")))
        return state, infos

    return Trainer(init, epoch)


def _negative_phase(key, units, config, rbm, start):
    """States after k Gibbs steps; chains that persist are always sampled, never left as probabilities."""
    mean_field = config.mean_field and not config.persistent
    return gibbs_chain(key, units, rbm, start, config.k, mean_field=mean_field)


def hidden_means(units: Units, rbm: RBM, v: Float[Array, "N V"] | Counts) -> Float[Array, "N H"]:
    """E[h | v] of every case."""
    return of_each(partial(hidden_mean, units, rbm), v)


def _mean_field_reconstruction(units, rbm, batch):
    return jax.vmap(lambda v: visible_mean(units, rbm, hidden_mean(units, rbm, v), jnp.sum(v)))(batch)


def _optimiser(
    config: Contrastive, steps_per_epoch: int, n_epochs: int | None
) -> optax.GradientTransformation:
    """Δ = momentum Δ - rate (gradient + decay W), then W += Δ; Δ times what is left of a rate that falls."""
    early, late = config.momentum
    switch = config.momentum_epoch * steps_per_epoch
    steps = [
        optax.add_decayed_weights(config.weight_decay, mask=_weights_only),
        optax.inject_hyperparams(optax.trace)(decay=lambda step: jnp.where(step < switch, early, late)),
        optax.scale(-config.learning_rate),
    ]
    if config.rate_falls and n_epochs:
        steps.append(optax.scale_by_schedule(optax.linear_schedule(1.0, 0.0, n_epochs * steps_per_epoch)))
    return optax.chain(*steps)


def _weights_only(rbm: Any) -> Any:
    return rbm._replace(weights=True, visible_bias=False, hidden_bias=False)
