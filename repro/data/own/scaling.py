"""From the units of a file to those that are learnt from, and back; proposed from the data, and said."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from scipy.sparse import csr_array

from repro.data.dataset import Inputs
from repro.data.own.files import sizes
from repro.errors import UserError
from repro.shapes import VisibleKind

PIXEL = 255.0  # the most that an 8-bit pixel can be
STANDARDISED = "each column less its mean, over its standard deviation, real"
LARGEST = 1e18  # whose square float32 still holds
SPARSE = 0.5  # whole numbers of which more are zero are counts


class Scaling(NamedTuple):
    """Inputs are (values - offset) / unit, one of each for every visible unit."""

    kind: VisibleKind
    offset: Float64[np.ndarray, " V"]
    unit: Float64[np.ndarray, " V"]
    said: str  # what was found and what is done

    def apply(self, values: np.ndarray | csr_array) -> Inputs:
        """Values in the units of the file as inputs: counts sparse, all others dense."""
        if self.kind == "count":
            return csr_array(values, dtype=np.float32)
        dense = values.toarray() if isinstance(values, csr_array) else values
        if self.kind == "binary":
            return np.asarray(dense, np.float32) / self.unit.astype(np.float32)
        return ((dense - self.offset) / self.unit).astype(np.float32)

    def check(self, values: np.ndarray | csr_array) -> None:
        """See that values are such as were learnt from.

        Raises:
            UserError: if they have another number of columns, or are beyond what their kind can be.
        """
        if (width := sizes(values)[1]) != len(self.unit):
            raise UserError(f"each case has {width} numbers, but {len(self.unit)} were learnt from")
        low, high = float(values.min()), float(values.max())
        if self.kind != "real" and low < 0:
            raise UserError(f"{self.kind} values are not below 0, and there is {low:g}")
        if self.kind == "count" and not _whole(values):
            raise UserError("counts are whole numbers, and there are others")
        if self.kind == "binary" and high > self.unit[0]:
            raise UserError(f"values were at most {self.unit[0]:g} when learnt from, and there is {high:g}")

    def undo(self, inputs: Float[np.ndarray, "N V"]) -> Float[np.ndarray, "N V"]:
        """Reconstructions in the units of the file; of documents the probability of each word. Real ones are
        float64, others float32.
        """
        found = inputs * self.unit + self.offset
        return found if self.kind == "real" else found.astype(np.float32)


def propose(values: np.ndarray | csr_array, kind: VisibleKind | None = None) -> Scaling:
    """The kind that cases look like, or the one asked for, and the scaling that it needs; real values are
    standardised by these cases.

    Raises:
        UserError: if they cannot be of the kind asked for.
    """
    about = _About.of(values)
    if about.low == about.high:
        raise UserError(f"all values are {about.low:g}: there is nothing to learn")
    if max(-about.low, about.high) > LARGEST:
        raise UserError(
            f"there are values up to {max(-about.low, about.high):g}: scale them below {LARGEST:g}"
        )
    chosen: VisibleKind = kind or about.kind
    if chosen == "real":
        return standardised(values, f"{about.said}: {STANDARDISED}")
    if about.low < 0:
        raise UserError(f"kind {chosen} has no values below 0, and there is {about.low:g}: use kind real")
    if chosen == "count" and not about.whole:
        raise UserError("kind count has whole numbers alone, and there are others: use kind binary or real")
    unit = 1.0 if chosen == "count" or about.high <= 1 else PIXEL if about.pixels else about.high
    done = "as they are" if unit == 1 else f"divided by {unit:g}"
    return Scaling(chosen, *_same(about.width, 0.0, unit), f"{about.said}: {done}, {chosen}")


class _About(NamedTuple):
    """What can be seen of the values."""

    width: int
    low: float
    high: float
    whole: bool
    zeros: float  # the fraction of them
    sparse: bool
    bytes: bool  # unsigned 8-bit numbers

    @classmethod
    def of(cls, values: np.ndarray | csr_array) -> _About:
        found = values.data if isinstance(values, csr_array) else values
        n_cases, width = sizes(values)
        zeros = 1 - np.count_nonzero(found) / (n_cases * width)
        low, high = float(values.min()), float(values.max())
        sparse = isinstance(values, csr_array)
        return cls(width, low, high, _whole(values), zeros, sparse, found.dtype == np.uint8)

    @property
    def pixels(self) -> bool:
        """Whether these are 8-bit pixels."""
        return self.whole and (self.high == PIXEL or (self.bytes and self.high > 1))

    @property
    def kind(self) -> VisibleKind:
        if self.low < 0:
            return "real"
        if self.sparse and self.whole and self.high > 1 and not self.pixels:
            return "count"
        if self.high <= 1 or self.pixels:
            return "binary"
        if self.whole and self.high < PIXEL:
            return "count" if self.zeros > SPARSE else "binary"
        return "count" if self.whole and self.zeros > SPARSE else "real"

    @property
    def said(self) -> str:
        what = "pixels" if self.pixels else "whole numbers" if self.whole else "numbers"
        return f"{what} {self.low:g} to {self.high:g}, {self.zeros:.0%} of them 0"


def _whole(values: np.ndarray | csr_array) -> bool:
    """Whether all are whole numbers."""
    found = values.data if isinstance(values, csr_array) else values
    return found.dtype.kind in "bui" or bool(np.all(found == np.rint(found)))


def _same(width: int, *values: float) -> tuple[Float64[np.ndarray, " V"], Float64[np.ndarray, " V"]]:
    offset, unit = (np.full(width, value, np.float64) for value in values)
    return offset, unit


def standardised(values: np.ndarray | csr_array, said: str) -> Scaling:
    """Each column with mean 0 and variance 1; one that never changes with variance 0. What was `said` of the
    values stays.
    """
    dense = values.toarray() if isinstance(values, csr_array) else values
    mean, deviation = dense.mean(axis=0, dtype=np.float64), dense.std(axis=0, dtype=np.float64)
    still = deviation <= 1e-12 * np.abs(mean)  # what rounding leaves of a constant
    note = f" ({int(still.sum())} never change)" if still.any() else ""
    words = said.replace(STANDARDISED, f"each column{note}{STANDARDISED.removeprefix('each column')}")
    return Scaling("real", mean, np.where(still, 1.0, deviation), words)
