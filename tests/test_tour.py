"""The notebook: it runs, and what it shows where it is read is what it said when it was run."""

import re

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from tiny import ROOT

SCREEN = 35  # lines
COMMITTED = nbformat.read(ROOT / "experiments" / "tour.ipynb", as_version=4)
NUMBER = r"\d+(?:\.\d+)?"


def codes(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def shown(cell):
    return sorted(kind for output in cell.outputs for kind in output.get("data", {}))


def test_no_cell_is_longer_than_a_screen():
    for cell in COMMITTED.cells:
        assert len(cell.source.splitlines()) <= SCREEN, cell.source


def test_its_outputs_are_committed_as_run_from_top_to_bottom():
    assert [cell.execution_count for cell in codes(COMMITTED)] == [*range(1, len(codes(COMMITTED)) + 1)]
    assert sum("image/png" in shown(cell) for cell in codes(COMMITTED)) >= 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_it_runs_and_shows_what_is_committed():
    """The same words and kinds of pictures; of numbers a quarter, for other processors round otherwise."""
    notebook = nbformat.from_dict(COMMITTED.copy())
    where = {"metadata": {"path": str(ROOT / "experiments")}}
    ran = NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    for ours, theirs in zip(codes(ran), codes(COMMITTED), strict=True):
        assert re.sub(NUMBER, "", printed(ours)).split() == re.sub(NUMBER, "", printed(theirs)).split()
        numbers = [[*map(float, re.findall(NUMBER, printed(cell)))] for cell in (ours, theirs)]
        np.testing.assert_allclose(*numbers, rtol=0.25)
        assert shown(ours) == shown(theirs)
