"""The distribution: its name wherever it is named, and the wheel, which works from any folder."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from tiny import EXPERIMENTS, ROOT

import repro
from repro.errors import DISTRIBUTION, pip_install

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = [path for room in ("repro", "experiments", "paper_figures") for path in (ROOT / room).rglob("*.py")]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "Makefile", "results/README.md")]
REQUIREMENT = re.compile(r"pip install\b[^`\n]*?([\w.-]*)\[(\w+)\]")  # a distribution and an extra of it


def test_the_distribution_has_the_name_and_the_version_that_the_code_has():
    assert (PROJECT["name"], PROJECT["version"]) == (DISTRIBUTION, repro.__version__)


def extras_named():
    """Of every call of `pip_install` in the code, the extra."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "pip_install":
                yield node.args[0].value


def test_every_hint_names_this_distribution_and_an_extra_that_there_is():
    extras = PROJECT["optional-dependencies"]
    assert {*extras_named()} == {"cluster", "embedded", "peers"} <= {*extras}
    assert REQUIREMENT.findall(pip_install("peers")) == [(DISTRIBUTION, "peers")]
    by_hand = {path for path in SOURCES if REQUIREMENT.search(path.read_text(encoding="utf-8"))}
    assert by_hand == set()  # it is `pip_install` that says it
    for page in PAGES:
        for name, extra in REQUIREMENT.findall(page.read_text(encoding="utf-8")):
            assert name in (".", DISTRIBUTION) and extra in extras, page


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that the wheel is unpacked into, as pip does it."""
    pytest.importorskip("hatchling", reason="without hatchling no wheel can be built: `make install`")
    folder = tmp_path_factory.mktemp("wheel")
    building = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(building, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_installs_one_package(site):
    assert {path.name for path in site.iterdir()} == {
        "repro",
        f"{DISTRIBUTION.replace('-', '_')}-{repro.__version__}.dist-info",
    }
    assert not [path for path in site.rglob("*") if path.suffix in {".png", ".pdf", ".json"}]
    templates = site / "repro" / "report" / "templates"
    assert {path.name for path in templates.iterdir()} == {"index.html.j2", "page.css", "page.js"}


def installed(site, folder, *words, expected=0):
    """What the command says that the wheel brings, in a folder that is not the repository."""
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from repro.cli.main import main; main()"
    words = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    return done.stdout + done.stderr


def files(folder):
    """All files below it."""
    return {
        path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }


def test_the_wheel_works_in_any_folder_and_writes_only_beside_the_records(site, tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text("raise ImportError('somebody else')")
    before = files(site)
    assert installed(site, tmp_path, "list", "mnist").startswith(f"mnist: {EXPERIMENTS['mnist'].claim}")
    assert "did you mean 'mnist'?" in installed(site, tmp_path, "list", "mnits", expected=2)
    assert "records are in results/quick" in installed(site, tmp_path, "run", "mnist", "--only", "pca-2d")
    tables = installed(site, tmp_path, "tables")
    assert "wrote results/quick/tables/mnist.md\n" in tables
    assert tables.endswith("3 files up to date, tables in results/quick/tables\n")
    figures = installed(site, tmp_path, "figures", "fig_3", "--profile", "quick")
    assert "wrote results/quick/figures/fig_3.png\n" in figures
    assert files(site) == before
    assert {path.parts[0] for path in files(tmp_path)} == {"experiments", "results"}


def test_records_of_the_papers_lengths_get_their_pages_beside_them(site, tmp_path):
    shutil.copytree(ROOT / "results" / "paper" / "mnist", tmp_path / "paper" / "mnist")
    tables = installed(site, tmp_path, "tables", "--results", tmp_path)
    written = re.findall("^wrote (.*)$", tables, re.MULTILINE)
    assert {tmp_path / "tables" / name for name in ("answer.md", "claims.md", "mnist.md")} <= {
        *map(Path, written)
    }
    assert {Path(path).parent for path in written} == {tmp_path / "tables"}
