"""`python -m repro.cli`, and the command `repro`.

Ctrl-C is one line while the others are still imported, and changes nothing any more when all is done.
"""

import os
import signal
import sys

STOPPED = b"repro: stopped; the same command goes on from the last record and checkpoint\n"


def main() -> None:
    """Run the command."""
    try:
        from repro.cli.main import main as run
        from repro.cli.main import unheard

        sys.unraisablehook = unheard
        run()
    except KeyboardInterrupt:
        os.write(2, STOPPED)
        os._exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
