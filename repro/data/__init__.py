"""What is learnt from. `load` is the only door."""

from repro.data.dataset import Cases, Dataset
from repro.data.registry import (
    NAMES,
    Status,
    at_hand,
    checksum,
    load,
    packed,
    prepare,
    status,
    unpack,
    verify,
)

__all__ = [
    "NAMES",
    "Cases",
    "Dataset",
    "Status",
    "at_hand",
    "checksum",
    "load",
    "packed",
    "prepare",
    "status",
    "unpack",
    "verify",
]
