"""How the figures word a row of a table."""

from __future__ import annotations

import pandas as pd


def number(value: float) -> str:
    """A squared error with the digits that the papers print."""
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def in_print(score: pd.Series) -> str:
    """The published number of a row of the table, in parentheses; nothing if this project computed it.

    A question mark behind it: nobody has looked it up in its source.
    """
    if score.published != score.published or "(computed)" in score.source:
        return ""
    return f"({number(score.published)}{'?' if '(unconfirmed' in score.source else ''})"


def effort(score: pd.Series) -> str:
    """What stands behind a row of the table: epochs of fine-tuning, if any, and n seeds."""
    return f"{score.epochs} epochs, n {score.n}" if score.epochs else f"n {score.n}"


def result(score: pd.Series) -> str:
    """A row of the table in words: our number, the published one and the effort."""
    return f"{ours_and_theirs(score)}, {effort(score)}"


def ours_and_theirs(score: pd.Series) -> str:
    """Our number, and the published one if there is one."""
    return f"{number(score.value)} {in_print(score)}".rstrip()
