"""What a data set that cannot be had must do: say one line, and leave nothing behind."""

from pathlib import Path

import pytest

from repro.errors import UserError


def refused(pattern, call, *args, **kwargs) -> str:
    """The message of the UserError that a call must raise: one line that matches the pattern."""
    with pytest.raises(UserError, match=pattern) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def is_empty(cache: Path) -> bool:
    return not cache.exists() or not list(cache.iterdir())
