"""Same bytes when redrawn, numbers from the tables, one colour per arm, one line when records are missing."""

import re
import shutil
from functools import cache
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text

from experiments import all_experiments
from paper_figures import all_figures, figures_folder, save
from paper_figures.style import arms, house
from paper_figures.style.wording import in_print, number
from repro.errors import RecordsMissingError, UserError
from repro.report.tables import build
from repro.runs.record import Record, as_config, save_records

ELSEWHERE = ("fig_eras", "fig_speedup", "fig_direct", "fig_starts", "fig_spread")  # have tests of their own
FIGURES = {name: module for name, module in all_figures().items() if name not in ELSEWHERE}
OF_THE_PAPER = ("mnist", "curves", "faces", "documents", "code_size")
EXPERIMENTS = {name: all_experiments()[name] for name in OF_THE_PAPER}
N_SEEDS, ERROR = 2, "test_squared_error"
NEEDS = {  # of each figure: its experiment, and a variant or all sizes of one, without which it is not drawn
    "fig_1": ("mnist", "gaussian-cg"),
    "fig_2a": ("curves", "logistic-pca-18"),
    "fig_2b": ("mnist", "logistic-pca"),
    "fig_2c": ("faces", "pca"),
    "fig_3": ("mnist", "pretrained-cg-2d"),
    "fig_4a": ("documents", "rcv1/lsa-50"),
    "fig_4bc": ("documents", "rcv1/lsa-2d"),
    "fig_code_size": ("code_size", "curves/pca"),
    "fig_learning_curves": ("mnist", "mean-image"),
    "fig_s1": ("curves", "gaussian-cg-shallow"),
    "fig_s2": ("curves", "pretrained-cg-108-6"),
}
LABELS = np.repeat(np.arange(10, dtype=np.uint8), range(40, 50))
DIGITS = np.random.default_rng(0).integers(0, 256, (10, 784), np.uint8)
PATCHES = np.random.default_rng(0).normal(size=(10, 625)).astype(np.float32)
RANKS = [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023]


@cache
def made_up(experiment, variant, seed):
    """A record with random scores and pictures; the same variant and seed always give the same."""
    rng = np.random.default_rng([seed, *variant.encode()])
    config = as_config(EXPERIMENTS[experiment].variants[variant])
    errors = {"train_squared_error": rng.uniform(2, 50, 4), "test_squared_error": rng.uniform(2, 50, 4)}
    metrics = {name: error[-1] for name, error in errors.items()} | {"pretraining_seconds": 1.0 + seed}
    metrics |= {f"{name}_before": rng.uniform(60, 200) for name in errors}
    curves = {"seconds": [1.0, 2.0, 3.0, 4.0], **errors} if "widths" in config else {}
    images = PATCHES if experiment == "faces" else DIGITS
    arrays = {"example_inputs": images, "example_reconstructions": rng.permutation(images)}
    if experiment == "documents":
        arrays, metrics = {}, metrics | {f"test_precision_at_{k}": rng.uniform() for k in RANKS}
    if variant.endswith("-2d"):
        arrays |= {"codes": rng.normal(size=(len(LABELS), 2)).astype(np.float32), "code_labels": LABELS}
        arrays |= {"class_names": np.array([f"class {c}" for c in range(10)])}
        arrays |= {"class_sizes": 1000 - np.arange(10)}  # in all; of those shown the last have the most
    origin = {"device": "abacus", "data_sha256": "0", "load_average": 1.0, "cores": 2}
    return Record(experiment, variant, "quick", seed, config, metrics, curves, None, origin), arrays


def mean(experiment, variant, metric=ERROR):
    return np.mean([made_up(experiment, variant, seed)[0].metrics[metric] for seed in range(N_SEEDS)])


def write_record(folder, record, arrays):
    path = folder / "quick" / record.experiment / f"{record.variant}.seed{record.seed}.0.json"
    save_records({path: (record, arrays)})


def write_tables(folder, *experiments):
    known = dict.fromkeys(experiments, SimpleNamespace(claim="", artefact=""))
    for path, content in build(folder, "quick", known).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two seeds of every variant of every experiment; not to be changed."""
    folder = tmp_path_factory.mktemp("results")
    for name, experiment in EXPERIMENTS.items():
        for variant in experiment.variants:
            for seed in range(N_SEEDS):
                write_record(folder, *made_up(name, variant, seed))
    write_tables(folder, *EXPERIMENTS)
    return folder


@pytest.fixture
def own(results, tmp_path):
    """The same, for a test that changes them."""
    return shutil.copytree(results, tmp_path / "own")


def words(name, folder, profile="quick"):
    return " ".join(text.get_text() for text in FIGURES[name].draw(folder, profile).findobj(Text))


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, results, tmp_path, monkeypatch):
    once, again = (figures_folder(tmp_path / place, "quick") for place in ("once", "again"))
    for day, folder in enumerate([once, again]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86400))  # the clock, as matplotlib reads it
        paths = save(FIGURES[name].draw(results, "quick"), folder, name)
    assert [path.name for path in paths] == [f"{name}.png", f"{name}.pdf"]
    assert all((once / path.name).read_bytes() == path.read_bytes() for path in paths)


QUOTES = {"fig_1": ["pretrained-cg"], "fig_s1": ["pretrained-cg"]}
QUOTES |= dict.fromkeys(["fig_2a", "fig_2b", "fig_2c", "fig_learning_curves"], slice(None))


@pytest.mark.parametrize("name", FIGURES)
def test_published_numbers_are_those_of_the_table(name, own):
    path = own / "quick" / "tables" / f"{NEEDS[name][0]}.csv"
    table = pd.read_csv(path)
    quoted = (table.metric == ERROR) & table.source.astype(str).str.contains("primary")
    table.loc[quoted, "published"] = 1.23 + np.arange(quoted.sum())
    table.to_csv(path, index=False)
    expected = table[quoted].set_index("variant").published.loc[QUOTES.get(name, [])]
    assert sorted(map(float, re.findall(r"\(([\d.]+)\)", words(name, own)))) == sorted(expected)


PRINTED = [("fig_1", "gaussian-cg", f"{ERROR}_before"), ("fig_1", "pretrained-cg", f"{ERROR}_before")]
PRINTED += [("fig_1", "pretrained-cg", ERROR), ("fig_2a", "logistic-pca-6", ERROR)]
PRINTED += [("fig_2b", "pretrained-cg", ERROR), ("fig_2c", "pca", ERROR), ("fig_3", "pca-2d", ERROR)]
PRINTED += [("fig_s1", "gaussian-cg", ERROR), ("fig_s2", "pretrained-cg-108-6", ERROR)]
PRINTED += [("fig_learning_curves", "pretrained-adam", ERROR)]


@pytest.mark.parametrize(("name", "variant", "metric"), PRINTED)
def test_our_numbers_are_means_over_seeds(name, variant, metric, results):
    ours = number(mean(NEEDS[name][0], variant, metric))
    assert {ours, "n", f"{N_SEEDS}"} <= {*words(name, results).replace(",", "").split()}


def test_lines_are_means_over_seeds(results):
    def heights(name, variant):
        artists = FIGURES[name].draw(results, "quick").findobj(Line2D)
        return next(line.get_ydata() for line in artists if line.get_gid() == variant)

    precisions = [mean("documents", "rcv1/lsa-50", f"test_precision_at_{k}") for k in RANKS]
    np.testing.assert_allclose(heights("fig_4a", "rcv1/lsa-50"), precisions, rtol=1e-6)
    by_size = [mean("code_size", f"curves/pca-{size}") for size in (2, 6, 10, 18, 30, 60)]
    np.testing.assert_allclose(heights("fig_code_size", "curves/pca"), by_size, rtol=1e-6)
    for name, variant in (("fig_s1", "gaussian-cg-shallow"), ("fig_s2", "pretrained-cg-108-6")):
        np.testing.assert_allclose(heights(name, variant)[-1], mean("curves", variant), rtol=1e-6)


@pytest.mark.parametrize("name", FIGURES)
def test_a_missing_variant_is_one_line_with_its_remedy(name, own, tmp_path):
    experiment, variant = NEEDS[name]
    sizes = "-*" if experiment == "code_size" else ""
    for path in (own / "quick" / experiment).glob(f"{variant}{sizes}.seed*"):
        path.unlink()
    write_tables(own, experiment)
    remedy = f": run `repro run {experiment} --profile quick`, then `repro tables --profile quick`$"
    with pytest.raises(RecordsMissingError, match=f"^.* has no quick records of {variant}{remedy}"):
        FIGURES[name].draw(own, "quick")
    with pytest.raises(RecordsMissingError, match=f"^.*{remedy}"):
        FIGURES[name].draw(tmp_path / "empty", "quick")


def test_pictures_and_numbers_are_of_the_same_records_and_images(own):
    write_record(own, *made_up("mnist", "pca-2d", N_SEEDS))
    with pytest.raises(UserError, match="table is older than pca-2d"):
        FIGURES["fig_3"].draw(own, "quick")
    record, arrays = made_up("faces", "pca", 0)
    write_record(own, record, arrays | {"example_inputs": PATCHES[::-1]})
    with pytest.raises(UserError, match="pca and pretrained-cg were not shown the same images: run faces"):
        FIGURES["fig_2c"].draw(own, "quick")


def test_images_stand_upright_on_one_scale_of_greys(results):
    for name, inputs, cmap in (("fig_2a", DIGITS, "gray_r"), ("fig_2c", PATCHES, "gray")):
        (image,) = FIGURES[name].draw(results, "quick").axes[0].images
        side = round(inputs.shape[1] ** 0.5)
        np.testing.assert_array_equal(image.get_array()[:side, :side], inputs[0].reshape(side, side))
        limits = (0, 255) if inputs.dtype == np.uint8 else np.percentile(inputs, [1, 99])
        np.testing.assert_allclose(image.get_clim(), limits)
        assert image.get_cmap().name == cmap


def test_parameters_are_weights_and_biases_of_all_layers(results):
    drawn = words("fig_s2", results)
    for *encoder, code in ([784, 100, 50, 25, 6], [784, 108, 6]):
        layers = [*encoder, code, *reversed(encoder)]
        assert f"{sum((below + 1) * above for below, above in pairwise(layers)):,} parameters" in drawn


def test_the_eight_largest_classes_of_documents_are_named(results):
    assert {*re.findall(r"class (\d)", words("fig_4bc", results))} == {*"01234567"}


@pytest.mark.parametrize("name", ["fig_4a", "fig_4bc"])
def test_documents_are_of_rcv1_where_they_can_be(name, own):
    assert "Reuters RCV1" in words(name, own)
    shutil.rmtree(own / "quick" / "documents" / "rcv1")
    write_tables(own, "documents")
    drawn = words(name, own)
    assert "Reuters-21578" in drawn and "RCV1" not in drawn


def test_a_variant_has_one_colour_and_an_arm_its_own(results):
    seen = set()
    for module in FIGURES.values():
        for artist in module.draw(results, "quick").findobj(lambda artist: artist.get_gid() is not None):
            if isinstance(artist, Line2D | Text):
                seen.add((artist.get_gid(), artist.get_color()))
    assert set(EXPERIMENTS["mnist"].variants) <= {variant for variant, _ in seen}
    assert all(colour == arms.colour(variant) for variant, colour in seen)
    names = {arms.arm(variant) for experiment in EXPERIMENTS.values() for variant in experiment.variants}
    assert len({arms.colour(name) for name in names & set(arms.COLOURS)}) == len(names)


def test_suffixes_keep_the_colour_and_change_the_line():
    cases = [("pretrained-cg", "", "-2d", "-rate.01-sd.01"), ("lsa", "", "-10", "-50")]
    for arm, *suffixes in [*cases, ("pretrained-cg", "", "-100-50-25-6", "-108-6"), ("new-arm", "", "-2d")]:
        variants = [f"rcv1/{arm}{suffix}" for suffix in suffixes]
        assert {arms.colour(variant) for variant in variants} == {arms.colour(arm)}
        assert len({arms.dashes(variant) for variant in variants}) == len(variants)


def test_words_for_readers():
    assert arms.label("pretrained-cg-rate.01-sd.01") == "pretrained, CG, rate .01, sd .01"
    assert arms.label("pretrained-cg-100-50-25-6") == "pretrained, CG, 100-50-25-6"
    assert arms.label("mnist/logistic-pca-6") == "logistic PCA-6"
    assert arms.label("rcv1/lsa-2d") == "LSA, 2-D code"
    assert in_print(SimpleNamespace(published=2.7, source="key, Table 1 (unconfirmed)")) == "(2.70?)"


@pytest.mark.parametrize("name", FIGURES)
def test_only_the_quick_profile_is_marked_as_no_evidence(name, own):
    assert house.QUICK in words(name, own)
    (own / "quick" / "tables").rename(own / "tables")
    (own / "quick").rename(own / "paper")
    assert house.QUICK not in words(name, own, "paper")


def test_labels_are_moved_apart_and_no_further():
    points = np.array([[0.0, 0.0]] * 2 + [[0.01, 0.02 * i] for i in range(5)] + [[0.9, 0.9]])
    moved = house.apart(points, gap=0.1)
    distances = np.linalg.norm(moved[:, None] - moved[None], axis=-1)[np.triu_indices(len(points), 1)]
    assert distances.min() >= 0.1
    np.testing.assert_array_equal(moved[-1], points[-1])
    assert house.apart(points, 0.1, high=0.85).max() <= 0.85
