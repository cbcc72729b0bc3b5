"""log Z of an RBM by annealed importance sampling, from both sides   [neal2001annealed].

Chains go from a base-rate model, whose log Z is known, through intermediate distributions to the RBM; the
weights that they gather on the way have the mean Z. The same way back, begun at samples of the RBM, gives
weights with the mean 1/Z. As log is concave, the first estimate of log Z is on average too low and the second
too high; so what the first says of log p(v) = -F(v) - log Z is on average too good.

A deep Boltzmann machine is an RBM once it is `folded`. Chains carry the visible units, the hidden ones are
summed out; for the other way round both models are exchanged. All units are binary, and all is in nats.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.stats
from jaxtyping import Array, Float, Key
from pydantic import Field
from scipy.special import logsumexp

from repro.evaluation.intervals import LEVEL
from repro.models.rbm import RBM
from repro.training.compiling import jitted
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


class BaseRate(NamedTuple):
    """The RBM without weights at which annealing begins: its units are independent."""

    visible_bias: Float[Array, " V"]
    hidden_bias: Float[Array, " H"]


class LogZ(NamedTuple):
    """An estimate of log Z."""

    value: float
    low: float  # ends of the 95 % interval, NaN of a single chain
    high: float
    log_weights: Float[np.ndarray, " K"]  # of the chains; the mean weight estimates Z, or of the way back 1/Z
    effective_sample_size: float  # (∑w)² / ∑w²: as many chains of equal weights are worth as much; 1 to K
    ends: Float[Array, "K V"]  # states of the chains at the end: nearly samples of the distribution there


def base_rate(rbm: RBM, train: Float[Array, "N V"], prior: float = 0.05) -> BaseRate:
    """Visible units on as often as in the training data, hidden ones, and visible ones that the data do not
    have (of a folded deep Boltzmann machine), half the time.

    So that no bias is infinite each mean is drawn towards ½, as if of all cases a share `prior` more were on,
    and as many off; the authors' program adds those that are on alone.
    """
    mean = (jnp.mean(train, axis=0) + prior) / (1 + 2 * prior)
    bias = jnp.zeros_like(rbm.visible_bias).at[: len(mean)].set(jax.scipy.special.logit(mean))
    return BaseRate(bias, jnp.zeros_like(rbm.hidden_bias))


def hidden_log_odds(
    base: BaseRate, rbm: RBM, beta: Float[Array, ""], v: Float[Array, "K V"]
) -> Float[Array, "K H"]:
    """Of h = 1 given v in p(v, h) ∝ base(v, h)^(1 - β) rbm(v, h)^β; that is an RBM whose parameters lie
    between those of the two, for energies are linear in them.
    """
    W, _, c = rbm
    return (1 - beta) * base.hidden_bias[None] + beta * (c[None] + v @ W)


def visible_log_odds(
    base: BaseRate, rbm: RBM, beta: Float[Array, ""], h: Float[Array, "K H"]
) -> Float[Array, "K V"]:
    """Of v = 1 given h in the same distribution."""
    W, b, _ = rbm
    return (1 - beta) * base.visible_bias[None] + beta * (b[None] + h @ W.T)


def anneal(
    key: Key[Array, ""],
    base: BaseRate,
    rbm: RBM,
    v: Float[Array, "K V"],
    temperatures: Float[Array, " T"],
) -> tuple[Float[Array, " K"], Float[Array, "K V"]]:
    """Of K chains, begun at samples v of the first distribution, the log weights and where they end.

    Over each step from β to β' the weight of a chain is multiplied by p*(v; β') / p*(v; β), with
    log p*(v; β) = ((1 - β) a + β b).v + ∑ⱼ softplus(log odds of hⱼ), a the base's visible biases; then v is
    drawn anew by h ~ p(h | v; β'), v ~ p(v | h; β')   [salakhutdinov2008quantitative].
    """

    def step(carried, numbered):
        v, log_weights = carried
        i, before, after = numbered
        key_h, key_v = jr.split(jr.fold_in(key, i))
        received = hidden_log_odds(base, rbm, after, v)
        gain = jax.nn.softplus(received) - jax.nn.softplus(hidden_log_odds(base, rbm, before, v))
        log_weights += (after - before) * (v @ (rbm.visible_bias - base.visible_bias)) + gain.sum(axis=1)
        h = _drawn(key_h, received)
        return (_drawn(key_v, visible_log_odds(base, rbm, after, h)), log_weights), None

    steps = jnp.arange(len(temperatures) - 1, dtype=jnp.int32), temperatures[:-1], temperatures[1:]
    with jax.default_matmul_precision("highest"):
        (v, log_weights), _ = jax.lax.scan(step, (v, jnp.zeros_like(v[:, 0])), steps)
    return log_weights, v


def _drawn(key, log_odds):
    return jr.bernoulli(key, jax.nn.sigmoid(log_odds)).astype(log_odds.dtype)


def log_z_from_below(key: Key[Array, ""], base: BaseRate, rbm: RBM, annealing: Annealing) -> LogZ:
    """On average at most log Z: chains from the base-rate model to the RBM."""
    key_start, key_steps = jr.split(key)
    shape = annealing.n_chains, len(base.visible_bias)
    start = _drawn(key_start, jnp.broadcast_to(base.visible_bias, shape))
    found = jitted(anneal)(key_steps, base, rbm, start, _of_type(rbm, annealing.temperatures()))
    return _estimate(*found, _log_z_of(base), sign=1)


def log_z_from_above(
    key: Key[Array, ""], base: BaseRate, rbm: RBM, annealing: Annealing, samples: Float[Array, "K V"]
) -> LogZ:
    """On average at least log Z if the samples are of the RBM, one for each chain: chains from it to the
    base-rate model   [grosse2015sandwiching].

    Samples are exact of a model that can be enumerated; else they are states of long Gibbs chains, and what
    is lacking in them is lacking in the bound.
    """
    temperatures = _of_type(rbm, annealing.temperatures()[::-1])
    return _estimate(*jitted(anneal)(key, base, rbm, samples, temperatures), -_log_z_of(base), sign=-1)


def _of_type(rbm: RBM, values: np.ndarray) -> Array:
    return jnp.asarray(values, rbm.weights.dtype)


def _log_z_of(base: BaseRate) -> float:
    return float(sum(np.logaddexp(0, np.asarray(bias, float)).sum() for bias in base))


def _estimate(log_weights: Float[Array, " K"], ends: Float[Array, "K V"], at_start: float, sign: int) -> LogZ:
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
