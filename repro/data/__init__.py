"""What is learnt from. `load` is the only door."""

from repro.data.dataset import Cases, Dataset
from repro.data.registry import NAMES, Status, checksum, load, prepare, status, verify

__all__ = ["NAMES", "Cases", "Dataset", "Status", "checksum", "load", "prepare", "status", "verify"]
