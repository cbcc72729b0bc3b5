"""How sure a number over seeds is: Student's t, paired ratios, shares, the bootstrap of enough values, Holm.

Values are one for each seed [n]. A single value has no interval: its ends are NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

LEVEL = 0.95
ENOUGH = 20  # values for a bootstrap: of 5 its 95 % interval covers 84 %
N_RESAMPLES = 9999


class Ratio(NamedTuple):
    """Of the errors of two arms, paired by seed."""

    value: float  # geometric mean over seeds
    low: float  # ends of the two-sided 95 % interval
    high: float
    upper: float  # end of the one-sided 95 % interval
    n: int


def interval(values: Float[np.ndarray, " n"], level: float = LEVEL) -> tuple[float, float]:
    """Student's t-interval of the mean over seeds, two-sided, in the unit of the values.

    It covers the true mean in `level` of all repetitions if the values are normal.
    """
    if len(values) < 2:
        return np.nan, np.nan
    half = scipy.stats.t.ppf((1 + level) / 2, len(values) - 1) * standard_error(values)
    return float(values.mean() - half), float(values.mean() + half)


def upper_end(values: Float[np.ndarray, " n"], level: float = LEVEL) -> float:
    """The upper end of the one-sided t-interval of the mean over seeds."""
    return interval(values, 2 * level - 1)[1]


def standard_error(values: Float[np.ndarray, " n"]) -> float:
    """Of the mean over seeds; 0 if all are alike, whatever their mean rounds to."""
    return 0.0 if np.ptp(values) == 0 else float(values.std(ddof=1) / np.sqrt(len(values)))


def ratio(ours: Float[np.ndarray, " n"], theirs: Float[np.ndarray, " n"]) -> Ratio:
    """How many times as large our errors are: the mean difference of logarithms by seed, with its t-interval,
    as a ratio. Entry i of both is of the same seed; errors are above 0.
    """
    logs = np.log(ours) - np.log(theirs)
    low, high = np.exp(interval(logs))
    return Ratio(
        float(np.exp(logs.mean())), float(low), float(high), float(np.exp(upper_end(logs))), len(logs)
    )


def p_at_most(values: Float[np.ndarray, " n"], bound: float) -> float:
    """The p of the one-sided t-test that the mean over seeds is at most `bound`: small if it surely is.

    "Not worse by more than 5 %" is `p_at_most(log ratios, log(1.05)) <= .05`, which is to say that the upper
    end of the one-sided 95 % interval is at most 1.05. NaN of a single value, whose spread is unknown.
    """
    if len(values) < 2:
        return np.nan
    if (error := standard_error(values)) == 0:
        return 0.0 if values[0] <= bound else 1.0
    return float(scipy.stats.t.cdf((values.mean() - bound) / error, len(values) - 1))


def share_interval(values: Bool[np.ndarray, " n"], level: float = LEVEL) -> tuple[float, float]:
    """The exact interval of a share [clopper1934use], two-sided: of those of which each value is a draw, how
    many are as the true ones are. It covers the true share in at least `level` of all repetitions.
    """
    found = scipy.stats.binomtest(int(values.sum()), len(values)).proportion_ci(level, "exact")
    return float(found.low), float(found.high)


def p_share_at_most(values: Bool[np.ndarray, " n"], bound: float) -> float:
    """The p of the exact one-sided test that the share is at most `bound`: small if it surely is."""
    return float(scipy.stats.binomtest(int(values.sum()), len(values), bound, "less").pvalue)


def bootstrap(
    values: Float[np.ndarray, " n"],
    statistic: Callable[..., Any],
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic (values, axis) of all seeds, in the statistic's unit.

    Raises:
        ValueError: of fewer than 20 values, of which the interval would be too short.
    """
    low, high = np.quantile(resampled(values, statistic, seed), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def resampled(
    values: Float[np.ndarray, " n"], statistic: Callable[..., Any], seed: int = 0
) -> Float[np.ndarray, " m"]:
    """The statistic of 9,999 sets of as many values, drawn from these with replacement.

    Raises:
        ValueError: of fewer than 20 values.
    """
    if len(values) < ENOUGH:
        raise ValueError(f"a bootstrap of {len(values)} values: it needs {ENOUGH}")
    drawn = np.random.default_rng(seed).choice(values, (N_RESAMPLES, len(values)))
    return statistic(drawn, axis=1)


def variation(values: np.ndarray, axis: int = -1) -> np.ndarray | np.floating:
    """Coefficient of variation: standard deviation over mean, of all seeds."""
    return values.std(axis=axis, ddof=1) / values.mean(axis=axis)


def holm(p: Sequence[float]) -> Float[np.ndarray, " tests"]:
    """The p-values adjusted for being several [holm1979simple]: those up to .05 may all be relied on, the
    chance that any of them is wrong being at most .05. NaN, of what was not tested, stays and counts.
    """
    found = np.asarray(p, float)
    order = np.argsort(found)  # NaN last
    stepped = np.maximum.accumulate(found[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
