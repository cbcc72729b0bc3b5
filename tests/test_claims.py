"""Verdicts: what upholds, what refutes, and what leaves a claim open."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tiny import EXPERIMENTS

from experiments.claims import CLAIMS
from experiments.claims.baselines import ORDER
from paper_figures import all_figures
from repro.evaluation.retrieval import RANKS
from repro.report.verdicts import Claim, Condition, Evidence, Lack, Measured, combine, markdown, verdict
from repro.runs import Arm
from repro.runs.record import Record, as_config, save_records
from repro.training.greedy import Pretraining

CLAIM = {claim.key: claim for claim in CLAIMS}


def measured(*values, lacks=()):
    return Measured(np.array(values), frozenset(lacks))


def judge(upholding, refuting):
    claim = Claim("C0", "", "", "", lambda _: [upholding], lambda _: [refuting])
    return verdict(claim, Evidence(Path(), {}))


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([0.9, 0.95, 0.92], True),
        ([0.9, 1.2, 0.92], None),
        ([1.1, 1.2, 1.3], False),
        ([0.9], True),
        ([1.1], False),
        ([], None),
    ],
)
def test_a_condition_holds_where_the_whole_interval_lies_within_its_bounds(values, holds):
    assert Condition("", measured(*values), high=1).holds is holds
    assert Condition("", measured(*(-np.array(values))), low=-1).holds is holds


def test_all_upholding_conditions_uphold_one_refuting_refutes_and_nothing_lacking_decides():
    yes, no = Condition("", measured(1.0), high=2), Condition("", measured(3.0), high=2)
    unsure = Condition("", measured(1.0, lacks=["seeds"]), high=2)
    assert [judge(yes, no), judge(no, yes), judge(no, no)] == ["UPHELD", "REFUTED", "OPEN"]
    assert [judge(unsure, no), judge(no, unsure)] == ["OPEN", "OPEN"]


def test_quantities_are_combined_seed_by_seed_and_lack_what_their_parts_lack():
    both = combine(np.divide, measured(2.0, 4.0, 9.0, lacks=["a"]), measured(2.0, lacks=["b"]))
    np.testing.assert_array_equal(both.values, [1, 2, 4.5])
    assert both.lacks == {"a", "b"}
    assert len(combine(np.divide, measured(), measured(2.0)).values) == 0
    np.testing.assert_array_equal(
        combine(np.divide, measured(2.0, 4.0), measured(1.0, 2.0, 3.0)).values, [2, 2]
    )


def record(folder, experiment, variant, seeds=5, epochs=None, pretraining=None, **metrics):
    """Records of the first seeds, at full length unless numbers of epochs are given."""
    config = EXPERIMENTS[experiment].variants[variant]
    if pretraining and isinstance(config, Arm):
        config = replace(config, pretraining=Pretraining(n_epochs=pretraining))
    epochs = getattr(config, "n_epochs", 0) if epochs is None else epochs
    for seed in range(1 if getattr(config, "deterministic", False) else seeds):
        scores = {name: value * (1 + 0.001 * seed) for name, value in metrics.items()}
        origin = {"device": "abacus", "data_sha256": "0"}
        curves = {"seconds": [0.0] * epochs, "reconstruction_error_layer1": [0.0] * (pretraining or 50)}
        about = Record(experiment, variant, "paper", seed, as_config(config), scores, curves, None, origin)
        save_records({folder / experiment / f"{variant}.seed{seed}.{epochs}.json": (about, {})})


def evidence(folder):
    return Evidence(folder, EXPERIMENTS)


def works(folder, mnist=3.0, faces=126.0, found=0.5):
    """Records on which C9 stands or falls."""
    for data, ours, pca in (("mnist", mnist, 13.87), ("faces", faces, 135.0)):
        record(folder, data, "pretrained-cg", test_squared_error=ours)
        record(folder, data, "pca", test_squared_error=pca)
    for arm, share in (("pretrained-cg", found), ("lsa-10", 0.4), ("lsa-50", 0.45)):
        at_ranks = {f"test_precision_at_{k}": share for k in RANKS}
        record(folder, "documents", f"reuters21578/{arm}", **at_ranks)


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
    ],
)
def test_c9_by_its_criteria(tmp_path, scores, ruling):
    works(tmp_path, **scores)
    assert verdict(CLAIM["C9"], evidence(tmp_path)) == ruling


def test_c9_is_not_upheld_if_one_rank_is_lost(tmp_path):
    works(tmp_path)
    at_ranks = {f"test_precision_at_{k}": 0.6 if k == 511 else 0.4 for k in RANKS}
    record(tmp_path, "documents", "reuters21578/lsa-10", **at_ranks)
    assert verdict(CLAIM["C9"], evidence(tmp_path)) == "OPEN"


SHORT = {"seeds": "4 of 5 seeds", "epochs": "199 of 200 epochs", "pretraining": "49 epochs of pretraining"}


@pytest.mark.parametrize("short", [{"seeds": 4}, {"epochs": 199}, {"pretraining": 49}])
def test_too_few_seeds_or_epochs_leave_a_claim_open_and_the_table_says_what_is_lacking(tmp_path, short):
    works(tmp_path)
    assert "Still lacking" not in markdown([CLAIM["C9"]], evidence(tmp_path))
    for path in (tmp_path / "mnist").glob("pretrained-cg.*"):
        path.unlink()
    record(tmp_path, "mnist", "pretrained-cg", **short, test_squared_error=3.0)
    assert verdict(CLAIM["C9"], evidence(tmp_path)) == "OPEN"
    [what] = (SHORT[name] for name in short)
    assert f"Still lacking:\n\n- mnist pretrained-cg: {what}\n" in markdown([CLAIM["C9"]], evidence(tmp_path))


def extends(folder, *, worst=1.0, ratio=2.0):
    """Records on which C10 stands or falls."""
    for variant in EXPERIMENTS["code_size"].variants:
        error = worst if variant == "curves/pretrained-adam-18" else 5.0 if "pca" in variant else 1.0
        record(folder, "code_size", variant, test_squared_error=error)
    for i, variant in enumerate(ORDER):
        record(folder, "curves", variant, test_squared_error=ratio**i)


def test_c10_by_its_criteria(tmp_path):
    for i, (how, ruling) in enumerate(
        [({}, "UPHELD"), ({"worst": 6.0}, "OPEN"), ({"ratio": 0.5}, "REFUTED"), ({"ratio": 1.001}, "OPEN")]
    ):
        extends(tmp_path / str(i), **how)
        assert verdict(CLAIM["C10"], evidence(tmp_path / str(i))) == ruling


def test_what_many_variants_lack_is_said_once():
    lacks = {Lack("no seeds", name) for name in "abcdef"} | {Lack("no GPU")}
    claim = Claim("C0", "", "", "", lambda _: [Condition("", measured(lacks=lacks))], lambda _: [])
    page = markdown([claim], Evidence(Path(), {}))
    assert "Still lacking:\n\n- no GPU\n- a, b, c, d, 2 more: no seeds\n" in page


def test_experiments_name_figures_and_claims_that_there_are():
    for experiment in EXPERIMENTS.values():
        assert set(experiment.figures) <= set(all_figures())
        assert set(experiment.claims) <= set(CLAIM)


def test_without_records_every_claim_is_open_and_the_table_stands(tmp_path):
    page = markdown(CLAIMS, evidence(tmp_path))
    assert "UPHELD  " not in page and "REFUTED  " not in page
    assert all(f"## {claim.key}: OPEN" in page for claim in CLAIMS)
    page = markdown([CLAIM["C9"], CLAIM["C10"]], evidence(tmp_path))
    assert len(list(pairwise(ORDER))) == page.count("| refutes | –") - 3
