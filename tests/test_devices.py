"""Seeds on several devices of one machine: the same numbers as on one."""

import os
import subprocess
import sys

import jax
import numpy as np
from made_frames import record
from tiny import SOON

from experiments import mnist
from repro.report.frame import facts
from repro.runs import provenance
from repro.timing.load import BUSY
from repro.training.fit import mesh_of

PROGRAM = """
import sys
import jax
import numpy as np
from test_arms import TINY, keys, made_up
from repro.runs import tuning
from repro.runs.config import Glorot, Rates, tuning_of
from dataclasses import replace
from repro.runs.programs import PROGRAMS
from repro.training.optimisers import Adam

assert jax.device_count() == int(sys.argv[1])
found = {}
arms = {"cg": TINY, "adam": replace(TINY, start=Glorot(), optimiser=Adam(0.01))}
for name, arm in arms.items():
    outcome = PROGRAMS[type(arm)](arm, made_up(), keys(0, 1, 2, 3))
    found |= {f"{name} {key}": value for key, value in (outcome.metrics | outcome.curves).items()}
tuning.side_by_side = lambda: True
arm = replace(TINY, start=Glorot(), optimiser=Adam(), tuning=Rates((0.1, 0.01, 0.02, 0.001), (1, 2)))
choice = tuning.choose_rate(tuning_of(arm), made_up(), keys(0))
np.savez(sys.argv[2], **found, **choice.metrics)
"""


def run(n_devices, path):
    """Four seeds of some arms, in a process that has so many devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {SOON} --xla_force_host_platform_device_count={n_devices}"
    environment = os.environ | {
        "XLA_FLAGS": flags,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    words = [sys.executable, "-c", PROGRAM, str(n_devices), str(path)]
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return dict(np.load(path))


def test_as_many_devices_share_the_seeds_as_can_evenly(monkeypatch):
    monkeypatch.setattr(jax, "local_device_count", lambda: 4)
    monkeypatch.setattr(jax, "local_devices", lambda: [jax.devices()[0]] * 4)
    shares = {n: mesh_of(n) for n in (1, 2, 5, 6, 8)}
    assert {n: mesh.size if mesh else 1 for n, mesh in shares.items()} == {1: 1, 2: 2, 5: 1, 6: 3, 8: 4}


def test_seeds_on_four_devices_are_the_seeds_on_one(tmp_path):
    one, four = (run(n, tmp_path / f"{n}.npz") for n in (1, 4))
    assert one.keys() == four.keys()
    for name, values in one.items():
        if "seconds" not in name:
            np.testing.assert_allclose(four[name], values, rtol=1e-4, err_msg=name)  # CG amplifies rounding


def test_processes_that_share_a_gpu_are_recorded(tmp_path, monkeypatch):
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\nprintf '101\\n102\\n'\n", encoding="utf-8")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert provenance.processes_on_gpu() == {}  # a CPU
    monkeypatch.setattr(provenance, "here", lambda: provenance.Device("a GPU", "gpu"))
    assert provenance.processes_on_gpu() == {"processes_on_gpu": 2}
    for says in ("exit 9", "echo No running processes found"):
        driver.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
        assert provenance.processes_on_gpu() == {}
    driver.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.processes_on_gpu() == {}


def test_a_shared_gpu_is_a_busy_machine():
    made = record("mnist", "pretrained-cg", mnist.VARIANTS["pretrained-cg"], {"test_squared_error": 3.0})
    alone, shared = (
        facts(made._replace(provenance=made.provenance | {"cores": 16, "processes_on_gpu": n}))
        for n in (1, 2)
    )
    assert alone["load_per_core"] <= BUSY < shared["load_per_core"]
