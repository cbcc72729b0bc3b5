"""Tables, headline, index: queries on a made-up frame."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from made_frames import EXPERIMENTS, frame, runs, tuning

from repro.errors import UserError
from repro.report.fairness import judged
from repro.report.frame import read, shown
from repro.report.readme import (
    BLOCKS,
    Questions,
    _shown,
    generated,
    headline,
    index,
    markers,
    recorded,
    with_blocks,
)
from repro.report.tables import (
    CURVE_COLUMNS,
    build,
    csv,
    learning_curves,
    markdown,
    read_published,
    readable,
    tidy,
)
from repro.runs.provenance import ROOT
from repro.runs.record import save_records

ERRORS = {"train_squared_error": [9.0, 3.0], "test_squared_error": [10.0, 4.0]}


def published(sure="primary", value=2.5, variant="glorot-cg"):
    row = ("key", "Fig. 1", "mnist", variant, "test_squared_error", value, sure)
    return pd.DataFrame(
        [row], columns=["key", "artefact", "experiment", "variant", "metric", "value", "sure"]
    )


def curve(first=10.0, **more):
    """Scores at two reports, with `before`."""
    return {"curve": ERRORS | {"flops": [1e9, 2e9], "updates": [300.0, 600.0]}, **more} | {
        f"{name}_before": first for name in ERRORS
    }


def test_of_runs_alike_the_one_in_float32_stands_for_the_variant():
    """Whatever their identities are."""
    for first, second in (("1", "2"), ("2", "1")):
        exact = [
            one._replace(identity=first) for one in runs("mnist", "pretrained-cg", test_squared_error=1.0)
        ]
        rounded = [
            one._replace(
                identity=second,
                config=one.config | {"precision": {"pretraining": "tensorfloat32", "finetuning": "highest"}},
            )
            for one in runs("mnist", "pretrained-cg", loss=2.0)
        ]
        assert set(shown(frame(exact, rounded).runs).identity) == {first}


def test_the_table_holds_mean_interval_and_published_value():
    scores = [4.0, 4.2, 4.3]
    made = frame(
        runs("mnist", "glorot-cg", seeds=3, test_squared_error=scores),
        runs("mnist", "pca", test_squared_error=13.9),
    )
    table = tidy(made, published()).set_index(["variant", "metric"])
    row = table.loc["glorot-cg", "test_squared_error"]
    assert (row.n, row.epochs, row.published, row.source) == (3, 200, 2.5, "key, Fig. 1 (primary)")
    np.testing.assert_allclose(row.value, np.mean(scores))
    theirs = scipy.stats.t.interval(0.95, 2, np.mean(scores), scipy.stats.sem(scores))
    np.testing.assert_allclose([row.low, row.high], theirs)
    assert table.loc["pca", "test_squared_error"].n == 1, "nothing in PCA is random: one seed says it all"
    assert np.isnan(table.loc["pca", "test_squared_error"].low)


def test_what_was_measured_on_another_scale_has_no_difference():
    made = frame(runs("mnist", "glorot-cg", seeds=1, test_squared_error=5.0))
    for sure, differences in (("primary", 1), ("primary, other scale", 0)):
        cells = readable(tidy(made, published(sure))).replace("95 % interval", "")
        assert cells.count(" %") == differences


def test_the_choice_of_a_rate_has_rows_of_its_own_and_marks_those_of_its_runs():
    made = frame(
        runs("mnist", "glorot-adam", seeds=2, test_squared_error=5.0),
        tuning("mnist", "glorot-adam", [1.0, 2, 3, 4]),
    )
    table = tidy(made, published())
    assert set(table[table.kind == "tuning"].metric) >= {"valid_cross_entropy_rate_0.0001", "flops"}
    of_run = table[(table.kind == "autoencoding") & (table.metric == "test_squared_error")].iloc[0]
    assert of_run.tuning == "not tuned: the best, 0.0001, lies at an edge of the grid" and of_run.n == 2
    page = markdown(table, "mnist", "note")
    assert "| glorot-adam, choice of rate |" in page and "| glorot-adam                 |" in page
    assert page.count("not tuned: the best, 0.0001, lies at an edge of the grid") == len(
        set(table[table.kind == "autoencoding"].metric)
    )


def test_the_longest_run_is_the_one_shown_and_all_are_in_the_table():
    short = runs("mnist", "glorot-cg", seeds=2, epochs=3, test_squared_error=1.0, **curve())
    made = frame(short, runs("mnist", "glorot-cg", seeds=1, epochs=8, test_squared_error=2.0, **curve()))
    table = tidy(made, published())
    assert sorted(table[table.metric == "test_squared_error"].epochs) == [3, 8]
    points = learning_curves(made)
    assert list(points) == CURVE_COLUMNS and set(points.seed) == {0} and set(shown(made.runs).epochs) == {8}
    np.testing.assert_array_equal(points.epoch, [0, 4, 8])
    np.testing.assert_array_equal(points.test_squared_error, [10, 10, 4])
    np.testing.assert_array_equal(points.flops, [np.nan, 1e9, 2e9])


def test_seconds_of_learning_curves_count_pretraining_from_the_start():
    made = frame(runs("mnist", "pretrained-cg", seeds=1, pretraining_seconds=100.0, **curve()))
    np.testing.assert_array_equal(learning_curves(made).seconds, [100, 101, 101])


def test_runs_that_would_share_a_row_are_refused():
    ours = [*runs("mnist", "glorot-cg", seeds=1)]
    theirs = ours[0]._replace(identity="00000000")
    with pytest.raises(UserError, match="would share a row: remove the outdated one"):
        tidy(frame(ours, theirs), published())
    made = frame(ours, runs("mnist", "glorot-cg", seeds=1, device="another"))
    assert set(tidy(made, published()).device) == {"abacus", "another"}


def test_a_seed_that_diverged_is_said_to_have_and_is_not_left_out_of_the_mean():
    scores = {"test_squared_error": [1.0, np.nan, 2.0], "diverged_epoch": [np.nan, 7.0, np.nan]}
    made = frame(runs("mnist", "glorot-cg", seeds=3, **scores))
    table = tidy(made, published())
    row = table.set_index("metric").loc["test_squared_error"]
    assert row.n == 3 and np.isnan([row.value, row.low]).all()
    row = table.set_index("metric").loc["diverged_epoch"]
    assert (row.n, row.value) == (1, 7), "of those seeds that did"
    assert "| diverged | –" in readable(table[table.metric == "test_squared_error"])


def test_an_experiment_has_a_page_a_table_and_its_curves_and_nothing_recorded_is_said():
    made = frame(
        runs("mnist", "glorot-cg", seeds=1, test_squared_error=5.0), runs("answer", "all/curves/sparse-cg")
    )
    names = [path.name for path in build(made, EXPERIMENTS)]
    assert names == ["answer_runs.csv", "answer_runs_curves.csv", "answer_runs.md",
                     "mnist.csv", "mnist_curves.csv", "mnist.md"]  # fmt: skip
    assert all(path.parent == Path("results/tables") for path in build(made, EXPERIMENTS))
    quick = frame(runs("mnist", "pca"), profile="quick")
    contents = build(quick, EXPERIMENTS)
    assert all(path.parent == Path("results/quick/tables") for path in contents)
    assert "not evidence" in contents[Path("results/quick/tables/mnist.md")]
    with pytest.raises(
        UserError, match=r"no records below /.*results/paper: `repro run --profile paper --res"
    ):
        generated(frame(), Questions(EXPERIMENTS, (), {}, {}))


def test_a_page_begins_with_the_scores_of_its_experiment():
    made = frame(list(runs("mnist", "pca", epochs=1, test_cross_entropy=80.0, test_squared_error=13.0)))
    page = build(made, EXPERIMENTS)[Path("results/tables/mnist.md")]
    heads = re.findall(r"## (\w+)", page)
    first = [score for score in EXPERIMENTS["mnist"].scores if score in heads]
    assert first == heads[: len(first)] == ["test_squared_error"] and "test_cross_entropy" in heads
    assert len(set(heads)) == len(heads)


def test_a_record_of_before_a_field_was_there_is_of_its_default(tmp_path):
    """And so is a run with the choice of its rate, both recorded before."""
    [run], choice = runs("mnist", "glorot-adam", seeds=1), tuning("mnist", "glorot-adam", [3, 2, 1, 2])
    older = []
    for record, config in ((run, run.config), (choice, choice.config["run"])):
        del config["minibatches"], config["precision"]
        older.append((record, {}))
    save_records(tmp_path / "paper", older)
    assert set(judged(read(tmp_path, "paper")).tuning) == {"chosen", ""}


def test_numbers_are_kept_to_seven_digits():
    assert csv(pd.DataFrame({"a": [1 / 3], "b": ["x"]})) == "a,b\n0.3333333,x\n"


@pytest.fixture
def arms():
    """Digits as the README shows them, and what it does not show."""
    return frame(
        runs("mnist", "pretrained-cg", test_squared_error=3.1),
        runs("mnist", "pretrained-adam", test_squared_error=2.8),
        runs("mnist", "pretrained-cg-2d", test_squared_error=33.0),
        runs("mnist", "pca", test_squared_error=13.87),
        runs("mnist", "pca-2d", test_squared_error=43.6),
        runs("direct", "mnist/he-adam", test_squared_error=3.3),
        runs("direct", "reuters21578/he-adam", test_squared_error=0.1),
        runs("curves", "pretrained-cg", test_squared_error=2.2),
        runs("curves", "pretrained-cg-shallow", test_squared_error=1.0),
        runs("direct", "faces/he-adam", test_squared_error=121.0),
        runs("spread", "mnist/sparse-nag", test_squared_error=0.1),
    )


def table_of(made):
    return tidy(made, read_published()).merge(_shown(made), how="inner")


def test_the_headline_hides_no_arm_of_the_papers_networks_and_has_the_best_first(arms):
    rows = headline(table_of(arms), EXPERIMENTS)
    assert list(rows.variant) == [
        "curves: pretrained-cg",
        "direct: faces/he-adam",
        "mnist: pretrained-adam",
        "mnist: pretrained-cg",
        "direct: mnist/he-adam",
        "mnist: pca",
    ]


def test_the_readme_has_the_answer_first_then_figures_then_the_headline():
    (a, b), (c, d) = map(markers, BLOCKS)
    readme = f"before\n{a}\nold\n{b}\nbetween\n{c}\nold\n{d}\nafter"
    text = with_blocks(readme, {"answer": "the answer", "headline": "the headline"})
    assert text.startswith(f"before\n{a}\nthe answer\n") and text.endswith(f"\n\nthe headline\n{d}\nafter")
    assert f"{b}\nbetween\n{c}\n![fig_2a]" in text and "old" not in text
    with pytest.raises(
        UserError, match=re.escape("README.md has lost its markers: put back the lines <!-- ans")
    ):
        with_blocks("nothing", {"answer": "", "headline": ""})
    with pytest.raises(UserError, match=re.escape("put back the lines <!-- headline")):
        with_blocks(f"{a}{b}{d}{c}", {"answer": "", "headline": ""})
    assert all(marker in (ROOT / "README.md").read_text(encoding="utf-8") for marker in (a, b, c, d))


def test_the_index_says_what_is_recorded(arms):
    text = index(EXPERIMENTS, arms, {key: "OPEN" for e in EXPERIMENTS.values() for key in e.claims})
    [line] = re.findall(r"^\| \[mnist\].*", text, re.MULTILINE)
    assert "[mnist.md](../results/tables/mnist.md)" in line and "C9 OPEN" in line
    assert "5 variants, 17 runs, 0:17:00 on abacus" in line
    assert re.search(r"^\| \[faces\].*nothing yet", text, re.MULTILINE)


def test_choices_of_rates_are_runs_but_no_variants():
    choices = [tuning("mnist", variant, [3.0, 2, 1, 2]) for variant in ("glorot-adam", "pretrained-adam")]
    made = frame(runs("mnist", "glorot-adam", seeds=2), choices)
    assert recorded(made.records.values()) == "1 variants, 4 runs, 0:04:00 on abacus"
    assert recorded(frame().records.values()) == "nothing yet"
