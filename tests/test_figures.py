"""Same bytes when redrawn, numbers from the frame, one colour per start, a line when records are missing."""

import re
from dataclasses import replace
from functools import cache, partial
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
    LABELS,
    N_EPOCHS,
    N_SEEDS,
    PATCHES,
    RANKS,
    every,
    frame_of,
    made_up,
    mean,
)
from made_frames import frame as made_frame
from made_frames import runs
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper_figures import all_figures
from paper_figures.style import arms, codes, digits, evidence, house, retrieval
from paper_figures.style.house import save
from paper_figures.style.wording import in_print, number
from repro.cli.figures import figures
from repro.data.dataset import Cases, Dataset
from repro.errors import DataUnavailableError, RecordsMissingError, UserError
from repro.models.autoencoder import Activation
from repro.report.tables import figures_folder, read_published
from repro.runs.config import StartOfClassifier
from repro.training.optimisers import Optimiser
from repro.typed import as_json

ELSEWHERE = (
    "fig_answer",
    "fig_bound",
    "fig_by_hand",
    "fig_convolution",
    "fig_densities",
    "fig_eras",
    "fig_scaling",
    "fig_speedup",
    "fig_direct",
    "fig_starts",
    "fig_spread",
    "fig_transfer",
    "fig_classifier",
    "fig_few_labels",
    "fig_deep_classifier",
    "fig_reparameterise",
)
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
    "fig_s3": ("mnist", "pretrained-cg-2d"),
    "fig_s4": ("mnist", "pca-2d"),
    "fig_s5": ("documents", "rcv1/lle-10"),
}
# they know no variant's name
BY_FACTS = ("fig_4a", "fig_4bc", "fig_s5", "fig_code_size", "fig_learning_curves")
OF_ONE = ("fig_s3", "fig_s4")  # they show one variant
images_of = digits.images_of  # itself, not what stands for it in other tests


@cache
def all_made():
    return every("mnist", "curves", "faces", "documents", "code_size")


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    """Two seeds of every variant of every experiment."""
    return frame_of(tmp_path_factory.mktemp("results"), all_made())


@pytest.fixture(autouse=True)
def pictures(monkeypatch):
    """The first digit of each class stands for all of them, wherever figures draw digits at their codes."""
    images = DIGITS.reshape(-1, 28, 28)[LABELS]
    monkeypatch.setattr(digits, "images_of", lambda *_: images)
    return images


def made_of(name):
    """What a figure needs, for a test that changes it."""
    return every(NEEDS[name][0])


def drawn(name, frame):
    return FIGURES[name].draw(frame)


@pytest.fixture(scope="module")
def once(frame):
    """The figures of that frame, for tests that only look at them."""
    return cache(partial(drawn, frame=frame))


def texts(name, frame):
    return written_in(drawn(name, frame))


def written_in(figure):
    return sorted(text.get_text() for text in figure.findobj(Text))


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
PRINTED += [("fig_s3", "pca-2d", ERROR), ("fig_s4", "pretrained-cg-2d", ERROR)]
PRINTED += [("fig_s1", "gaussian-cg", ERROR), ("fig_s2", "pretrained-cg-108-6", ERROR)]
PRINTED += [("fig_learning_curves", "pretrained-adam", ERROR)]


@pytest.mark.parametrize(("name", "variant", "metric"), PRINTED)
def test_our_numbers_are_means_over_seeds(name, variant, metric, once):
    ours = number(mean(NEEDS[name][0], variant, metric))
    assert {ours, "n", f"{N_SEEDS}"} <= {*re.sub("[,;]", "", " ".join(written_in(once(name)))).split()}


def test_lines_are_means_over_seeds(once):
    def heights(name, variant):
        artists = once(name).findobj(Line2D)
        return next(line.get_ydata() for line in artists if line.get_gid() == variant)

    precisions = [mean("documents", "rcv1/lsa-50", f"test_precision_at_{k}") for k in RANKS]
    np.testing.assert_allclose(heights("fig_4a", "rcv1/lsa-50"), precisions, rtol=1e-6)
    precisions = [mean("documents", "rcv1/lle-10", f"test_precision_at_{k}") for k in RANKS]
    np.testing.assert_allclose(heights("fig_s5", "rcv1/lle-10"), precisions, rtol=1e-6)
    by_size = [mean("code_size", f"curves/pca-{size}") for size in (2, 6, 10, 18, 30, 60)]
    np.testing.assert_allclose(heights("fig_code_size", "curves/pca-2"), by_size, rtol=1e-6)
    for name, variant in (("fig_s1", "gaussian-cg-shallow"), ("fig_s2", "pretrained-cg-108-6")):
        np.testing.assert_allclose(heights(name, variant)[-1], mean("curves", variant), rtol=1e-6)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_says_data_length_n_and_device(name, once):
    line = once(name).get_suptitle()
    assert re.search(r"MNIST|curves|faces|Reuters", line)
    assert name == "fig_s3" or f"{N_EPOCHS} epochs of fine-tuning" in line, "of PCA there are none"
    assert f"n {N_SEEDS}" in line and "abacus" in line


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fig_4a", "bands: 95 % interval over seeds"),
        ("fig_s5", "bands: 95 % interval over seeds"),
        ("fig_s1", "random networks begin above the frame"),
        ("fig_s1", "in parentheses: published"),
        ("fig_learning_curves", "random networks begin above the frame"),
        ("fig_learning_curves", "dashed, in parentheses: published"),
    ],
)
def test_a_figure_explains_its_bands_lines_and_parentheses(name, says, once):
    assert says in once(name).get_suptitle().replace("\n", " · ")


@pytest.mark.parametrize("name", ["fig_s1", "fig_s2"])
def test_a_pretrained_arm_begins_within_the_frame(name, once):
    for axes in once(name).axes:
        for line in (line for line in axes.get_lines() if line.get_gid() and "pretrained" in line.get_gid()):
            x, y = np.array(line.get_data(), float)
            assert axes.get_xlim()[0] < x.min() and y.max() < axes.get_ylim()[1]


def test_the_legend_of_fig_s2_is_below_its_lines(once):
    axes = once("fig_s2").axes[0]
    assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0


@pytest.mark.parametrize("name", FIGURES)
def test_what_has_not_been_run_is_left_out(name, tmp_path):
    _, lacking = NEEDS[name]
    some = frame_of(tmp_path, [made for made in made_of(name) if made[0].variant != lacking])
    figure = drawn(name, some)
    assert lacking not in {artist.get_gid() for artist in figure.findobj()}
    if name not in (*BY_FACTS, *OF_ONE):
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
    others = [made_up("curves", variant, 0) for variant in ("gaussian-cg", "gaussian-cg-shallow")]
    figure = drawn("fig_s1", frame_of(tmp_path, [longer, *others]))
    left = {line.get_gid(): line for line in figure.axes[0].get_lines()}
    assert left["pretrained-cg"].get_xdata()[-1] == left["gaussian-cg"].get_xdata()[-1] == N_EPOCHS
    here, last = (number(longer[0].curves[ERROR][i]) for i in (N_EPOCHS - 1, -1))
    assert f"{here} here, {last} (1.44) after {N_EPOCHS + 3} epochs, n 1" in str(
        left["pretrained-cg"].get_label()
    )


def test_fig_s1_is_not_drawn_with_an_empty_panel(tmp_path):
    with pytest.raises(RecordsMissingError, match="no records of a trained shallow network of curves"):
        drawn("fig_s1", frame_of(tmp_path, [made_up("curves", "gaussian-cg", 0)]))


def test_the_eight_largest_classes_of_documents_are_named_and_the_others_counted(frame):
    written = words("fig_4bc", frame)
    assert {*re.findall(r"class (\d)", written)} == {*"01234567"}
    assert "2 other classes" in written


def test_points_beyond_the_frame_are_left_out_and_counted(once):
    axes = once("fig_3").axes[0]
    shown = axes.collections[0].get_offsets()
    assert shown.min() > -0.05 and shown.max() < 1.05
    n_all = len(made_up("mnist", "pca-2d", 0)[1]["codes"])
    assert f"{n_all - len(shown)} of {n_all} beyond the frame" in axes.get_title()


def test_no_point_is_cut_by_the_frame(once):
    for name in ("fig_3", "fig_4bc"):
        for axes in once(name).axes:
            side = 72 * axes.get_window_extent().width / axes.figure.dpi / np.ptp(axes.get_xlim())
            [points] = axes.collections
            reach = np.sqrt(points.get_sizes().max()) / 2 / side
            places = points.get_offsets()
            assert places.min() - reach > axes.get_xlim()[0] and places.max() + reach < axes.get_xlim()[1]


def test_a_name_stands_among_its_class_and_not_in_the_hole_of_it():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 100)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    place = codes.densest(ring)
    assert np.linalg.norm(np.median(ring, axis=0)) < 0.3
    near = np.argsort(np.linalg.norm(ring - place, axis=1))
    radii = [np.sort(np.linalg.norm(ring - point, axis=1))[24] for point in ring]
    assert np.linalg.norm(ring[near[24]] - place) == min(radii)
    np.testing.assert_array_equal(codes.densest(np.array([[2.0, 3.0]])), [2, 3])


def test_digits_are_drawn_by_lot_where_there_is_room_and_nowhere_else():
    corners = np.random.default_rng(0).integers(0, 200, (400, 2))
    kept = digits.with_room(corners, 28)
    apart = np.abs(corners[:, None] - corners[kept]).max(axis=-1)
    assert np.all(apart[kept] + 28 * np.eye(len(kept)) >= 28), "two overlap"
    assert np.all(np.delete(apart, kept, axis=0).min(axis=1) < 28), "one that is left out had room"
    assert list(kept) != sorted(kept), "the first classes come first"
    np.testing.assert_array_equal(digits.with_room(corners, 28), kept)


def test_a_digit_stands_with_its_middle_at_its_code(frame, pictures):
    figure = drawn("fig_s3", frame)
    [axes] = figure.axes
    [image] = axes.images
    shown = image.get_array()
    box = axes.get_window_extent()
    dots = 200 / figure.dpi
    np.testing.assert_allclose([box.width * dots, box.height * dots], shown.shape, atol=1e-6)
    found = 0
    low, high = np.percentile(codes_of := made_up("mnist", "pca-2d", 0)[1]["codes"], [0.5, 99.5], axis=0)
    for picture, (x, y) in zip(pictures, (codes_of - low) / (high - low), strict=True):
        row, column = (round(1232 * place - 14) for place in (1 - (y + 0.05) / 1.1, (x + 0.05) / 1.1))
        whole = min(row, column) >= 0 and max(row, column) <= 1232 - 28
        found += whole and np.array_equal(shown[row : row + 28, column : column + 28], picture)
    assert f"{found} of {len(pictures)} digits" in figure.get_suptitle() and found > 100


@pytest.fixture
def recorded():
    """Twelve digits of three classes in random order, and what a figure knows of a run of them."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 3, 5], 4)).astype(np.int32)
    x = np.random.default_rng(1).integers(0, 256, (12, 784)).astype(np.float32) / 255
    few = Cases(x[:3], labels[:3])
    data = Dataset("mnist", "full", "binary", "0", few, few, Cases(x, labels))
    arrays = {"code_labels": np.sort(labels).astype(np.uint8)}
    panel = evidence.Picture(SimpleNamespace(data="mnist", path="mnist/pca-2d.seed0.json"), arrays)
    record = SimpleNamespace(experiment="mnist", provenance={"data_sha256": "0"})
    return data, panel, SimpleNamespace(small=False, record=lambda path: record)


def stored(monkeypatch, data, ready=True):
    """As if this data set were on this machine, or not."""
    status = SimpleNamespace(name="mnist", source="full", ready=ready)
    monkeypatch.setattr("repro.data.status", lambda: [status])
    monkeypatch.setattr("repro.data.load", lambda name, embedded: data)


def test_pictures_are_those_that_the_codes_are_of(recorded, monkeypatch):
    data, panel, frame = recorded
    stored(monkeypatch, data)
    by_class = np.concatenate([data.test.inputs[data.test.labels == c] for c in (0, 3, 5)])
    found = images_of(frame, panel)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.rint(255 * by_class).reshape(12, 28, 28))


def test_pictures_of_other_data_than_the_codes_are_refused(recorded, monkeypatch):
    data, panel, frame = recorded
    message = r"^pca-2d.seed0.json has codes of other pictures than mnist has: run mnist again$"
    others = replace(data, checksum="1"), replace(data, test=Cases(data.test.inputs, data.test.labels % 3))
    for other in others:
        stored(monkeypatch, other)
        with pytest.raises(UserError, match=message):
            images_of(frame, panel)


def test_no_figure_downloads_its_pictures(recorded, monkeypatch):
    _, panel, frame = recorded
    stored(monkeypatch, None, ready=False)
    with pytest.raises(
        DataUnavailableError, match=r"^the pictures of mnist .*: run `repro data prepare mnist`$"
    ):
        images_of(frame, panel)


def test_a_figure_without_its_pictures_is_named_and_the_others_are_drawn(tmp_path, monkeypatch, capsys):
    def absent(*_):
        raise DataUnavailableError("the pictures are elsewhere")

    monkeypatch.setattr(digits, "images_of", absent)
    frame_of(tmp_path, [made_up("mnist", "pca-2d", 0)])
    figures(None, "quick", tmp_path)
    assert "fig_s3 is not drawn: the pictures are elsewhere" in capsys.readouterr().out


def test_the_number_of_neighbours_is_that_of_the_record_and_said_with_those_tried(once):
    line = once("fig_s5").get_suptitle()
    assert "LLE with 10 neighbours, chosen on validation from 5, 10, 20, 40" in line


def test_fig_s5_says_at_how_many_ranks_the_autoencoder_finds_more_and_what_the_paper_says(once):
    variants = ("rcv1/pretrained-cg", "rcv1/lle-10", "rcv1/lsa-10")
    ours, lle, lsa = (
        np.array([mean("documents", variant, f"test_precision_at_{k}") for k in RANKS])
        for variant in variants
    )
    counts = f"than LLE at {sum(ours > lle)}, than LSA at {sum(ours > lsa)} of 10 ranks"
    title = once("fig_s5").axes[0].get_title()
    assert 0 < sum(ours > lle) != sum(ours > lsa) < 10
    assert title == f"the autoencoder finds more {counts};\nin the paper more than both (unconfirmed)"


def test_fig_s5_has_the_three_of_the_paper_and_fig_4a_no_lle(once):
    def drawn_in(name):
        return {line.get_gid() for line in once(name).findobj(Line2D) if line.get_gid()}

    assert drawn_in("fig_s5") == {"rcv1/pretrained-cg", "rcv1/lsa-10", "rcv1/lle-10"}
    assert {"rcv1/lsa-10", "rcv1/lsa-50"} <= drawn_in("fig_4a") and "rcv1/lle-10" not in drawn_in("fig_4a")


def test_fig_1_says_whose_error_each_number_is(frame):
    written = texts("fig_1", frame)
    before, after = (
        number(mean("mnist", "gaussian-cg", f"{ERROR}_before")),
        number(mean("mnist", "pretrained-cg")),
    )
    assert f"before it: test squared error {before}" in written and f"test squared error {after}" in written
    assert any(re.search(r"published: \(3\.00\)$", text) for text in written)


@pytest.mark.parametrize("lower", ["deep", "shallow"])
def test_fig_s2_says_what_the_paper_says_of_its_order(lower, tmp_path):
    made = []
    for variant, kind in FIGURES["fig_s2"].NETWORKS.items():
        record, arrays = made_up("curves", variant, 0)
        made.append(
            (record._replace(metrics=record.metrics | {ERROR: 2.0 if kind == lower else 3.0}), arrays)
        )
    title = drawn("fig_s2", frame_of(tmp_path, made)).axes[0].get_title()
    end = "in the paper too" if lower == "deep" else "in the paper it is the deep one"
    assert title == f"here the {lower} network ends lower, 2.00 < 3.00; {end}"


def test_chance_is_what_shuffled_classes_give(frame):
    classes = np.repeat(np.arange(10), 1000 - np.arange(10))
    n = np.bincount(classes)
    expected = np.mean([(n[c] - 1) / (len(classes) - 1) for c in classes])
    np.testing.assert_allclose(retrieval.chance(frame, "rcv1"), expected, rtol=1e-9)
    for name in ("fig_4a", "fig_s5"):
        assert f"by chance\n{expected:.2f}" in words(name, frame)
        assert drawn(name, frame).axes[0].get_ylim()[0] == 0


@pytest.mark.parametrize("name", ["fig_4a", "fig_4bc", "fig_s5"])
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


def test_a_start_has_one_colour_in_all_figures(frame, once):
    first = frame.runs.drop_duplicates("variant").set_index("variant")
    kinds = {variant: arms.family(run) for variant, run in first.iterrows()}
    seen = set()
    for name in FIGURES:
        for artist in once(name).findobj(lambda artist: artist.get_gid() is not None):
            if isinstance(artist, Line2D | Text):
                seen.add((artist.get_gid(), artist.get_color()))
    assert set(EXPERIMENTS["mnist"].variants) <= {variant for variant, _ in seen}
    assert all(colour == arms.COLOURS[kinds[variant]] for variant, colour in seen)


def test_every_start_and_optimiser_has_its_look():
    starts, optimisers = (
        {member().kind for member in get_args(union)} for union in (StartOfClassifier, Optimiser)
    )
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


def test_runs_as_in_2006_are_told_from_the_others():
    asked = ("pretrained-cg", "pretrained-cg-minimize2006", "pretrained-cg-program2006")
    made = made_frame(*(runs("mnist", variant, seeds=1) for variant in asked))
    assert [look.label for look in arms.looks(made.runs)] == [
        "pretrained, CG",
        "pretrained, CG, minimize of 2006",
        "pretrained, CG, as the program of 2006",
    ]


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


def test_labels_keep_off_the_marks():
    marks = np.array([[0.5, 0.5], [0.52, 0.5]])
    moved = house.apart(np.array([[0.5, 0.5], [0.1, 0.1]]), 0.1, marks=marks)
    assert np.linalg.norm(moved[0] - marks, axis=1).min() >= 0.05
    np.testing.assert_array_equal(moved[1], [0.1, 0.1])


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
    line = figure.get_suptitle()
    assert "bars: 95 % interval" in line and "dotted: 1.05, counts as no worse" in line
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
    written = {path.stem for path in (tmp_path / "quick" / "figures").iterdir()}
    assert written == {"fig_3", "fig_s3"}
    assert said.count("is not drawn") == len(all_figures()) - 2 and said.count("wrote ") == 4


def test_the_command_that_draws_nothing_is_an_error(tmp_path):
    remedy = re.escape(f"`repro run --profile paper --results {tmp_path}` makes them")
    with pytest.raises(UserError, match=rf"^no records below .*: {remedy}$"):
        figures(None, "paper", tmp_path)
    frame_of(tmp_path, [made_up("faces", "mean-image", 0)])
    with pytest.raises(UserError, match=r"are enough for no figure$"):
        figures(None, "quick", tmp_path)
    with pytest.raises(RecordsMissingError, match="has no records of"):
        figures(["fig_3"], "quick", tmp_path)
