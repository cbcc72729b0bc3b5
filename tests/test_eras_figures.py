"""The figures of the eras: same bytes, measured solid, computed dashed, one line when a table is missing."""

import re

import numpy as np
import pytest
from made_eras import EXPERIMENTS, arm, machine_of, rates_of, write
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper_figures import all_figures, save
from paper_figures.style import arms
from repro.errors import RecordsMissingError
from repro.report import eras as page

DAY = 86_400
FIGURES = {name: all_figures()[name] for name in ("fig_eras", "fig_speedup")}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two data sets, two arms each, and a GPU that gains 30 and 62 times; not to be changed."""
    folder = tmp_path_factory.mktemp("results")
    for data in ("curves", "mnist"):
        write(folder, arm(data, "glorot-adam", [20.0, 5.0, 1.0]))
        write(folder, arm(data, "pretrained-cg", [3.0, 2.0], stacked=2, waited=50.0, load=9.0))
    gains = {"cd1": (30, 62), "backprop": (15, 31)}
    for record in [*rates_of(machine_of("abacus")), *rates_of(machine_of("abacus", "loom"), gains)]:
        write(folder, record)
    for path, text in page.build(folder, "paper", EXPERIMENTS).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, results, tmp_path, monkeypatch):
    for day, place in enumerate(["once", "again"]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * DAY))
        paths = save(FIGURES[name].draw(results, "paper"), tmp_path / place, name)
    assert all((tmp_path / "once" / path.name).read_bytes() == path.read_bytes() for path in paths)


def test_measured_curves_are_solid_and_computed_ones_dashed(results):
    figure = FIGURES["fig_eras"].draw(results, "paper")
    own = [line for line in figure.axes[0].get_lines() if line.get_gid() == "pretrained-cg"]
    solid, dashed = own
    assert solid.get_linestyle() == "-" and dashed.get_linestyle() == "--"
    np.testing.assert_array_equal(solid.get_xdata(), [50, 51, 52])
    evaluation, rbms, climb = 2 * (6 * 420_000 - 313_600), 2 * 5 * 420_000, 2 * (420_000 - 150)
    spent = 20_000 * (2 * rbms + climb + np.array([0, 1, 2]) * evaluation)
    np.testing.assert_allclose(dashed.get_xdata(), spent / 1e9, rtol=1e-6)
    assert {line.get_color() for line in own} == {arms.colour("pretrained-cg")}


def test_the_eras_are_named_and_what_is_computed_says_so(results):
    drawn = words(FIGURES["fig_eras"].draw(results, "paper"))
    for mark in ("an afternoon", "a week", "a PhD", "paper: 1.44", "paper: 3.00", "1 month"):
        assert mark in drawn
    assert (
        "solid: measured, abacus (busy: times too long); dashed: computed, 3 GHz Xeon at 1 GFLOP/s" in drawn
    )
    assert "direct run of 2013,\ncomputed" in drawn


def test_the_direct_run_stands_where_its_operations_put_it(results):
    figure = FIGURES["fig_eras"].draw(results, "paper")
    [mark] = [line for line in figure.axes[0].get_lines() if line.get_marker() == "^"]
    np.testing.assert_allclose(mark.get_xdata(), 750_000 * 200 * 2 * (6 * 420_000 - 313_600) / 1e9, rtol=1e-6)


def test_speedups_are_those_of_the_records_and_of_the_paper(results):
    left, right = FIGURES["fig_speedup"].draw(results, "paper").axes
    of_label = {
        container.get_label(): np.asarray(container[0].get_ydata(), float) for container in left.containers
    }
    np.testing.assert_allclose(of_label["GPU over one core, loom"][-1], 62, rtol=1e-6)
    np.testing.assert_allclose(of_label["JAX over the 2006 program, abacus, 4 cores"], 2, rtol=1e-6)
    np.testing.assert_allclose(of_label["all cores over one, abacus, 4 cores"], 1, rtol=1e-6)
    np.testing.assert_allclose(right.containers[0][0].get_ydata()[-1], 31, rtol=1e-6)
    [published] = [line for line in left.get_lines() if str(line.get_label()).startswith("GTX 280")]
    np.testing.assert_allclose(
        published.get_ydata(), [563 / 38.6, 3638 / 184, 172803 / 1376, 223741 / 1726], rtol=1e-6
    )
    assert re.search(r"raina2009large\?", str(published.get_label()))
    assert not [line for line in right.findobj(Line2D) if str(line.get_label()).startswith("GTX")]


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_table_is_one_line_with_its_remedy(name, tmp_path):
    remedy = "is missing: run `repro time --profile quick`, then `repro tables --profile quick`$"
    with pytest.raises(RecordsMissingError, match=remedy):
        FIGURES[name].draw(tmp_path, "quick")


@pytest.mark.parametrize("name", FIGURES)
def test_tables_without_rows_are_one_line(name, tmp_path):
    for path, text in page.build(tmp_path, "paper", EXPERIMENTS).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.raises(RecordsMissingError, match=r"^no.*: run `repro"):
        FIGURES[name].draw(tmp_path, "paper")
