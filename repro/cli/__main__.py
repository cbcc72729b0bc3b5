"""`python -m repro.cli`, and the command `repro`.

Ctrl-C is one line also while modules are imported, and changes nothing any more when all is done.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

STOPPED = b"repro: stopped; the same command goes on from the last record and checkpoint\n"


def interrupted(_: int, frame: FrameType | None) -> None:
    """End at once while a module is imported: nothing is half done then, and libraries make other errors of
    an exception.

    Raises:
        KeyboardInterrupt: at any other time.
    """
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            leave()
        frame = frame.f_back
    raise KeyboardInterrupt


def leave() -> None:
    """Say one line and end."""
    os.write(2, STOPPED)
    os._exit(130)


def main() -> None:
    """Run the command."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a background job ignores it
        signal.signal(signal.SIGINT, interrupted)
    try:
        from repro.cli.main import main as run
        from repro.cli.main import unheard

        sys.unraisablehook = unheard
        run()
    except KeyboardInterrupt:
        leave()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
