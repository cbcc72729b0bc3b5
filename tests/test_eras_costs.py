"""Times to target, the conversion to 2006 and the tables, from made-up records."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from made_eras import EXPERIMENTS, arm, machine_of, rate, rates_of, write
from refusal import refused

from repro.reference import table
from repro.report import eras
from repro.report.frame import read
from repro.timing import goals, machines
from repro.timing.subject import CONVOLUTIONAL, MNIST, Subject
from repro.timing.target import Reached, Trajectory, reached, trajectory

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
    run = trajectory(record)
    np.testing.assert_array_equal(run.seconds, [0, 1, 2])
    np.testing.assert_array_equal(run.updates, [0, 1000, 3000])
    np.testing.assert_allclose(run.flops, [0, *spent])
    np.testing.assert_array_equal(run.error, [200.0, 5.0, 1.4])
    assert reached(run, 1.44) == pytest.approx(Reached(2.0, 3000.0, spent[1]))


def test_the_operations_of_an_older_record_are_apportioned_by_evaluations():
    """Two epochs with 5 and 15 evaluations a minibatch, after 3 epochs of pretraining in 7 seconds."""
    record = arm("curves", "pretrained-cg", [2.0, 1.0], evaluations=[5.0, 15.0], stacked=3, waited=7.0)
    before = N * (3 * CD + CLIMB)
    run = trajectory(record)
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


def frame(folder):
    return read(folder, "paper")


def to_target(folder):
    return eras.to_target(frame(folder), EXPERIMENTS)


def pages(folder):
    return eras.rate_pages(eras.rates(frame(folder)))


def test_times_to_target_are_means_over_the_seeds_that_came_there(folder):
    table = to_target(folder).set_index("variant")
    assert set(table.index) == {"glorot-adam", "gaussian-cg"}
    row = table.loc["glorot-adam"]
    assert (row.n, row.reached, row.target) == (3, 2, 1.44)
    assert (row.seconds, row.low, row.high) == (1.5, 1.0, 2.0)
    assert row.flops == pytest.approx(1.5 * EVALUATION * N) and not row.busy
    never = table.loc["gaussian-cg"]
    assert never.reached == 0 and math.isnan(never.seconds) and never.busy and never.updates_done == 40


def test_times_to_target_show_both_arms_the_pretrained_first(folder):
    write(folder, arm("curves", "pretrained-cg", [2.0, 1.0], stacked=3, waited=7.0))
    write(folder, arm("mnist", "pretrained-cg", [4.0, 2.9], stacked=3, waited=7.0))
    table = to_target(folder)
    assert list(zip(table.data, table.start, strict=True)) == [
        ("curves", "pretrained"),
        ("curves", "gaussian"),
        ("curves", "glorot"),
        ("mnist", "pretrained"),
    ]
    assert table.seconds[0] == table.seconds[3] == 9.0  # pretraining counted in


def test_a_seed_that_diverged_is_counted_and_said(folder):
    write(folder, arm("mnist", "gaussian-cg", [4.0, math.nan]))
    table = to_target(folder).set_index("variant")
    assert (table.diverged["gaussian-cg"] == [0, 1]).all() and table.diverged["glorot-adam"] == 0
    page = eras.build(frame(folder), EXPERIMENTS)[folder / "tables" / "eras.md"]
    assert "not reached in 120 updates, 1 diverged" in page and "not reached in 40 updates " in page


def test_days_of_2006_are_operations_over_rates(folder):
    today = eras.rates_of_today(eras.rates(frame(folder)))
    rates = [*eras.rates_of_2006(), *today]
    assert [rate.gflops for rate in rates[:2]] == [1, 3] and "abacus" in rates[2].name
    then = eras.in_2006(to_target(folder), eras.published_runs(EXPERIMENTS), rates)
    days = [name for name in then.columns if name.startswith("computed days, ")]
    assert days == list(then.columns[6 + len(eras.CARRIED) :]) and len(days) == 3
    [ours] = then[then.variant == "glorot-adam"].to_dict("records")
    expected = 1.5 * EVALUATION * N / 1e9 / DAY
    np.testing.assert_allclose([ours[name] for name in days], expected / np.array([1, 3, rates[2].gflops]))
    printed = then[then.data == "curves"].set_index("runs_in_print").flops
    assert printed[1] == 750_000 * 200 * EVALUATION
    assert printed[54] == 54 * printed[1]


def test_curves_are_means_with_the_range_of_the_seeds(folder):
    curves = eras.curves(frame(folder), EXPERIMENTS)
    last = curves[curves.variant == "glorot-adam"].iloc[-1]
    assert (last.seconds, last.low, last.high, last.n) == (2.0, 0.9, 4.0, 3)
    assert last.value == pytest.approx((1.4 + 0.9 + 4.0) / 3)


def test_rates_have_the_median_of_the_calls_with_their_range(folder):
    table = eras.rates(frame(folder))
    own = table[table.variant == "jax-cd1-784x1000"].set_index("metric")
    time, rate = own.loc["seconds_per_epoch"], own.loc["gflops"]
    np.testing.assert_allclose([time.value, time.low, time.high, time.n], [4.0, 3.0, 6.0, 3])
    np.testing.assert_allclose([rate.value, rate.low, rate.high], [100.0, 100 * 4 / 6, 100 * 4 / 3])
    assert math.isnan(own.loc["compile_seconds"].low)


def test_the_page_says_what_is_missing_and_what_is_computed(folder):
    contents = eras.build(frame(folder), EXPERIMENTS)
    names = {path.name for path in contents}
    assert names == {
        "eras.md",
        *(f"eras{part}.csv" for part in ("", "_targets", "_2006", "_curves", "_recipes")),
    }
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
    text = pages(folder)
    first, _ = text.split("### CD-1: seconds a million cases")
    assert "difference engine" in first and "not yet measured" not in first


def test_an_update_of_a_convolution_stands_beside_the_least_that_it_takes(folder):
    """Of calls of 3, 4 and 6 seconds for 600 updates; 2 s a million cases by bytes, which bound it, 1 s by
    operations.
    """
    own = rate(Subject("jax", "convolution", CONVOLUTIONAL[0], n_batches=600), machine_of("abacus"), 1.0)
    before = pages(folder)
    write(folder, own)
    first, section = pages(folder).split("### Convolution")
    assert first == before.split("### Convolution")[0]
    [line] = [line for line in section.splitlines() if "abacus" in line]
    assert "6,667 (5,000 to 10,000, n 3; least 200 bytes)" in line and line.count("–") == 1  # the other RBM
    assert re.search(r"a GPU .*not yet measured", section)


def test_busy_machines_are_named(folder):
    for record in rates_of(machine_of("abacus", load=9.0)):
        write(folder, record)
    assert pages(folder).startswith("**abacus, 4 cores did other work")


def test_without_timings_the_quick_profile_has_no_page_and_the_paper_profile_an_empty_one(tmp_path):
    assert eras.build(read(tmp_path, "quick"), EXPERIMENTS) == {}
    text = eras.build(frame(tmp_path), EXPERIMENTS)[tmp_path / "tables" / "eras.md"]
    assert "not yet measured" in text and "Nothing yet." in text


def test_a_gpu_that_was_timed_at_one_size_says_so(folder):
    """One size in one precision, without the matrix products at its shapes."""
    for record in rates_of(machine_of("abacus", gpu="difference engine")):
        if record.config["sizes"] == list(MNIST[0]):
            write(folder, record._replace(metrics=record.metrics | {"fraction_of_matmul": None}))
    text = pages(folder)
    [line] = [line for line in text.splitlines() if "difference engine" in line and "50 %" in line][:1]
    assert "100 (–, 50 %)" in line and line.count("–") == 8  # seven other sizes
    assert "nan" not in text
    _, million = text.split("### CD-1: seconds a million cases")
    assert "not yet measured" in million.split("###")[0]  # of Raina's sizes


def test_goals_by_hand(folder):
    found = {
        goal.text.partition(":")[2].strip() or goal.text: goal
        for goal in goals.goals(eras.timed(frame(folder)))
    }
    assert found["share of the best rate of matrix products"].measured == 0.5
    assert found["time of sklearn over ours"].measured == pytest.approx(3.0)
    assert found["µs for a CD-1 update, one seed"].reached is None
    assert "not yet measured" in eras.build(frame(folder), EXPERIMENTS)[folder / "tables" / "eras.md"]
    assert goals.exponent({10: 1.0, 20: 2.0, 40: 4.0}) == pytest.approx(1.0)
    assert goals.exponent({10: 1.0, 20: 4.0, 40: 16.0}) == pytest.approx(2.0)
    assert goals.Goal("m", "w", 1.0, 0.9, 1.1).reached and not goals.Goal("m", "w", 1.2, high=1.1).reached


def test_a_machine_of_which_one_core_was_timed_has_no_goals_of_all_cores(tmp_path):
    for record in rates_of(machine_of("abacus")):
        if record.config["part"] == "1core":
            write(tmp_path, record)
    assert {goal.machine for goal in goals.goals(eras.timed(frame(tmp_path)))} == {"a GPU"}


def test_typed_tables_are_whole():
    assert [machine.sustained_gflops for machine in machines.of_2006()] == [1, 3]
    speeds = machines.published_speeds()
    assert set(speeds.sure) == {"primary", "secondary", "unconfirmed"} and len(speeds) == 14
    refused("gone.csv is missing: restore it", table, "gone.csv")


def test_tables_are_numbers(folder):
    for path, text in eras.build(frame(folder), EXPERIMENTS).items():
        if path.suffix == ".csv" and path.stem != "eras_recipes":  # no machine has them all
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            assert len(pd.read_csv(path)) > 0
