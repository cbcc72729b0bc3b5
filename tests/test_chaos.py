"""`make chaos` itself: a handful of kills and damaged inputs, where nothing is trained."""

import subprocess
import sys

from tiny import ROOT

from repro.runs.record import as_text, load_record
from tests.chaos.trees import different


def test_a_few_kills_and_damaged_inputs_lose_nothing():
    words = [sys.executable, "-m", "tests.chaos", "--small", "--seed", "3", "--kills", "2", "--inputs", "6"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("2 of 2 kills, 6 of 6 inputs, seed 3\n"), done.stdout + done.stderr
    assert done.returncode == 0


def test_what_is_lost_or_altered_is_noticed_and_what_a_clock_says_is_not(recorded, recorded_once):
    [path] = recorded.rglob("glorot-cg.seed0*.json")
    record = load_record(path)
    about = record.provenance | {"wall_seconds": 1e6, "finished": "later"}
    path.write_text(as_text(record._replace(provenance=about)), encoding="utf-8")
    assert different(recorded, recorded_once) == []
    path.write_text(as_text(record._replace(seed=7)), encoding="utf-8")
    path.with_suffix(".npz").unlink()
    lost, altered = different(recorded, recorded_once)
    assert lost.endswith(".npz is missing") and altered.endswith(".json is another")
