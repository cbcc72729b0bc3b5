"""The figures of the eras: same bytes, measured solid, computed dashed, one line when nothing was timed."""

import numpy as np
import pytest
from made_eras import arm, machine_of, rates_of, write
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper_figures import all_figures
from paper_figures.style import arms
from paper_figures.style.house import save
from repro.errors import RecordsMissingError
from repro.report.frame import read
from repro.runs.config import Glorot, Pretrained

DAY = 86_400
FIGURES = {name: all_figures()[name] for name in ("fig_eras", "fig_speedup")}
GAINS = {"cd1": (30, 62), "backprop": (15, 31)}
PRETRAINED = arms.COLOURS[Pretrained().kind]


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """Two data sets, two arms each, one of them on a busy machine, and a GPU that gains 30 and 62 times."""
    folder = tmp_path_factory.mktemp("results")
    for data in ("curves", "mnist"):
        write(folder, arm(data, "glorot-adam", [20.0, 5.0, 1.0], load=9.0))
        write(folder, arm(data, "pretrained-cg", [3.0, 2.0], stacked=2, waited=50.0))
    for record in [*rates_of(machine_of("abacus")), *rates_of(machine_of("abacus", "loom"), GAINS)]:
        write(folder, record)
    return read(folder, "paper")


def words(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, frame, tmp_path, monkeypatch):
    for day, place in enumerate(["once", "again"]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * DAY))
        paths = save(FIGURES[name].draw(frame), tmp_path / place, name)
    assert all((tmp_path / "once" / path.name).read_bytes() == path.read_bytes() for path in paths)


def of(axes, variant):
    return {line.get_linestyle(): line for line in axes.get_lines() if line.get_gid() == variant}


def test_measured_curves_are_solid_and_computed_ones_dashed(frame):
    own = of(FIGURES["fig_eras"].draw(frame).axes[0], "pretrained-cg")
    assert {*own} == {"-", "--"}
    np.testing.assert_array_equal(own["-"].get_xdata(), [50, 51, 52])
    evaluation, rbms, climb = 2 * (6 * 420_000 - 313_600), 2 * 5 * 420_000, 2 * (420_000 - 150)
    spent = 20_000 * (2 * rbms + climb + np.array([0, 1, 2]) * evaluation)
    np.testing.assert_allclose(own["--"].get_xdata(), spent / 1e9, rtol=1e-6)
    assert {line.get_color() for line in own.values()} == {PRETRAINED}


def test_no_point_is_cut_by_the_frame(frame, tmp_path):
    for record in (
        arm("mnist", "glorot-adam", [60.0, 50.0]),
        arm("curves", "pretrained-cg", [90.0, 3.0, 2.0], stacked=2),
    ):
        write(tmp_path, record)
    for axes in [
        *FIGURES["fig_eras"].draw(frame).axes,
        *FIGURES["fig_eras"].draw(read(tmp_path, "paper")).axes,
    ]:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for line in (line for line in axes.get_lines() if line.get_gid()):
            x, y = np.array(line.get_data(), float)
            assert (left < x).all() and (x < right).all() and (low < y).all() and (y < high).all()


def test_the_marks_of_time_do_not_cross_the_words(frame):
    [words] = [
        t for t in FIGURES["fig_eras"].draw(frame).axes[0].texts if t.get_text().startswith("length of")
    ]
    assert words.get_bbox_patch().get_facecolor() == (1, 1, 1, 1)


def test_times_of_a_busy_machine_are_left_out_and_counted(frame):
    figure = FIGURES["fig_eras"].draw(frame)
    assert {*of(figure.axes[0], "glorot-adam")} == {"--"}
    assert "2 busy runs have no measured time" in figure.get_suptitle()


def test_a_gpu_is_dotted(tmp_path):
    for record in (
        arm("mnist", "pretrained-cg", [3.0, 2.0], stacked=2),
        arm("mnist", "glorot-cg", [9.0, 8.0]),
    ):
        on_gpu = record.provenance | {"platform": "gpu", "device": "loom"}
        write(tmp_path, record._replace(provenance=on_gpu) if record.variant == "pretrained-cg" else record)
    figure = FIGURES["fig_eras"].draw(read(tmp_path, "paper"))
    assert {*of(figure.axes[0], "pretrained-cg")} == {":", "--"}
    assert "solid: measured, abacus; dotted: measured, loom" in words(figure)


def test_the_eras_are_named_and_what_is_computed_says_so(frame):
    written = words(FIGURES["fig_eras"].draw(frame))
    for mark in ("an afternoon", "a week", "a PhD", "paper: 1.44", "paper: 3.00", "1 month"):
        assert mark in written
    assert "solid: measured, abacus; dashed: computed, 3 GHz Xeon at 1 GFLOP/s" in written
    assert "length of the direct run\nof 2013, computed" in written


def test_the_direct_run_stands_on_the_axis_where_its_operations_put_it(frame):
    axes = FIGURES["fig_eras"].draw(frame).axes[0]
    [mark] = [line for line in axes.get_lines() if line.get_marker() == "^" and line.get_gid() is None]
    np.testing.assert_allclose(mark.get_xdata(), 750_000 * 200 * 2 * (6 * 420_000 - 313_600) / 1e9, rtol=1e-6)
    assert mark.get_ydata() == [0] and mark.get_transform() == axes.get_xaxis_transform()  # no error


def test_speedups_are_those_of_the_records_and_of_the_paper(frame):
    left, right = FIGURES["fig_speedup"].draw(frame).axes
    of_label = {
        container.get_label(): np.asarray(container[0].get_ydata(), float) for container in left.containers
    }
    np.testing.assert_allclose(of_label["GPU over one core, loom"][-1], 62, rtol=1e-6)
    np.testing.assert_allclose(of_label["JAX over the 2006 program, abacus, 4 cores"], 2, rtol=1e-6)
    np.testing.assert_allclose(of_label["all cores over one, abacus, 4 cores"], 1, rtol=1e-6)
    np.testing.assert_allclose(right.containers[0][0].get_ydata()[-1], 31, rtol=1e-6)
    [published] = [line for line in left.get_lines() if str(line.get_label()).startswith("GTX 280 over one")]
    np.testing.assert_allclose(
        published.get_ydata(), [563 / 38.6, 3638 / 184, 172803 / 1376, 223741 / 1726], rtol=1e-6
    )
    assert not [line for line in right.findobj(Line2D) if str(line.get_label()).startswith("GTX")]


def test_keys_explain_themselves(frame):
    figure = FIGURES["fig_speedup"].draw(frame)
    assert "?" not in words(figure)
    assert "grey: in print, typed once and not compared again" in words(figure)
    assert "bars: range of the calls" in words(figure)
    assert "a GPU over a 3 GHz Pentium 4, more than, Steinkraus et al. 2005" in words(figure)


def test_a_bar_is_the_range_of_the_calls(frame):
    left, _ = FIGURES["fig_speedup"].draw(frame).axes
    [bars] = [c for c in left.containers if c.get_label() == "all cores over one, abacus, 4 cores"]
    [segments] = [bar.get_segments() for bar in bars[2]]
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[3 / 6, 6 / 3]] * len(segments))


@pytest.mark.parametrize("name", FIGURES)
def test_without_records_there_is_one_line_with_the_remedy(name, frame, tmp_path):
    verb = {"fig_eras": "run mnist", "fig_speedup": "time"}[name]
    remedy = rf": run `repro {verb} --profile paper --results {tmp_path}`$"
    with pytest.raises(RecordsMissingError, match=remedy):
        FIGURES[name].draw(read(tmp_path, "paper"))


def test_other_scales_of_a_start_are_no_arm(tmp_path):
    record = arm("mnist", "glorot-cg", [9.0, 8.0])
    other = as_factor(record, 2.0)
    for each in (record, other):
        write(tmp_path, each)
    axes = FIGURES["fig_eras"].draw(read(tmp_path, "paper")).axes[0]
    assert len([line for line in axes.get_lines() if line.get_color() == arms.COLOURS[Glorot().kind]]) == 2


def as_factor(record, factor):
    """The same run from a start of another scale."""
    start = record.config["start"] | {"factor": factor}
    return record._replace(config=record.config | {"start": start}, identity="1" * 8)
