"""log Z of an RBM by annealed importance sampling, from both sides   [neal2001annealed].

Chains go from a base, whose log Z is known, through intermediate distributions to the RBM; the weights that
they gather on the way have the mean Z. The same way back, begun at samples of the RBM, gives weights with the
mean 1/Z. As log is concave, the first estimate of log Z is on average too low and the second too high; so
what the first says of log p(v) = -F(v) - log Z is on average too good.

The base of the papers has independent visible units. An RBM may have modes that no chain from there comes to,
and its log Z is then too low by much, with weights that look well; so there is a base of prototypes too. That
an estimate from below is x nats too high has at most the probability exp(-x): the higher of two is taken.

A deep Boltzmann machine is an RBM once it is `folded`. Chains carry the visible units, the hidden ones are
summed out; for the other way round both models are exchanged. All units are binary, and all is in nats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.stats
from jaxtyping import Array, Float, Int, Key
from pydantic import Field
from scipy.special import logsumexp

from repro.evaluation.intervals import LEVEL
from repro.models.deep_energy import log_odds_of_mean
from repro.models.mixture import Mixture, log_joint, random_mixture
from repro.models.rbm import RBM
from repro.training.compiling import jitted
from repro.training.mixture import maximised
from repro.typed import Count, Positive, choice


@choice
class Annealing:
    """How many chains, and by which inverse temperatures β from 0 to 1: stretch after stretch, so many even
    steps up to the end of each   [salakhutdinov2008quantitative, and the authors' program].
    """

    n_chains: Count = 100
    n_steps: Annotated[tuple[Count, ...], Field(min_length=1)] = (500, 4000, 10_000)
    ends: tuple[Positive, ...] = (0.5, 0.9, 1.0)

    def __post_init__(self) -> None:
        """Refuse what does not lead to 1.

        Raises:
            ValueError: naming the field.
        """
        if len(self.ends) != len(self.n_steps):
            raise ValueError(f"ends must be as many as n_steps: {self.ends}")
        if self.ends[-1] != 1 or any(np.diff(self.ends) <= 0):
            raise ValueError(f"ends must rise to 1: {self.ends}")

    def temperatures(self) -> Float[np.ndarray, " T"]:
        """Every β, 0 and 1 included."""
        starts = (0.0, *self.ends[:-1])
        stretches = zip(starts, self.ends, self.n_steps, strict=True)
        return np.concatenate([[0.0], *(np.linspace(*each[:2], each[2] + 1)[1:] for each in stretches)])


class Path(NamedTuple):
    """Distributions from one to another, with an inverse temperature each, as functions of what the state of
    all chains is.
    """

    gain: Callable[..., Array]  # state, β, β' -> log p*(state; β') - log p*(state; β) of each chain
    move: Callable[..., tuple[Any, Any]]  # key, state, β' -> state after a step that leaves p(β'), info


class Base(NamedTuple):
    """Where annealing begins: visible units of a mixture, and hidden units that are independent of them."""

    visible: Mixture
    hidden_bias: Float[Array, " H"]


class LogZ(NamedTuple):
    """An estimate of log Z."""

    value: float
    low: float  # ends of the 95 % interval, NaN of a single chain
    high: float
    log_weights: Float[np.ndarray, " K"]  # of the chains; the mean weight estimates Z, or of the way back 1/Z
    effective_sample_size: float  # (∑w)² / ∑w²: as many chains of equal weights are worth as much; 1 to K
    ends: Float[Array, "K V"]  # states of the chains at the end: nearly samples of the distribution there


def base_rate(seen: Float[Array, "N V"], prior: float = 0.05) -> Mixture:
    """Visible units on as often as they are seen to be, independently   [salakhutdinov2008quantitative].

    So that no bias is infinite each mean is drawn towards ½, as if of all cases a share `prior` more were on,
    and as many off; the authors' program adds those that are on alone.
    """
    odds = log_odds_of_mean(seen, prior)
    return Mixture(jnp.zeros_like(odds[:1]), odds[None])


def prototypes(key: Key[Array, ""], seen: Float[Array, "N V"], n: int) -> Mixture:
    """Of n products, of what visible units are seen to be. A model with modes that independent units do not
    lead to may be reached from here.
    """
    return jitted(maximised)(random_mixture(key, n, seen.shape[1]), seen)


def component_log_odds(base: Base, beta: Float[Array, ""], v: Float[Array, "K V"]) -> Float[Array, "K M"]:
    """The log probabilities of the components of the base given v, but for a constant, in
    p(v, h, m) ∝ base(v, h, m)^(1 - β) rbm(v, h)^β.
    """
    return (1 - beta) * jax.vmap(log_joint, (None, 0))(base.visible, v)


def hidden_log_odds(
    base: Base, rbm: RBM, beta: Float[Array, ""], v: Float[Array, "K V"]
) -> Float[Array, "K H"]:
    """Of h = 1 given v in the same distribution: parameters lie between those of the two, for energies are
    linear in them.
    """
    W, _, c = rbm
    return (1 - beta) * base.hidden_bias[None] + beta * (c[None] + v @ W)


def visible_log_odds(
    base: Base, rbm: RBM, beta: Float[Array, ""], h: Float[Array, "K H"], m: Int[Array, " K"]
) -> Float[Array, "K V"]:
    """Of v = 1 given h and the component in the same distribution."""
    W, b, _ = rbm
    return (1 - beta) * base.visible.log_odds[m] + beta * (b[None] + h @ W.T)


def follow(
    key: Key[Array, ""], path: Path, state: Any, temperatures: Float[Array, " T"]
) -> tuple[Array, Any, Any]:
    """Of chains begun at samples of the first distribution, the log weights, where they end, and the info of
    every move: over each step from β to β' the weight of a chain is multiplied by p*(β') / p*(β) where it
    is, and then it moves   [neal2001annealed].
    """

    def step(carried, numbered):
        state, log_weights = carried
        i, before, after = numbered
        log_weights += path.gain(state, before, after)
        state, info = path.move(jr.fold_in(key, i), state, after)
        return (state, log_weights), info

    steps = jnp.arange(len(temperatures) - 1, dtype=jnp.int32), temperatures[:-1], temperatures[1:]
    with jax.default_matmul_precision("highest"):
        none = jnp.zeros_like(path.gain(state, temperatures[0], temperatures[0]))
        (state, log_weights), infos = jax.lax.scan(step, (state, none), steps)
    return log_weights, state, infos


def anneal(
    key: Key[Array, ""],
    base: Base,
    rbm: RBM,
    v: Float[Array, "K V"],
    temperatures: Float[Array, " T"],
) -> tuple[Float[Array, " K"], Float[Array, "K V"]]:
    """Of K chains, begun at samples v of the first distribution, the log weights and where they end.

    log p*(v; β) = log ∑ₘ base(v, m)^(1 - β) + β b.v + ∑ⱼ softplus(log odds of hⱼ); v is drawn anew by
    h, m ~ p(h, m | v; β'), v ~ p(v | h, m; β')   [salakhutdinov2008quantitative, whose base has one m].
    """

    def gain(v, before, after):
        received = [jax.nn.softplus(hidden_log_odds(base, rbm, beta, v)) for beta in (before, after)]
        of_base = [jax.nn.logsumexp(component_log_odds(base, beta, v), axis=1) for beta in (before, after)]
        linear = (after - before) * (v @ rbm.visible_bias)
        return linear + (of_base[1] - of_base[0]) + (received[1] - received[0]).sum(axis=1)

    def move(key, v, beta):
        key_h, key_v, key_m = jr.split(key, 3)
        h = _drawn(key_h, hidden_log_odds(base, rbm, beta, v))
        m = jr.categorical(key_m, component_log_odds(base, beta, v))
        return _drawn(key_v, visible_log_odds(base, rbm, beta, h, m)), None

    log_weights, v, _ = follow(key, Path(gain, move), v, temperatures)
    return log_weights, v


def _drawn(key, log_odds):
    return jr.bernoulli(key, jax.nn.sigmoid(log_odds)).astype(log_odds.dtype)


def log_z_from_below(key: Key[Array, ""], base: Base, rbm: RBM, annealing: Annealing) -> LogZ:
    """On average at most log Z: chains from the base to the RBM."""
    key_start, key_steps, key_m = jr.split(key, 3)
    m = jr.categorical(key_m, base.visible.log_shares, shape=(annealing.n_chains,))
    start = _drawn(key_start, base.visible.log_odds[m])
    temperatures = _of_type(rbm, annealing.temperatures())
    log_weights, ends = jitted(anneal)(key_steps, base, rbm, start, temperatures)
    return estimate(log_weights, ends, _log_z_of(base), sign=1)


def log_z_from_above(
    key: Key[Array, ""], base: Base, rbm: RBM, annealing: Annealing, samples: Float[Array, "K V"]
) -> LogZ:
    """On average at least log Z if the samples are of the RBM, one for each chain: chains from it to the
    base   [grosse2015sandwiching].

    Samples are exact of a model that can be enumerated; else they are states of long Gibbs chains, and what
    is lacking in them is lacking in the bound.
    """
    temperatures = _of_type(rbm, annealing.temperatures()[::-1])
    log_weights, ends = jitted(anneal)(key, base, rbm, samples, temperatures)
    return estimate(log_weights, ends, -_log_z_of(base), sign=-1)


def _of_type(rbm: RBM, values: np.ndarray) -> Array:
    return jnp.asarray(values, rbm.weights.dtype)


def _log_z_of(base: Base) -> float:
    """Of the base, over the number of its components, each of which leads to the RBM."""
    hidden = np.logaddexp(0, np.asarray(base.hidden_bias, float)).sum()
    return float(hidden) - np.log(len(base.visible.log_shares))


def estimate(log_weights: Float[Array, " K"], ends: Float[Array, "K V"], at_start: float, sign: int) -> LogZ:
    """The log of the mean weight, or minus that, with Student's t-interval.

    Its standard error is that of the mean weight over the mean weight (the delta method), and follows from
    the effective sample size. The papers' log(mean ± 3 standard errors) has no lower end where errors are
    large; the bootstrap, tried on log-normal weights, covers no more. Where the effective sample size is a
    small part of the chains every such interval is too short: compare the estimate from the other side.
    """
    found = np.asarray(log_weights, float) + at_start
    n, total = len(found), logsumexp(found)
    size = float(np.exp(2 * total - logsumexp(2 * found)))
    value, half = sign * (total - np.log(n)), np.nan
    if n > 1:
        half = scipy.stats.t.ppf((1 + LEVEL) / 2, n - 1) * np.sqrt(max(n / size - 1, 0) / (n - 1))
    return LogZ(float(value), float(value - half), float(value + half), found, size, ends)
