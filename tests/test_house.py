"""The walls of the house: imports run one way, and what is cited is in the references."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = [
    "errors",
    "atomic",
    "typed",
    "reference",
    "shapes",
    "data",
    "models",
    "training",
    "evaluation",
    "runs",
    "estimators",
    "timing",
]
ROOMS += ["report", "cli"]
LIBRARY = sorted((ROOT / "repro").rglob("*.py"))


def imported(tree):
    """Every module that a file imports, as tuples of names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield tuple(node.module.split("."))
            yield from ((*node.module.split("."), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)


def backward_imports(path, source):
    here = path.relative_to(ROOT / "repro").with_suffix("").parts[0]
    if here == "__init__":
        return []
    there = {names[1] for names in imported(ast.parse(source)) if names[0] == "repro" and len(names) > 1}
    return [room for room in there & set(ROOMS) if ROOMS.index(room) > ROOMS.index(here)]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_to_the_left(path):
    assert path.relative_to(ROOT / "repro").with_suffix("").parts[0] in {*ROOMS, "__init__"}
    assert backward_imports(path, path.read_text()) == []


def test_a_backward_import_is_found():
    assert backward_imports(ROOT / "repro" / "models" / "rbm.py", "from repro.report.tables import tidy") == [
        "report"
    ]


def test_the_library_imports_no_experiment_and_figures_import_no_jax():
    for path in LIBRARY:
        if path.parent.name != "cli":
            outside = {names[0] for names in imported(ast.parse(path.read_text()))}
            assert not outside & {"experiments", "paper_figures"}, path
    for path in (ROOT / "paper_figures").rglob("*.py"):
        assert not {"jax", "flax"} & {names[0] for names in imported(ast.parse(path.read_text()))}, path


def test_what_is_cited_is_in_the_references():
    known = set(re.findall(r"^@\w+\{(\w+),$", (ROOT / "REFERENCES.bib").read_text(), re.MULTILINE))
    sources = [
        path for room in ("repro", "experiments", "paper_figures") for path in (ROOT / room).rglob("*.py")
    ]
    sources += [ROOT / "results" / "published.csv", ROOT / "results" / "published_speeds.csv"]
    for path in sources:
        assert set(re.findall(r"\b[a-z]+(?:19|20)\d\d[a-z]+\b", path.read_text())) <= known, path
