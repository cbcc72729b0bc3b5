"""C2b, C5 and C12 on made-up records: what upholds, what refutes, what leaves them open."""

import numpy as np
import pytest
from made_frames import EXPERIMENTS, evidence, frame, record, runs

from experiments import all_claims, few_labels
from repro.report.fairness import judged
from repro.report.verdicts import rule, verdict
from repro.runs.config import Classifying, FewLabels, tuning_of, with_choice
from repro.training.flops import backprop_flops

CLAIM = {claim.key: claim for claim in all_claims()}
CLASSIFIER = dict.fromkeys(EXPERIMENTS["classifier"].variants, 2.0)
DEEP = {"glorot": 1.7, "relu": 1.6, "rbm-stack": 1.2, "autoencoder-stack": 1.4, "supervised-layers": 1.8}
NEAR = 1e-3  # by which seeds differ


def ruling(key, records):
    return verdict(CLAIM[key], evidence(records))


def classified(experiment, variant, error, valid=None, *, seeds=5, best=2, epoch=50.0):
    """The choice and the runs of a variant; unless said, it errs on validation cases as on test cases."""
    run = EXPERIMENTS[experiment].variants[variant]
    found = {f"valid_error_percent_rate_{rate:g}": abs(i - best) + 1.0 for i, rate in enumerate(run.rates)}
    found |= {"stop_at": 0.01, "epochs_trained": epoch, "valid_error_percent_mean": 90.0}
    found |= {"valid_error_percent": error if valid is None else valid}
    found |= {"learning_rate": run.rates[best]} if run.rates else {}
    yield record(experiment, variant, tuning_of(run), found)
    for seed in range(seeds):
        scores = {"test_error_percent": error + NEAR * seed, "flops": 1e13}
        yield record(experiment, variant, with_choice(run, found), scores, {"epochs": [50]}, seed=seed)


def every(experiment, errors, **of_one):
    """All variants; what `of_one` says is of its variant alone."""
    return [
        r
        for variant, error in errors.items()
        for r in classified(experiment, variant, error, **of_one.get(variant, {}))
    ]


@pytest.mark.parametrize(("direct", "expected"), [(1.25, "UPHELD"), (1.32, "OPEN"), (1.45, "REFUTED")])
def test_c2b_compares_the_best_direct_arm_with_the_best_pretrained_one(direct, expected):
    errors = CLASSIFIER | {"pretrained-cg": 1.2, "relu-dropout-adam": direct}
    spread = [*every("classifier", errors)]
    assert ruling("C2b", spread) == expected


def test_c2b_takes_the_arm_that_validation_takes_whatever_it_errs_on_in_test():
    errors = CLASSIFIER | {"pretrained-cg": 1.2, "relu-dropout-adam": 1.2, "glorot-cg": 1.6}
    assert ruling("C2b", every("classifier", errors)) == "UPHELD"
    by_validation = {"glorot-cg": {"valid": 0.9}}
    assert ruling("C2b", every("classifier", errors, **by_validation)) == "REFUTED"


@pytest.mark.parametrize("lacking", [{"seeds": 4}, {"best": 4}, {"best": 0}, {"epoch": 95.0}])
def test_c2b_is_open_while_an_arm_lacks_seeds_or_a_fair_choice(lacking):
    """Its best rate lies at an edge of the grid, or its best epoch among the last twentieth."""
    errors = CLASSIFIER | {"pretrained-adam": 1.2, "glorot-adam": 1.2}
    assert ruling("C2b", every("classifier", errors)) == "UPHELD"
    assert ruling("C2b", every("classifier", errors, **{"glorot-adam": lacking})) == "OPEN"
    assert ruling("C2b", every("classifier", errors, **{"glorot-adam": {"epoch": 94.0}})) == "UPHELD"


def test_what_a_classifier_lacks_is_named_with_its_cost():
    records = [r for r in every("classifier", CLASSIFIER) if r.variant != "glorot-sd"]
    [lack] = rule(CLAIM["C2b"], evidence(records)).lacks
    assert (lack.what, lack.variant) == ("no records", "classifier glorot-sd")
    of_epoch = backprop_flops((784, 500, 500, 2000, 10), 60_000)
    assert lack.cost and lack.cost.n_runs == 5
    np.testing.assert_allclose(lack.cost.operations, (5 + 5) * 100 * of_epoch), "five rates once, five runs"
    np.testing.assert_allclose(lack.cost.seconds, lack.cost.operations / 1e13 * 60), "at their own rate"


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({}, "UPHELD"),
        ({"relu": 1.45}, "REFUTED"),
        ({"glorot": 1.45}, "REFUTED"),
        ({"supervised-layers": 1.3}, "OPEN"),
        ({"rbm-stack": 1.6, "autoencoder-stack": 1.7}, "OPEN"),
        ({"rbm-stack": 1.6}, "UPHELD"),
    ],
)
def test_c12_by_its_criteria(errors, expected):
    assert ruling("C12", every("deep_classifier", DEEP | errors)) == expected


LITTLE = {100: 1.6, 600: 1.5, 1000: 1.4, 3000: 1.3, 10_000: 1.2, 60_000: 1.1}
GAIN = {100: 6.0, 600: 5.0, 1000: 4.5, 3000: 2.0, 10_000: 1.0, 60_000: 0.2}


def labelled(gains, within=None, *, draws=10, rate=0.003, epoch=30.0):
    """All networks: with N labels the best that learnt before errs on 10 %, the best direct one on so many
    points more; what rates are chosen within the labels gains as much unless said.
    """
    for variant, config in EXPERIMENTS["few_labels"].variants.items():
        size, name = variant.split("/")
        best = name in ("dbn", "deep-relu")
        errors = [
            10.0 + 5.0 * (not best) + some[int(size)] * (name in few_labels.DIRECT)
            for some in (gains, within or gains)
        ]
        if isinstance(config, Classifying):
            yield from classified("few_labels", variant, errors[0], seeds=draws)
            continue
        assert isinstance(config, FewLabels)
        for seed in range(draws):
            own = [error + NEAR * seed * (name == "dbn") for error in errors]
            scores = {"test_error_percent": own[0], "test_error_percent_within": own[1], "flops": 1e13}
            scores |= {"valid_error_percent": own[0], "held_out_error_percent": own[1]}
            scores |= {f"learning_rate{end}": rate for end in ("", "_within")}
            scores |= {f"epochs_trained{end}": epoch for end in ("", "_within")}
            yield record("few_labels", variant, config, scores, {"epochs": [60]}, seed=seed)


@pytest.mark.parametrize(
    ("gains", "within", "expected"),
    [
        (GAIN, None, "UPHELD"),
        (GAIN | {1000: 3.0}, None, "OPEN"),
        (GAIN, GAIN | {100: 3.0}, "OPEN"),
        (GAIN | {60_000: 1.5}, None, "OPEN"),
        (LITTLE, None, "REFUTED"),
        (LITTLE, GAIN, "OPEN"),
        (GAIN | {100: 1.5, 600: 1.5, 1000: 1.5}, None, "REFUTED"),
        (GAIN | {100: 1.5, 1000: 1.5}, None, "OPEN"),
    ],
)
def test_c5_by_its_criteria(gains, within, expected):
    assert ruling("C5", list(labelled(gains, within))) == expected


def test_c5_asks_that_the_gain_falls_with_the_number_of_labels():
    rising = {100: 4.5, 600: 5.0, 1000: 5.5, 3000: 6.0, 10_000: 6.5, 60_000: 0.2}
    assert ruling("C5", list(labelled(rising))) == "OPEN"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "chosen"),
        ({"learning_rate_within": 1e-4}, "in most draws the best rate lies at an edge of the grid"),
        ({"epochs_trained": 60.0}, "in most draws the best epoch lies at the end"),
        (
            {"valid_error_percent": 91.0, "valid_error_percent_mean": 90.0},
            "no candidate is better than the mean",
        ),
        ({"test_error_percent": np.nan}, "every candidate diverged"),
    ],
)
def test_the_tables_say_of_few_labels_whether_most_draws_chose_fairly(wrong, said):
    draws = [r for r in labelled(GAIN) if r.variant == "1000/dbn"]
    judgement = said if said == "chosen" else f"not tuned: {said}"
    for n, expected in ((10, judgement), (4, judgement if "diverged" in said else "chosen")):
        some = [r._replace(metrics=r.metrics | wrong) if r.seed < n else r for r in draws]
        assert {*judged(frame(some)).tuning} == {expected}


@pytest.mark.parametrize("lacking", [{"draws": 9}, {"rate": 1e-4}, {"rate": 3e-2}, {"epoch": 58.0}])
def test_c5_is_open_while_draws_or_a_fair_choice_are_lacking(lacking):
    assert ruling("C5", list(labelled(GAIN, **lacking))) == "OPEN"


@pytest.mark.parametrize(("errors", "expected"), [([1e-14] * 5, "UPHELD"), ([1e-14] * 4 + [2e-6], "REFUTED")])
def test_c14_asks_of_every_seed(errors, expected):
    assert (
        ruling("C14", list(runs("by_hand", "mnist", relative_error_largest=errors, curve={"epochs": [4]})))
        == expected
    )
