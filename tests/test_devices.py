"""Seeds on several devices of one machine: the same numbers as on one."""

import os
import subprocess
import sys

import jax
import numpy as np
import on_devices
from made_frames import record
from tiny import SOON

from experiments import mnist
from repro.report.frame import facts
from repro.runs import provenance, tuning
from repro.timing.load import BUSY
from repro.training.fit import mesh_of


def test_as_many_devices_share_the_seeds_as_can_evenly(monkeypatch):
    monkeypatch.setattr(jax, "local_device_count", lambda: 4)
    monkeypatch.setattr(jax, "local_devices", lambda: [jax.devices()[0]] * 4)
    shares = {n: mesh_of(n) for n in (1, 2, 5, 6, 8)}
    assert {n: mesh.size if mesh else 1 for n, mesh in shares.items()} == {1: 1, 2: 2, 5: 1, 6: 3, 8: 4}


def test_seeds_on_four_devices_are_the_seeds_on_one(single_precision, tmp_path, monkeypatch):
    """The four in a process of their own: how many there are is settled once."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {SOON} --xla_force_host_platform_device_count=4"
    own = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, on_devices.__file__, tmp_path / "four.npz"]
    ended = subprocess.run(words, env=os.environ | own, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    four = dict(np.load(tmp_path / "four.npz"))
    monkeypatch.setattr(tuning, "side_by_side", lambda: True)
    one = on_devices.numbers()
    assert four.pop("n_devices") == 4 and one.keys() == four.keys()
    for name, values in one.items():
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
