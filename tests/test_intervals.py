"""Intervals against closed forms and other implementations; how often they cover, by simulation."""

import numpy as np
import pytest
import scipy.stats

from repro.evaluation.intervals import (
    bootstrap,
    holm,
    interval,
    p_at_most,
    p_share_at_most,
    ratio,
    share_interval,
    upper_end,
    variation,
)

FIVE = np.array([3.01, 2.87, 3.32, 2.95, 3.10])


def test_the_interval_of_a_mean_is_students():
    """t of 4 degrees of freedom is 2.776445 at 97.5 % and 2.131847 at 95 %, from any printed table."""
    error = FIVE.std(ddof=1) / 5**0.5
    np.testing.assert_allclose(
        interval(FIVE), [FIVE.mean() - 2.776445 * error, FIVE.mean() + 2.776445 * error], rtol=1e-6
    )
    np.testing.assert_allclose(upper_end(FIVE), FIVE.mean() + 2.131847 * error, rtol=1e-6)


def test_of_two_values_the_interval_has_a_closed_form():
    """With one degree of freedom t is tan(π (p - 1/2)): half the range times tan(.475 π) to either side."""
    np.testing.assert_allclose(interval(np.array([1.0, 3.0])), 2 + np.array([-1, 1]) * np.tan(0.475 * np.pi))


def test_a_single_value_has_no_interval_and_equal_values_one_without_width():
    assert np.isnan(interval(np.ones(1))).all() and np.isnan(upper_end(np.ones(1)))
    assert np.isnan(p_at_most(np.ones(1), 1.0))
    assert interval(np.full(3, 0.1)) == (np.full(3, 0.1).mean(),) * 2
    assert (p_at_most(np.full(3, 0.1), 0.1), p_at_most(np.full(3, 0.1), 0.09)) == (0, 1)


def test_ratios_are_paired_by_seed():
    """What seeds have in common, here a factor, is no spread of the ratio."""
    ours, theirs = FIVE, FIVE / np.array([1.1, 1.2, 1.1, 1.2, 1.15])
    found = ratio(ours, theirs)
    logs = np.log(ours / theirs)
    test = scipy.stats.ttest_rel(np.log(ours), np.log(theirs))
    np.testing.assert_allclose(found.value, scipy.stats.gmean(ours / theirs))
    np.testing.assert_allclose(found[1:3], np.exp(test.confidence_interval(0.95)))
    one_sided = scipy.stats.ttest_1samp(logs, 0, alternative="less")
    np.testing.assert_allclose(found.upper, np.exp(one_sided.confidence_interval(0.95).high))
    assert found.n == 5 and found.high < 1.25


def test_the_test_of_a_bound_is_the_one_sided_t_test_and_agrees_with_the_upper_end():
    logs = np.log(np.array([1.01, 1.03, 0.99, 1.04, 1.02]))
    for bound in (1.0, 1.03, 1.05):
        theirs = scipy.stats.ttest_1samp(logs, np.log(bound), alternative="less").pvalue
        np.testing.assert_allclose(p_at_most(logs, np.log(bound)), theirs)
        assert (p_at_most(logs, np.log(bound)) <= 0.05) == (np.exp(upper_end(logs)) <= bound)


def test_the_interval_of_a_share_is_exact():
    """None of n are as many in (1 - p)ⁿ of all repetitions, where p is the true share; all of them in pⁿ."""
    none, n = np.zeros(20, bool), 20
    np.testing.assert_allclose(share_interval(none), [0, 1 - 0.025 ** (1 / n)], atol=1e-12)
    np.testing.assert_allclose(share_interval(~none), [0.025 ** (1 / n), 1], rtol=1e-9)
    np.testing.assert_allclose(p_share_at_most(none, 0.1), 0.9**n)
    some = np.arange(20) < 3
    low, high = share_interval(some)
    np.testing.assert_allclose(scipy.stats.binom.sf(2, n, low), 0.025, rtol=1e-6)
    np.testing.assert_allclose(
        [scipy.stats.binom.cdf(3, n, high), p_share_at_most(some, high)], 0.025, rtol=1e-6
    )


def coverage(covers, n_seeds, n=4000):
    """The share of made-up sets of seeds whose interval covers 0, the true mean; seed fixed."""
    draws = np.random.default_rng(5).normal(size=(n, n_seeds))
    return np.mean([covers(values) for values in draws]), 4.5 * (0.95 * 0.05 / n) ** 0.5


def test_of_five_seeds_the_interval_covers_as_often_as_it_says():
    def both(values):
        low, high = interval(values)
        return low <= 0 <= high

    share, far = coverage(both, 5)
    assert abs(share - 0.95) < far
    share, far = coverage(lambda values: upper_end(values) >= 0, 5)
    assert abs(share - 0.95) < far


def test_the_bootstrap_needs_twenty_values():
    with pytest.raises(ValueError, match="of 19 values: it needs 20"):
        bootstrap(np.arange(19.0), variation)


def test_the_bootstrap_is_that_of_scipy_up_to_chance():
    values = np.random.default_rng(3).gamma(9.0, size=20)
    theirs = scipy.stats.bootstrap((values,), variation, method="percentile", rng=np.random.default_rng(4))
    np.testing.assert_allclose(bootstrap(values, variation), theirs.confidence_interval, rtol=0.03)
    np.testing.assert_allclose(variation(values), scipy.stats.variation(values, ddof=1))
    assert bootstrap(values, variation) == bootstrap(values, variation)
    assert bootstrap(values, variation) != bootstrap(values, variation, seed=1)


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # the example of Wikipedia's article
        ([0.02], [0.02]),
        ([], []),
        ([0.9, 0.8], [1.0, 1.0]),
        ([np.nan, 0.02], [np.nan, 0.04]),
    ],
)
def test_holm_by_hand(p, adjusted):
    np.testing.assert_allclose(holm(p), adjusted)


def test_holm_seldom_errs_in_any_of_several_true_hypotheses():
    """Of four tests in which nothing is to be found, one in 20 families may show something."""
    families = np.random.default_rng(6).uniform(size=(4000, 4))
    share = np.mean([min(holm(list(p))) <= 0.05 for p in families])
    exact = 1 - (1 - 0.05 / 4) ** 4
    assert abs(share - exact) < 4.5 * (exact * (1 - exact) / 4000) ** 0.5
