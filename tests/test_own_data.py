"""A user's own files: what is read from them, what is proposed, and what is refused in one line."""

import io

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image
from refusal import refused

from repro.data.own import load_own, propose, read, read_labels, split_three_ways

RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (30, 6, 5), np.uint8)
COUNTS = scipy.sparse.csr_array(RANDOM.poisson(0.3, (30, 12)).astype(np.int64))
TABLE = RANDOM.normal([3, -40, 0], [1, 20, 0.01], (30, 3))


def test_pictures_of_an_npy_file(tmp_path):
    np.save(tmp_path / "my.npy", PIXELS)
    table = read(tmp_path / "my.npy")
    assert table.shape == (6, 5)
    np.testing.assert_array_equal(table.values, PIXELS.reshape(30, 30))


def test_the_one_array_of_an_npz_file(tmp_path):
    np.savez(tmp_path / "my.npz", TABLE)
    np.testing.assert_array_equal(read(tmp_path / "my.npz").values, TABLE)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_counts_of_a_sparse_npz_file(tmp_path, form):
    scipy.sparse.save_npz(tmp_path / "my.npz", COUNTS.asformat(form))
    np.testing.assert_array_equal(read(tmp_path / "my.npz").values.toarray(), COUNTS.toarray())


@pytest.mark.parametrize("head", ["", 'height,weight,"a, b"\n'])
def test_a_csv_file_with_names_of_columns_and_without(tmp_path, head):
    rows = "\n".join(",".join(map(repr, row.tolist())) for row in TABLE)
    (tmp_path / "my.csv").write_text(f"{head}{rows}\n", encoding="utf-8")
    np.testing.assert_allclose(read(tmp_path / "my.csv").values, TABLE, rtol=1e-15)


def test_a_csv_file_whose_columns_are_called_by_their_numbers(tmp_path):
    pd.DataFrame(TABLE).to_csv(tmp_path / "my.CSV", index=False)
    np.testing.assert_allclose(read(tmp_path / "my.CSV").values, TABLE, rtol=1e-15)


def test_a_csv_file_with_whole_numbers_of_any_size(tmp_path):
    (tmp_path / "my.csv").write_text("123456789012345678901234,2\n1,3\n", encoding="utf-8")
    np.testing.assert_array_equal(read(tmp_path / "my.csv").values, [[123456789012345678901234.0, 2], [1, 3]])


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "tiff"])
def test_a_folder_of_images_in_grey(tmp_path, kind):
    for i, picture in enumerate(PIXELS):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.{kind}", quality=100)
    (tmp_path / "notes.txt").write_text("not an image", encoding="utf-8")
    table = read(tmp_path)
    assert table.shape == (6, 5)
    assert table.folders == ()
    np.testing.assert_allclose(table.values, PIXELS.reshape(30, 30), atol=4 if kind == "jpg" else 0)


def test_what_is_transparent_is_white_and_said(tmp_path):
    ink = np.zeros((30, 6, 5, 4), np.uint8)
    ink[..., 3] = PIXELS  # black strokes, their shape in the transparency
    for i, picture in enumerate(ink):
        Image.fromarray(picture).save(tmp_path / f"{i:02}.png")
    table = read(tmp_path)
    np.testing.assert_allclose(table.values, 255 - PIXELS.reshape(30, 30), atol=1)
    assert "what is transparent white" in load_own(tmp_path).said


def test_pixels_of_more_than_8_bits_are_refused(tmp_path):
    Image.fromarray(257 * PIXELS[0].astype(np.uint16)).save(tmp_path / "deep.png")
    refused(r"deep\.png has pixels of more than 8 bits: save it with 8, or all", read, tmp_path)


def test_folders_within_a_folder_of_images_are_classes(tmp_path):
    for i, picture in enumerate(PIXELS):
        (tmp_path / "cats" if i % 3 else tmp_path / "dogs").mkdir(exist_ok=True)
        Image.fromarray(picture).convert("RGB").save(tmp_path / ("cats" if i % 3 else "dogs") / f"{i:02}.png")
    data = load_own(tmp_path).data
    assert data.classes == ("cats", "dogs")
    labels = np.concatenate([data.train.labels, data.valid.labels, data.test.labels])
    assert np.bincount(labels).tolist() == [20, 10]


@pytest.mark.parametrize(
    ("values", "kind", "unit", "says"),
    [
        (PIXELS.reshape(30, 30), "binary", 255, "pixels 0 to 255, 0% of them 0: divided by 255, binary"),
        (PIXELS.reshape(30, 30) // 2, "binary", 255, "pixels 0 to 127"),
        (255.0 * (PIXELS.reshape(30, 30) > 250), "binary", 255, "divided by 255, binary"),
        (PIXELS.reshape(30, 30) % 17, "binary", 255, "pixels 0 to 16"),
        ((PIXELS.reshape(30, 30) % 17).astype(float), "binary", 16, "whole numbers 0 to 16"),
        (RANDOM.random((30, 4)), "binary", 1, "as they are, binary"),
        (RANDOM.random((30, 4)) > 0.5, "binary", 1, "whole numbers 0 to 1"),
        (COUNTS, "count", 1, "as they are, count"),
        (COUNTS.toarray(), "count", 1, "as they are, count"),
        (1000.0 * COUNTS.toarray(), "count", 1, "count"),
        (TABLE, "real", None, "each column less its mean, over its standard deviation, real"),
        (np.exp(TABLE[:, :1]), "real", None, "real"),
    ],
)
def test_what_is_proposed_is_said(values, kind, unit, says):
    scaling = propose(values)
    assert scaling.kind == kind
    assert says in scaling.said
    if unit:
        np.testing.assert_array_equal(scaling.unit, unit)
        np.testing.assert_array_equal(scaling.offset, 0)


@pytest.mark.parametrize("values", [PIXELS.reshape(30, 30), TABLE, RANDOM.random((30, 4))])
def test_scaling_is_undone(values):
    scaling = propose(values)
    np.testing.assert_allclose(scaling.undo(scaling.apply(values)), values, rtol=1e-5, atol=1e-5)


def test_real_values_are_standardised_by_the_training_cases_alone(tmp_path):
    constant = np.column_stack([TABLE, np.full(30, 7.1)])
    np.save(tmp_path / "my.npy", constant)
    own, train = load_own(tmp_path / "my.npy"), constant[split_three_ways(30)["train"]]
    np.testing.assert_allclose(own.scaling.offset, train.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(own.scaling.unit, [*train[:, :3].std(axis=0), 1], rtol=1e-6)
    np.testing.assert_allclose(own.data.train.inputs[:, 3], 0, atol=1e-6)
    assert "(1 never change)" in own.scaling.said


def test_small_differences_of_large_numbers_are_kept():
    """Seconds since 1970 over an hour: float32 has 29 different values of them."""
    times = 1.7e9 + np.arange(3600.0)[:, None]
    scaling = propose(times, "real")
    np.testing.assert_allclose(scaling.apply(times)[:, 0], (np.arange(3600) - 1799.5) / 1039.23, rtol=1e-4)
    np.testing.assert_allclose(scaling.undo(scaling.apply(times)), times, atol=1e-3, rtol=0)


def test_every_case_is_in_one_split_and_the_split_is_always_the_same():
    places = split_three_ways(1000)
    assert {name: len(some) for name, some in places.items()} == {"test": 200, "valid": 100, "train": 700}
    assert sorted(np.concatenate([*places.values()])) == [*range(1000)]
    assert (
        places["test"][:5].tolist() == split_three_ways(1000)["test"][:5].tolist() == [62, 84, 580, 187, 691]
    )


def test_labels_go_with_their_cases(tmp_path):
    np.save(tmp_path / "my.npy", np.arange(60.0).reshape(30, 2) / 60)
    names = np.array([f"class {i % 4}" for i in range(30)])
    np.save(tmp_path / "y.npy", names)
    data = load_own(tmp_path / "my.npy", labels=tmp_path / "y.npy").data
    for cases in (data.train, data.valid, data.test):
        numbers = np.rint(np.asarray(cases.inputs)[:, 0] * 30).astype(int)
        assert [data.classes[label] for label in cases.labels] == names[numbers].tolist()


@pytest.mark.parametrize("head", ["", "digit\n"])
def test_labels_of_a_csv_file(tmp_path, head):
    (tmp_path / "y.csv").write_text(head + "7\n3\n7\n", encoding="utf-8")
    numbers, names = read_labels(tmp_path / "y.csv", 3)
    assert (numbers.tolist(), names) == ([1, 0, 1], ("3", "7"))


def test_the_checksum_is_of_the_cases_and_of_how_they_are_scaled(tmp_path):
    for name, values in {"a": PIXELS, "b": PIXELS, "c": 255 - PIXELS}.items():
        np.save(tmp_path / f"{name}.npy", values)
    found = [load_own(tmp_path / f"{name}.npy").data.checksum for name in "abc"]
    assert found[0] == found[1] != found[2]
    assert load_own(tmp_path / "a.npy", "real").data.checksum != found[0]


def as_npy(values):
    content = io.BytesIO()
    np.save(content, values, allow_pickle=True)
    return content.getvalue()


def several():
    content = io.BytesIO()
    np.savez(content, x=TABLE, y=TABLE)
    return content.getvalue()


NAN = np.where(np.arange(90).reshape(30, 3) == 7, np.nan, TABLE)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("my.npy", b"", "cannot be read (No data left in file)"),
        ("my.npy", b"\x93NUMPY nonsense", "cannot be read"),
        (
            "my.npy",
            as_npy(np.array([{}] * 30, object)),
            "Python objects",
        ),
        ("my.npy", as_npy(np.array(["a"] * 30)), "has values of type <U1: save numbers"),
        ("my.npy", as_npy(TABLE + 1j), "has values of type complex128"),
        ("my.npy", as_npy(TABLE[0]), "is 3: make it cases x numbers"),
        ("my.npy", as_npy(np.float64(3)), "is one number: make it cases x numbers"),
        ("my.npy", as_npy(NAN), ", case 3, column 2: not a finite number"),
        ("my.npy", as_npy(TABLE[:0]), "is empty"),
        ("my.npy", as_npy(TABLE[:19]), "has 19 cases: 20 are the fewest"),
        ("my.npz", b"PK nonsense", "cannot be read"),
        ("my.npz", several(), "has the arrays x, y: save the one with the cases alone"),
        ("my.csv", b"", "cannot be read (No columns to parse from file)"),
        ("my.csv", b"a,b\n1,2\n3,four\n", ", line 3, column b: 'four' is no number"),
        ("my.csv", b"1,2\n3,\n", ", line 2, column 2: 'nan' is no number"),
        (
            "my.csv",
            b"1,2\n3,4,5\n",
            "cannot be read (Error tokenizing data. C error: Expected 2 fields in line 2",
        ),
        ("my.csv", b"a,b\n9,1,2\n9,3,4\n", "cannot be read (Length of header or names does not match"),
        ("my.csv", b"a;b\n1,5;2,5\n", "is separated by semicolons or tabs: separate by commas"),
        ("my.csv", b",a,b\n0,1,2\n", "has a first column without a name, an index: leave it out"),
        ("my.csv", "a,b\n1,2\n".encode("utf-16"), "save it anew, in UTF-8"),
        ("my.npy", as_npy(np.full((30, 2), 7.0)), "all values are 7: there is nothing to learn"),
        ("my.npy", as_npy(1e300 * TABLE), "there are values up to"),
        ("my.txt", b"1 2 3", "is of no known format: make it .npy, .npz"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    said = refused(name, load_own, tmp_path / name)
    assert said.startswith(f"{tmp_path / name}")
    assert says in said


def test_what_is_not_there_is_refused(tmp_path):
    refused(r"nobody\.npy is not there: name a file", load_own, tmp_path / "nobody.npy")
    refused(r"has no images", load_own, tmp_path)


def test_images_of_two_sizes_or_that_are_none_are_refused(tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    Image.fromarray(PIXELS[0].T).save(tmp_path / "b.png")
    refused(r"b\.png is 5 x 6 pixels, a\.png 6 x 5: make all the same size", read, tmp_path)
    (tmp_path / "b.png").write_bytes(b"nonsense")
    refused(r"b\.png is no image that can be read", read, tmp_path)


@pytest.mark.parametrize(
    ("values", "kind", "says"),
    [
        (TABLE, "binary", "kind binary has no values below 0, and there is -"),
        (TABLE, "count", "kind count has no values below 0"),
        (np.abs(TABLE), "count", "kind count has whole numbers alone"),
    ],
)
def test_a_kind_that_cases_cannot_be_of_is_refused(tmp_path, values, kind, says):
    np.save(tmp_path / "my.npy", values)
    assert says in refused(r"my\.npy: ", load_own, tmp_path / "my.npy", kind)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("y.npy", as_npy(np.arange(29)), "has 29 x 1 labels for 30 cases"),
        ("y.npy", as_npy(np.ones((30, 2))), "has 30 x 2 labels for 30 cases"),
        ("y.npy", b"nonsense", "cannot be read"),
        ("y.csv", b"", "cannot be read"),
        ("y.csv", b"7\n" * 9 + b"\n" + b"3\n" * 20, "has none for case 10: fill it in"),
        ("y.npy", as_npy(np.where(np.arange(30) == 4, np.nan, 1.0)), "has none for case 5"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    assert says in refused(f"^--labels .*{name}", read_labels, tmp_path / name, 30)
    refused("is not there", read_labels, tmp_path / "nobody.npy", 30)


@pytest.mark.parametrize(
    ("values", "says"),
    [(TABLE[:, :2], "has 2 numbers, but 3"), (-TABLE, "below 0"), (2 + np.abs(TABLE), "at most 1 when")],
)
def test_new_data_of_another_kind_are_refused(values, says):
    scaling = propose(RANDOM.random((30, 3)))
    assert says in refused(" ", scaling.check, values)
    scaling.check(RANDOM.random((5, 3)))
