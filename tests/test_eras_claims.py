"""C3, C3b and C3c by their criteria, from made-up records."""

import pytest
from made_eras import EXPERIMENTS, arm, machine_of, rates_of, write

from experiments.eras import CLAIMS
from repro.report.frame import read
from repro.report.verdicts import Evidence, verdict

CLAIM = {claim.key: claim for claim in CLAIMS}
DAY = 86_400


def judge(folder, key):
    return verdict(CLAIM[key], Evidence(read(folder, "paper"), EXPERIMENTS))


def direct(folder, **days):
    """Five seeds of a direct arm on each data set, which have any error after so many days."""
    for data, n in days.items():
        for seed in range(5):
            flops = n * 1e9 * DAY * (1 + 0.001 * seed)
            record = arm(data, "glorot-adam", [500.0, 0.1], seed=seed)
            curves = record.curves | {"flops": [flops / 2, flops], "updates": [1, 2]}
            write(folder, record._replace(curves=curves))


@pytest.mark.parametrize(
    ("days", "ruling"),
    [
        ({"curves": 0.1, "mnist": 20, "faces": 61}, "UPHELD"),
        ({"faces": 61}, "UPHELD"),  # whatever the others take
        ({"curves": 2, "mnist": 20, "faces": 30}, "UPHELD"),  # 54 runs of 2 days
        ({"curves": 0.1, "mnist": 20, "faces": 30}, "OPEN"),
        ({"curves": 0.1, "mnist": 13, "faces": 13.9}, "REFUTED"),
        ({"curves": 0.1, "mnist": 13}, "OPEN"),
        ({}, "OPEN"),
    ],
)
def test_c3_by_its_criteria(tmp_path, days, ruling):
    direct(tmp_path, **days)
    assert judge(tmp_path, "C3") == ruling


def test_c3_counts_the_quickest_direct_arm_and_no_pretrained_one(tmp_path):
    direct(tmp_path, curves=1, mnist=20, faces=61)
    for seed in range(5):
        write(tmp_path, arm("faces", "pretrained-cg", [0.1], seed=seed, stacked=1))
    assert judge(tmp_path, "C3") == "UPHELD"
    for seed in range(5):
        write(tmp_path, arm("faces", "glorot-cg", [0.1], seed=seed))
    assert judge(tmp_path, "C3") == "OPEN"


def timed(folder, gains):
    """One core of a machine and its GPU, by workload and size."""
    for record in [*rates_of(machine_of("abacus")), *rates_of(machine_of("abacus", "jacquard"), gains)]:
        write(folder, record)


@pytest.mark.parametrize(
    ("gains", "ruling"),
    [
        ({"cd1": (13, 62), "backprop": (12.1, 61)}, "UPHELD"),
        ({"cd1": (11, 62), "backprop": (30, 62)}, "OPEN"),
        ({"cd1": (13, 62), "backprop": (11, 62)}, "OPEN"),  # both workloads
        ({"cd1": (13, 62), "backprop": (30, 59)}, "OPEN"),
        ({"cd1": (13, 62), "backprop": (30, 4.9)}, "REFUTED"),
        ({"cd1": (4, 62), "backprop": (4, 62)}, "OPEN"),  # little at the smallest alone
    ],
)
def test_c3b_by_its_criteria(tmp_path, gains, ruling):
    timed(tmp_path, gains)
    assert judge(tmp_path, "C3b") == ruling


@pytest.mark.parametrize(
    ("cd1", "backprop", "ruling"),
    [
        ((10, 20, 40, 60), (12.4, 16.1, 40, 60), "UPHELD"),
        ((10, 20, 40, 60), (12.6, 20, 40, 60), "OPEN"),  # at every size
        ((10, 20, 40, 60), (20, 20, 40, 60), "OPEN"),
        ((10, 20, 40, 60), (20, 20, 20, 60), "REFUTED"),  # either may gain more
    ],
)
def test_c3c_by_its_criteria(tmp_path, cd1, backprop, ruling):
    timed(tmp_path, {"cd1": cd1, "backprop": backprop})
    assert judge(tmp_path, "C3c") == ruling


@pytest.mark.parametrize("key", ["C3b", "C3c"])
def test_without_a_gpu_nothing_is_decided(tmp_path, key):
    assert judge(tmp_path, key) == "OPEN"
    for record in rates_of(machine_of("abacus")):
        write(tmp_path, record)
    assert judge(tmp_path, key) == "OPEN"


def test_the_clocks_of_two_machines_are_never_joined(tmp_path):
    gains = {"cd1": (13, 62), "backprop": (30, 62)}
    for record in [*rates_of(machine_of("abacus")), *rates_of(machine_of("loom", gpu="jacquard"), gains)]:
        write(tmp_path, record)
    assert judge(tmp_path, "C3b") == "OPEN"


def test_a_busy_machine_decides_nothing(tmp_path):
    gains = {"cd1": (13, 62), "backprop": (30, 62)}
    for gpu in (None, "jacquard"):
        for record in rates_of(machine_of("abacus", gpu, load=9.0), gains if gpu else None):
            write(tmp_path, record)
    assert judge(tmp_path, "C3b") == "OPEN"
