"""Experiment files and tables of published numbers that a user has written, with errors in them."""

import subprocess
import sys
from dataclasses import replace

import pytest
from refusal import refused
from tiny import MNIST, ROOT

import experiments
from repro import reference
from repro.cli.options import experiments as chosen
from repro.reference import table
from repro.runs.config import PrincipalComponents
from repro.runs.run import Request, configurations

GOOD = """
from repro.runs.config import Network, PrincipalComponents
from repro.runs.experiment import Experiment

VARIANTS = {"pca": PrincipalComponents("mnist", 30)}
EXPERIMENT = Experiment(
    name="mine", claim="", artefact="", variants=VARIANTS, quick=lambda config: config, expected={}
)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Where an experiment may be written, the only one."""
    monkeypatch.setattr(experiments, "NAMES", ("mine",))
    monkeypatch.setattr(experiments, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "experiments.mine", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path / "mine.py"


def test_an_experiment_of_the_users_is_found(mine):
    mine.write_text(GOOD, encoding="utf-8")
    assert list(chosen(["mine"])) == ["mine"]


@pytest.mark.parametrize(
    ("good", "wrong", "says"),
    [
        ("VARIANTS = {", "VARIANTS = (", r", line 5: SyntaxError: "),
        ("import Network", "import Networks", r", line 2: ImportError: cannot import name 'Networks'"),
        ("VARIANTS = {", "nobody\nVARIANTS = {", r", line 5: NameError: name 'nobody' is not defined"),
        ("VARIANTS = {", "raise SystemExit(7)\nVARIANTS = {", r", line 5: SystemExit: 7"),
        (
            "30",
            "n_components=-1",
            ", line 5: n_components: input should be greater than or equal to 0, not -1",
        ),
        (
            "variants=VARIANTS",
            "variants={'a': 'adam'}",
            ", line 6: variants.a: input tag 'adam' found using 'kind' does",
        ),
        ("variants=VARIANTS", "variants=[3]", ", line 6: variants: input should be a valid dictionary"),
        ('claim="", ', "", ", line 6: claim: field required"),
        ('"mine"', '"mnist"', ": EXPERIMENT must be an Experiment whose name is 'mine'"),
        ("= Experiment(", "= dict(", ": EXPERIMENT must be an Experiment whose name is 'mine'"),
    ],
)
def test_an_error_in_an_experiment_is_one_line_that_names_the_file(mine, good, wrong, says):
    mine.write_text(GOOD.replace(good, wrong), encoding="utf-8")
    assert refused("^experiments/mine.py", chosen, ["mine"])[len("experiments/mine.py") :].startswith(says)


def test_an_experiment_that_is_no_text_is_refused(mine):
    mine.write_bytes(GOOD.encode() + b"\nEXPERIMENT = \xff\n\x00")
    refused("^experiments/mine.py", chosen, ["mine"])


def test_what_quick_does_wrong_is_said():
    def fails(config):
        raise ZeroDivisionError("division\nby zero")

    wrong = replace(MNIST, quick=fails)
    refused(
        r"mnist: quick fails for pca \(ZeroDivisionError: division by zero\): mend it",
        configurations,
        wrong,
        Request(only=("pca",)),
    )
    wrong = replace(MNIST, quick=lambda config: 7)
    refused(
        "mnist: quick gives 7 for pca, no configuration: mend it",
        configurations,
        wrong,
        Request(only=("pca",)),
    )
    right = replace(MNIST, quick=lambda config: PrincipalComponents("mnist", 2))
    assert configurations(right, Request(only=("pca",))) == {"pca": PrincipalComponents("mnist", 2)}


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """A copy of the published numbers that may be damaged."""
    monkeypatch.setattr(reference, "CHECKOUT", tmp_path)
    (tmp_path / "published.csv").write_bytes((ROOT / "results" / "published.csv").read_bytes())
    return tmp_path / "published.csv"


@pytest.mark.parametrize("name", reference.COLUMNS)
def test_the_tables_of_published_numbers_are_read(name):
    assert len(table(name))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: "", "No columns to parse from file: "),
        (
            lambda text: text.replace("variant,", "variants,", 1),
            "its columns must be key,artefact,experiment",
        ),
        (lambda text: text.splitlines()[0], "it has no rows: "),
        (lambda text: text.replace("3.00", "three", 1), "value must be numbers: "),
        (lambda text: text.replace("3.00", "-1e999", 1), "value must be numbers: "),
        (lambda text: text.replace("3.00", "", 1), "value is empty in row 1: "),
        (lambda text: text + text.splitlines()[1] + "\n", "is there twice: "),
        (
            lambda text: text.replace(",primary", ",primary,more", 1),
            "a row has more cells than there are columns: ",
        ),
        (lambda text: text.replace("primary", '"primary', 1), "published.csv: "),
        (lambda text: "\udcff" + text, "codec can't decode byte 0xff"),
    ],
)
def test_a_damaged_table_of_published_numbers_is_one_line(typed, damage, says):
    damaged = damage(typed.read_text(encoding="utf-8"))
    typed.write_text(damaged, encoding="utf-8", errors="surrogateescape")
    message = refused("published.csv: ", table, "published.csv")
    assert says in message and message.endswith("or restore it with `git checkout -- results/published.csv`")


STOPPED = """
import signal, sys
from importlib.abc import MetaPathFinder

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
target = sys.argv[1]

class CtrlC(MetaPathFinder):
    def find_spec(self, name, *_):
        if name == target:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                raise ImportError("initialization failed")  # as extensions in C do

sys.meta_path.insert(0, CtrlC())
from repro.cli.__main__ import main
sys.argv = ["repro", "tables", "--check"]
main()
"""


@pytest.mark.parametrize("module", ["repro.cli.main", "repro.report.frame"])
def test_ctrl_c_while_modules_are_imported_is_one_line(module):
    words = [sys.executable, "-c", STOPPED, module]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr == "repro: stopped; the same command goes on from the last record and checkpoint\n"
