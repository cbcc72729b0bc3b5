"""`repro compare`, `repro encode` and `repro decode` on files that a user has."""

import json
import re
import shutil
import sys
from datetime import timedelta
from functools import partial

import jax
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from test_cli import command

import repro
import repro.cli.compare
import repro.data
from repro.cli.compare import NETWORKS, RECORDS, SETTINGS, compare
from repro.data.own import load_own, split_three_ways
from repro.evaluation.intervals import ratio
from repro.report.comparison import sentences
from repro.report.frame import read
from repro.runs import compare as arms
from repro.runs.autoencoding import pretraining_flops, tuning_flops
from repro.runs.config import Pretrained
from repro.runs.record import load_record, load_records, n_epochs
from repro.training.flops import backprop_flops

pytestmark = pytest.mark.usefixtures("single_precision")
OPERATIONS = 6e8
USUAL = {"kind": None, "labels": None, "arms": ",".join(arms.ARMS), "seeds": 2, "operations": OPERATIONS}
WORDS = ["--widths", "12,3", "--seeds", 2, "--operations", OPERATIONS]


@pytest.fixture
def said(capsys, monkeypatch):
    """What a command ends with: exit code, standard output and standard error."""
    return partial(command, capsys, monkeypatch)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Two hundred real digits as 8-bit pixels, and what they show."""
    folder = tmp_path_factory.mktemp("digits")
    cases = repro.data.load("mnist", embedded=True).test
    np.save(folder / "digits.npy", np.rint(255 * cases.inputs[:200]).astype(np.uint8))
    np.save(folder / "shown.npy", cases.labels[:200])
    return folder / "digits.npy"


@pytest.fixture(scope="module")
def answered(digits, tmp_path_factory):
    """The folder of an answer; not to be changed."""
    folder = tmp_path_factory.mktemp("answer")
    with jax.enable_x64(False):
        compare(digits, "12,3", given=None, out=folder, **USUAL)
    return folder


@pytest.fixture
def answer(answered, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(answered, tmp_path / "answer")


def test_every_arm_has_its_operations_and_no_more(answered):
    records = load_records(answered / RECORDS).values()
    for record in records:
        if record.config["kind"] == "autoencoding":
            choice = [
                other.metrics["flops"] - other.metrics["pretraining_flops"]
                for other in records
                if other.config["kind"] == "tuning" and other.variant == record.variant
            ]
            np.testing.assert_allclose(record.metrics["flops"] + sum(choice), OPERATIONS, rtol=0.1)
    assert {record.variant for record in records} == {*arms.ARMS, "pca-3"}


def test_the_answer_is_of_the_records(answered):
    """The table's errors and the sentence's ratio, from the records' own numbers."""
    records = load_records(answered / RECORDS).values()
    errors = {}
    for record in sorted(records, key=lambda record: record.seed):
        if "test_squared_error" in record.metrics:
            errors.setdefault(record.variant, []).append(record.metrics["test_squared_error"])
    table = pd.read_csv(answered / "answer.csv").set_index("arm")
    assert list(table.error) == sorted(table.error)
    for arm, found in errors.items():
        np.testing.assert_allclose(table.error[arm], np.mean(found), rtol=1e-6)
        assert table.n[arm] == len(found)
    over = ratio(np.array(errors["he-adam"]), np.array(errors["pretrained-adam"]))
    page = (answered / "answer.md").read_text(encoding="utf-8")
    assert "| test squared error" in page and "| validation cross-entropy" in page
    assert f"{over.value:.2f} times ({over.low:.2f} to {over.high:.2f}, 95 %, n=2)" in page
    for picture in re.findall(r"!\[\]\((.+?)\)", page):
        assert (answered / picture).read_bytes().startswith(b"\x89PNG")
    assert page.count("![](") == 2


def test_validation_chooses_the_network(answered):
    losses = {}
    for record in load_records(answered / RECORDS).values():
        if record.config["kind"] == "autoencoding":
            losses.setdefault(record.variant, []).append(record.metrics["valid_cross_entropy"])
    best = min(losses, key=lambda arm: np.mean(losses[arm]))
    assert json.loads((answered / SETTINGS).read_text(encoding="utf-8"))["network"] == best
    assert {path.stem for path in (answered / NETWORKS).iterdir()} == set(losses)


def test_codes_and_reconstructions_are_those_that_were_scored(answered, digits, tmp_path, said):
    """Encoding and decoding the test cases gives the error that the record has."""
    code, out, err = said("encode", answered, digits, tmp_path / "codes.npy", "--arm", "pretrained-adam")
    assert (code, err) == (0, "") and "200 codes of 3 numbers" in out
    said("decode", answered, tmp_path / "codes.npy", tmp_path / "back.npy", "--arm", "pretrained-adam")
    back, cases = np.load(tmp_path / "back.npy"), np.load(digits)
    assert back.shape == (200, 28, 28)
    test = split_three_ways(200)["test"]
    error = ((back.reshape(200, -1)[test] - cases[test].astype(float)) / 255) ** 2
    recorded = [
        record.metrics["test_squared_error"]
        for record in load_records(answered / RECORDS).values()
        if record.variant == "pretrained-adam" and record.config["kind"] == "autoencoding"
    ]
    assert np.min(np.abs(error.sum(axis=1).mean() / recorded - 1)) < 1e-5


def test_the_same_command_goes_on_and_another_question_is_refused(answer, digits, said):
    [gone] = answer.rglob("he-adam.seed1.*.json")
    before = load_record(gone).metrics
    gone.unlink()
    code, out, _ = said("compare", digits, "--out", answer, *WORDS)
    assert code == 0 and out.count(": recorded seed") == 1
    assert load_record(gone).metrics["test_squared_error"] == before["test_squared_error"]
    for words, says in [
        (["--widths", "12,4", *WORDS[2:]], "another widths, [12, 3]"),
        (["--kind", "real", *WORDS], "has an answer about another data"),
        ([*WORDS[:-1], 7e8], "has runs of 6e+08 operations"),
    ]:
        code, _, err = said("compare", digits, "--out", answer, *words)
        assert code == 2 and says in err and "name another folder with --out" in err and err.count("\n") == 1


def test_documents_are_retrieved_beside_lsa(tmp_path, said):
    stories = repro.data.load("rcv1", embedded=True)
    scipy.sparse.save_npz(tmp_path / "stories.npz", scipy.sparse.csr_matrix(stories.full_train.inputs[:90]))
    np.save(tmp_path / "topics.npy", np.arange(90) % 3)
    words = ["compare", tmp_path / "stories.npz", "--labels", tmp_path / "topics.npy", "--widths", "6,2"]
    words += ["--arms", "glorot-adam", "--operations", "2e8", "--seeds", "1", "--out", tmp_path / "answer"]
    code, out, err = said(*words)
    assert (code, err) == (0, "") and "as they are, count" in out and "3 classes" in out
    table = pd.read_csv(tmp_path / "answer" / "answer.csv").set_index("arm")
    assert set(table.index) == {"glorot-adam", "lsa-2"} and table.precision_at_7.between(0, 1).all()
    assert (tmp_path / "answer" / "figures" / "retrieval.png").is_file()
    assert table.metric["glorot-adam"] == "test_cross_entropy"


def test_the_time_given_sets_the_operations(digits, tmp_path, monkeypatch):
    """As many as the speed measured here does in the time."""
    monkeypatch.setattr(arms, "speed", lambda *_: 1e6)
    monkeypatch.setattr(repro.cli.compare, "work", lambda *_: True)
    compare(
        digits,
        "12,3",
        given=timedelta(minutes=50),
        out=tmp_path / "answer",
        **USUAL | {"operations": None, "arms": "he-adam"},
    )
    settings = json.loads((tmp_path / "answer" / SETTINGS).read_text(encoding="utf-8"))
    assert settings["operations"] == pytest.approx(0.6 * 3000 * 1e6 / 2, rel=0.05)


def test_when_the_time_is_over_it_says_so_and_keeps_what_there_is(digits, tmp_path, said):
    words = ["compare", digits, "--out", tmp_path / "answer", *WORDS, "--for", "0.001s"]
    code, out, err = said(*words)
    assert (code, err) == (0, "") and "the time is over; the same command goes on" in out


def test_an_arm_that_learns_nothing_is_said_to_without_any_tuning(answered, digits):
    """Both arms called worse than who gives the mean case."""
    frame = read(answered, RECORDS)
    [sentence] = sentences(frame, "digits.npy", OPERATIONS, "binary", nothing=1.0)
    assert "learnt nothing: random, pretrained" in sentence and "**" not in sentence
    [sentence] = sentences(frame, "digits.npy", OPERATIONS, "binary", nothing=1e9)
    assert "learnt nothing" not in sentence


def test_a_network_says_how_long_it_was_trained(answered):
    for record in load_records(answered / RECORDS).values():
        if record.variant == "he-adam" and record.config["kind"] == "autoencoding":
            assert repro.load(answered / NETWORKS / "he-adam.npz").n_epochs == n_epochs(record)


def test_networks_are_there_while_a_comparison_goes_on(answer, digits, said, monkeypatch, tmp_path):
    monkeypatch.setattr(repro.cli.compare, "work", lambda *_: sys.exit(7))
    assert said("compare", digits, "--out", answer, *WORDS)[0] == 7
    assert said("encode", answer, digits, tmp_path / "codes.npy")[0] == 0


@pytest.mark.parametrize("name", arms.NAMES)
@pytest.mark.parametrize("flops", [4e8, 1e11])
def test_pretraining_and_the_choice_leave_most_for_fine_tuning(digits, name, flops):
    data = load_own(digits).data
    config, of = arms.arm(data, (12, 3), name, flops), arms.architecture(data, (12, 3))
    n = len(data.train.labels)
    before, choice = pretraining_flops(config, of, n), tuning_flops(config, of, n)
    epochs = config.start.pretraining.n_epochs if isinstance(config.start, Pretrained) else 1
    assert config.budget.total == flops
    assert before <= 0.2 * flops + before / epochs
    assert flops - before - choice >= 0.98 * arms.FEWEST * backprop_flops(of.layers, n)
    assert epochs == (arms.MOST_PRETRAINING if name.startswith("pretrained") and flops == 1e11 else epochs)


def test_real_data_have_a_lower_rate_for_the_lowest_machine(tmp_path):
    np.save(tmp_path / "my.npy", np.random.default_rng(0).normal(size=(50, 6)))
    config = arms.arm(load_own(tmp_path / "my.npy").data, (4, 2), "pretrained-cg", None)
    assert config.start.pretraining.first_learning_rate == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--widths", "12,x"], "--widths '12,x' is not a list of layers: write it as 1000,500,250,30"),
        (["--widths", "12,0"], "--widths '12,0' is not a list of layers"),
        (["--widths", "12,3", "--arms", "pretrained-adm"], "did you mean 'pretrained-adam'?"),
        (["--widths", "12,3", "--kind", "pixels"], "--kind pixels is none; there are: binary, real, count"),
        (
            ["--widths", "12,3", "--operations", "1e6"],
            "operations are too few for pretrained-cg",
        ),
        (["--widths", "12,3", "--labels", "nobody.npy"], "--labels nobody.npy is not there"),
        (["--widths", "12,3", "--seeds", "0"], "'--seeds': Input should be greater than"),
        (["--widths", "12,3", "--operations", "0"], "--operations 0 is no number of them"),
        (["--widths", "12,3", "--operations", "nan"], "--operations nan is no number of them"),
        ([], "Missing option '--widths'"),
    ],
)
def test_wrong_words_are_one_line_and_create_nothing(digits, tmp_path, said, words, says):
    code, _, err = said("compare", digits, "--out", tmp_path / "answer", *words)
    assert code == 2 and says in err and err.count("\n") == 1
    assert not (tmp_path / "answer").exists()


def test_data_that_a_network_does_not_know_are_refused(answered, tmp_path, said):
    cases, codes, out = tmp_path / "narrow.npy", tmp_path / "codes.npy", tmp_path / "c.npy"
    np.save(cases, np.zeros((3, 5)))
    np.save(codes, np.zeros((3, 4)))
    for words, says in [
        (["encode", answered, cases, out], "each case has 5 numbers, but 784"),
        (["encode", answered, cases, out, "--arm", "he-adm"], "'he-adam'?"),
        (["encode", tmp_path, cases, out], f"has no {SETTINGS}: name a folder"),
        (["decode", answered, codes, out], "codes must be [N, 3], not [3, 4]"),
        (["decode", answered, tmp_path / "nobody.npy", out], "nobody.npy is not there"),
    ]:
        code, _, err = said(*words)
        assert code == 2 and says in err and err.count("\n") == 1
    np.save(codes, np.zeros((3, 3)))
    code, _, err = said("decode", answered, codes, tmp_path / "c.mat")
    assert code == 2 and "c.mat is of no known format: name a file that ends in .npy or .csv" in err
    assert not list(tmp_path.glob("c.*"))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"operations": "many"}'])
def test_a_damaged_answer_is_refused(answer, digits, said, content):
    (answer / SETTINGS).write_text(content, encoding="utf-8")
    code, _, err = said("compare", digits, "--out", answer, *WORDS)
    assert code == 2 and f"{SETTINGS} is damaged: delete the folder and compare again" in err
