"""Every experiment end to end in a tiny setting: records, tables, figures, and the command line."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import typer
from rich.console import Console

import repro.data
from experiments import all_experiments
from repro.arms import Arm, PrincipalComponents, run_pca
from repro.cli import app, main
from repro.conduct import Experiment, Order, conduct, out_of_range
from repro.data.dataset import Cases
from repro.errors import UserError
from repro.monitor import Watch
from repro.records import identity, load_arrays, load_record, save_records
from repro.tables import build, groups, learning_curves, longest, tidy

EXPERIMENTS = all_experiments()
ROOT = Path(__file__).resolve().parent.parent
QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def single_precision():
    with jax.enable_x64(False):
        yield


def cut(cases, n):
    """n cases, evenly taken: all classes stay."""
    step = len(cases.inputs) // n
    return Cases(cases.inputs[::step][:n], cases.labels[::step][:n])


@pytest.fixture
def few_cases(monkeypatch):
    """Every data set shrunk to a hundred real cases."""
    load = repro.data.load

    def small(name, **asked):
        data = load(name, **asked | {"embedded": True})
        return replace(data, train=cut(data.train, 100), valid=cut(data.valid, 20), test=cut(data.test, 20))

    monkeypatch.setattr(repro.data, "load", small)


def tiny(experiment: Experiment) -> Experiment:
    """The same variants as small networks with one epoch of everything."""

    def shrink(config):
        config = experiment.quick(config)
        if not isinstance(config, Arm):
            return config
        widths = (*[8] * (len(config.widths) - 1), min(config.widths[-1], 4))
        pretraining = replace(config.pretraining, n_epochs=1, batch_size=20)
        return replace(
            config, widths=widths, pretraining=pretraining, n_epochs=1, rate_epochs=1, batch_size=20
        )

    return replace(experiment, quick=shrink, expected={})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_variant_goes_from_data_to_record_to_table(name, few_cases, tmp_path):
    experiment, order = tiny(EXPERIMENTS[name]), Order(results=tmp_path)
    paths = conduct(experiment, order, QUIET)
    records = [load_record(path) for path in paths]
    assert [record.variant for record in records] == list(experiment.variants)
    for path, record in zip(paths, records, strict=True):
        assert np.isfinite(record.metrics["test_squared_error"])
        assert record.provenance["data_sha256"] and record.provenance["packages"]["jax"] == jax.__version__
        assert load_arrays(path, record)["example_inputs"].dtype == np.uint8
    contents = build(tmp_path, "quick", {name: experiment})
    table = pd.read_csv(pd.io.common.StringIO(contents[tmp_path / "quick" / "tables" / f"{name}.csv"]))
    assert set(experiment.variants) <= set(table.variant)
    before = {path: path.stat().st_mtime_ns for path in paths}
    assert conduct(experiment, order, QUIET) == paths
    assert {path: path.stat().st_mtime_ns for path in paths} == before, "what is recorded is not run again"


MNIST = EXPERIMENTS["mnist"]


class Interrupted(KeyboardInterrupt):
    pass


def test_an_interrupted_run_leaves_nothing_half_written_and_goes_on_where_it_stopped(
    few_cases, tmp_path, monkeypatch
):
    experiment = tiny(MNIST)
    order = Order(only=("pretrained-cg",), epochs=4, results=tmp_path / "stopped")
    watched, seen = Watch.epoch_done, []

    def stop_after_three(self, phase, fitted, n_epochs):
        monkeypatch.setattr("repro.monitor.SECONDS_BETWEEN_CHECKPOINTS", 0)
        watched(self, phase, fitted, n_epochs)
        seen.append((phase, fitted.n_epochs))
        if (phase, fitted.n_epochs) == ("fine-tuning", 3):
            raise Interrupted

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Watch, "epoch_done", stop_after_three)
        conduct(experiment, order, QUIET)
    assert not list(tmp_path.rglob("*.json"))
    resumed = []
    with monkeypatch.context() as patch:
        patch.setattr(
            Watch, "epoch_done", lambda self, phase, fitted, n: resumed.append((phase, fitted.n_epochs))
        )
        [path] = conduct(experiment, order, QUIET)
    assert resumed == [("fine-tuning", 4)]
    [unbroken] = conduct(experiment, replace(order, results=tmp_path / "unbroken"), QUIET)
    ours, theirs = load_record(path), load_record(unbroken)
    assert ours.metrics["test_squared_error"] == theirs.metrics["test_squared_error"]
    assert ours.curves["loss"] == theirs.curves["loss"] and len(ours.curves["seconds"]) == 4
    assert not list(tmp_path.rglob(".checkpoints/*")), "checkpoints go when the record is there"


def test_the_identity_of_a_run_is_its_choices_and_its_kind_of_device():
    assert identity(Arm(), "cpu") == identity(Arm(n_epochs=200), "cpu")
    others = [Arm(n_epochs=3), replace(Arm(), pretraining=replace(Arm().pretraining, n_epochs=3))]
    assert (
        len({identity(Arm(), "cpu"), identity(Arm(), "gpu"), *(identity(arm, "cpu") for arm in others)}) == 4
    )


@pytest.fixture
def recorded(few_cases, tmp_path):
    """Three seeds of two variants."""
    conduct(tiny(MNIST), Order(seeds=3, only=("glorot-cg", "pca"), results=tmp_path), QUIET)
    return tmp_path


def test_the_table_holds_mean_interval_and_published_value(recorded):
    found = groups(recorded / "quick", "mnist")
    published = pd.DataFrame(
        [("key", "Fig. 1", "mnist", "glorot-cg", "test_squared_error", 2.5, "primary")],
        columns=["key", "artefact", "experiment", "variant", "metric", "value", "sure"],
    )
    table = tidy(found, published).set_index(["variant", "metric"])
    scores = [
        json.loads(p.read_text())["metrics"]["test_squared_error"]
        for p in sorted(recorded.rglob("glorot*.json"))
    ]
    row = table.loc["glorot-cg", "test_squared_error"]
    assert (row.n, row.epochs, row.published, row.source) == (3, 1, 2.5, "key, Fig. 1 (primary)")
    np.testing.assert_allclose(row.value, np.mean(scores), rtol=1e-6)
    assert min(scores) <= row.low < row.value < row.high <= max(scores)
    assert table.loc["pca", "test_squared_error"].n == 1, "nothing in PCA is random: one seed says it all"
    assert np.isnan(table.loc["pca", "test_squared_error"].low)


def test_the_longest_run_is_the_one_shown(recorded, few_cases):
    order = Order(seeds=1, only=("glorot-cg",), epochs=3, results=recorded)
    conduct(tiny(MNIST), order, QUIET)
    found = groups(recorded / "quick", "mnist")
    assert longest(found)["glorot-cg"].epochs == 3
    curves = learning_curves(found)
    assert list(curves.epoch) == [0, 1, 2, 3]
    assert curves.seconds.is_monotonic_increasing


def test_altered_evidence_is_refused(recorded):
    [path] = recorded.rglob("pca*.json")
    path.with_suffix(".npz").write_bytes(b"something else")
    with pytest.raises(UserError, match=re.escape(path.with_suffix(".npz").name)):
        load_arrays(path, load_record(path))
    path.write_text("{")
    with pytest.raises(UserError, match="is not a record"):
        groups(recorded / "quick", "mnist")


def test_numbers_that_are_not_finite_are_saved_as_null(recorded, tmp_path):
    [path] = recorded.rglob("pca*.json")
    record = load_record(path)
    save_records({tmp_path / "x.json": (record._replace(metrics={"loss": np.float32("nan")}), {})})
    assert json.loads((tmp_path / "x.json").read_text())["metrics"] == {"loss": None}
    assert np.isnan(load_record(tmp_path / "x.json").metrics["loss"])


def test_scores_outside_their_expected_range_are_named(recorded):
    strange = replace(MNIST, expected={("pca", "test_squared_error"): (1, 2)})
    [line] = out_of_range(strange, Order(results=recorded), list(recorded.rglob("pca*.json")))
    assert line.startswith("mnist/pca: test_squared_error is ") and line.endswith("expected 1 to 2")


def command(capsys, monkeypatch, *words):
    """Exit code, standard output and standard error of one `repro` command."""
    monkeypatch.setattr(sys, "argv", ["repro", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0, *capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "nothing"], "no experiment 'nothing'; there are: "),
        (["run", "mnist", "--only", "nobody"], "mnist has no variant 'nobody'; it has: pretrained-cg"),
        (["run", "--profile", "huge"], "no profile 'huge'; there are: quick, paper"),
        (["run", "--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["run", "--epochs", "-3"], "--epochs must be at least 1, not -3"),
        (["run", "--data-dir", "no/such/folder"], "--data-dir no/such/folder is not a folder"),
        (["tables", "--profile", "huge"], "no profile 'huge'"),
        (["tables", "--results", "no/such/folder"], "no records below no/such/folder"),
        (["run", "--seeds", "many"], "Invalid value for '--seeds'"),
        (["runn"], "No such command 'runn'"),
        (["run", "--results", "README.md"], "--results README.md cannot be written to"),
        (["figures", "fig_99"], "no figure 'fig_99'; there are: "),
        (["data", "prepare", "nothing"], "no data set is called 'nothing'"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(capsys, monkeypatch, words, says):
    code, _, err = command(capsys, monkeypatch, *words)
    assert code == 2
    assert err.startswith(f"repro: {says}") and err.count("\n") == 1


def test_stale_tables_are_found(recorded, capsys, monkeypatch):
    options = ["--profile", "quick", "--results", recorded]
    assert command(capsys, monkeypatch, "tables", "--check", *options)[0] == 2
    assert command(capsys, monkeypatch, "tables", *options)[0] == 0
    assert command(capsys, monkeypatch, "tables", "--check", *options)[0] == 0
    table = recorded / "quick" / "tables" / "mnist.md"
    table.write_text(table.read_text().replace("mnist", "mnisd"))
    code, _, err = command(capsys, monkeypatch, "tables", "--check", *options)
    assert code == 2 and "mnist.md" in err and "`repro tables --profile quick` rebuilds them" in err


def test_list_names_every_experiment_and_what_is_recorded(recorded, capsys, monkeypatch):
    _, out, _ = command(capsys, monkeypatch, "list", "--results", recorded)
    for name, experiment in EXPERIMENTS.items():
        assert f"{name}: " in out and experiment.artefact.split(",")[0] in out
    assert "2 variants, 4 runs" in out


def test_the_quick_profile_is_in_its_expected_ranges(tmp_path):
    """The real thing, from the command line, as `make reproduce` runs it."""
    words = ["-m", "repro.cli", "run", "--profile", "quick", "--results", tmp_path]
    finished = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert all(experiment.expected for experiment in EXPERIMENTS.values())


@pytest.mark.skipif(
    "REPRO_DATA_DIR" not in os.environ, reason="REPRO_DATA_DIR names no folder of MNIST files"
)
def test_pca_of_the_real_digits_reads_the_published_number():
    data = repro.data.load("mnist")
    for n_components, error in ((30, 13.866), (0, 52.897), (2, 43.645)):
        outcome = run_pca(PrincipalComponents(n_components), data, jax.random.key(0)[None])
        np.testing.assert_allclose(outcome.metrics["test_squared_error"], [error], atol=5e-4)


def test_a_record_of_another_configuration_is_not_taken_for_this_one(recorded, monkeypatch):
    """Changed defaults do not show in a record's name."""
    [path] = recorded.rglob("pca*.json")
    path.write_text(path.read_text().replace('"n_components": 30', '"n_components": 31'))
    with pytest.raises(UserError, match="was recorded with another n_components"):
        conduct(tiny(MNIST), Order(only=("pca",), results=recorded), QUIET)


def test_records_that_would_share_a_row_are_refused(recorded):
    [path] = recorded.rglob("pca*.json")
    path.with_name("pca.seed0.00000000.json").write_text(path.read_text())
    with pytest.raises(UserError, match="would share a row: remove the outdated one"):
        build(recorded, "quick", {"mnist": MNIST})


def test_a_run_that_diverged_is_reported_not_a_crash(recorded, capsys, monkeypatch):
    [path] = recorded.rglob("pca*.json")
    path.write_text(re.sub('"test_squared_error": [0-9.]+', '"test_squared_error": null', path.read_text()))
    options = ["--only", "pca", "--results", recorded]
    code, out, err = command(capsys, monkeypatch, "run", "mnist", *options)
    assert code == 1 and "nan" in out and err.startswith("repro: mnist/pca: test_squared_error is nan")


def commands(page):
    """Every line of the page's shell blocks, without its comment."""
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [
        shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()
    ]


@pytest.mark.parametrize("words", [w for w in commands("README.md") if w], ids=" ".join)
def test_every_readme_command_exists(words):
    words = [word for word in words if word != "--help"]  # every command has it
    while "=" in words[0]:
        words = words[1:]  # environment variables
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert all(word in targets or "=" in word for word in words[1:])
    elif Path(words[0]).name == "repro":
        group = typer.main.get_command(app)
        context = group.context_class(group)
        name, parser, rest = group.resolve_command(context, words[1:])
        while hasattr(parser, "resolve_command"):
            name, parser, rest = parser.resolve_command(parser.context_class(parser), rest)
        parser.make_context(name, rest)
    else:
        assert words[0] in {"git", "cd", "source", "export"}
