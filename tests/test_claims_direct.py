"""C1, C1b, C2, C2a, C11 and C13 on made-up records: what upholds, what refutes, what leaves them open."""

import numpy as np
import pytest
from made_frames import answered, arms, evidence, runs, tuning

from experiments import all_claims, answer, spread, untrainable
from repro.models.autoencoder import Architecture
from repro.report.verdicts import page, verdict
from repro.runs.config import Epochs, FanIn, Gaussian, Glorot, Sparse
from repro.training.flops import backprop_flops

CLAIM = {claim.key: claim for claim in all_claims()}
VARIANTS = untrainable.VARIANTS


def ruling(key, *records):
    return verdict(CLAIM[key], evidence(*records))


def yardsticks():
    yield from runs("curves", "pretrained-cg", test_squared_error=1.5, flops=10.0)
    yield from runs("curves", "pca-18", test_squared_error=5.8)
    yield from runs("curves", "mean-image", test_squared_error=16.0)


def one(variant, errors, flops=1.0, **more):
    """A run of `untrainable` whose errors fall from first to last, as evenly as its operations grow."""
    errors = np.atleast_1d(np.asarray(errors, float))
    curve = {"test_squared_error": errors, "flops": np.linspace(0, flops, len(errors) + 1)[1:]}
    yield from runs(
        "untrainable", variant, curve=curve, test_squared_error=float(errors[-1]), flops=flops, **more
    )


@pytest.mark.parametrize(("best", "expected"), [(15.9, "UPHELD"), (12.0, "OPEN"), (2.9, "REFUTED")])
def test_c1_looks_at_the_best_of_all_small_starts(best, expected):
    def error(variant, config):
        if isinstance(config.start, FanIn | Glorot | Sparse):
            return 0.5
        return best if variant == "gaussian.01-momentum-0.005" else 16.0

    found = [*yardsticks(), *(r for v, config in VARIANTS.items() for r in one(v, error(v, config)))]
    assert ruling("C1", found) == expected


def test_c1_is_refuted_by_one_arm_whatever_the_others_lack():
    assert ruling("C1", yardsticks(), one("gaussian-cg", 2.9)) == "REFUTED"
    assert ruling("C1", yardsticks(), one("gaussian-cg", 2.9, seeds=4)) == "OPEN"
    assert ruling("C1", yardsticks(), one("gaussian-cg", 2.9, epochs=100)) == "REFUTED", "sooner is no worse"


def test_an_arm_that_diverged_was_not_trained_and_does_not_lack_the_rest_of_its_epochs():
    """Of one arm every seed, of another all but one, which is worse than the best."""
    all_of_it = {"diverged_epoch": [3.0] * 5, "epochs": 10}
    most = {"diverged_epoch": [3.0] * 4 + [np.nan]}
    gone = [*one("gaussian-sgd-0.05", np.nan, **all_of_it), *one("gaussian-sgd-0.01", 16.0, **most)]
    for some in gone[5:9]:
        some.metrics["test_squared_error"] = np.nan
    others = set(untrainable.SMALL) - {"gaussian-sgd-0.05", "gaussian-sgd-0.01"}
    found = [*gone, *(r for v in sorted(others) for r in one(v, 15.9))]
    assert ruling("C1", yardsticks(), found) == "UPHELD"
    others = set(untrainable.BEFORE_2006) - {"gaussian-sgd-0.05", "gaussian-sgd-0.01", untrainable.LONG}
    found = [*gone, *(r for v in sorted(others) for r in one(v, 15.9, 10.0))]
    for some in gone[9:]:
        some.curves["flops"] = [10.0]
    assert ruling("C1b", yardsticks(), found) == "UPHELD"
    assert ruling("C1", yardsticks(), one("gaussian-cg", 2.9), gone) == "REFUTED"


@pytest.mark.parametrize(("pretrained", "expected"), [(2.8, "UPHELD"), (3.0, "OPEN")])
def test_c1_asks_half_the_error_of_pca(pretrained, expected):
    found = [r for v in untrainable.SMALL for r in one(v, 16.0)]
    recipe = runs("curves", "pretrained-cg", test_squared_error=pretrained)
    others = (
        runs("curves", "pca-18", test_squared_error=5.8),
        runs("curves", "mean-image", test_squared_error=16.0),
    )
    assert ruling("C1", recipe, *others, found) == expected


def test_c1_is_open_while_one_arm_is_missing_or_short():
    found = [r for v in untrainable.SMALL[1:] for r in one(v, 16.0)]
    assert ruling("C1", yardsticks(), found) == "OPEN"
    short = evidence(yardsticks(), found, one(untrainable.SMALL[0], 16.0, epochs=499))
    assert f"- untrainable {untrainable.SMALL[0]}: 499 of 500 epochs\n" in page([CLAIM["C1"]], short)


def test_the_starts_of_each_claim_are_those_of_its_criterion():
    """Two small ones with 14 descents each; those and 1/√fan-in before 2006; the long run is another's."""
    assert len(untrainable.SMALL) == 28 and untrainable.LONG not in untrainable.SMALL
    assert {VARIANTS[v].start for v in untrainable.SMALL} == {Gaussian(0.1), Gaussian(0.01)}
    assert {VARIANTS[v].start for v in untrainable.BEFORE_2006} == {Gaussian(0.1), Gaussian(0.01), FanIn()}


@pytest.mark.parametrize(
    ("errors", "flops", "expected"),
    [
        ([9.0, 1.6], 10.0, "UPHELD"),
        ([9.0, 1.4], 10.0, "REFUTED"),
        ([9.0, 1.4], 10.1, "UPHELD"),
        ([9.0], 9.9, "OPEN"),
        ([9.0, 1.4, 9.0], 9.0, "REFUTED"),
    ],
)
def test_c1b_counts_what_came_within_the_operations_of_2006(errors, flops, expected):
    found = [
        r
        for v, config in VARIANTS.items()
        for r in one(v, 0.1 if isinstance(config.start, Glorot | Sparse) else errors, flops)
    ]
    assert ruling("C1b", yardsticks(), found) == expected


@pytest.mark.parametrize(
    ("error", "short", "expected"),
    [
        (1.4, {}, "UPHELD"),
        (1.4, {"epochs": 7499}, "OPEN"),
        (1.4, {"seeds": 4}, "OPEN"),
        (15.9, {}, "REFUTED"),
        (9.0, {}, "OPEN"),
    ],
)
def test_c13_asks_how_far_750000_updates_go(error, short, expected):
    assert ruling("C13", yardsticks(), one(untrainable.LONG, error, **short)) == expected


def test_full_lengths_are_those_that_the_verdicts_ask_for():
    """750,000 updates of 200 of 20,000 curves, and for C1b as many epochs as the module's head says."""
    long = VARIANTS[untrainable.LONG]
    assert long.budget == Epochs(7500) and 7500 * 20_000 / long.batch_size == 750_000
    layers = Architecture((784, *untrainable.EVERY.network.widths)).layers
    assert "--epochs 1220 " in untrainable.__doc__
    assert 1 < 1220 * backprop_flops(layers, 20_000) / answer.RECIPE["curves"] < 1.01


DATA = ("curves", "mnist", "faces", "reuters21578")


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((1.0, 1.0, 1.04, 3.0), "UPHELD"),
        ((1.0, 1.08, 1.08, 1.0), "OPEN"),
        ((1.0, 1.0, 1.2, 1.2), "REFUTED"),
        ((0.5, 0.5, 1.2, 1.0), "UPHELD"),
    ],
)
def test_c2_and_c2a_count_data_sets(ratios, expected):
    """The pretrained arm with CG has twice the error of that with Adam, so C2 is easier than C2a."""
    found = [*answered(dict(zip(DATA, ratios, strict=True)))]
    assert ruling("C2a", found) == expected
    doubled = {data: 2 * ratio for data, ratio in zip(DATA, ratios, strict=True)}
    doubled = [*answered(doubled, shares=["all"])]
    assert ruling("C2", doubled) == expected
    assert ruling("C2", found) == ("UPHELD" if max(ratios) < 2 else expected)


def test_c2a_asks_at_both_shares_of_the_operations():
    both = {"tenth": 1.2, "all": 1.0}
    assert ruling("C2a", answered(dict.fromkeys(DATA, both))) == "OPEN"
    ratios = {data: both if data in DATA[:2] else 1.0 for data in DATA}
    assert ruling("C2a", answered(ratios)) == "OPEN"
    ratios = {data: both if data == "mnist" else 1.0 for data in DATA}
    assert ruling("C2a", answered(ratios)) == "UPHELD"
    assert ruling("C2a", answered(dict.fromkeys(DATA, 1.0), shares=["all"])) == "OPEN"


def test_c2_chooses_the_direct_arm_on_validation_and_not_on_test():
    """On one data set an arm has the lowest validation loss and a bad test error."""
    good = [*answered(dict.fromkeys(DATA, 1.0), shares=["all"])]
    assert ruling("C2", good) == "UPHELD"

    def with_tempting(bad):
        tempting = {f"all/{data}/glorot-muon" for data in bad}
        others = [r for r in good if r.variant not in tempting]
        spoilt = [r for data in bad for r in arms(data, "all", "glorot", "muon", 9.0, valid=0.01)]
        return [*others, *spoilt]

    assert ruling("C2", with_tempting(DATA[:1])) == "UPHELD"
    assert ruling("C2", with_tempting(DATA[:2])) == "REFUTED"


def test_c2_is_open_while_a_direct_arm_is_missing_or_was_not_tuned_fairly():
    good = [*answered(dict.fromkeys(DATA, 1.0), shares=["all"])]
    for gone in ({"all/curves/glorot-hf"}, {"all/mnist/sparse-nag"}):
        bad = [r for r in good if r.variant not in gone or (r.variant.endswith("nag") and is_run(r))]
        assert ruling("C2", bad) == "UPHELD", "three of four are enough"
        others = [r for r in bad if not r.variant.startswith("all/faces/")]
        assert ruling("C2", others) == "OPEN"
    without = [r for r in good if not r.variant.endswith("pretrained-muon")]
    assert ruling("C2", without) == "UPHELD", "the recipe is the only pretrained arm that it needs"


def test_c2a_needs_every_arm_of_a_data_set_to_tell_the_best_optimiser():
    good = [*answered(dict.fromkeys(DATA, 1.0))]
    assert ruling("C2a", good) == "UPHELD"
    for begins, optimiser in (("pretrained", "muon"), ("glorot", "hf")):
        gone = {f"tenth/{data}/{begins}-{optimiser}" for data in DATA[:2]}
        assert ruling("C2a", [r for r in good if r.variant not in gone]) == "OPEN"


def is_run(record):
    return record.config["kind"] == "autoencoding"


@pytest.mark.parametrize(
    ("outlier", "seeds", "flops", "expected"),
    [
        (1.1, 20, 10.0, "UPHELD"),
        (1.4, 20, 10.0, "OPEN"),
        (0.78, 20, 10.0, "UPHELD"),
        (0.765, 20, 10.0, "OPEN"),  # one over it is 1.307
        (1.1, 19, 10.0, "OPEN"),
        (1.1, 20, 9.0, "OPEN"),
        (30.0, 20, 10.0, "REFUTED"),
    ],
)
def test_c11_needs_twenty_starts_with_the_operations_of_2006(outlier, seeds, flops, expected):
    found = [r for data in ("curves", "mnist") for r in runs(data, "pretrained-cg", flops=10.0)]
    for variant in spread.VARIANTS:
        some = [
            *runs("spread", variant, seeds=seeds, curve={"train_cross_entropy": [1, 1], "flops": [5, flops]})
        ]
        bad = (
            range(seeds - 8, seeds) if outlier > 2 else [seeds - 1]
        )  # one start alone leaves the interval wide
        for seed in bad:
            some[seed].curves["train_cross_entropy"][-1] = outlier
        found += [
            *some,
            tuning("spread", variant, [3, 2, 1, 2][: len(spread.VARIANTS[variant].tuning.candidates)]),
        ]
    assert ruling("C11", found) == expected
