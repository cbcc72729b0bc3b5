"""Whether the machine does other work while it is timed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable

BUSY = 1.1  # threads of other work that wait to run, for each core
MINUTE = 60.0  # seconds: over so many the kernel averages its load, with weights that fade


class OtherWork:
    """The load of a machine less what the timing itself adds to it, and the largest that was read."""

    def __init__(self, spent: Callable[[], float]):
        """`spent` gives the seconds of all cores together that the timing has computed for."""
        self._spent, self._before, self._then = spent, spent(), time.perf_counter()
        self._own = 0.0  # load, averaged as the kernel averages
        self.largest = os.getloadavg()[0]

    def read(self) -> float:
        """The largest load of other work so far, this moment's included."""
        now, spent = time.perf_counter(), self._spent()
        elapsed, computed = max(now - self._then, 1e-9), spent - self._before
        fade = math.exp(-elapsed / MINUTE)
        self._own = fade * self._own + (1 - fade) * computed / elapsed
        self._before, self._then = spent, now
        self.largest = max(self.largest, os.getloadavg()[0] - self._own)
        return self.largest


def is_busy(load: float) -> bool:
    """Whether that much other work slows down what is timed here."""
    return load > BUSY * (os.cpu_count() or 1)
