"""Timing in turn: what is compared is measured under the same conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

Name = TypeVar("Name")


def in_turn(
    calls: Mapping[Name, Callable[[], float]],
    repeats: int,
    after: Callable[[Name, float], None] = lambda *_: None,
) -> dict[Name, list[float]]:
    """Seconds that each call gives, `repeats` times, one round of all after another: what slows the machine
    for a while then slows all of them.

    A first round warms caches and clocks up and does not count. `after` is told of every call and its
    seconds.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in calls}
    for _ in range(1 + repeats):
        for name, call in calls.items():
            seconds[name].append(call())
            after(name, seconds[name][-1])
    return {name: all_rounds[1:] for name, all_rounds in seconds.items()}
