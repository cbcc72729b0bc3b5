"""Documents as word counts: Reuters-21578, RCV1-v2, and the few RCV1 stories that a package carries."""

from repro.data.documents.rcv1 import RECIPE as RCV1
from repro.data.documents.reuters21578 import RECIPE as REUTERS21578
from repro.data.documents.sample import RECIPE as SAMPLE
from repro.data.documents.stored import cases, names

__all__ = ["RCV1", "REUTERS21578", "SAMPLE", "cases", "names"]
