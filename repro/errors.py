"""The exceptions that a user is meant to read, and a remedy that several name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

DISTRIBUTION = "layerwise-repro"  # what pip calls this; pyproject.toml has the same


def pip_install(extra: str) -> str:
    """The command that adds an extra of pyproject.toml."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


class UserError(Exception):
    """Something the user can mend: one line naming the file or field, what is wrong, and the remedy.

    The command line prints it without a traceback and exits with code 2.
    """


class DataUnavailableError(UserError):
    """Data that cannot be had here: no file, no network, or no package that carries them."""


class DivergedError(UserError):
    """A choice among rates that all diverged."""


class DeviceMemoryError(UserError):
    """A run that needs more memory than the device has."""


class TooFewCasesError(UserError):
    """A minibatch that is larger than the data."""


class RecordsMissingError(UserError):
    """Records that a figure needs and that have not been made."""


class StoppedError(Exception):
    """Work that Ctrl-C ended: one line that says what was kept; the command line exits with code 130."""


class OutOfTimeError(Exception):
    """The time given for some work is over; what was done is kept."""


def known(name: str, names: Iterable[str]) -> str:
    """What to say of a name that is none of these: the nearest, and all of them."""
    names = list(names)
    near = get_close_matches(name, names, n=1)
    meant = f"did you mean {near[0]!r}? There" if near else "there"
    return f"{meant} are: {', '.join(names)}"
