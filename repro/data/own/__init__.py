"""A user's own data: read from a file, scaled to a kind of visible unit, split three ways."""

from repro.data.own.dataset import Own, load_own, split_three_ways
from repro.data.own.files import Table, read, read_labels
from repro.data.own.scaling import Scaling, propose

__all__ = ["Own", "Scaling", "Table", "load_own", "propose", "read", "read_labels", "split_three_ways"]
