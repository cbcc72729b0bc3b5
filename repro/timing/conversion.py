"""What the operations of a run would have taken in 2006: computed, and never mixed with what was measured."""

from __future__ import annotations

from typing import NamedTuple

from repro.reference import table
from repro.timing.machines import of_2006
from repro.timing.subject import NETWORK, Subject

DAY = 86_400.0  # seconds
REFERENCE = Subject("program2006", "backprop", NETWORK, precision="float64", part="1core")


class Rate(NamedTuple):
    """Of a machine, for converting operations into days."""

    name: str
    gflops: float

    def days(self, flops):
        """Days of that many operations."""
        return flops / (self.gflops * 1e9) / DAY


def rates_of_2006() -> list[Rate]:
    """Those of machines.csv."""
    return [Rate(machine.name, machine.sustained_gflops) for machine in of_2006()]


class DirectRun(NamedTuple):
    """How long direct training was, in print."""

    key: str  # of the paper
    updates: int
    batch_size: int
    runs_of_tuning: int


def direct_run() -> DirectRun:
    """That of sutskever2013importance, from results/published.csv."""
    printed = table("published.csv")
    printed = printed[(printed.experiment == "eras") & (printed.variant == "direct-run")]
    numbers = {metric: int(value) for metric, value in zip(printed.metric, printed.value, strict=True)}
    return DirectRun(printed.key.iloc[0], **numbers)
