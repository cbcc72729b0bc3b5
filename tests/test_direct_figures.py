"""The figures of the direct arms, from made-up records: same bytes, every run in its place."""

import re

import numpy as np
import pytest
from made_figures import ERROR, EXPERIMENTS, ORIGIN, frame_of
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper_figures import all_figures
from paper_figures.style import arms
from paper_figures.style.house import save
from repro.errors import RecordsMissingError
from repro.runs.config import Autoencoding, Pretrained
from repro.runs.record import Record, identity
from repro.training.flops import backprop_flops, stack_flops
from repro.typed import as_json

FIGURES = {name: all_figures()[name] for name in ("fig_direct", "fig_starts", "fig_spread")}
LOSSES = {"curves": [75.0, 77.0, 82.0], "mnist": [60.0, 61.0]}
N_CASES, STACKED = 20_000, 2  # of curves; epochs of each RBM


def run(experiment, variant, error, *, seed=0, loss=50.0, load=1.0, device="abacus"):
    """Two reports, a second and 10 updates apart, each an evaluation of everything; before them 200."""
    config = EXPERIMENTS[experiment].variants[variant]
    metrics, reports = {ERROR: error, "train_cross_entropy": loss}, {}
    if isinstance(config, Autoencoding):
        sizes = (784, *config.network.widths)
        layers = len(sizes) - 1 if isinstance(config.start, Pretrained) else 0
        before = stack_flops(sizes, N_CASES, (STACKED,) * layers) if layers else 0.0
        each = backprop_flops((*sizes, *sizes[-2::-1]), N_CASES)
        reports = {"seconds": [1.0, 2.0], "updates": [10, 20], ERROR: [9.0, error], "evaluations": [1.0, 1.0]}
        reports |= {"flops": [before + each, before + 2 * each], "train_cross_entropy": [2 * loss, loss]}
        reports |= {f"reconstruction_error_layer{i + 1}": [0.0] * STACKED for i in range(layers)}
        waited = 5.0 if layers else 0.0
        metrics |= {"flops": before + 2 * each, f"{ERROR}_before": 200.0, "pretraining_seconds": waited}
    origin = ORIGIN | {"load_average": load * 2, "device": device}
    of = identity(config, device, "cpu")
    about = as_json(config), metrics, reports, None, origin
    return Record(experiment, variant, "paper", seed, of, *about), {}


MADE = [
    run("curves", "mean-image", 16.0),
    run("curves", "pretrained-cg", 2.5),
    run("curves", "pretrained-cg-shallow", 3.5),
    run("direct", "curves/sparse-nag", 0.47),
    run("direct", "curves/gaussian.01-hf", 15.5),
    run("untrainable", "gaussian-sgd-0.05", 15.9),
    run("untrainable", "gaussian-sgd-0.0005", 15.7),
    run("untrainable", "gaussian-momentum-0.05", 15.8),
    run("init_scale", "x2", 0.01),
]
MADE += [
    run("spread", f"{data}/sparse-nag", 1.0, seed=seed, loss=loss)
    for data, losses in LOSSES.items()
    for seed, loss in enumerate(losses)
]


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return frame_of(tmp_path_factory.mktemp("results"), MADE, "paper")


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, frame, tmp_path, monkeypatch):
    for day, place in enumerate(["once", "again"]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86_400))
        paths = save(FIGURES[name].draw(frame), tmp_path / place, name)
    assert all((tmp_path / "once" / path.name).read_bytes() == path.read_bytes() for path in paths)


@pytest.mark.parametrize("name", FIGURES)
def test_without_records_there_is_one_line_with_the_remedy(name, tmp_path):
    with pytest.raises(RecordsMissingError, match=r": run `repro run \w+ --profile paper --results /\S+`$"):
        FIGURES[name].draw(frame_of(tmp_path, MADE[:1], "paper"))


@pytest.mark.parametrize("name", FIGURES)
def test_a_name_is_for_people(name, frame, tmp_path):
    renamed = [
        (
            record._replace(
                variant="mean-image" if record.config["kind"] == "pca" else f"v{len(record.variant)}"
            ),
            {},
        )
        for record, _ in MADE
    ]
    of_renamed = frame_of(tmp_path, renamed, "paper")
    assert sorted(texts(FIGURES[name].draw(of_renamed))) == sorted(texts(FIGURES[name].draw(frame)))


def lines_of(panel):
    """By variant; thin lines of the mean image and of the published error have none."""
    return {line.get_gid(): line for line in panel.findobj(Line2D) if line.get_gid()}


def test_every_arm_is_drawn_against_updates_operations_and_seconds(frame):
    panels = FIGURES["fig_direct"].draw(frame).axes
    expected = {"curves/sparse-nag": [9.0, 0.47], "curves/gaussian.01-hf": None, "pretrained-cg": [9.0, 2.5]}
    for panel, steps in zip(panels, ([10, 20], None, [1, 2]), strict=True):
        drawn = lines_of(panel)
        assert set(drawn) == {
            "curves/sparse-nag",
            "pretrained-cg",
        }  # of the usual scale and the paper's network
        for variant, line in drawn.items():
            np.testing.assert_array_equal(line.get_ydata()[-2:], expected[variant])
            if steps:
                waited = 5 if variant == "pretrained-cg" and steps == [1, 2] else 0
                np.testing.assert_array_equal(line.get_xdata()[-2:], np.array(steps) + waited)
        heights = {line.get_ydata()[0] for line in panel.get_lines() if line.get_xdata()[0] == 0}
        assert heights == {16.0, 1.44}
    assert {"mean image", "paper 1.44"} <= {*texts(panels[0].figure)}


def test_the_line_above_is_of_the_data_that_are_drawn(tmp_path):
    some = [*MADE, run("mnist", "pretrained-cg", 3.0)]  # no direct arm of these
    assert (
        FIGURES["fig_direct"].draw(frame_of(tmp_path, some, "paper")).get_suptitle().startswith("curves · ")
    )


def test_a_mean_image_far_above_is_named_and_leaves_the_panel_to_the_arms(tmp_path):
    some = [made for made in MADE if made[0].variant != "mean-image"]
    panels = (
        FIGURES["fig_direct"]
        .draw(frame_of(tmp_path, [*some, run("curves", "mean-image", 900.0)], "paper"))
        .axes
    )
    assert panels[0].get_ylim()[1] < 250 and "mean image:\n900, above" in texts(panels[0].figure)


def test_every_axis_has_two_ticks_or_more(frame):
    for panel in FIGURES["fig_direct"].draw(frame).axes:
        low, high = panel.get_xlim()
        assert sum(low <= tick <= high for tick in panel.get_xticks()) >= 2


def test_operations_count_pretraining_in_and_updates_do_not(frame):
    updates, operations, _ = (
        lines_of(panel)["pretrained-cg"].get_xdata() for panel in FIGURES["fig_direct"].draw(frame).axes
    )
    assert list(updates) == [10, 20]
    sizes = (784, 400, 200, 100, 50, 25, 6)
    before = stack_flops(sizes, N_CASES, (STACKED,) * 6)
    each = backprop_flops((*sizes, *sizes[-2::-1]), N_CASES)
    np.testing.assert_allclose(operations, [before, before + each, before + 2 * each], rtol=1e-4)


def test_busy_seconds_are_left_out_and_machines_told_apart(tmp_path):
    made = [run("direct", "curves/sparse-nag", 0.5), run("curves", "glorot-adam", 0.6, load=1.2)]
    made.append(run("curves", "pretrained-cg", 0.7, device="loom"))
    figure = FIGURES["fig_direct"].draw(frame_of(tmp_path, made, "paper"))
    *others, seconds = (lines_of(panel) for panel in figure.axes)
    assert all(len(panel) == 3 for panel in others)
    assert {variant: line.get_linestyle() for variant, line in seconds.items()} == {
        "pretrained-cg": "-",
        "curves/sparse-nag": ":",
    }
    assert "seconds: solid loom, dotted abacus, undisturbed runs only" in figure.get_suptitle()


def test_a_cell_is_the_best_of_its_start_and_optimiser_and_others_stay_empty(frame):
    axes = FIGURES["fig_starts"].draw(frame).axes[0]
    columns = [label.get_text() for label in axes.get_xticklabels()]
    rows = [label.get_text().split("  ")[0] for label in axes.get_yticklabels()]
    cells = {
        (rows[round(text.get_position()[1])], columns[round(text.get_position()[0])]): text.get_text()
        for text in axes.texts
    }
    operations = {record.variant: f"{record.metrics.get('flops', 0) / 1e12:.3g}" for record, _ in MADE}
    assert cells == {
        ("N(0, .1²)", "SGD"): f"15.70\n{operations['gaussian-sgd-0.0005']}",
        ("N(0, .1²)", "momentum"): f"15.80\n{operations['gaussian-momentum-0.05']}",
        ("N(0, .01²)", "HF"): f"15.50\n{operations['curves/gaussian.01-hf']}",
        ("sparse", "NAG"): f"0.47\n{operations['curves/sparse-nag']}",
        ("pretrained", "CG"): f"2.50\n{operations['pretrained-cg']}",
    }


def test_a_grid_that_is_nearly_empty_is_not_drawn(tmp_path):
    made = [run("direct", "curves/sparse-nag", 0.5), run("curves", "glorot-adam", 0.6)]
    with pytest.raises(RecordsMissingError, match="no records of 5 cells on curves of direct"):
        FIGURES["fig_starts"].draw(frame_of(tmp_path, made, "paper"))


def test_the_second_number_of_a_cell_is_explained(frame):
    assert "lower: operations in 10¹²; grey: not run" in FIGURES["fig_starts"].draw(frame).get_suptitle()


def test_words_are_readable_on_every_colour():
    readable = FIGURES["fig_starts"]._readable
    assert readable("#ffffff") == "black" == readable("#fde725") == readable("#5ec962")  # light greens
    assert readable("#000000") == "white" == readable("#440154")


def test_the_spread_is_that_of_the_records(frame):
    figure = FIGURES["fig_spread"].draw(frame)
    written = " ".join(texts(figure))
    for losses in LOSSES.values():
        deviation = 100 * np.std(losses, ddof=1) / np.mean(losses)
        worst = max(losses) / min(losses)
        assert re.search(
            f"n {len(losses)}, deviation {deviation:.2g} %, worst over best {worst:.3f}", written
        )
    left, right = figure.axes[:2]
    assert sorted(line.get_ydata()[-1] for line in left.get_lines()) == LOSSES["curves"]
    [finals] = lines_of(right).values()
    np.testing.assert_allclose(finals.get_xdata(), np.divide(LOSSES["curves"], 78) - 1)
    assert finals.get_color() == arms.COLOURS["sparse"]


def test_the_bar_and_the_dotted_line_of_the_spread_are_explained(frame):
    figure = FIGURES["fig_spread"].draw(frame)
    line = figure.get_suptitle()
    assert "bar: one standard deviation" in line and "dotted: 1.3 times the best" in line
    right = figure.axes[1]
    best = min(LOSSES["curves"]) / np.mean(LOSSES["curves"])
    [dotted] = [line for line in right.get_lines() if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted.get_xdata(), 1.3 * best - 1)


def test_a_tiny_spread_is_not_said_to_be_nothing(tmp_path):
    made = [run("spread", "curves/sparse-nag", 1.0, seed=seed, loss=100 + 1e-3 * seed) for seed in range(2)]
    written = " ".join(texts(FIGURES["fig_spread"].draw(frame_of(tmp_path, made, "paper"))))
    assert "deviation 0.00071 %" in written
