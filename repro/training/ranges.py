"""Settings drawn at random, as who does not know the good ones tries them   [bergstra2012random]."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from repro.typed import NotNegative, Positive, choice


@choice
class Evenly:
    """Any value between two is as probable as any other."""

    low: NotNegative
    high: Positive

    def __post_init__(self) -> None:
        """Refuse a range that ends before it begins.

        Raises:
            ValueError: naming both.
        """
        _check(self.low, self.high)

    def at(self, share: float) -> float:
        """The value below which this share of the range lies."""
        return self.low + share * (self.high - self.low)


@choice
class Logarithmically:
    """Its logarithm is."""

    low: Positive
    high: Positive

    def __post_init__(self) -> None:
        """Refuse a range that ends before it begins.

        Raises:
            ValueError: naming both.
        """
        _check(self.low, self.high)

    def at(self, share: float) -> float:
        """The value below which this share of the logarithms lies."""
        return self.low * (self.high / self.low) ** share


def _check(low: float, high: float) -> None:
    if low > high:
        raise ValueError(f"low {low:g} is above high {high:g}")


def check_below_one(ranges: Any, *names: str) -> None:
    """Refuse ranges of shares that reach 1.

    Raises:
        ValueError: naming the field.
    """
    for name in names:
        if (high := getattr(ranges, name).high) >= 1:
            raise ValueError(f"{name}: its high, {high:g}, must be below 1")


def drawn(ranges: Any, random: np.random.Generator) -> dict[str, float]:
    """A value for each field of a choice whose fields are ranges, in their order."""
    return {field.name: getattr(ranges, field.name).at(random.random()) for field in fields(ranges)}
