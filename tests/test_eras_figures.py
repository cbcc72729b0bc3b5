"""The figures of the eras: same bytes, measured solid, computed dashed, one line when records are missing."""

from pathlib import Path

import numpy as np
import pytest
from made_eras import arm, machine_of, rates_of, write
from matplotlib.text import Text

from paper_figures import all_figures, save
from paper_figures.style import arms
from repro.errors import RecordsMissingError
from repro.report.frame import read

DAY = 86_400
FIGURES = {name: all_figures()[name] for name in ("fig_eras", "fig_speedup")}


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """Two data sets, two arms each, one trained on a busy machine; a GPU that gains 30 and 62 times."""
    folder = tmp_path_factory.mktemp("results")
    write(folder, arm("mnist", "pretrained-cg", [3.0, 2.0], stacked=2, waited=50.0, load=9.0))
    write(folder, arm("curves", "pretrained-cg", [3.0, 2.0], stacked=2, waited=50.0))
    for data in ("curves", "mnist"):
        write(folder, arm(data, "glorot-adam", [20.0, 5.0, 1.0]))
    gains = {"cd1": (30, 62), "backprop": (15, 31)}
    for record in [*rates_of(machine_of("abacus")), *rates_of(machine_of("abacus", "loom"), gains)]:
        write(folder, record)
    return read(folder, "paper")


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


def lines_of(axes, variant):
    return {line.get_linestyle(): line for line in axes.get_lines() if line.get_gid() == variant}


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, frame, tmp_path, monkeypatch):
    for day, place in enumerate(["once", "again"]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * DAY))
        paths = save(FIGURES[name].draw(frame), tmp_path / place, name)
    assert all((tmp_path / "once" / path.name).read_bytes() == path.read_bytes() for path in paths)


def test_measured_curves_are_solid_and_computed_ones_dashed(frame):
    figure = FIGURES["fig_eras"].draw(frame)
    own = lines_of(figure.axes[0], "pretrained-cg")
    np.testing.assert_array_equal(own["-"].get_xdata(), [50, 51, 52])
    evaluation, rbms, climb = 2 * (6 * 420_000 - 313_600), 2 * 5 * 420_000, 2 * (420_000 - 150)
    spent = 20_000 * (2 * rbms + climb + np.array([0, 1, 2]) * evaluation)
    np.testing.assert_allclose(own["--"].get_xdata(), spent / 1e9, rtol=1e-6)
    assert {line.get_color() for line in own.values()} == {arms.COLOURS["pretrained"]}


def test_times_of_a_busy_machine_are_not_drawn_as_measured(frame):
    axes = FIGURES["fig_eras"].draw(frame).axes[1]
    assert set(lines_of(axes, "pretrained-cg")) == {"--"} and set(lines_of(axes, "glorot-adam")) == {
        "-",
        "--",
    }


def test_the_eras_are_named_and_what_is_computed_says_so(frame):
    drawn = words(FIGURES["fig_eras"].draw(frame))
    for mark in ("an afternoon", "a week", "a PhD", "paper: 1.44", "paper: 3.00", "1 month"):
        assert mark in drawn
    assert "solid: measured, abacus; dashed: computed, 3 GHz Xeon at 1 GFLOP/s" in drawn
    assert "length of the direct run\nof 2013, computed" in drawn


def test_the_direct_run_stands_where_its_operations_put_it(frame):
    figure = FIGURES["fig_eras"].draw(frame)
    [mark] = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "None"]
    seconds = 750_000 * 200 * 2 * (6 * 420_000 - 313_600) / 1e9
    np.testing.assert_allclose(mark.get_xdata(), seconds, rtol=1e-6)


def test_speedups_are_those_of_the_records_and_of_the_paper(frame):
    left, right = FIGURES["fig_speedup"].draw(frame).axes
    of_label = {
        container.get_label(): np.asarray(container[0].get_ydata(), float) for container in left.containers
    }
    np.testing.assert_allclose(of_label["GPU over one core, loom"][-1], 62, rtol=1e-6)
    np.testing.assert_allclose(of_label["JAX over the 2006 program, abacus, 4 cores"], 2, rtol=1e-6)
    np.testing.assert_allclose(of_label["all cores over one, abacus, 4 cores"], 1, rtol=1e-6)
    np.testing.assert_allclose(right.containers[0][0].get_ydata()[-1], 31, rtol=1e-6)
    [published] = [line for line in left.get_lines() if str(line.get_label()).startswith("GTX 280")]
    expected = [563 / 38.6, 3638 / 184, 172803 / 1376, 223741 / 1726]
    np.testing.assert_allclose(published.get_ydata(), expected, rtol=1e-6)
    assert not [line for line in right.get_lines() if str(line.get_label()).startswith("GTX")]


@pytest.mark.parametrize(("name", "remedy"), [("fig_eras", "run mnist"), ("fig_speedup", "time")])
def test_a_figure_without_records_is_one_line_with_its_remedy(name, remedy, tmp_path):
    line = f"has no .*: run `repro {remedy} --profile quick --results {tmp_path}`$"
    with pytest.raises(RecordsMissingError, match=line):
        FIGURES[name].draw(read(Path(tmp_path), "quick"))
