"""Same bytes when redrawn, numbers from the tables, one colour per arm, one line when records are missing."""

import re
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text

from experiments.mnist import VARIANTS
from paper_figures import all_figures, arms, figures_folder, house, save
from paper_figures.evidence import in_print
from repro.errors import UserError
from repro.records import Record, save_records
from repro.tables import build

FIGURES = all_figures()
UNTRAINED = ("pca", "mean-image", "pca-2d")
LABELS = np.repeat(np.arange(10, dtype=np.uint8), 40)
DIGITS = np.random.default_rng(0).integers(0, 256, (10, 784), np.uint8)


def write_record(folder, variant, seed):
    """One record with random scores and pictures; the same variant and seed always give the same."""
    rng = np.random.default_rng([seed, *variant.encode()])
    trained = variant not in UNTRAINED
    errors = {"train_squared_error": rng.uniform(2, 50, 4), "test_squared_error": rng.uniform(2, 50, 4)}
    metrics = {name: error[-1] for name, error in errors.items()} | {"pretraining_seconds": 1.0 + seed}
    metrics |= {f"{name}_before": 200.0 for name in errors}
    curves = {"seconds": [1.0, 2.0, 3.0, 4.0], **errors} if trained else {}
    config = {"kind": "Arm", "widths": [5, 2]} if trained else {"kind": "PrincipalComponents"}
    arrays = {"example_inputs": DIGITS, "example_reconstructions": rng.permutation(DIGITS)}
    if variant.endswith("-2d"):
        arrays |= {"codes": rng.normal(size=(len(LABELS), 2)).astype(np.float32), "code_labels": LABELS}
    origin = {"device": "abacus", "data_sha256": "0", "load_average": 1.0, "cores": 2}
    record = Record("mnist", variant, "quick", seed, config, metrics, curves, None, origin)
    save_records({folder / "quick" / "mnist" / f"{variant}.seed{seed}.0.json": (record, arrays)})


def write_tables(folder):
    for path, content in build(folder, "quick", {"mnist": SimpleNamespace(claim="", artefact="")}).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def results(tmp_path):
    """Two seeds of every variant of the experiment."""
    for variant in VARIANTS:
        for seed in range(2):
            write_record(tmp_path, variant, seed)
    write_tables(tmp_path)
    return tmp_path


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize("name", FIGURES)
def test_redrawing_gives_the_same_bytes(name, results, monkeypatch):
    once, again = (figures_folder(results / place, "quick") for place in ("once", "again"))
    for day, folder in enumerate([once, again]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86400))  # the clock, as matplotlib reads it
        paths = save(FIGURES[name].draw(results, "quick"), folder, name)
    assert [path.name for path in paths] == [f"{name}.png", f"{name}.pdf"]
    assert all((once / path.name).read_bytes() == path.read_bytes() for path in paths)


@pytest.mark.parametrize("name", ["fig_2b", "fig_learning_curves"])
def test_published_numbers_are_those_of_the_table(name, results):
    path = results / "quick" / "tables" / "mnist.csv"
    table = pd.read_csv(path)
    quoted = (table.metric == "test_squared_error") & table.source.str.contains("primary")
    numbers = [1.23, 4.56, 7.89]
    table.loc[quoted, "published"] = numbers
    table.to_csv(path, index=False)
    drawn = [re.findall(r"\(([\d.]+)\)", text) for text in texts(FIGURES[name].draw(results, "quick"))]
    assert sorted(float(number) for found in drawn for number in found) == numbers


def test_our_numbers_are_means_over_seeds(results):
    table = pd.read_csv(results / "quick" / "tables" / "mnist.csv")
    rows = table[(table.metric == "test_squared_error") & (table.variant == "pretrained-cg")]
    drawn = texts(FIGURES["fig_2b"].draw(results, "quick"))
    assert f"{rows.value.item():.2f}" in drawn
    assert str(rows.n.item()) in drawn


def test_a_doubtful_number_says_so():
    score = SimpleNamespace(published=2.7, source="key, Table 1 (unconfirmed)")
    assert in_print(score) == "(2.70?)"


NEEDS = [("fig_2b", "logistic-pca"), ("fig_3", "pretrained-cg-2d"), ("fig_learning_curves", "mean-image")]


@pytest.mark.parametrize(("name", "variant"), NEEDS)
def test_a_missing_variant_is_one_line_with_its_remedy(name, variant, results):
    for path in (results / "quick" / "mnist").glob(f"{variant}.seed*"):
        path.unlink()
    write_tables(results)
    with pytest.raises(UserError, match=rf"{variant}: run `repro run mnist --profile quick`") as caught:
        FIGURES[name].draw(results, "quick")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["fig_2b", "fig_3"])
def test_pictures_and_numbers_are_of_the_same_records(name, results):
    for variant in ("pca", "pca-2d"):
        write_record(results, variant, seed=2)
    with pytest.raises(UserError, match="table is older than pca"):
        FIGURES[name].draw(results, "quick")


def test_a_variant_has_one_colour_and_an_arm_its_own(results):
    seen = defaultdict(set)
    for module in FIGURES.values():
        for artist in module.draw(results, "quick").findobj(lambda artist: artist.get_gid() in VARIANTS):
            if isinstance(artist, Line2D | Text):
                seen[artist.get_gid()].add(artist.get_color())
    assert set(seen) == set(VARIANTS)
    assert all(colours == {arms.colour(variant)} for variant, colours in seen.items())
    names = {arms.arm(variant) for variant in VARIANTS}
    assert len({arms.colour(name) for name in names}) == len(names)


def test_suffixes_keep_the_colour_and_change_the_line():
    for variants in ("pretrained-cg pretrained-cg-2d pretrained-cg-rate.01-sd.01", "new-arm new-arm-2d"):
        arm, *others = variants.split()
        assert {arms.colour(other) for other in others} == {arms.colour(arm)}
        assert len({arms.dashes(variant) for variant in variants.split()}) == len(others) + 1
    assert arms.label("pretrained-cg-rate.01-sd.01") == "pretrained, CG, rate .01, sd .01"


@pytest.mark.parametrize("name", FIGURES)
def test_only_the_quick_profile_is_marked_as_no_evidence(name, results):
    assert house.QUICK in texts(FIGURES[name].draw(results, "quick"))
    (results / "quick" / "mnist").rename(results / "paper_records")
    (results / "quick" / "tables").rename(results / "tables")
    (results / "paper").mkdir()
    (results / "paper_records").rename(results / "paper" / "mnist")
    assert house.QUICK not in texts(FIGURES[name].draw(results, "paper"))


def test_labels_are_moved_apart_and_no_further():
    points = np.array([[0.0, 0.0]] * 2 + [[0.01, 0.02 * i] for i in range(5)] + [[0.9, 0.9]])
    moved = house.apart(points, gap=0.1)
    distances = np.linalg.norm(moved[:, None] - moved[None], axis=-1)[np.triu_indices(len(points), 1)]
    assert distances.min() >= 0.1
    np.testing.assert_array_equal(moved[-1], points[-1])
