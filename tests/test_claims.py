"""Verdicts: what upholds, what refutes, and what leaves a claim open."""

from itertools import pairwise

import numpy as np
import pytest
from made_frames import EXPERIMENTS, evidence, frame, record, runs, tuning

from experiments import all_claims
from experiments.code_size import ORDER
from repro.evaluation.retrieval import RANKS
from repro.report.cost import Cost, Costs
from repro.report.verdicts import (
    Claim,
    Condition,
    Lack,
    Measured,
    combine,
    largest,
    page,
    ratio,
    ruled,
    settling,
    smallest,
    verdict,
)
from repro.runs.config import SUFFICIENT
from repro.typed import as_json

CLAIM = {claim.key: claim for claim in all_claims()}


def measured(*values, lacks=(), **more):
    return Measured(np.array(values, float), frozenset(Lack(what) for what in lacks), **more)


def judge(upholding, refuting, **more):
    claim = Claim("C0", "", "", "", lambda _: upholding, lambda _: refuting, **more)
    return verdict(claim, evidence())


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([0.9, 0.95, 0.92], True),
        ([0.9, 1.2, 0.92], None),
        ([1.1, 1.15, 1.2], False),
        ([0.9], True),
        ([1.1], False),
        ([], None),
        ([1.0, 1.0], True),
        ([np.nan, 0.9], None),
    ],
)
def test_a_condition_holds_where_the_whole_interval_lies_within_its_bounds(values, holds):
    assert Condition("", measured(*values), high=1).holds is holds
    assert Condition("", measured(*(-np.array(values))), low=-1).holds is holds
    assert Condition("", measured(*values), low=0, high=1).holds is holds


def test_a_ratio_is_held_to_its_interval_of_logarithms():
    """By hand: logs have mean log 1.02, standard error .02 / √2; t of 1 degree of freedom is 12.71, 6.31."""
    two = measured(1.02 * np.exp(0.001), 1.02 * np.exp(-0.001), how="ratio")
    np.testing.assert_allclose(two.number, 1.02)
    np.testing.assert_allclose(two.interval, 1.02 * np.exp(np.array([-1, 1]) * 12.7062 * 0.001), rtol=1e-6)
    edge = 1.02 * np.exp(0.008)
    assert Condition("", two, high=edge).holds is None
    assert Condition("", two, high=edge, one_sided=True).holds is True


def test_what_has_no_interval_is_judged_as_it_is():
    some = measured(2.0, 4.0, 6.0)
    least, spread = some._replace(how="least"), some._replace(how="spread")
    assert (least.number, spread.number) == (2.0, 3.0)
    assert np.isnan([*least.interval, *spread.interval]).all()
    assert Condition("", least, low=2).holds is True and Condition("", spread, high=2.9).holds is False
    most = some._replace(how="most")
    assert Condition("", most, high=6).holds is True and Condition("", most, high=5.9).holds is False


def test_the_coefficient_of_variation_has_an_interval_from_twenty_starts_on():
    values = np.random.default_rng(2).normal(1, 0.09, 20)
    twenty = measured(*values, how="variation")
    low, high = twenty.interval
    assert 0.04 < low < twenty.number < high < 0.14
    assert Condition("", twenty, high=twenty.number + 0.005).holds is None
    assert Condition("", twenty, high=0.15).holds is True and Condition("", twenty, low=0.15).holds is False
    nineteen = measured(*values[:19], how="variation")
    assert np.isnan(nineteen.interval[0]) and Condition("", nineteen, high=0.2).holds is True


def test_several_conditions_are_held_to_95_percent_together():
    """Of p = .03 twice both are reliable alone and neither together; .01 helps .03, as Holm has it."""

    def with_p(p):
        values = np.array([-1.0, 1.0])
        t = np.tan(np.pi * (0.5 - p / 2))  # of one degree of freedom
        return Condition("", measured(*(values - t)), high=0)

    np.testing.assert_allclose(with_p(0.03).p[0], 0.03)
    assert with_p(0.03).holds is True
    assert ruled([with_p(0.03), with_p(0.03)]) == [None, None]
    assert ruled([with_p(0.01), with_p(0.03)]) == [True, True]
    assert ruled([with_p(0.03), Condition("", measured(), high=0)]) == [None, None], "it will be tested"


def test_all_upholding_conditions_uphold_one_refuting_refutes_and_nothing_lacking_decides():
    yes, no = [Condition("", measured(1.0), high=2)], [Condition("", measured(3.0), high=2)]
    unsure = [Condition("", measured(1.0, lacks=["seeds"]), high=2)]
    assert [judge(yes, no), judge(no, yes), judge(no, no)] == ["UPHELD", "REFUTED", "OPEN"]
    assert [judge(unsure, no), judge(no, unsure), judge([], [])] == ["OPEN", "OPEN", "OPEN"]


def test_so_many_cases_as_the_claim_says_have_to_hold_each_with_all_its_conditions():
    def case(name, *values):
        return [Condition(str(i), measured(v), high=2, case=name) for i, v in enumerate(values)]

    never = [Condition("", measured(3.0), high=2)]
    three = case("a", 1, 1) + case("b", 1, 1) + case("c", 1, 3)
    assert judge(three, never, n_upholding=2) == "UPHELD"
    assert judge(three, never, n_upholding=3) == judge(three, never) == "OPEN"
    assert judge(never, three, n_refuting=2) == "REFUTED" and judge(never, three, n_refuting=3) == "OPEN"


def test_quantities_are_combined_by_seed_and_lack_what_their_parts_lack():
    a = measured(2.0, 4.0, 9.0, lacks=["a"], seeds=(0, 1, 2))
    b = measured(9.0, 2.0, lacks=["b"], seeds=(2, 0))
    both = combine(np.divide, a, b)
    np.testing.assert_array_equal(both.values, [1, 1])
    assert both.seeds == (0, 2) and both.lacks == a.lacks | b.lacks
    np.testing.assert_array_equal(combine(np.divide, a, measured(2.0)).values, [1, 2, 4.5])
    assert combine(np.divide, a, measured(2.0, seeds=(1,))).values == [2]
    assert len(combine(np.divide, measured(), measured(2.0)).values) == 0
    assert len(combine(np.divide, a, measured(2.0, seeds=(7,))).values) == 0
    np.testing.assert_array_equal(
        combine(np.divide, measured(2.0, 4.0), measured(1.0, 2.0, 3.0)).values, [2, 2]
    )
    assert ratio(a, b).how == "ratio"
    np.testing.assert_array_equal(largest([a, b]).values, [2, 9])
    np.testing.assert_array_equal(smallest([a, measured(lacks=["c"]), b]).values, [2, 9])
    assert smallest([a, measured(lacks=["c"])]).lacks == {Lack("a"), Lack("c")}


def works(mnist=3.0, faces=126.0, found=0.5, lsa=0.4, **short):
    """Records on which C9 stands or falls."""
    for data, ours, pca in (("mnist", mnist, 13.87), ("faces", faces, 135.0)):
        yield from runs(data, "pretrained-cg", test_squared_error=ours, **(short if data == "mnist" else {}))
        yield from runs(data, "pca", test_squared_error=pca)
    for arm, share in (("pretrained-cg", found), ("lsa-10", lsa), ("lsa-50", 0.45)):
        at_ranks = {f"test_precision_at_{k}": share[k] if isinstance(share, dict) else share for k in RANKS}
        yield from runs("documents", f"reuters21578/{arm}", **at_ranks)


@pytest.mark.parametrize(
    ("scores", "ruling"),
    [
        ({}, "UPHELD"),
        ({"mnist": 4.9}, "OPEN"),
        ({"mnist": 14.0}, "REFUTED"),
        ({"faces": 132.0}, "OPEN"),
        ({"faces": 136.0}, "REFUTED"),
        ({"found": 0.43}, "OPEN"),
        ({"found": 0.39}, "REFUTED"),
        ({"lsa": {k: 0.6 if k == 511 else 0.4 for k in RANKS}}, "OPEN"),
    ],
)
def test_c9_by_its_criteria(scores, ruling):
    assert verdict(CLAIM["C9"], evidence(works(**scores))) == ruling


SHORT = {"seeds": "4 of 5 seeds", "epochs": "199 of 200 epochs", "pretraining": "49 epochs of pretraining"}


@pytest.mark.parametrize("short", [{"seeds": 4}, {"epochs": 199}, {"pretraining": 49}])
def test_too_few_seeds_or_epochs_leave_a_claim_open_and_the_page_says_what_is_lacking(short):
    assert "Still lacking" not in page([CLAIM["C9"]], evidence(works()))
    lacking = evidence(works(**short))
    assert verdict(CLAIM["C9"], lacking) == "OPEN"
    [what] = (SHORT[name] for name in short)
    assert f"Still lacking:\n\n- mnist pretrained-cg: {what}\n" in page([CLAIM["C9"]], lacking)


def test_a_seed_that_diverged_leaves_a_claim_open():
    found = evidence(works(mnist=[3.0, 3.0, np.nan, 3.0, 3.0]))
    assert verdict(CLAIM["C9"], found) == "OPEN"
    [line, _] = [
        line for line in page([CLAIM["C9"]], found).splitlines() if line.startswith("| mnist: error")
    ]
    assert [cell.strip() for cell in line.split("|")[4:-1]] == ["diverged", "–", "5", "undecided"]


def test_an_arm_whose_choice_of_rate_is_refused_is_no_full_evidence():
    arm = [*runs("mnist", "pretrained-adam", test_squared_error=2.8)]
    good, bad = (tuning("mnist", "pretrained-adam", losses) for losses in ([3, 2, 1, 2], [1, 2, 3, 4]))
    assert not evidence(arm, good).score("mnist", "pretrained-adam").lacks
    for found, what in (
        (evidence(arm, bad), "not tuned: the best, 0.0001, lies at an edge of the grid"),
        (evidence(arm), "not tuned: no record of the choice"),
    ):
        assert {lack.what for lack in found.score("mnist", "pretrained-adam").lacks} == {what}


def test_a_choice_that_was_refused_is_mended_by_other_rates_and_not_by_runs():
    """Not so one that has no record, or was made from other rates than today's."""
    arm = [*runs("mnist", "pretrained-adam", test_squared_error=2.8)]
    refused = tuning("mnist", "pretrained-adam", [1, 2, 3, 4])

    def needed(*records):
        return sum(lack.cost.n_runs for lack in evidence(*records).lacks("mnist", "pretrained-adam"))

    assert needed(arm, refused) == 0 and needed(arm) == 5


def test_the_page_says_what_would_settle_an_open_claim_and_at_what_cost():
    """One more seed of 200 epochs of CG at two evaluations for each minibatch, after 4 × 50 of CD-1, at 1e12
    operations per second; counted by hand.
    """
    found = [*works(seeds=4)]
    for one in found:
        if one.experiment == "mnist" and one.config["kind"] == "autoencoding":
            one.curves["evaluations"][:] = [2.0]
    pairs = [784 * 1000, 1000 * 500, 500 * 250, 250 * 30]
    stack = 60_000 * (50 * sum(10 * p for p in pairs) + 2 * sum(pairs[:-1]))
    network = 2 * 60_000 * (3 * 2 * sum(pairs) - pairs[0])
    operations = stack + 200 * 2 * network
    text = page([CLAIM["C9"]], evidence(found))
    [line] = [line for line in text.splitlines() if line.startswith("| `repro run mnist --profile paper`")]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    minutes = operations / 1e12 / 60
    assert cells[1:] == ["1", "1", f"{operations:.2g}", f"{minutes:.2g} minutes", "abacus"]


def test_costs_are_those_of_what_lacks_most():
    few, many = (Lack(str(n), "x y", Cost("x", n, n * 1e15, n * 3600.0, "abacus")) for n in (2, 5))
    row = ["`repro run x --profile paper`", "1", "5", "5e+15", "5 hours", "abacus"]
    for lacks in ([few, many], [many, few]):
        assert [list(line.values()) for line in settling(lacks)] == [row]
    assert settling([Lack("no GPU")]) == []


def test_an_open_claim_that_lacks_nothing_says_so():
    between = [Condition("", measured(1.0, 2.0), high=1.5)]
    claim = Claim("C0", "", "", "", lambda _: between, lambda _: [])
    assert "Nothing is lacking: the evidence lies between the two." in page([claim], evidence())


def test_operations_of_a_run_count_every_layers_epochs_and_the_choice_of_its_rate():
    """Faces: 200 epochs of the lowest layer and 50 of the others, twice; then 20 epochs, 1 for each of 4
    rates and 1 more for 2 of them."""
    pairs = [625 * 2000, 2000 * 1000, 1000 * 500, 500 * 30]
    stack = 10 * (200 * pairs[0] + 50 * sum(pairs[1:])) + 2 * sum(pairs[:-1])
    network = 2 * (3 * 2 * sum(pairs) - pairs[0])
    config = EXPERIMENTS["faces"].variants["pretrained-adam"]
    np.testing.assert_allclose(Costs(frame()).operations(config), 124_200 * (2 * stack + 26 * network))
    cost = Costs(frame()).of_runs("faces", config, 3)
    assert cost.n_runs == 3 and np.isnan(cost.seconds), "nothing is recorded that could tell the time"


def test_other_kinds_cost_what_the_longest_recorded_run_of_the_kind_did():
    variants, records = EXPERIMENTS["densities"].variants, []
    for name, seconds, flops in (("rbm-pcd", 60.0, 3e12), ("rbm-cd25", 90.0, 5e12), ("vae-1", 500.0, 9e12)):
        one = record("densities", name, variants[name], {"flops": flops}, {"epochs": [100]})
        one.provenance["wall_seconds"] = seconds
        records.append(one)
    cost = Costs(frame(records)).of_runs("densities", variants["dbn-500-2000"], 2)
    assert cost == Cost("densities", 2, 1e13, 180.0, "abacus")
    assert Costs(frame()).of_runs("bound", EXPERIMENTS["bound"].variants["tied-cd1"], 2).operations == 0


def test_the_rate_of_an_estimate_is_that_of_the_fastest_device_on_these_data():
    slow = runs("mnist", "pca", flops=1.0), runs("mnist", "glorot-cg", seeds=2, flops=30.0)
    fast = [*runs("mnist", "gaussian-cg", seeds=2, flops=25.0, device="gpu")]
    for one in fast:
        one.provenance["seeds_side_by_side"] = 2  # they share the seconds
    other = runs("curves", "gaussian-cg", seeds=1, flops=1e9, device="another")
    rates = Costs(frame(*slow, fast, other)).rates
    assert rates["mnist"] == (5.0, "gpu") and rates["curves"] == (1e8, "another")


def extends(*, worst=1.0, growth=2.0):
    """Records on which C10 stands or falls."""
    for variant, config in EXPERIMENTS["code_size"].variants.items():
        error = 5.0 if config.kind == "pca" or len(config.network.widths) == 1 else 1.0
        error = worst if variant == "curves/pretrained-adam-18" else error
        yield from runs("code_size", variant, test_squared_error=error)
    for i, variant in enumerate(ORDER):
        yield from runs("curves", variant, test_squared_error=growth**i)


@pytest.mark.parametrize(
    ("how", "ruling"),
    [({}, "UPHELD"), ({"worst": 6.0}, "OPEN"), ({"growth": 0.5}, "REFUTED"), ({"growth": 1.001}, "OPEN")],
)
def test_c10_by_its_criteria(how, ruling):
    assert verdict(CLAIM["C10"], evidence(extends(**how))) == ruling


def test_what_many_variants_lack_is_said_once():
    lacks = frozenset({Lack("no seeds", name) for name in "abcdef"} | {Lack("no GPU")})
    claim = Claim("C0", "", "", "", lambda _: [Condition("", Measured(np.zeros(0), lacks))], lambda _: [])
    text = page([claim], evidence())
    assert "Still lacking:\n\n- no GPU\n- a, b, c, d, 2 more: no seeds\n" in text


def test_experiments_name_claims_that_there_are_and_claims_are_in_order():
    assert {key for experiment in EXPERIMENTS.values() for key in experiment.claims} <= set(CLAIM)
    keys = [key for key in CLAIM if not key.startswith("C3")]
    first = ["C1", "C1b", "C2", "C2a", "C2b", "C4", "C5", "C6", "C6b", "C7", "C8"]
    assert keys == [*first, "C9", "C10", "C11", "C12", "C13", "C14"]


def test_without_records_every_claim_is_open_and_the_page_stands():
    text = page(CLAIM.values(), evidence())
    assert "UPHELD  " not in text and "REFUTED  " not in text
    assert all(f"## {key}: OPEN" in text for key in CLAIM)
    text = page([CLAIM["C9"], CLAIM["C10"]], evidence())
    assert len(list(pairwise(ORDER))) == text.count("| refutes | –") - 3


def test_a_record_of_an_earlier_configuration_is_no_full_evidence():
    """Whatever moves a number, but for lengths, which have lacks of their own, and a rate that was chosen."""

    def lacks(changed):
        records = [
            one._replace(config=changed(one.config)) for one in runs("mnist", "pretrained-adam", loss=1.0)
        ]
        return {lack.what for lack in evidence(records).lacks("mnist", "pretrained-adam")}

    earlier = "of an earlier configuration"
    assert earlier not in lacks(lambda config: config)
    assert earlier not in lacks(lambda config: config | {"budget": {"kind": "epochs", "n": 3}})
    assert earlier not in lacks(lambda config: config | {"precision": as_json(SUFFICIENT)})
    for change in (
        {"batch_size": 7},
        {"l2": 0.1},
        {"learns_from": "train"},
        {"precision": {"pretraining": "highest", "finetuning": "tensorfloat32"}},
        {"tuning": {"candidates": [0.1, 0.2], "n_epochs": [1]}},
    ):
        assert earlier in lacks(lambda config, change=change: config | change)
