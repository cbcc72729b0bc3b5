"""The curves: drawn as hinton2006science says, and with two of the errors that were published for them.

Nothing here needs a file or a network.
"""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.decomposition import PCA

from repro import data
from repro.data.curves import pen, recipe
from repro.errors import UserError

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """The full set, drawn once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_CACHE_DIR", str(tmp_path_factory.mktemp("prepared")))
        return data.load("curves")


# --- the published yardsticks ------------------------------------------------------------------------------


def squared_error(x, reconstruction):
    return float(np.mean(np.sum((x - reconstruction) ** 2, axis=1)))


def test_the_mean_image_and_eighteen_components_err_as_published(curves):
    train, test = (split.inputs.astype(np.float64) for split in (curves.full_train, curves.test))
    assert abs(squared_error(test, train.mean(axis=0)) - 16) < 0.1  # runs that learn nothing
    components = PCA(18, svd_solver="covariance_eigh").fit(train)
    found = squared_error(test, components.inverse_transform(components.transform(test)))
    assert abs(found - 5.90) < 0.1  # Fig. 2A


# --- the drawing, against one that shares no code ----------------------------------------------------------


def six_numbers(i):
    """The x and the y of curve i, drawn one number at a time."""
    stream = np.random.Generator(np.random.PCG64(2006))
    for _ in range(6 * i):
        stream.random()
    first = 2 + 20 * stream.random()
    second = first + 2 + (24 - (first + 2)) * stream.random()
    third = second + 2 + (26 - (second + 2)) * stream.random()
    return [first, second, third], [2 + 24 * stream.random() for _ in range(3)]


def through(x, y):
    """The parabola through three points, in Lagrange's form."""

    def at(s):
        total = 0.0
        for j in range(3):
            others = [x[k] for k in range(3) if k != j]
            total += y[j] * math.prod((s - o) / (x[j] - o) for o in others)
        return total

    return at


def plain_curve(i, n_segments=512):
    """Curve i in plain Python: a dictionary of ink, then an explicit kernel."""
    x, y = six_numbers(i)
    parabola, ink = through(x, y), {}
    stops = [x[0] + (x[2] - x[0]) * j / n_segments for j in range(n_segments + 1)]
    for a, b in itertools.pairwise(stops):
        across, down = (a + b) / 2 - 0.5, (parabola(a) + parabola(b)) / 2 - 0.5
        for c in (math.floor(across), math.floor(across) + 1):
            for r in (math.floor(down), math.floor(down) + 1):
                share = (1 - abs(across - c)) * (1 - abs(down - r))
                ink[r, c] = ink.get((r, c), 0) + 3.36 * (b - a) * share
    image = [[ink.get((r, c), 0) for c in range(28)] for r in range(28)]
    b = 0.64
    kernel = {(r, c): b / (12 if r and c else 6) for r in (-1, 0, 1) for c in (-1, 0, 1)} | {(0, 0): 1 - b}
    for _ in range(2):
        image = [[passed(image, kernel, r, c) for c in range(28)] for r in range(28)]
    return np.array([[min(grey, 1) for grey in row] for row in image])


def passed(image, kernel, r, c):
    inside = [(r + i, c + j, w) for (i, j), w in kernel.items() if 0 <= r + i < 28 and 0 <= c + j < 28]
    return sum(w * image[i][j] for i, j, w in inside)


def leaves_the_frame(i):
    """Whether some of its ink falls beyond the outermost pixel centres."""
    x, y = six_numbers(i)
    return not all(0.5 < through(x, y)(s) < 27.5 for s in np.linspace(x[0], x[2], 200))


def test_a_curve_is_what_a_plain_program_draws():
    chosen = [0, 2, 12, 17, 1003]  # two of them leave the frame, one at the top and one at the bottom
    assert {leaves_the_frame(i) for i in chosen} == {False, True}
    for i in chosen:
        found = pen.draw(i, i + 1).reshape(28, 28) / 255
        np.testing.assert_allclose(found, plain_curve(i), atol=0.5 / 255 + 1e-9)


def test_every_pixel_that_the_pen_moves_to_the_right_takes_as_much_ink():
    x, y = pen.points(range(40))
    columns = pen.ink(x, y).sum(axis=1)
    inside = [i for i in range(40) if not leaves_the_frame(i)]
    assert len(inside) > 10
    for i in inside:
        assert columns[i].sum() == pytest.approx(pen.INK * (x[i, 2] - x[i, 0]), rel=1e-12)
        crossed = columns[i, math.ceil(x[i, 0] + 0.5) : math.floor(x[i, 2] - 0.5)]
        np.testing.assert_allclose(crossed, pen.INK, rtol=0.05)  # by the length of a segment


def test_each_x_is_drawn_uniformly_from_what_the_last_one_and_the_gaps_leave():
    x, y = pen.points(range(20_000))
    chance, low, others = np.random.default_rng(1), np.full(20_000, 2.0), []
    for high in (22, 24, 26):
        others.append(chance.uniform(low, high))
        low = others[-1] + 2
    assert np.diff(x, axis=1).min() >= 2 and min(x.min(), y.min()) >= 2 and max(x.max(), y.max()) <= 26
    for i in range(3):
        assert ks_2samp(x[:, i], others[i]).pvalue > 1e-3
    assert ks_2samp(x[:, 2] - x[:, 1], others[2] - others[1]).pvalue > 1e-3
    assert ks_2samp(y.ravel(), chance.uniform(2, 26, 60_000)).pvalue > 1e-3


# --- the stream and its slices -----------------------------------------------------------------------------


def test_any_range_of_curves_can_be_drawn_alone(monkeypatch):
    whole = pen.draw(0, 2100)
    assert whole.dtype == np.uint8 and whole.shape == (2100, 784)
    assert np.array_equal(pen.draw(990, 2010), whole[990:2010])
    monkeypatch.setattr(pen, "CHUNK", 7)
    assert np.array_equal(pen.draw(0, 50), whole[:50])


def test_another_seed_draws_other_curves(monkeypatch):
    ours = pen.draw(0, 5)
    monkeypatch.setattr(pen, "SEED", 2007)
    assert not np.any(np.all(pen.draw(0, 5) == ours, axis=1))


def test_every_split_has_its_part_of_the_stream_and_none_twice(curves):
    sample = data.load("curves", embedded=True)
    parts = [*(getattr(curves, split) for split in data.recipe.SPLITS)]
    parts += [getattr(sample, split) for split in data.recipe.SPLITS]
    assert [len(part.inputs) for part in parts] == [16_000, 4_000, 10_000, 2_000, 500, 500]
    first = [0, 16_000, 20_000, 30_000, 32_000, 32_500]
    for part, start in zip(parts, first, strict=True):
        assert np.array_equal(part.inputs[:3], pen.draw(start, start + 3) / np.float32(255))
    assert len({image.tobytes() for part in parts for image in part.inputs}) == 33_000


# --- the door ----------------------------------------------------------------------------------------------


def test_curves_are_loaded_as_pixels_without_classes(curves):
    for split in data.recipe.SPLITS:
        inputs, labels = getattr(curves, split)
        assert inputs.dtype == np.float32 and labels.dtype == np.int32 and not labels.any()
        assert inputs.shape == (len(labels), 784) and inputs.min() == 0 and inputs.max() == 1
        assert np.all(inputs.max(axis=1) > 0.1)  # no picture is empty
    assert (curves.name, curves.source, curves.kind) == ("curves", "full", "binary")
    assert curves.checksum == recipe.RECIPE.checksum


def test_the_sample_is_drawn_and_not_cached(cache):
    sample = data.load("curves", embedded=True, data_dir=Path("no-such-folder"))
    assert (sample.name, sample.source, sample.kind) == ("curves", "embedded", "binary")
    assert sample.checksum == recipe.SAMPLE.checksum == data.verify("curves", embedded=True)
    assert not cache.exists()
    assert next(s for s in data.status() if (s.name, s.source) == ("curves", "embedded")).ready


def test_curves_that_are_not_the_registered_ones_are_never_cached(cache, monkeypatch):
    monkeypatch.setattr(recipe, "FULL", dict.fromkeys(data.recipe.SPLITS, (0, 3)))
    with pytest.raises(UserError, match=r"^curves from .* decodes to arrays with SHA-256 [^\n]*$"):
        data.load("curves")
    assert not list(cache.iterdir())
