"""The figures of the direct arms, from made-up tables and records: same bytes, every cell in its place."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper_figures import all_figures, save
from paper_figures.style import arms
from repro.errors import RecordsMissingError
from repro.report.tables import COLUMNS
from repro.runs.record import Record, save_records

FIGURES = {name: all_figures()[name] for name in ("fig_direct", "fig_starts", "fig_spread")}
LOSSES = {"curves": [75.0, 77.0, 82.0], "mnist": [60.0, 61.0]}


def row(experiment, variant, value, updates=np.nan):
    known = {"experiment": experiment, "variant": variant, "metric": "test_squared_error", "value": value}
    return {**dict.fromkeys(COLUMNS), **known, "n": 1, "epochs": 1, "device": "abacus", "updates": updates}


TABLES = {
    "curves": [row("curves", "mean-image", 16.0), row("curves", "pretrained-cg", 2.5)],
    "direct": [
        row("direct", "curves/sparse-nag", 0.47, 1000),
        row("direct", "curves/gaussian.01-hf", 15.5, 30),
        row("direct", "mnist/sparse-nag", 0.01, 1000),
    ],
    "untrainable": [
        row("untrainable", "gaussian-sgd-0.05", 15.9, 50),
        row("untrainable", "gaussian-sgd-0.0005", 15.7, 50),
        row("untrainable", "gaussian-momentum-long", 0.02, 9),
    ],
}


def run(experiment, variant, device="abacus"):
    own = {
        "data": "curves",
        "experiment": experiment,
        "variant": variant,
        "device": device,
        "busy": False,
        "n": 1,
    }
    steps = {
        "seconds": [0, 1, 2],
        "updates": [0, 10, 20],
        "flops": [0.0, 1e9, 2e9],
        "value": [200.0, 9.0, 3.0],
    }
    return pd.DataFrame({**own, **steps, "low": steps["value"], "high": steps["value"]})


@pytest.fixture
def results(tmp_path):
    tables = tmp_path / "tables"
    tables.mkdir()
    for name, rows in TABLES.items():
        pd.DataFrame(rows).to_csv(tables / f"{name}.csv", index=False)
    runs = [run("curves", "pretrained-cg"), run("direct", "curves/sparse-nag")]
    pd.concat(runs).to_csv(tables / "eras_curves.csv", index=False)
    pd.DataFrame({"data": ["curves"], "target": [1.44]}).to_csv(tables / "eras_targets.csv", index=False)
    for data, losses in LOSSES.items():
        for seed, loss in enumerate(losses):
            metrics, curves = {"train_cross_entropy": loss}, {"seconds": [1.0]}
            origin = {"device": "abacus", "data_sha256": "0"}
            about = Record("spread", f"{data}/sparse-nag", "paper", seed, {}, metrics, curves, None, origin)
            path = tmp_path / "paper" / "spread" / data / f"sparse-nag.seed{seed}.0.json"
            save_records({path: (about, {})})
    return tmp_path


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, results, tmp_path, monkeypatch):
    for day, place in enumerate(["once", "again"]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86_400))
        paths = save(FIGURES[name].draw(results, "paper"), tmp_path / place, name)
    assert all((tmp_path / "once" / path.name).read_bytes() == path.read_bytes() for path in paths)


@pytest.mark.parametrize("name", FIGURES)
def test_without_records_there_is_one_line_with_the_remedy(name, tmp_path):
    with pytest.raises(RecordsMissingError, match=r": run `repro \w+.* --profile paper`"):
        FIGURES[name].draw(tmp_path, "paper")


def test_every_arm_is_drawn_against_updates_operations_and_seconds(results):
    axes = FIGURES["fig_direct"].draw(results, "paper").axes
    for panel, steps in zip(axes, ([10, 20], [1e9, 2e9], [1, 2]), strict=True):
        drawn = {line.get_gid(): line for line in panel.findobj(Line2D) if line.get_gid()}
        assert set(drawn) == {"pretrained-cg", "curves/sparse-nag"}
        for variant, line in drawn.items():
            np.testing.assert_array_equal(line.get_xydata(), np.transpose([steps, [9.0, 3.0]]))
            assert line.get_color() == arms.colour(variant)
        heights = {line.get_ydata()[0] for line in panel.get_lines() if line.get_xdata()[0] == 0}
        assert heights == {16.0, 1.44}


def test_a_cell_is_the_best_of_its_start_and_optimiser_and_others_stay_empty(results):
    figure = FIGURES["fig_starts"].draw(results, "paper")
    axes = figure.axes[0]
    columns = [label.get_text() for label in axes.get_xticklabels()]
    rows = [label.get_text().split("  ")[0] for label in axes.get_yticklabels()]
    cells = {
        (rows[int(text.get_position()[1])], columns[int(text.get_position()[0])]): text.get_text()
        for text in axes.texts
        if text.get_text()
    }
    assert cells == {
        ("N(0, .1²)", "SGD"): "15.70\n50",
        ("N(0, .01²)", "HF"): "15.50\n30",
        ("sparse", "NAG"): "0.47\n1000",
        ("pretrained", "CG"): "2.50",
    }


def test_the_spread_is_that_of_the_records(results):
    drawn = " ".join(words(FIGURES["fig_spread"].draw(results, "paper")))
    for losses in LOSSES.values():
        deviation = 100 * np.std(losses, ddof=1) / np.mean(losses)
        worst = max(losses) / min(losses)
        assert re.search(f"n {len(losses)}, deviation {deviation:.1f} %, worst over best {worst:.2f}", drawn)
