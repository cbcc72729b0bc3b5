"""Same bytes when redrawn, numbers from the frame, one colour per start, a line when records are missing."""

import re
from functools import cache
from importlib.resources import files
from itertools import combinations, pairwise
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from made_figures import (
    DIGITS,
    ERROR,
    EXPERIMENTS,
    N_EPOCHS,
    N_SEEDS,
    PATCHES,
    RANKS,
    every,
    frame_of,
    made_up,
    mean,
)
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper_figures import all_figures
from paper_figures.style import arms, codes, evidence, house
from paper_figures.style.house import figures_folder, save
from paper_figures.style.wording import in_print, number
from repro.cli.figures import figures
from repro.errors import RecordsMissingError, UserError
from repro.models.autoencoder import Activation
from repro.report.tables import read_published
from repro.runs.config import Start
from repro.training.optimisers import Optimiser
from repro.typed import as_json

ELSEWHERE = ("fig_answer", "fig_eras", "fig_speedup", "fig_direct", "fig_starts", "fig_spread")
FIGURES = {name: module for name, module in all_figures().items() if name not in ELSEWHERE}
NEEDS = {  # of each figure: its experiment, and a variant without which there is less to draw
    "fig_1": ("mnist", "gaussian-cg"),
    "fig_2a": ("curves", "logistic-pca-18"),
    "fig_2b": ("mnist", "logistic-pca"),
    "fig_2c": ("faces", "pca"),
    "fig_3": ("mnist", "pretrained-cg-2d"),
    "fig_4a": ("documents", "rcv1/lsa-50"),
    "fig_4bc": ("documents", "rcv1/lsa-2d"),
    "fig_code_size": ("code_size", "curves/pca-18"),
    "fig_learning_curves": ("mnist", "mean-image"),
    "fig_s1": ("curves", "gaussian-cg-shallow"),
    "fig_s2": ("curves", "pretrained-cg-108-6"),
}
BY_FACTS = ("fig_4a", "fig_4bc", "fig_code_size", "fig_learning_curves")  # they know no variant's name


@cache
def all_made():
    return every("mnist", "curves", "faces", "documents", "code_size")


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """Two seeds of every variant of every experiment."""
    return frame_of(tmp_path_factory.mktemp("results"), all_made())


def made_of(name):
    """What a figure needs, for a test that changes it."""
    return every(NEEDS[name][0])


def drawn(name, frame):
    return FIGURES[name].draw(frame)


def texts(name, frame):
    return sorted(text.get_text() for text in drawn(name, frame).findobj(Text))


def words(name, frame):
    return " ".join(texts(name, frame))


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, frame, tmp_path, monkeypatch):
    once, again = (figures_folder(tmp_path / place, "quick") for place in ("once", "again"))
    for day, folder in enumerate([once, again]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86400))  # the clock, as matplotlib reads it
        paths = save(drawn(name, frame), folder, name)
    assert [path.name for path in paths] == [f"{name}.png", f"{name}.pdf"]
    assert all((once / path.name).read_bytes() == path.read_bytes() for path in paths)


QUOTES = {"fig_1": ["pretrained-cg"], "fig_s1": ["pretrained-cg"]}
QUOTES |= dict.fromkeys(["fig_2a", "fig_2b", "fig_2c", "fig_learning_curves"], slice(None))


@pytest.mark.parametrize("name", FIGURES)
def test_published_numbers_are_those_of_the_table(name, frame, monkeypatch):
    table = read_published()
    quoted = (table.experiment == NEEDS[name][0]) & (table.metric == ERROR) & (table.sure == "primary")
    table.loc[quoted, "value"] = 1.23 + np.arange(quoted.sum())
    monkeypatch.setattr(evidence, "read_published", lambda: table)
    expected = table[quoted].set_index("variant").value.loc[QUOTES.get(name, [])]
    assert sorted(map(float, re.findall(r"\(([\d.]+)\)", words(name, frame)))) == sorted(expected)


PRINTED = [("fig_1", "gaussian-cg", f"{ERROR}_before"), ("fig_1", "pretrained-cg", f"{ERROR}_before")]
PRINTED += [("fig_1", "pretrained-cg", ERROR), ("fig_2a", "logistic-pca-6", ERROR)]
PRINTED += [("fig_2b", "pretrained-cg", ERROR), ("fig_2c", "pca", ERROR), ("fig_3", "pca-2d", ERROR)]
PRINTED += [("fig_s1", "gaussian-cg", ERROR), ("fig_s2", "pretrained-cg-108-6", ERROR)]
PRINTED += [("fig_learning_curves", "pretrained-adam", ERROR)]


@pytest.mark.parametrize(("name", "variant", "metric"), PRINTED)
def test_our_numbers_are_means_over_seeds(name, variant, metric, frame):
    ours = number(mean(NEEDS[name][0], variant, metric))
    assert {ours, "n", f"{N_SEEDS}"} <= {*re.sub("[,;]", "", words(name, frame)).split()}


def test_lines_are_means_over_seeds(frame):
    def heights(name, variant):
        artists = drawn(name, frame).findobj(Line2D)
        return next(line.get_ydata() for line in artists if line.get_gid() == variant)

    precisions = [mean("documents", "rcv1/lsa-50", f"test_precision_at_{k}") for k in RANKS]
    np.testing.assert_allclose(heights("fig_4a", "rcv1/lsa-50"), precisions, rtol=1e-6)
    by_size = [mean("code_size", f"curves/pca-{size}") for size in (2, 6, 10, 18, 30, 60)]
    np.testing.assert_allclose(heights("fig_code_size", "curves/pca-2"), by_size, rtol=1e-6)
    for name, variant in (("fig_s1", "gaussian-cg-shallow"), ("fig_s2", "pretrained-cg-108-6")):
        np.testing.assert_allclose(heights(name, variant)[-1], mean("curves", variant), rtol=1e-6)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_data_length_n_and_device(name, frame):
    line = drawn(name, frame).get_suptitle()
    assert re.search(r"MNIST|curves|faces|Reuters", line) and f"{N_EPOCHS} epochs of fine-tuning" in line
    assert f"n {N_SEEDS}" in line and "abacus" in line


@pytest.mark.parametrize("name", FIGURES)
def test_what_has_not_been_run_is_left_out(name, tmp_path):
    _, lacking = NEEDS[name]
    some = frame_of(tmp_path, [made for made in made_of(name) if made[0].variant != lacking])
    figure = drawn(name, some)
    assert lacking not in {artist.get_gid() for artist in figure.findobj()}
    if name not in BY_FACTS:
        assert "not run" in " ".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize("name", FIGURES)
def test_without_records_there_is_one_line_with_the_remedy(name, tmp_path):
    experiment, _ = NEEDS[name]
    other = "faces" if experiment != "faces" else "mnist"
    remedy = f"run `repro run {experiment} --profile quick --results {tmp_path}`"
    with pytest.raises(RecordsMissingError, match=rf"^.* has no records of .* of {experiment}: {remedy}$"):
        drawn(name, frame_of(tmp_path, [made_up(other, "pca", 0)]))


def test_scores_and_pictures_are_of_the_run_that_is_shown(tmp_path):
    shorter, longer = made_up("faces", "pretrained-cg", 0), made_up("faces", "pretrained-cg", 0, N_EPOCHS + 3)
    assert shorter[0].identity != longer[0].identity
    figure = drawn("fig_2c", frame_of(tmp_path, [shorter, longer, made_up("faces", "pca", 0)]))
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(image[28:53, :25], longer[1]["example_reconstructions"][0].reshape(25, 25))
    printed = " ".join(text.get_text() for text in figure.findobj(Text))
    assert number(longer[0].metrics[ERROR]) in printed.split()
    assert number(shorter[0].metrics[ERROR]) not in printed.split()


def test_all_rows_are_of_the_same_images(tmp_path):
    record, arrays = made_up("faces", "pca", 0)
    made = [made_up("faces", "pretrained-cg", 0), (record, arrays | {"example_inputs": PATCHES[::-1]})]
    with pytest.raises(UserError, match="pca and pretrained-cg were not shown the same images: run faces"):
        drawn("fig_2c", frame_of(tmp_path, made))


def test_images_stand_upright_on_one_scale_of_greys(frame):
    for name, inputs, cmap in (("fig_2a", DIGITS, "gray_r"), ("fig_2c", PATCHES, "gray")):
        (image,) = drawn(name, frame).axes[0].images
        side = round(inputs.shape[1] ** 0.5)
        np.testing.assert_array_equal(image.get_array()[:side, :side], inputs[0].reshape(side, side))
        limits = (0, 255) if inputs.dtype == np.uint8 else np.percentile(inputs, [1, 99])
        np.testing.assert_allclose(image.get_clim(), limits)
        assert image.get_cmap().name == cmap and image.get_interpolation() == "nearest"


def test_the_figure_says_which_row_has_the_lowest_error(tmp_path):
    pca, ours = made_up("faces", "pca", 0), made_up("faces", "pretrained-cg", 0)
    for error, said in (
        (0.5, "lowest error: PCA, not the autoencoder"),
        (500.0, "lowest error: autoencoder"),
    ):
        better = pca[0]._replace(metrics=pca[0].metrics | {ERROR: error}), pca[1]
        line = drawn("fig_2c", frame_of(tmp_path / f"{error}", [better, ours])).get_suptitle()
        assert said in line


def test_parameters_are_weights_and_biases_of_all_layers(frame):
    written = words("fig_s2", frame)
    for *encoder, code in ([784, 100, 50, 25, 6], [784, 108, 6]):
        layers = [*encoder, code, *reversed(encoder)]
        assert f"{sum((below + 1) * above for below, above in pairwise(layers)):,} parameters" in written


def test_lines_of_fig_s1_end_with_the_shortest(tmp_path):
    longer = made_up("curves", "pretrained-cg", 0, N_EPOCHS + 3)
    figure = drawn("fig_s1", frame_of(tmp_path, [longer, made_up("curves", "gaussian-cg", 0)]))
    left = {line.get_gid(): line for line in figure.axes[0].get_lines()}
    assert left["pretrained-cg"].get_xdata()[-1] == left["gaussian-cg"].get_xdata()[-1] == N_EPOCHS
    here, last = (number(longer[0].curves[ERROR][i]) for i in (N_EPOCHS - 1, -1))
    assert f"{here} here, {last} (1.44) after {N_EPOCHS + 3} epochs, n 1" in str(
        left["pretrained-cg"].get_label()
    )


def test_the_eight_largest_classes_of_documents_are_named_and_the_others_counted(frame):
    written = words("fig_4bc", frame)
    assert {*re.findall(r"class (\d)", written)} == {*"01234567"}
    assert "2 other classes" in written


def test_points_beyond_the_frame_are_left_out_and_counted(frame):
    axes = drawn("fig_3", frame).axes[0]
    shown = axes.collections[0].get_offsets()
    assert shown.min() > -0.05 and shown.max() < 1.05
    n_all = len(made_up("mnist", "pca-2d", 0)[1]["codes"])
    assert f"{n_all - len(shown)} of {n_all} beyond the frame" in axes.get_title()


def test_chance_is_what_shuffled_classes_give(frame):
    classes = np.repeat(np.arange(10), 1000 - np.arange(10))
    n = np.bincount(classes)
    expected = np.mean([(n[c] - 1) / (len(classes) - 1) for c in classes])
    np.testing.assert_allclose(FIGURES["fig_4a"].chance(frame, "rcv1"), expected, rtol=1e-9)
    assert f"by chance\n{expected:.2f}" in words("fig_4a", frame)


@pytest.mark.parametrize("name", ["fig_4a", "fig_4bc"])
def test_documents_are_of_rcv1_where_they_can_be(name, frame, tmp_path):
    assert "Reuters RCV1" in words(name, frame)
    made = [made for made in made_of(name) if made[0].config["data"] != "rcv1"]
    written = words(name, frame_of(tmp_path, made))
    assert "Reuters-21578" in written and "RCV1" not in written


@pytest.mark.parametrize("name", BY_FACTS)
def test_a_name_is_for_people(name, frame, tmp_path, monkeypatch):
    names = sorted({record.variant for record, _ in made_of(name)})
    renamed = [
        (record._replace(variant=f"v{names.index(record.variant):03}"), arrays)
        for record, arrays in made_of(name)
    ]
    table = read_published()
    own = (table.experiment == NEEDS[name][0]) & table.variant.isin(names)
    table.loc[own, "variant"] = [f"v{names.index(variant):03}" for variant in table.variant[own]]
    expected = texts(name, frame)
    monkeypatch.setattr(evidence, "read_published", lambda: table)
    assert texts(name, frame_of(tmp_path, renamed)) == expected


def test_a_start_has_one_colour_in_all_figures(frame):
    first = frame.runs.drop_duplicates("variant").set_index("variant")
    kinds = {variant: arms.family(run) for variant, run in first.iterrows()}
    seen = set()
    for name in FIGURES:
        for artist in drawn(name, frame).findobj(lambda artist: artist.get_gid() is not None):
            if isinstance(artist, Line2D | Text):
                seen.add((artist.get_gid(), artist.get_color()))
    assert set(EXPERIMENTS["mnist"].variants) <= {variant for variant, _ in seen}
    assert all(colour == arms.COLOURS[kinds[variant]] for variant, colour in seen)


def test_every_start_and_optimiser_has_its_look():
    starts, optimisers = ({member().kind for member in get_args(union)} for union in (Start, Optimiser))
    assert starts <= {*arms.COLOURS} and starts == {*arms.STARTS}
    assert optimisers | {"momentum"} == {*arms.MARKERS} == {*arms.OPTIMISERS}
    assert {*get_args(Activation)} == {*arms.ACTIVATIONS}
    assert len({*arms.MARKERS.values()}) == len(arms.MARKERS)


SEEN_BY = {  # linear RGB as readers without one kind of cone see it [Machado, Oliveira and Fernandes 2009]
    "everybody": np.eye(3),
    "protanopes": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopes": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopes": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def lab(colour, cones):
    """CIELAB of an sRGB colour as these cones see it."""
    encoded = np.array(to_rgb(colour))
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ np.clip(cones @ linear, 0, 1) / [0.9505, 1, 1.089], 1e-9))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("reader", SEEN_BY)
@pytest.mark.parametrize(
    ("colours", "least"), [({*arms.COLOURS.values()}, 15), (codes.COLOURS, 25)], ids=["arms", "classes"]
)
def test_colours_are_told_apart_by_colour_blind_readers(colours, least, reader):
    cones = np.array(SEEN_BY[reader])
    seen = [lab(colour, cones) for colour in sorted(colours)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > least


def test_words_for_readers(frame):
    def looks(experiment, *variants):
        runs = frame.runs[(frame.runs.experiment == experiment) & (frame.runs.seed == 0)].set_index("variant")
        return arms.looks(runs.loc[[*variants]].reset_index())

    of_mnist = looks(
        "mnist", "pretrained-cg", "pretrained-cg-rate.01-sd.01", "pretrained-cg-2d", "glorot-adam"
    )
    names = ["pretrained, CG", "pretrained, CG, sd .01", "pretrained, CG, code of 2", "Glorot, Adam"]
    assert [look.label for look in of_mnist] == names
    assert (
        len({look.colour for look in of_mnist[:3]}) == 1 and len({look.dashes for look in of_mnist[:3]}) == 3
    )
    assert [look.label for look in looks("mnist", "pca", "pca-2d", "mean-image")] == [
        "PCA-30",
        "PCA-2",
        "mean image",
    ]
    assert [look.label for look in looks("mnist", "logistic-pca", "pca")] == ["logistic PCA", "PCA"]
    assert [look.label for look in looks("documents", "rcv1/lsa-10", "rcv1/lsa-50")] == ["LSA-10", "LSA-50"]


def test_momentum_is_an_optimiser_of_its_own():
    run = SimpleNamespace(kind="autoencoding", start="he", activation="relu", n_layers=3, optimiser="sgd")
    assert arms.label(SimpleNamespace(**vars(run), momentum=0.0)) == "He, ReLU, SGD"
    assert arms.label(SimpleNamespace(**vars(run), momentum=0.9)) == "He, ReLU, momentum"


def test_what_nobody_looked_up_has_a_question_mark_that_is_explained(frame, monkeypatch):
    assert in_print(SimpleNamespace(published=2.7, sure="unconfirmed")) == "(2.70?)"
    table = read_published()
    table.loc[table.metric == ERROR, "sure"] = "unconfirmed"
    monkeypatch.setattr(evidence, "read_published", lambda: table)
    assert "? not looked up in its source" in drawn("fig_2b", frame).get_suptitle()


def test_a_run_that_diverged_is_shown_as_such(tmp_path):
    record, arrays = made_up("mnist", "pretrained-cg", 0)
    diverged = record._replace(metrics=record.metrics | {ERROR: float("nan")})
    assert "diverged" in words("fig_2b", frame_of(tmp_path, [(diverged, arrays), made_up("mnist", "pca", 0)]))


@pytest.mark.parametrize("name", FIGURES)
def test_only_the_quick_profile_is_marked_as_no_evidence(name, frame, tmp_path):
    assert house.QUICK in words(name, frame)
    assert house.QUICK not in words(name, frame_of(tmp_path, made_of(name), "paper"))


def test_labels_are_moved_apart_and_no_further():
    points = np.array([[0.0, 0.0]] * 2 + [[0.01, 0.02 * i] for i in range(5)] + [[0.9, 0.9]])
    moved = house.apart(points, gap=0.1)
    distances = np.linalg.norm(moved[:, None] - moved[None], axis=-1)[np.triu_indices(len(points), 1)]
    assert distances.min() >= 0.1
    np.testing.assert_array_equal(moved[-1], points[-1])
    assert house.apart(points, 0.1, high=0.85).max() <= 0.85


def test_the_line_above_is_no_wider_than_the_figure():
    parts = ["MNIST", "x" * 70, "y" * 70, "n 1"]
    lines = house.in_lines(house.DOT.join(parts)).split("\n")
    assert house.DOT.join(lines) == house.DOT.join(parts) and max(map(len, lines)) <= 125 and len(lines) == 2


def test_the_style_is_a_file_of_the_package():
    assert files("paper_figures.style").joinpath("house.mplstyle").is_file()


@pytest.fixture
def answers():
    """The answer table with some cells."""
    blank = {
        "n": 0,
        "ratio": np.nan,
        "low": np.nan,
        "high": np.nan,
        "not_tuned": "",
        "doubt": "",
        "random_start": None,
    }
    blank |= {
        "random_error": np.nan,
        "pretrained_error": np.nan,
        "random_variant": "",
        "pretrained_variant": "",
    }
    rows = [
        blank | {"share": share, "data": data, "optimiser": optimiser}
        for share in ("tenth", "all")
        for data in ("curves", "mnist")
        for optimiser in ("cg", "adam")
    ]
    known = {"random_error": 3.0, "pretrained_error": 1.5, "ratio": 2.0, "random_start": "sparse"}
    rows[0] |= known | {"n": 5, "low": 1.8, "high": 2.2, "random_variant": "several"}
    rows[7] |= known | {"n": 1, "ratio": 0.9, "random_variant": "single", "doubt": "not tuned: random"}
    return pd.DataFrame(rows)


def test_the_answer_stands_where_its_cells_put_it(answers, frame, tmp_path):
    shares = {"tenth": 0.1, "all": 1.0}
    figure = all_figures()["fig_answer"].draw_cells(frame, answers, shares)
    curves, mnist = figure.axes
    several = next(line for line in curves.get_lines() if line.get_gid() == "several")
    single = next(line for line in mnist.get_lines() if line.get_gid() == "single")
    assert several.get_ydata() == [2.0] and round(several.get_xdata()[0]) == 0
    assert single.get_ydata() == [0.9] and round(single.get_xdata()[0]) == 2  # after CG and NAG
    assert several.get_markerfacecolor() == "white" and single.get_markerfacecolor() == arms.COLOURS["sparse"]
    intervals = [[*line.get_ydata()] for line in curves.get_lines()]
    assert [1.8, 2.2] in intervals and [1, 1] in intervals and [1.05, 1.05] in intervals
    drawn_words = [text.get_text() for text in figure.findobj(Text)]
    assert "n 5\n3\n1.5" in drawn_words and "n 1*\n3\n1.5" in drawn_words and drawn_words.count("–") == 6
    assert len(save(figure, tmp_path, "fig_answer")) == 2


def test_an_answer_without_cells_is_one_line(answers, frame):
    with pytest.raises(RecordsMissingError, match=r"no two runs of answer to compare: run `repro run answer"):
        all_figures()["fig_answer"].draw_cells(frame, answers.assign(n=0), {"tenth": 0.1, "all": 1.0})


def test_the_answer_of_the_quick_profile_is_at_its_own_operations(tmp_path):
    answer, made = EXPERIMENTS["answer"], []
    shorter = {name: answer.quick(config) for name, config in answer.variants.items()}
    for variant, config in shorter.items():
        if config and config.optimiser.kind == "adam":
            record, arrays = made_up("answer", variant, 0)
            metrics = record.metrics | {"valid_cross_entropy": 1.0}
            made.append((record._replace(config=as_json(config), metrics=metrics), arrays))
    figure = all_figures()["fig_answer"].draw(frame_of(tmp_path, made))
    [axes] = figure.axes
    [dot] = [line for line in axes.get_lines() if line.get_gid()]
    pretrained = {record.config["start"]["kind"] == "pretrained": record.metrics[ERROR] for record, _ in made}
    ours, theirs = pretrained[False], pretrained[True]
    np.testing.assert_allclose(dot.get_ydata(), [ours / theirs], rtol=1e-6)
    assert house.QUICK in figure.get_suptitle()


def test_the_answer_is_the_first_figure():
    assert next(iter(all_figures())) == "fig_answer"


def test_the_command_draws_what_can_be_drawn_and_says_what_cannot(tmp_path, capsys):
    frame_of(tmp_path, [made_up("mnist", "pca-2d", 0)])
    figures(None, "quick", tmp_path)
    said = capsys.readouterr().out
    assert {path.name for path in (tmp_path / "quick" / "figures").iterdir()} == {"fig_3.png", "fig_3.pdf"}
    assert said.count("is not drawn") == len(all_figures()) - 1 and said.count("wrote ") == 2


def test_the_command_that_draws_nothing_is_an_error(tmp_path):
    remedy = re.escape(f"`repro run --profile paper --results {tmp_path}` makes them")
    with pytest.raises(UserError, match=rf"^no records below .*: {remedy}$"):
        figures(None, "paper", tmp_path)
    frame_of(tmp_path, [made_up("faces", "mean-image", 0)])
    with pytest.raises(UserError, match=r"are enough for no figure$"):
        figures(None, "quick", tmp_path)
    with pytest.raises(RecordsMissingError, match="has no records of"):
        figures(["fig_3"], "quick", tmp_path)
