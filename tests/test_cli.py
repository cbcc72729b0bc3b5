"""The `repro` command: what it refuses, what it says, and every command of the README."""

import errno
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from tiny import EXPERIMENTS, ROOT, largest_file

import repro.atomic
import repro.cli.queue
import repro.data
import repro.runs.run
from repro.cli.main import app, main
from repro.errors import DataUnavailableError, UserError
from repro.report.cost import Costs
from repro.runs.config import Precision
from repro.runs.progress import Watch
from repro.runs.provenance import here, n_cores
from repro.runs.record import load_arrays, load_record, save_records

pytestmark = pytest.mark.usefixtures("single_precision")


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
        (["run", "mnits"], "no experiment 'mnits'; did you mean 'mnist'? There are: "),
        (["run", "mnist", "--only", "nobody"], "mnist has no variant 'nobody'; there are: pretrained-cg"),
        (
            ["run", "mnist", "--only", "pretraind-cg"],
            "mnist has no variant 'pretraind-cg'; did you mean 'pret",
        ),
        (["data", "verify", "mnits"], "no data set 'mnits'; did you mean 'mnist'? There are: "),
        (["time", "--lane", "gpus"], "no lane 'gpus'; did you mean 'gpu'? There are: "),
        (["run", "--profile", "huge"], "no profile 'huge'; there are: quick, paper"),
        (["run", "--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["run", "--epochs", "-3"], "--epochs must be at least 1, not -3"),
        (["run", "--data-dir", "no/such/folder"], "--data-dir no/such/folder is not a folder"),
        (["tables", "--profile", "huge"], "no profile 'huge'"),
        (["tables", "--results", "no/such/folder"], f"no records below {Path.cwd()}/no/such/folder/p"),
        (["figures", "--results", "no/such/folder"], f"no records below {Path.cwd()}/no/such/folder/p"),
        (
            ["run", "--precision", "highest,low"],
            "--precision 'highest,low' is not two of highest, t",
        ),
        (["run", "--precision", "highest"], "--precision 'highest' is not two of highest, tensorfloat32"),
        (["run", "--precision", ""], "--precision '' is not two of highest, tensorfloat32"),
        (["run", "--precision", "highest, highest"], "--precision is of an accelerator's products; leave"),
        (["run", "--seeds", "many"], "Invalid value for '--seeds'"),
        (["runn"], "No such command 'runn'"),
        (["run", "--pretraining-epochs", "0"], "--pretraining-epochs must be at least 1, not 0"),
        (
            ["run", "code_size", "--only", "mnist/pca-6", "--only", "mnist/pca-2"],
            "code_size/mnist/pca-2 is not in the quick profile: use --profile paper",
        ),
        (["run", "--results", "README.md"], "--results README.md cannot be written to"),
        (["figures", "fig_99"], "no figure 'fig_99'; did you mean 'fig_"),
        (["time", "--profile", "huge"], "no profile 'huge'; there are: quick, paper"),
        (["time", "--results", "README.md"], "--results README.md cannot be written to"),
        (
            ["run", "--for", "8"],
            "Invalid value for '--for': '8' is not a time: write it as 90s, 8m, 1h or 1h30m",
        ),
        (["run", "mnist", "--only", "pca", "--only", "nobody"], "mnist has no variant 'nobody'; there are: "),
        (["time", "--lane", "cpu,tpu"], "no lane 'tpu'; did you mean 'gpu'? There are: 1core, cpu, gpu"),
        (
            ["time", "--only", "784x100"],
            "no size '784x100'; did you mean '784x1000'? There are: 784x1000, 1000x500, 576x1024,",
        ),
        (["data", "prepare", "nothing"], "no data set 'nothing'; there are: mnist"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(capsys, monkeypatch, words, says):
    code, _, err = command(capsys, monkeypatch, *words)
    assert code == 2
    assert err.startswith(f"repro: {says}") and err.count("\n") == 1


def test_a_results_folder_that_cannot_be_written_is_found_before_any_work(tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(repro.atomic.tempfile, "TemporaryFile", full)
    monkeypatch.setattr(repro.data, "load", lambda *_, **__: pytest.fail("began"))
    code, _, err = command(capsys, monkeypatch, "run", "mnist", "--results", tmp_path / "results")
    assert code == 2 and err.startswith(
        f"repro: --results {tmp_path / 'results'} cannot be written to (No space"
    )
    assert err.endswith(": name another folder, or make room in this one\n")


def test_a_refused_order_creates_nothing(tmp_path, capsys, monkeypatch):
    def absent(name, **_):
        raise DataUnavailableError(f"no {name}")

    monkeypatch.setattr(repro.data, "load", absent)
    words = ["run", "mnist", "--only", "pca", "--results", tmp_path / "results" / "mine"]
    code, _, err = command(capsys, monkeypatch, *words)
    assert (code, err) == (2, "repro: no mnist\n") and not list(tmp_path.iterdir())
    words = ["run", "curves", "mnist", "--only", "pca", "--results", tmp_path / "results"]
    assert command(capsys, monkeypatch, *words)[0] == 2 and not list(tmp_path.iterdir())


def test_a_run_whose_data_are_damaged_creates_nothing(tmp_path, capsys, monkeypatch):
    def damaged(*_, **__):
        raise UserError("curves.npy is damaged")

    monkeypatch.setattr(repro.data, "load", damaged)
    words = ["run", "mnist", "--only", "pca", "--results", tmp_path / "some" / "results"]
    code, _, err = command(capsys, monkeypatch, *words)
    assert (code, err) == (2, "repro: curves.npy is damaged\n") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("variable", ["REPRO_CACHE_DIR", "REPRO_DATA_DIR"])
def test_a_folder_of_a_user_that_nobody_knows_is_one_line(capsys, monkeypatch, tmp_path, variable):
    monkeypatch.setenv("REPRO_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv(variable, "~nobody-at-all/here")
    code, _, err = command(capsys, monkeypatch, "data", "prepare", "mnist")
    assert code == 2 and err.startswith("repro: the ") and "~nobody-at-all/here: " in err
    assert err.endswith(f"{variable}\n") and err.count("\n") == 1


@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_device_that_is_not_there_is_one_line_before_any_work(tmp_path, platform):
    """In a process of its own: a backend is chosen once."""
    asked = [sys.executable, "-m", "repro.cli", "run", "mnist", "--results", tmp_path / "results"]
    found = subprocess.run(
        asked, env=os.environ | {"JAX_PLATFORMS": platform}, capture_output=True, text=True
    )
    assert found.returncode == 2 and found.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
    assert found.stderr.startswith(f"repro: JAX_PLATFORMS={platform}: JAX sees no such device here: unset it")


def test_flags_that_the_compiler_refuses_are_one_line_before_any_work(tmp_path):
    asked = [sys.executable, "-m", "repro.cli", "run", "mnist", "--results", tmp_path / "results"]
    environment = os.environ | {"XLA_FLAGS": "--xla_nonsense=1"}
    found = subprocess.run(asked, env=environment, capture_output=True, text=True)
    assert found.returncode == 2 and found.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
    assert found.stderr.startswith("repro: XLA_FLAGS=--xla_nonsense=1: Unknown flag in XLA_FLAGS: ")


def test_a_precision_is_handed_on(tmp_path, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(repro.runs.run, "check", lambda experiment, request: seen.append(request.precision))
    command(
        capsys,
        monkeypatch,
        "run",
        "mnist",
        "--precision",
        "tensorfloat32, highest",
        "--plan",
        "--results",
        tmp_path,
    )
    assert seen == [Precision("tensorfloat32", "highest")]


def test_ctrl_c_is_one_line_and_exit_code_130(few_cases, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Watch, "epoch_done", interrupted)
    code, _, err = command(capsys, monkeypatch, "run", "mnist", "--results", tmp_path)
    assert code == 130
    assert err == "repro: stopped; the same command goes on from the last record and checkpoint\n"


@pytest.mark.parametrize(
    "moment",
    ['exec("signal.raise_signal(signal.SIGINT)")', "Dropped(); time.sleep(60)"],
    ids=["within exec", "where exceptions are dropped"],
)
def test_ctrl_c_is_heeded_at_any_moment(moment, tmp_path):
    program = (
        "import signal, time\nimport repro.cli.main as cli\n"
        "from repro.cli.__main__ import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "class Dropped:\n  def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        f"def app(**_): {moment}\ncli.app = app\nmain()"
    )
    (tmp_path / "interrupted.py").write_text(program, encoding="utf-8")
    places = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    asked = [sys.executable, "-m", "interrupted"]
    found = subprocess.run(asked, cwd=ROOT, env=places, capture_output=True, text=True)
    assert found.returncode == 130
    assert found.stderr == "repro: stopped; the same command goes on from the last record and checkpoint\n"


def test_stale_tables_are_found(recorded, capsys, monkeypatch):
    options = ["--profile", "quick", "--results", recorded]
    assert command(capsys, monkeypatch, "tables", "--check", *options)[0] == 2
    assert command(capsys, monkeypatch, "tables", *options)[0] == 0
    assert command(capsys, monkeypatch, "tables", "--check", *options)[0] == 0
    table = recorded / "quick" / "tables" / "mnist.md"
    table.write_text(table.read_text().replace("mnist", "mnisd"))
    code, _, err = command(capsys, monkeypatch, "tables", "--check", *options)
    assert code == 2 and "mnist.md" in err and "`repro tables --profile quick --results " in err


def test_the_tables_of_withdrawn_records_go(recorded, capsys, monkeypatch):
    options = ["--profile", "quick", "--results", recorded]
    command(capsys, monkeypatch, "tables", *options)
    tables = recorded / "quick" / "tables"
    for name in ("spread.md", "spread.csv", "spread_curves.csv", "mine.md"):
        (tables / name).write_text("withdrawn", encoding="utf-8")
    code, _, err = command(capsys, monkeypatch, "tables", "--check", *options)
    assert code == 2 and "spread.md" in err and "mine.md" not in err
    assert command(capsys, monkeypatch, "tables", *options)[0] == 0
    assert not list(tables.glob("spread*")) and (tables / "mine.md").exists()
    assert command(capsys, monkeypatch, "tables", "--check", *options)[0] == 0


def test_list_names_every_experiment_and_what_is_recorded(recorded, capsys, monkeypatch):
    _, out, _ = command(capsys, monkeypatch, "list", "--results", recorded)
    for name, experiment in EXPERIMENTS.items():
        assert f"{name}: " in out and experiment.artefact.split(",")[0] in out
    assert "2 variants, 4 runs" in out


def test_list_shows_the_experiments_that_are_named(recorded, capsys, monkeypatch):
    _, out, _ = command(capsys, monkeypatch, "list", "mnist", "--results", recorded)
    assert out.startswith("mnist: ") and "\ncurves: " not in out
    variants = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith("  ")}
    assert variants.keys() > EXPERIMENTS["mnist"].variants.keys()
    assert variants["pca"] == ["mnist", "1", "-"] and variants["gaussian-cg"] == ["mnist", "-", "-"]


def test_list_fits_into_lines_and_says_in_which_folder_it_looked(recorded, capsys, monkeypatch):
    monkeypatch.chdir(recorded)
    _, out, _ = command(capsys, monkeypatch, "list", "--results", "elsewhere")
    assert f"\nrecorded: below {recorded / 'elsewhere'}\n" in out
    assert max(len(line) for line in out.splitlines() if str(recorded) not in line) < 120


def test_list_and_wrong_names_import_nothing_that_computes():
    """These take seconds to import, and are not needed."""
    heavy = "sys.modules |= dict.fromkeys(['jax', 'pandas', 'scipy', 'sklearn', 'matplotlib'])"
    for words in (["list"], ["list", "nothing"], ["figures", "nothing"], ["time", "--lane", "x"], ["-h"]):
        code = f"import sys; {heavy}; sys.argv = {['repro', *words]}; from repro.cli.main import main; main()"
        found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert found.returncode == 2 * ("-h" not in words and len(words) > 1), found.stderr
        assert found.stderr.count("\n") == found.returncode / 2


@pytest.mark.parametrize("words", [["-h"], ["run", "-h"], ["data", "list", "-h"]])
def test_help_is_had_by_its_short_name(capsys, monkeypatch, words):
    code, out, _ = command(capsys, monkeypatch, *words)
    assert code == 0 and out.startswith("Usage: ")


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_what_a_terminal_has_no_letter_for_is_a_question_mark(encoding, tmp_path):
    """The plan has a dash for runs that settle nothing."""
    asked = [sys.executable, "-m", "repro.cli", "run", "mnist", "--plan", "--results", tmp_path]
    found = subprocess.run(
        asked, cwd=ROOT, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True
    )
    assert (found.returncode, found.stderr) == (0, b"") and b"?" in found.stdout


def test_files_are_in_utf_8_whatever_the_locale():
    """The committed tables and README are full of other letters. (ruff: every open names its encoding.)"""
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    asked = [sys.executable, "-m", "repro.cli", "tables", "--check"]
    found = subprocess.run(asked, cwd=ROOT, env=os.environ | ascii_alone, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "") and " files up to date" in found.stdout


def test_a_disk_that_is_full_when_a_record_is_written_is_one_line(few_cases, tmp_path, capsys, monkeypatch):
    def full(folder, _):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(repro.runs.run, "save_records", full)
    asked = ["run", "mnist", "--only", "pca", "--results", tmp_path]
    code, _, err = command(capsys, monkeypatch, *asked)
    assert code == 2 and err.count("\n") == 1
    assert err.startswith(f"repro: {tmp_path / 'quick'} cannot be used (No space left on device): make room")


def test_a_results_folder_without_room_is_found_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(repro.data, "load", lambda *_, **__: pytest.fail("began"))
    with largest_file(1 << 20):
        code, _, err = command(capsys, monkeypatch, "run", "mnist", "--results", tmp_path)
    assert code == 2 and not list(tmp_path.iterdir())
    assert err.startswith(f"repro: --results {tmp_path} cannot be written to (File too large): name another")


def test_a_results_folder_that_is_a_link_to_nowhere_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(repro.data, "load", lambda *_, **__: pytest.fail("began"))
    (tmp_path / "file").touch()
    (tmp_path / "results").symlink_to(tmp_path / "file" / "nowhere")
    code, _, err = command(capsys, monkeypatch, "run", "mnist", "--results", tmp_path / "results")
    assert code == 2 and err.count("\n") == 1 and "cannot be written to (Not a directory)" in err


def test_a_shell_completes_experiments_without_importing_what_computes():
    asked = {"_REPRO_COMPLETE": "complete_bash", "COMP_WORDS": "repro run c", "COMP_CWORD": "2"}
    code = "import sys; sys.modules['jax'] = None; from repro.cli.main import app; app(prog_name='repro')"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | asked, capture_output=True, text=True
    )
    assert found.stdout.split() == ["classifier", "code_size", "convolution", "curves"], found.stderr


def test_the_version_is_that_of_the_package(capsys, monkeypatch):
    assert command(capsys, monkeypatch, "--version") == (0, f"repro {repro.__version__}\n", "")


def test_names_are_checked_before_anything_is_imported_that_computes():
    code = (
        "from repro.cli.options import experiments; import sys; sys.modules['jax'] = None; experiments(['x'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "UserError: no experiment 'x'; there are: " + ", ".join(sorted(EXPERIMENTS)) in done.stderr


def test_the_first_line_says_what_computes(recorded, capsys, monkeypatch):
    _, out, _ = command(capsys, monkeypatch, "run", "mnist", "--only", "pca", "--results", recorded)
    assert out.startswith(f"on {here().name}, {n_cores()} threads\n")


def test_a_run_that_diverged_is_reported_not_a_crash(recorded, capsys, monkeypatch):
    [path] = recorded.rglob("pca*.json")
    record = load_record(path)
    metrics = record.metrics | {"test_squared_error": np.nan, "diverged_epoch": 3.0}
    save_records(recorded / "quick", [(record._replace(metrics=metrics), load_arrays(path, record))])
    options = ["--only", "pca", "--results", recorded]
    code, out, err = command(capsys, monkeypatch, "run", "mnist", *options)
    assert code == 3 and "nan" in out
    diverged, out_of_range = err.splitlines()
    assert diverged == "repro: mnist/pca: seed 0 diverged at epoch 3"
    assert out_of_range.startswith("repro: mnist/pca: test_squared_error is nan")


def test_the_plan_shows_what_is_missing_and_what_does_not_fit_and_loads_nothing(
    recorded, capsys, monkeypatch
):
    monkeypatch.setattr(repro.data, "load", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setattr(Costs, "_longest", lambda self, config, here=None: (0.5, 0.0, "abacus"))
    options = ["mnist", "--plan", "--only", "pca", "--only", "gaussian-cg", "--only", "pca-2d"]
    options += ["--results", recorded]
    code, out, _ = command(capsys, monkeypatch, "run", *options)
    assert code == 0 and "mnist/pca-2d" in out and "mnist/gaussian-cg" in out and "mnist/pca " not in out
    assert "times are estimates at the rates of " in out
    _, out, _ = command(capsys, monkeypatch, "run", *options, "--for", "1s")
    fits, does_not = out.split("does not fit into 0:00:01: ")
    assert "mnist/pca-2d" in fits and "mnist/gaussian-cg" not in fits and does_not.startswith("1 run, 0:")


def test_work_for_a_time_does_what_it_can_and_says_what_is_left(few_cases, tmp_path, capsys, monkeypatch):
    options = ["mnist", "--only", "pca", "--results", tmp_path, "--for", "1h"]
    code, out, _ = command(capsys, monkeypatch, "run", *options)
    assert code == 3 and "mnist/pca: recorded seed 0" in out and "1 run done in 0:00:" in out  # few cases
    _, out, _ = command(capsys, monkeypatch, "run", *options)
    assert "0 runs are missing" in out and "left" not in out
    monkeypatch.setattr(repro.cli.queue, "work_off", lambda *_: iter(()))
    code, out, _ = command(capsys, monkeypatch, "run", *options, "--only", "pca-2d", "--only", "gaussian-cg")
    assert code == 0 and "left, and what it would cost here: 2 runs, 0:" in out and "goes on" in out


def commands(page):
    """Every line of the page's shell blocks, without its comment."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```$|^```.*?^```$", text, re.DOTALL | re.MULTILINE)
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
