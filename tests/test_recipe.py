"""What the recipe of 2006 took on each machine."""

from dataclasses import replace

import pytest
from made_frames import EXPERIMENTS, frame, runs

from repro.report.recipe import section, times
from repro.runs.config import Precision, from_json
from repro.typed import as_json


def made(experiment, variant, device, together, seconds, **how):
    """Seeds that took as long each, or in all if they were side by side."""
    phases = {"pretraining_seconds": 1.0, "finetuning_seconds": 2.0, "compile_seconds": 4.0}
    for one in runs(experiment, variant, device=device, test_squared_error=1.0, **how):
        origin = one.provenance | {"seeds_side_by_side": together, "wall_seconds": seconds}
        yield one._replace(metrics=one.metrics | phases, provenance=origin)


def test_programs_are_counted_once():
    alone = made("mnist", "pretrained-cg", "abacus", 1, 10.0)
    together = made("mnist", "pretrained-cg", "engine", 5, 10.0)
    found = times(frame(alone, together), EXPERIMENTS).set_index("device")
    assert found.loc["abacus", ["pretraining", "finetuning", "compile", "else", "total"]].tolist() == [
        *[5, 10, 20, 15, 50]
    ]
    assert found.loc["engine", ["pretraining", "finetuning", "compile", "else", "total"]].tolist() == [
        *[1, 2, 4, 3, 10]
    ]


def test_data_sets_of_one_machine_are_summed():
    some = [
        made("curves", "pretrained-cg", "engine", 5, 10.0),
        made("documents", "reuters21578/pretrained-cg", "engine", 5, 8.0),
        made("faces", "pretrained-cg", "abacus", 1, 20.0),
    ]
    text = section(times(frame(*some), EXPERIMENTS))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line][2:]
    assert [row[:3] for row in rows] == [
        ["abacus", "faces", "5"],
        ["engine", "curves", "5"],
        ["engine", "reuters21578", "5"],
        ["engine", "all 2", ""],
    ]
    assert rows[-1][5:10] == ["2.0", "4.0", "8.0", "4.0", "18.0"]


@pytest.mark.parametrize("how", [{"seeds": 4}, {"epochs": 3}, {"pretraining": 10}])
def test_shorter_runs_and_fewer_seeds_are_not_the_recipe(how):
    assert times(frame(made("mnist", "pretrained-cg", "engine", 5, 10.0, **how)), EXPERIMENTS).empty


def test_programs_may_have_different_numbers_of_seeds():
    two, three = (list(made("mnist", "pretrained-cg", "engine", n, 10.0)) for n in (2, 3))
    found = times(frame([*two[:2], *three[2:]]), EXPERIMENTS).iloc[0]
    assert found[["pretraining", "finetuning", "compile", "total"]].tolist() == pytest.approx([2, 4, 8, 20])


def test_what_another_run_has_pretrained_is_no_time_of_this_one():
    some = [
        one._replace(provenance=one.provenance | {"artefacts": [{"phase": "layer1"}]})
        for one in made("mnist", "pretrained-cg", "engine", 5, 10.0)
    ]
    assert times(frame(some), EXPERIMENTS).empty


def test_each_precision_has_a_sum_of_its_own():
    both = [
        made("mnist", "pretrained-cg", "engine", 5, 10.0),
        in_tf32(),
        made("curves", "pretrained-cg", "engine", 5, 8.0),
    ]
    text = section(times(frame(*both), EXPERIMENTS))
    assert "all 2" in text and "18.0" in text and "28.0" not in text


def in_tf32():
    """Seeds of MNIST whose products were in TF32."""
    for one in made("mnist", "pretrained-cg", "engine", 5, 10.0):
        config = replace(from_json(one.config), precision=Precision("tensorfloat32"))
        yield one._replace(config=as_json(config), identity="tf32")


def test_precision_does_not_matter():
    assert times(frame(in_tf32()), EXPERIMENTS).precision.tolist() == ["TF32 + float32"]
