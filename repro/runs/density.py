"""A model of binary images is trained, and scored by its log probability of others, in nats."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from repro.data.binary import check_pixels, drawn_once
from repro.data.dataset import Dataset
from repro.evaluation import decoder
from repro.evaluation import deep_energy as annealed
from repro.evaluation.annealing import (
    Base,
    LogZ,
    base_rate,
    log_z_from_above,
    log_z_from_below,
    prototypes,
)
from repro.evaluation.likelihood import (
    Bounds,
    bound_of_dbm,
    bounds_of_dbn,
    bounds_of_vae,
    log_prob_of_rbm,
)
from repro.models import adversarial, deep_energy, mixture, vae
from repro.models.adversarial import GAN, Adversarial
from repro.models.dbm import DBM, folded
from repro.models.dbn import BINARY
from repro.models.deep_energy import DeepEnergy
from repro.models.perceptron import Perceptron
from repro.models.rbm import RBM, hidden_mean, sample_hidden, sample_visible, visible_mean
from repro.models.stack import Stack, random_stack
from repro.runs.autoencoding import streams
from repro.runs.config import Belief, Boltzmann, Density, Energetic, Generating, Goal, Inferring, Mixture
from repro.runs.outcome import Outcome, as_bytes, for_each
from repro.training.adversarial import adversarial_trainer
from repro.training.binary import drawn_anew
from repro.training.compiling import jitted
from repro.training.deep_boltzmann import DoubledPretraining, begun, deep_boltzmann_trainer, inferred
from repro.training.fit import UNWATCHED, Fitted, Monitor, fit
from repro.training.flops import (
    adversarial_flops,
    deep_boltzmann_flops,
    doubled_flops,
    langevin_flops,
    mixture_flops,
    stack_flops,
    variational_flops,
)
from repro.training.gibbs import gibbs_chain
from repro.training.greedy import climb, pretrain
from repro.training.langevin import langevin_chain, langevin_trainer
from repro.training.mixture import mixture_trainer
from repro.training.optimisers.first_order import first_order
from repro.training.variational import variational_trainer

SCORING, LOOKING = 3, 4  # which streams of a seed's keys score it, after `streams` of a run
VALID = "valid_log_probability"
NORMAL = 1.96  # standard errors in half an interval of 95 %
N_SEEN = 10_000  # training cases that annealing knows of
N_SHOWN = 20  # samples that a figure shows: of the first chains


class Learnt(NamedTuple):
    """A model that has been trained, and what that took."""

    params: Any  # leading axis S
    curves: dict[str, np.ndarray]  # [S, epochs]
    seconds: dict[str, float]  # by phase
    flops: float
    flops_before: float = 0.0  # of these those of learning layer by layer, before learning as a whole


class Cases(NamedTuple):
    """What a model is scored on, binary, and the pixels that it has learnt from."""

    test: Float[Array, "N V"]
    train: Float[Array, "M V"]
    pixels: Float[Array, "P V"]


class Judged(NamedTuple):
    """What one model is worth."""

    test: Float[np.ndarray, " N"]  # log p of each case, or the best bound of it
    train: Float[np.ndarray, " M"]
    error: float  # half the 95 % interval of the estimate of the mean of either
    metrics: dict[str, float]
    samples: Float[Array, "n V"]  # probabilities of the pixels in the first draws


class Look(NamedTuple):
    """What is looked at while a model learns; the default is nothing."""

    measure: Callable[[Any], dict[str, np.ndarray]] | None = None  # parameters [S] -> scores [S]
    enough: Callable[[Fitted], bool] = lambda _: False
    every: int = 1  # epochs


NOTHING = Look()


class Family(NamedTuple):
    """How models of one kind are trained and judged."""

    learn: Callable[..., Learnt]  # model, keys [S], pixels [P V], monitor, and of some a `Look`
    judge: Callable[..., Judged]  # model, key, params, cases


def learn_density(
    config: Density, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Train a model, and estimate its log probability of test cases and of training cases.

    Metrics, in nats, averaged over cases: `test_log_probability`, `train_log_probability`, each the best
    estimate that there is, which is a lower bound on average or of models with a log Z too high on average;
    `test_log_probability_low` and `_high`, ends of the 95 % interval of that estimate, the cases given; and
    what else the kind of model has to say. `parameters` counts numbers that were learnt.

    Raises:
        UserError: if the data are no images with pixels in [0, 1].
    """
    check_pixels(data)
    model, family = config.model, FAMILIES[type(config.model)]
    n, known = config.n_scored, data.full_train.inputs if config.goal is None else data.train.inputs
    pixels = jnp.asarray(np.asarray(known))
    look = [towards(config, data, keys, pixels)] if config.goal else []
    learnt = family.learn(model, keys, pixels, monitor, *look)
    test, train = (jnp.asarray(drawn_once(np.asarray(x[:n]))) for x in (data.test.inputs, known))
    cases = Cases(test, train, pixels)
    began = time.perf_counter()
    judged = [
        family.judge(model, jr.fold_in(key, SCORING), jax.tree.map(lambda x, i=i: x[i], learnt.params), cases)
        for i, key in enumerate(keys)
    ]
    seconds = learnt.seconds | {"scoring": (time.perf_counter() - began) / len(keys)}
    metrics = {name: np.array([each[name] for each in map(_metrics, judged)]) for name in _metrics(judged[0])}
    n_parameters = sum(x[0].size for x in jax.tree.leaves(learnt.params))
    metrics |= {"parameters": for_each(keys, n_parameters), "flops": for_each(keys, learnt.flops)}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    metrics |= arrival(config.goal, learnt) if config.goal else {}
    shown = np.stack([as_bytes(np.asarray(each.samples)) for each in judged])
    return Outcome(metrics, learnt.curves, {"samples": shown})


def towards(config: Density, data: Dataset, keys: Key[Array, " S"], pixels: Float[Array, "P V"]) -> Look:
    """A look at the validation cases now and then, until all seeds have reached the goal."""
    goal, family = config.goal, FAMILIES[type(config.model)]
    assert goal is not None and isinstance(config.model, Boltzmann | Inferring)
    valid = jnp.asarray(drawn_once(np.asarray(data.valid.inputs[: goal.n_cases])))
    cases = Cases(valid, valid[:1], pixels)
    if isinstance(config.model, Boltzmann):
        model = replace(config.model, annealing=goal.annealing, n_steps=1)
    else:
        model = replace(config.model, n_samples=goal.n_samples)

    def measure(params):
        each = [
            family.judge(model, jr.fold_in(key, LOOKING), _of(params, i), cases).test.mean()
            for i, key in enumerate(keys)
        ]
        return {VALID: np.array(each)}

    def enough(fitted: Fitted) -> bool:
        return bool(np.all((fitted.curves[VALID] >= goal.nats).any(axis=1) | (fitted.diverged >= 0)))

    return Look(measure, enough, goal.every)


def arrival(goal: Goal, learnt: Learnt) -> dict[str, np.ndarray]:
    """What each seed had spent when it was first seen at the goal; NaN if it never was."""
    there, epochs = learnt.curves[VALID] >= goal.nats, learnt.curves["epochs"]
    first = np.argmax(there, axis=1)[:, None]
    seconds = learnt.seconds.get("pretraining", 0.0) + learnt.curves["seconds"]
    flops = learnt.flops_before + (learnt.flops - learnt.flops_before) * epochs / epochs[:, -1:]
    spent = {"seconds": seconds, "flops": flops, "epochs": epochs}
    found = {name: np.take_along_axis(values, first, axis=1)[:, 0] for name, values in spent.items()}
    return {f"{name}_to_target": np.where(there.any(axis=1), value, np.nan) for name, value in found.items()}


def _metrics(judged: Judged) -> dict[str, float]:
    mean = float(judged.test.mean())
    ends = {"low": mean - judged.error, "high": mean + judged.error}
    scores = {"test_log_probability": mean, "train_log_probability": float(judged.train.mean())}
    return scores | {f"test_log_probability_{end}": value for end, value in ends.items()} | judged.metrics


def learn_mixture(
    model: Mixture, keys: Key[Array, " S"], pixels: Float[Array, "P V"], monitor: Monitor
) -> Learnt:
    """By expectation maximisation."""
    start = partial(mixture.random_mixture, n_components=model.n_components, n_visible=pixels.shape[1])
    trainer = drawn_anew(mixture_trainer(model.pseudo_count))
    fitted = _fit(model, keys, trainer, jax.vmap(start)(streams(keys).start), pixels, monitor)
    flops = mixture_flops(model.n_components, pixels.shape[1], len(pixels) * model.n_epochs)
    return _learnt(keys, fitted, flops)


def judge_mixture(model: Mixture, key: Key[Array, ""], params: mixture.Mixture, cases: Cases) -> Judged:
    """Exactly."""
    log_p = jitted(jax.vmap(mixture.log_prob, (None, 0)))
    samples = jax.vmap(partial(mixture.dream, params))(jr.split(key, N_SHOWN))
    return Judged(
        np.asarray(log_p(params, cases.test)), np.asarray(log_p(params, cases.train)), 0.0, {}, samples
    )


def learn_variational(
    model: Inferring,
    keys: Key[Array, " S"],
    pixels: Float[Array, "P V"],
    monitor: Monitor,
    look: Look = NOTHING,
) -> Learnt:
    """By climbing the variational bound."""
    of = _network(model, pixels)
    n_updates = model.n_epochs * (len(pixels) // model.batch_size)
    trainer = drawn_anew(variational_trainer(of, model.estimator, first_order(model.optimiser, n_updates)))
    start = jax.vmap(partial(vae.random_vae, of=of))(streams(keys).start)
    fitted = _fit(model, keys, trainer, start, pixels, monitor, look)
    flops = fitted.n_epochs * variational_flops(of.steps, model.estimator, _shown(model, pixels))
    return _learnt(keys, fitted, flops)


def judge_variational(model: Inferring, key: Key[Array, ""], params: vae.VAE, cases: Cases) -> Judged:
    """By importance weighting; `test_bound` is the variational bound."""
    of = _network(model, cases.pixels)
    key_test, key_train, key_samples = jr.split(key, 3)
    test = bounds_of_vae(key_test, of, params, cases.test, model.n_samples)
    train = bounds_of_vae(key_train, of, params, cases.train, model.n_samples)
    samples = jax.vmap(partial(vae.dream, of, params))(jr.split(key_samples, N_SHOWN))
    return _weighted(test, train, 0.0, model.n_samples, {}, samples)


def learn_belief(
    model: Belief, keys: Key[Array, " S"], pixels: Float[Array, "P V"], monitor: Monitor
) -> Learnt:
    """Layer by layer, by contrastive divergence."""
    how, sizes = model.pretraining, (pixels.shape[1], *model.widths)
    stack = jax.vmap(partial(random_stack, sizes=sizes, scale=model.scale))(streams(keys).start)
    bias = jnp.broadcast_to(deep_energy.log_odds_of_mean(pixels), stack[0].visible_bias.shape)
    stack = (stack[0]._replace(visible_bias=bias), *stack[1:])
    units = (BINARY,) * len(stack)
    trained = pretrain(streams(keys).pretraining, how, units, stack, pixels, monitor)
    n_epochs = tuple(how.layer(depth, BINARY)[1] for depth in range(len(stack)))
    flops = stack_flops(sizes, len(pixels), n_epochs, how.contrastive.k)
    seconds = {"pretraining": trained.seconds, "compile": trained.compile_seconds}
    return Learnt(trained.stack, trained.curves, seconds, flops)


def judge_belief(model: Belief, key: Key[Array, ""], stack: Stack, cases: Cases) -> Judged:
    """By annealed importance sampling of the uppermost RBM, and by importance weighting of the layers below.

    Of several layers `gain` is that of the variational bound by the uppermost, over the network without it,
    averaged over the training cases, and `gain_standard_error` that of the estimate.
    """
    top, (key_z, key_layers, key_first) = stack[-1], jr.split(key, 3)
    seen = cases.pixels[:N_SEEN]
    for rbm in stack[:-1]:
        seen = climb(BINARY, jax.tree.map(lambda x: x[None], rbm), seen)[0]
    log_z, metrics, chains = sandwiched(model, key_z, seen, towards_rbm(model, top))
    error, samples = log_z.high - log_z.value, means_below(key_layers, stack, chains[:N_SHOWN])
    if len(stack) == 1:
        test, train = (np.asarray(log_prob_of_rbm(top, log_z.value, v)) for v in cases[:2])
        return Judged(test, train, error, metrics, samples)
    n = model.n_samples
    test, train = (
        bounds_of_dbn(jr.fold_in(key_layers, i), stack, log_z.value, v, n) for i, v in enumerate(cases[:2], 1)
    )
    judged = _weighted(test, train, error, n, metrics, samples)
    below = judge_belief(model, key_first, stack[:-1], cases)
    without = below.metrics.get("train_bound", float(below.train.mean()))
    gain = {"gain": judged.metrics["train_bound"] - without}
    gain["gain_standard_error"] = float(np.hypot(error, below.error)) / NORMAL
    return judged._replace(metrics=judged.metrics | gain)


def learn_boltzmann(
    model: Boltzmann,
    keys: Key[Array, " S"],
    pixels: Float[Array, "P V"],
    monitor: Monitor,
    look: Look = NOTHING,
) -> Learnt:
    """Layer by layer with doubled inputs, then all layers together."""
    how, sizes = model.learning, (pixels.shape[1], *model.widths)
    start = begun(streams(keys).pretraining, how.start, sizes, pixels, monitor)
    n_batches = len(pixels) // how.joint.batch_size
    trainer = drawn_anew(deep_boltzmann_trainer(how.joint, steps_per_epoch=n_batches))
    fitted = _fit(how.joint, keys, trainer, start.dbm, pixels, monitor, look)
    joint = how.joint
    each = deep_boltzmann_flops(sizes, joint.batch_size, joint.n_mean_field, joint.n_chains, joint.n_gibbs)
    before = 0.0
    if isinstance(how.start, DoubledPretraining):
        steps = enumerate(how.start.n_epochs)
        n_gibbs = tuple(tuple(how.start.n_gibbs(depth, i) for i in range(n)) for depth, n in steps)
        before = doubled_flops(sizes, len(pixels), n_gibbs)
    seconds = {"pretraining": start.seconds, "finetuning": float(fitted.seconds.sum())}
    seconds["compile"] = start.compile_seconds + fitted.compile_seconds
    curves, flops = start.curves | _curves(keys, fitted), before + fitted.n_epochs * n_batches * each
    return Learnt(fitted.state.params, curves, seconds, flops, before)


def judge_boltzmann(model: Boltzmann, key: Key[Array, ""], dbm: DBM, cases: Cases) -> Judged:
    """By annealed importance sampling of the machine folded into an RBM, and mean field for each case."""
    key_z, key_pixels, key_drawn = jr.split(key, 3)
    rbm, shown = folded(dbm), cases.pixels[:N_SEEN]
    v = jr.bernoulli(key_drawn, shown).astype(shown.dtype)
    seen = jitted(partial(even_layers, n_updates=model.n_mean_field))(dbm, v)
    log_z, metrics, chains = sandwiched(model, key_z, seen, towards_rbm(model, rbm))
    test, train = (np.asarray(bound_of_dbm(dbm, log_z.value, v, model.n_mean_field)) for v in cases[:2])
    samples = means_below(key_pixels, (rbm,), chains[:N_SHOWN])[:, : cases.pixels.shape[1]]
    return Judged(test, train, log_z.high - log_z.value, metrics, samples)


def learn_energetic(
    model: Energetic, keys: Key[Array, " S"], pixels: Float[Array, "P V"], monitor: Monitor
) -> Learnt:
    """By Langevin chains."""
    how = model.langevin
    of, n_updates = energy_network(model, pixels), model.n_epochs * (len(pixels) // model.batch_size)
    trainer = drawn_anew(langevin_trainer(of, how, first_order(model.optimiser, n_updates)))
    begin = partial(deep_energy.random_deep_energy, of=of, visible_bias=deep_energy.log_odds_of_mean(pixels))
    fitted = _fit(model, keys, trainer, jax.vmap(begin)(streams(keys).start), pixels, monitor)
    flops = n_updates * langevin_flops(of.sizes, model.batch_size, how.n_chains, how.n_steps)
    return _learnt(keys, fitted, flops)


def judge_energetic(model: Energetic, key: Key[Array, ""], deep: DeepEnergy, cases: Cases) -> Judged:
    """By annealed importance sampling with Langevin chains."""
    of, step_size = energy_network(model, cases.pixels), model.langevin.step_size
    settle = jitted(partial(langevin_chain, of=of, n_steps=model.n_steps, step_size=step_size))
    walk = Walk(
        there=lambda key, base: (
            annealed.log_z_from_below(key, of, base, deep, model.annealing, step_size).log_z
        ),
        stay=lambda key, states: settle(key, deep=deep, states=states)[0],
        back=lambda key, base, states: (
            annealed.log_z_from_above(key, of, base, deep, model.annealing, step_size, states).log_z
        ),
    )
    log_z, metrics, chains = sandwiched(model, key, cases.pixels[:N_SEEN], walk)
    test, train = (np.asarray(annealed.log_prob(of, deep, log_z.value, v)) for v in cases[:2])
    return Judged(test, train, log_z.high - log_z.value, metrics, chains[:N_SHOWN])


def energy_network(model: Energetic, pixels: Float[Array, "P V"]) -> Perceptron:
    """The network whose output is the energy, but for its sign and the part of the pixels alone."""
    return Perceptron((pixels.shape[1], *model.hidden, 1), model.activation)


def learn_generating(
    model: Generating, keys: Key[Array, " S"], pixels: Float[Array, "P V"], monitor: Monitor
) -> Learnt:
    """By the discriminator, which sees pixels as they are and not binary ones."""
    of, n_updates = adversarial_networks(model, pixels), model.n_epochs * (len(pixels) // model.batch_size)
    start = jax.vmap(partial(adversarial.random_gan, of=of))(streams(keys).start)
    trainer = adversarial_trainer(of, first_order(model.optimiser, n_updates))
    fitted = _fit(model, keys, trainer, start, pixels, monitor)
    networks = of.generator.sizes, of.discriminator.sizes
    return _learnt(keys, fitted, n_updates * adversarial_flops(*networks, model.batch_size))


def judge_generating(model: Generating, key: Key[Array, ""], gan: GAN, cases: Cases) -> Judged:
    """By annealed importance sampling of the latent units of each of the first cases."""
    of = adversarial_networks(model, cases.pixels)
    weigh = partial(adversarial.log_likelihood, of, model.noise)
    key_test, key_train, key_samples = jr.split(key, 3)
    test, train = (
        decoder.log_prob(each, weigh, gan.generator, model.latent, v[: model.n_decoded], model.decoding)
        for each, v in ((key_test, cases.test), (key_train, cases.train))
    )
    z = jr.normal(key_samples, (N_SHOWN, model.latent))
    samples = jax.vmap(partial(adversarial.generated, of, gan.generator))(z)
    size = test.effective_sample_size
    of_draws = NORMAL * float(np.sqrt(np.sum(_of_draws(size, model.decoding.n_chains)))) / len(size)
    found = {"effective_samples": float(size.mean()), "acceptance": float(test.acceptance.mean())}
    return Judged(test.log_prob, train.log_prob, of_draws, found, samples)


def adversarial_networks(model: Generating, pixels: Float[Array, "P V"]) -> Adversarial:
    """Generator and discriminator."""
    return Adversarial(pixels.shape[1], model.latent, model.hidden, dropout=model.dropout)


class Walk(NamedTuple):
    """How chains come to a model from a base, stay, and go back, all in visible units."""

    there: Callable[[Array, mixture.Mixture], LogZ]  # key, base
    stay: Callable[[Array, Array], Array]  # key, states [K U] -> states after many steps
    back: Callable[[Array, mixture.Mixture, Array], LogZ]  # key, base, states


def towards_rbm(model: Belief | Boltzmann, rbm: RBM) -> Walk:
    """By block Gibbs steps; hidden units of the base are on half the time."""
    settle = jitted(lambda key, rbm, v: gibbs_chain(key, BINARY, rbm, v, model.n_steps))
    hidden = jnp.zeros_like(rbm.hidden_bias)
    return Walk(
        there=lambda key, base: log_z_from_below(key, Base(base, hidden), rbm, model.annealing),
        stay=lambda key, v: settle(key, rbm, v),
        back=lambda key, base, v: log_z_from_above(key, Base(base, hidden), rbm, model.annealing, v),
    )


def sandwiched(
    model: Belief | Boltzmann | Energetic, key: Key[Array, ""], seen: Float[Array, "P U"], walk: Walk
) -> tuple[LogZ, dict[str, float], Float[Array, "K U"]]:
    """Estimate log Z of a model whose visible units are `seen` to be so given training cases.

    From below, the higher of two estimates, neither of which is likely to be much too high: annealing from
    independent units and from prototypes. And from above by chains that go on from where that ended, and by
    chains that begin at training cases. The former are given back.
    """
    key_from, key_cases, key_chains, key_above = jr.split(key, 4)
    bases = {"base_rate": base_rate(seen)}
    bases["prototypes"] = prototypes(jr.fold_in(key_from, 0), seen, model.n_prototypes)
    found = {
        name: walk.there(jr.fold_in(key_from, i), base) for i, (name, base) in enumerate(bases.items(), 1)
    }
    best = max(found, key=lambda name: found[name].value)
    base, below = bases[best], found[best]
    cases = jr.bernoulli(key_cases, some(seen, model.annealing.n_chains)).astype(seen.dtype)
    starts = below.ends, cases
    chains = [walk.stay(jr.fold_in(key_chains, i), v) for i, v in enumerate(starts)]
    above = [walk.back(jr.fold_in(key_above, i), base, v) for i, v in enumerate(chains)]
    each = {f"log_z_from_{name}": one.value for name, one in found.items()}
    return below, each | _sides(below, *above), chains[0]


def even_layers(dbm: DBM, v: Float[Array, "P V"], n_updates: int) -> Float[Array, "P U"]:
    """The visible units and the means, by mean field, of those layers that are visible ones once folded."""
    return jnp.concatenate(inferred(dbm, v, n_updates)[::2], axis=1)


def some(cases: Float[Array, "P V"], n: int) -> Float[Array, "n V"]:
    """The first so many, over again where there are fewer."""
    return cases[jnp.arange(n) % len(cases)]


def _sides(below: LogZ, above: LogZ, of_cases: LogZ) -> dict[str, float]:
    found = {"log_z": below.value, "log_z_low": below.low, "log_z_high": below.high}
    found |= {"log_z_from_above": above.value, "log_z_from_cases": of_cases.value}
    return found | {"effective_chains": below.effective_sample_size}


def means_below(key: Key[Array, ""], stack: Stack, v: Float[Array, "n U"]) -> Float[Array, "n V"]:
    """The probabilities of the pixels under states of the visible units of the uppermost RBM: hidden units
    are drawn once more, then each layer given the one above.
    """
    mean = jax.vmap(partial(hidden_mean, BINARY, stack[-1]))(v)
    h = sample_hidden(jr.fold_in(key, 0), BINARY, mean)
    for i, rbm in enumerate(reversed(stack), 1):
        mean = jax.vmap(partial(visible_mean, BINARY, rbm))(h)
        h = sample_visible(jr.fold_in(key, i), BINARY, mean)
    return mean


def _weighted(
    test: Bounds, train: Bounds, error: float, n: int, metrics: dict[str, float], samples: Array
) -> Judged:
    """What importance weights say, n of each case; `error` is of what all cases have in common."""
    spread = _of_draws(np.asarray(test.effective_sample_size, float), n)
    of_draws = NORMAL * float(np.sqrt(spread.sum())) / len(spread)
    found = {f"{name}_bound": float(x.variational.mean()) for name, x in (("test", test), ("train", train))}
    size = {"effective_samples": float(test.effective_sample_size.mean())}
    of_test, of_train = (np.asarray(x.importance_weighted) for x in (test, train))
    return Judged(of_test, of_train, float(np.hypot(error, of_draws)), metrics | found | size, samples)


def _of_draws(size: Float[np.ndarray, " N"], n: int) -> Float[np.ndarray, " N"]:
    """Variance of the log of a mean of n weights that are worth so many equal ones, by the delta method."""
    return np.maximum(n / size - 1, 0) / max(n - 1, 1)


def _shown(model: Any, pixels: Float[Array, "P V"]) -> int:
    """Cases in an epoch, whose ragged tail is dropped."""
    return len(pixels) - len(pixels) % model.batch_size


def _fit(model, keys, trainer, start, pixels, monitor, look: Look = NOTHING) -> Fitted:
    return fit(
        streams(keys).finetuning,
        trainer,
        start,
        pixels,
        n_epochs=model.n_epochs,
        batch_size=model.batch_size,
        measure=look.measure,
        enough=look.enough,
        report_every=look.every,
        phase="training",
        monitor=monitor,
    )


def _learnt(keys: Key[Array, " S"], fitted: Fitted, flops: float) -> Learnt:
    seconds = {"finetuning": float(fitted.seconds.sum()), "compile": fitted.compile_seconds}
    return Learnt(fitted.state.params, _curves(keys, fitted), seconds, flops)


def _curves(keys: Key[Array, " S"], fitted: Fitted) -> dict[str, np.ndarray]:
    clock = {"epochs": fitted.epochs, "seconds": np.cumsum(fitted.seconds)}
    return fitted.curves | {name: for_each(keys, x) for name, x in clock.items()}


def _network(model: Inferring, pixels: Float[Array, "P V"]) -> vae.Variational:
    return vae.Variational(pixels.shape[1], model.latent, model.hidden)


def _of(tree: Any, i: int) -> Any:
    return jax.tree.map(lambda x: x[i], tree)


FAMILIES = {
    Mixture: Family(learn_mixture, judge_mixture),
    Belief: Family(learn_belief, judge_belief),
    Boltzmann: Family(learn_boltzmann, judge_boltzmann),
    Inferring: Family(learn_variational, judge_variational),
    Energetic: Family(learn_energetic, judge_energetic),
    Generating: Family(learn_generating, judge_generating),
}
