"""Times to target, the conversion to 2006, the tables and the verdicts, from made-up records."""

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_eras import EXPERIMENTS, arm, machine_of, rates_of, write
from refusal import refused

from experiments.claims import CLAIMS
from repro.report import conversion, goals
from repro.report import eras as page
from repro.report.rate_table import pages, tidy, timed
from repro.report.target import Reached, Trajectory, reached, trajectory
from repro.report.verdicts import Evidence, verdict
from repro.timing import machines

CLAIM = {claim.key: claim for claim in CLAIMS}
# of the curves autoencoder: weights 420,000 in the encoder, 313,600 of them in the lowest layer
EVALUATION = 2 * (3 * 2 * 420_000 - 313_600)  # operations of a case
CD = 2 * 5 * 420_000  # of a case in each epoch of all its RBMs
CLIMB = 2 * (420_000 - 25 * 6)  # and of the climbs to the next layer
N, DAY = 20_000, 86_400


# --- trajectories ---------------------------------------------------------------------------------------


def test_a_run_of_today_is_read_from_its_curves():
    """Two reports, after 10 and 30 epochs of 100 updates; no pretraining."""
    record = arm("curves", "glorot-adam", [5.0, 1.4], epochs=[10, 30], evaluations=[1.0, 2.0])
    spent = EVALUATION * N * np.array([10, 50])
    record = record._replace(curves=record.curves | {"updates": [1000, 3000], "flops": [*map(float, spent)]})
    run = trajectory(record, "curves")
    np.testing.assert_array_equal(run.seconds, [0, 1, 2])
    np.testing.assert_array_equal(run.updates, [0, 1000, 3000])
    np.testing.assert_allclose(run.flops, [0, *spent])
    np.testing.assert_array_equal(run.error, [200.0, 5.0, 1.4])
    assert reached(run, 1.44) == pytest.approx(Reached(2.0, 3000.0, spent[1]))


def test_the_operations_of_an_older_record_are_apportioned_by_evaluations():
    """Two epochs with 5 and 15 evaluations a minibatch, after 3 epochs of pretraining in 7 seconds."""
    record = arm("curves", "pretrained-cg", [2.0, 1.0], evaluations=[5.0, 15.0], stacked=3, waited=7.0)
    before = N * (3 * CD + CLIMB)
    run = trajectory(record, "curves")
    np.testing.assert_allclose(run.flops, [before, before + 5 * N * EVALUATION, before + 20 * N * EVALUATION])
    np.testing.assert_array_equal(run.seconds, [7, 8, 9])
    np.testing.assert_array_equal(run.updates, 6 * 3 * 200 + np.array([0, 20, 40]))


def test_the_target_is_reached_at_the_first_report_at_or_below_it_or_never():
    run = Trajectory(
        *(np.array(x, float) for x in ([0, 1, 2, 3], [0, 10, 20, 30], [0, 5, 6, 7], [9, 3, 4, 1]))
    )
    assert reached(run, 3.0) == Reached(1.0, 10.0, 5.0)
    assert reached(run, 2.9) == Reached(3.0, 30.0, 7.0)
    assert all(math.isnan(x) for x in reached(run, 0.5))


# --- tables ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Three seeds, of which two reach 1.44; an arm that never does; a busy machine; rates of one machine."""
    for seed, errors in enumerate([[5.0, 1.4], [1.0, 0.9], [5.0, 4.0]]):
        write(tmp_path, arm("curves", "glorot-adam", errors, seed=seed))
    write(tmp_path, arm("curves", "gaussian-cg", [16.0, 15.9], load=3.0))
    write(
        tmp_path, arm("curves", "pretrained-cg-shallow", [1.0, 0.5])
    )  # another network: no arm of the paper
    for record in rates_of(machine_of("abacus")):
        write(tmp_path, record)
    return tmp_path


def test_times_to_target_are_means_over_the_seeds_that_came_there(folder):
    table = conversion.to_target(folder / "paper", EXPERIMENTS).set_index("variant")
    assert set(table.index) == {"glorot-adam", "gaussian-cg"}
    row = table.loc["glorot-adam"]
    assert (row.n, row.reached, row.target) == (3, 2, 1.44)
    assert (row.seconds, row.low, row.high) == (1.5, 1.0, 2.0)
    assert row.flops == pytest.approx(1.5 * EVALUATION * N) and not row.busy
    never = table.loc["gaussian-cg"]
    assert never.reached == 0 and math.isnan(never.seconds) and never.busy and never.updates_done == 40


def test_days_of_2006_are_operations_over_rates(folder):
    rates = conversion.rates(timed(folder / "paper"))
    assert [rate.gflops for rate in rates[:2]] == [1, 3] and "abacus" in rates[2].name
    then = conversion.in_2006(
        conversion.to_target(folder / "paper", EXPERIMENTS), conversion.published_runs(EXPERIMENTS), rates
    ).set_index("variant")
    assert all(name.startswith("computed days, ") for name in then.columns[3:])
    ours = then.loc["curves/glorot-adam"]
    days = 1.5 * EVALUATION * N / 1e9 / DAY
    np.testing.assert_allclose(ours.iloc[3:].astype(float), [days, days / 3, days / rates[2].gflops])
    printed = then[(then.data == "curves") & then.index.str.contains("one direct run")].iloc[0]
    assert printed.flops == 750_000 * 200 * EVALUATION
    grid = then[(then.data == "curves") & then.index.str.contains("54 runs")].iloc[0]
    assert grid.flops == 54 * printed.flops


def test_curves_are_means_with_the_range_of_the_seeds(folder):
    curves = conversion.curves(folder / "paper", EXPERIMENTS)
    last = curves[curves.variant == "glorot-adam"].iloc[-1]
    assert (last.seconds, last.low, last.high, last.n) == (2.0, 0.9, 4.0, 3)
    assert last.value == pytest.approx((1.4 + 0.9 + 4.0) / 3)


def test_rates_have_the_median_of_the_calls_with_their_range(folder):
    table = tidy(timed(folder / "paper"))
    own = table[table.variant == "jax-cd1-784x1000"].set_index("metric")
    time, rate = own.loc["seconds_per_epoch"], own.loc["gflops"]
    np.testing.assert_allclose([time.value, time.low, time.high, time.n], [4.0, 3.0, 6.0, 3])
    np.testing.assert_allclose([rate.value, rate.low, rate.high], [100.0, 100 * 4 / 6, 100 * 4 / 3])
    assert math.isnan(own.loc["compile_seconds"].low)


def test_the_page_says_what_is_missing_and_what_is_computed(folder):
    contents = page.build(folder, "paper", EXPERIMENTS)
    names = {path.name for path in contents}
    assert names == {"eras.md", "eras.csv", "eras_targets.csv", "eras_2006.csv", "eras_curves.csv"}
    text = contents[folder / "tables" / "eras.md"]
    assert re.search(r"\| a GPU +\| jax +\| GPU .*not yet measured", text)
    assert "`repro time --profile paper`" in text
    assert "4 (3 to 6, n 3)" in text and "100 (80 %, 50 %)" in text
    assert "not reached in 40 updates" in text and "1.5 (1 to 2)" in text
    assert "## Conversion to 2006: computed, not measured" in text
    assert "did other work at the time: these" not in text
    measured, computed = text.split("## Conversion to 2006")
    assert "computed days" in computed and "computed days" not in measured


def test_a_gpu_that_was_timed_replaces_the_empty_rows(folder):
    for record in rates_of(machine_of("abacus", gpu="difference engine")):
        write(folder, record)
    text = pages(tidy(timed(folder / "paper")))
    first, _ = text.split("### CD-1: seconds a million cases")
    assert "difference engine" in first and "not yet measured" not in first


def test_busy_machines_are_named(folder):
    for record in rates_of(machine_of("abacus") | {"load_average": 9.0}):
        write(folder, record)
    assert pages(tidy(timed(folder / "paper"))).startswith("**abacus, 4 cores did other work")


def test_without_timings_the_quick_profile_has_no_page_and_the_paper_profile_an_empty_one(tmp_path):
    assert page.build(tmp_path, "quick", EXPERIMENTS) == {}
    text = page.build(tmp_path, "paper", EXPERIMENTS)[tmp_path / "tables" / "eras.md"]
    assert "not yet measured" in text and "Nothing yet." in text


def test_goals_by_hand(folder):
    found = {
        goal.text.partition(":")[2].strip() or goal.text: goal
        for goal in goals.goals(timed(folder / "paper"))
    }
    assert found["share of the best rate of matrix products"].measured == 0.5
    assert found["time of sklearn over ours"].measured == pytest.approx(3.0)
    assert found["µs for a CD-1 update, one seed"].row["measured"] == "not yet measured"
    assert goals.exponent({10: 1.0, 20: 2.0, 40: 4.0}) == pytest.approx(1.0)
    assert goals.exponent({10: 1.0, 20: 4.0, 40: 16.0}) == pytest.approx(2.0)
    row = goals.Goal("m", "w", 1.0, 0.9, 1.1).row
    assert (row["bound"], row["measured"], row["reached"]) == ("≥ 0.9 and ≤ 1.1", "1", "yes")
    assert goals.Goal("m", "w", 1.2, high=1.1).row["reached"] == "no"


def test_typed_tables_are_whole():
    assert [machine.sustained_gflops for machine in machines.of_2006()] == [1, 3]
    speeds = machines.published_speeds()
    assert set(speeds.sure) == {"primary", "unconfirmed"} and len(speeds) == 13
    refused("gone.csv is missing: restore it", machines.read, Path("gone.csv"))


# --- verdicts -------------------------------------------------------------------------------------------


def judge(folder, key):
    return verdict(CLAIM[key], Evidence(folder / "paper", EXPERIMENTS))


def direct(folder, **days):
    """Five seeds of a direct arm on each data set, which have any error after so many days."""
    for data, n in days.items():
        for seed in range(5):
            flops = n * 1e9 * DAY * (1 + 0.001 * seed)
            record = arm(data, "glorot-adam", [500.0, 0.1], seed=seed)
            curves = record.curves | {"flops": [flops / 2, flops], "updates": [1, 2]}
            write(folder, record._replace(curves=curves))


@pytest.mark.parametrize(
    ("days", "ruling"),
    [
        ({"curves": 0.1, "mnist": 20, "faces": 61}, "UPHELD"),
        ({"faces": 61}, "UPHELD"),  # whatever the others take
        ({"curves": 2, "mnist": 20, "faces": 30}, "UPHELD"),  # 54 runs of 2 days
        ({"curves": 0.1, "mnist": 20, "faces": 30}, "OPEN"),
        ({"curves": 0.1, "mnist": 13, "faces": 13.9}, "REFUTED"),
        ({"curves": 0.1, "mnist": 13}, "OPEN"),
        ({}, "OPEN"),
    ],
)
def test_c3_by_its_criteria(tmp_path, days, ruling):
    direct(tmp_path, **days)
    assert judge(tmp_path, "C3") == ruling


def test_c3_counts_the_quickest_direct_arm_and_no_pretrained_one(tmp_path):
    direct(tmp_path, curves=1, mnist=20, faces=61)
    for seed in range(5):
        write(tmp_path, arm("faces", "pretrained-cg", [0.1], seed=seed, stacked=1))
    assert judge(tmp_path, "C3") == "UPHELD"
    for seed in range(5):
        write(tmp_path, arm("faces", "glorot-cg", [0.1], seed=seed))
    assert judge(tmp_path, "C3") == "OPEN"


@pytest.mark.parametrize(
    ("gains", "ruling"),
    [
        ({"cd1": (13, 62), "backprop": (30, 62)}, "UPHELD"),
        ({"cd1": (11, 62), "backprop": (30, 62)}, "OPEN"),
        ({"cd1": (13, 62), "backprop": (12, 70)}, "REFUTED"),
        ({}, "OPEN"),
    ],
)
def test_c3b_by_its_criteria(tmp_path, gains, ruling):
    for name, parts in (("one", {}), ("gpu", {"gpu": "difference engine"})):
        origin = machine_of("abacus", **parts)
        for record in rates_of(origin, gains if name == "gpu" else {}) if gains else ():
            write(tmp_path, record)
    assert judge(tmp_path, "C3b") == ruling


def test_c3b_never_joins_the_clocks_of_two_machines(tmp_path):
    gains = {"cd1": (13, 62), "backprop": (30, 62)}
    for record in [*rates_of(machine_of("abacus")), *rates_of(machine_of("loom", gpu="jacquard"), gains)]:
        if record.provenance["platform"] != "cpu" or record.provenance["host"] == "abacus":
            write(tmp_path, record)
    assert judge(tmp_path, "C3b") == "OPEN"


def test_tables_are_numbers(folder):
    for path, text in page.build(folder, "paper", EXPERIMENTS).items():
        if path.suffix == ".csv":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            assert len(pd.read_csv(path)) > 0
