"""The `repro` command."""

from __future__ import annotations

import errno
import io
import signal
import sys
import threading
from typing import Annotated

import typer

import repro
from repro.cli.cache import app as cache
from repro.cli.compare import compare, decode, encode
from repro.cli.data import app as data
from repro.cli.figures import figures
from repro.cli.list import list_experiments
from repro.cli.options import console
from repro.cli.report import report
from repro.cli.run import run
from repro.cli.tables import tables
from repro.cli.time import time_machine
from repro.errors import StoppedError, UserError

app = typer.Typer(
    help="Layerwise pretraining versus direct backprop: run experiments, build tables, draw figures.\n\n"
    "Example: repro run mnist",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


UNWRITABLE = {
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "ENOTDIR")
}


def show_version(asked: bool) -> bool:
    """Say which version this is, and end."""
    if asked:
        console.print(f"repro {repro.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What is asked about the program itself."""


app.command()(run)
app.command("list")(list_experiments)
app.command()(tables)
app.command()(figures)
app.command()(report)
app.command("time")(time_machine)
app.command()(compare)
app.command()(encode)
app.command()(decode)
app.add_typer(data, name="data")
app.add_typer(cache, name="cache")


def main() -> None:
    """Run the command; what the user can mend is one line and exit code 2, Ctrl-C one line and 130."""
    printable()
    try:
        code = app(standalone_mode=False)
        if code == 130:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code)
    except KeyboardInterrupt:
        fail(130, "stopped; the same command goes on from the last record and checkpoint")
    except StoppedError as stopped:
        fail(130, str(stopped))
    except UserError as error:
        fail(2, str(error))
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        remedy = "make room there, mend its permissions, or name another folder"
        fail(2, f"{error.filename or 'a file'} cannot be used ({error.strerror}): {remedy}")
    except Exception as error:
        explain = getattr(error, "format_message", None)  # of words that the parser did not understand
        if explain is None:
            raise
        fail(2, f"{explain()} (see --help)")


def printable() -> None:
    """Print a question mark for what the terminal's encoding has no letter for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def unheard(what: sys.UnraisableHookArgs) -> None:
    """Have Ctrl-C heeded that came where Python drops exceptions; and say nothing of what orbax's threads
    still try after a write has failed, which is said once.
    """
    if what.exc_type is KeyboardInterrupt:
        again = threading.main_thread().ident, signal.SIGINT
        threading.Timer(0.1, signal.pthread_kill, again).start()
    elif str(what.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(what)


def fail(code: int, message: str) -> None:
    """Say one line and leave."""
    # interrupted within an exec, Python would end by the signal and not with the code: one more resets that
    exec("")
    print(f"repro: {message}", file=sys.stderr)
    sys.exit(code)
