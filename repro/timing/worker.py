"""A child process that may use a part of the machine, and runs subjects there when it is asked to.

A process of its own, because XLA counts the cores it may use once, when it starts, and threadpoolctl does
not reach its threads: the child ties itself to its cores before it imports anything that computes.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from repro.errors import UserError
from repro.timing.subject import Part, Subject

SETTLE = 0.2  # seconds before a call: after the last one its library's threads spin on, as OpenBLAS's do


class Worker:
    """The child, seen from the parent. Close it when done."""

    def __init__(self, part: Part):
        context = get_context("spawn")
        self.part = part
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(part, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def provenance(self) -> dict[str, Any]:
        """Provenance of what is measured there."""
        return self._ask("provenance")

    def prepare(self, subject: Subject) -> float:
        """Have the subject ready to be timed; the seconds that compiling it took, 0 if nothing is."""
        return self._ask("prepare", subject)

    def call(self, subject: Subject) -> float:
        """Seconds that a call of the subject takes."""
        return self._ask("call", subject)

    def spent(self) -> float:
        """Seconds of all cores together that the process has computed for."""
        return self._ask("spent")

    def forget(self) -> None:
        """Free what the prepared subjects hold."""
        self._ask("forget")

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(5)
        self._process.kill()

    def _ask(self, verb: str, *subjects: Subject):
        what = " ".join([verb, *(subject.variant for subject in subjects)])
        try:
            self._pipe.send((verb, *subjects))
            good, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise UserError(f"the process that was to {what} died; it may lack memory") from error
        if good is None:
            raise UserError(answer)
        if not good:
            raise UserError(f"cannot {what}: {answer}")
        return answer


def serve(part: Part, pipe: Connection) -> None:
    """Answer the parent until it hangs up."""
    confine(part)
    child = Child()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        while True:
            verb, *arguments = pipe.recv()
            try:
                answer = True, getattr(child, verb)(*arguments)
            except UserError as error:
                answer = None, str(error)
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}".splitlines()[0]
            pipe.send(answer)


def confine(part: Part) -> None:
    """Tie this process, and every thread it will start, to its part of the machine."""
    if part == "1core":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # the first one serves interrupts
    if part != "gpu":
        os.environ["JAX_PLATFORMS"] = "cpu"


def confinable() -> bool:
    """Whether this system can tie a process to some of its cores."""
    return hasattr(os, "sched_setaffinity")


class Child:
    """What the child does for its parent."""

    def __init__(self):
        self.calls = {}

    def provenance(self) -> dict[str, Any]:
        """Provenance, with the BLAS libraries that NumPy and scikit-learn compute with."""
        import numpy  # noqa: F401  threadpoolctl sees what is loaded
        from threadpoolctl import threadpool_info

        from repro.runs import provenance
        from repro.timing.peers import PACKAGES, installed

        packages = {
            PACKAGES[name]: version(PACKAGES[name]) for name, present in installed().items() if present
        }
        of_jax = provenance.provenance("uniform random numbers", "", seeds_side_by_side=1)
        blas = {f"{b['internal_api']} {b['version']} {b.get('architecture', '')}" for b in threadpool_info()}
        more = {
            "host": provenance.cpu_name(),
            "cores_used": provenance.n_cores(),
            "blas": ", ".join(sorted(blas)),
        }
        return of_jax | more | {"packages": of_jax["packages"] | packages}

    def prepare(self, subject: Subject) -> float:
        """See Worker."""
        if subject.program == "jax":
            from repro.timing import jax_calls

            self.calls[subject], compile_seconds = jax_calls.prepare(subject)
            return compile_seconds
        from repro.timing import numpy_calls, peers

        room = peers if subject.program in peers.PACKAGES else numpy_calls
        self.calls[subject] = room.prepare(subject)
        return 0.0

    def call(self, subject: Subject) -> float:
        """See Worker. Other threads that would compute are held to the same cores."""
        from threadpoolctl import threadpool_limits

        from repro.runs.provenance import n_cores

        with threadpool_limits(n_cores()):
            time.sleep(SETTLE)
            began = time.perf_counter()
            self.calls[subject]()
            return time.perf_counter() - began

    def spent(self) -> float:
        """See Worker."""
        return time.process_time()

    def forget(self) -> None:
        """See Worker."""
        self.calls.clear()
