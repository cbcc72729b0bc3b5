"""How the figures word numbers, runs and data sets."""

from __future__ import annotations

from typing import Any

import pandas as pd

DATA = {"mnist": "MNIST", "curves": "curves", "faces": "faces"}
DATA |= {"rcv1": "Reuters RCV1", "reuters21578": "Reuters-21578"}
INPUTS = {"mnist": 784, "curves": 784, "faces": 625, "rcv1": 2000, "reuters21578": 2000}  # numbers of a case
QUERY = "? not looked up in its source"


def number(value: float) -> str:
    """A squared error with the digits that the papers print; of a run that diverged, a word."""
    if value != value:
        return "diverged"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def in_print(score: Any) -> str:
    """The published number of a score, in parentheses; nothing if this project computed it.

    A question mark behind it: nobody has looked it up in its source.
    """
    if score.published != score.published or score.sure == "computed":
        return ""
    return f"({number(score.published)}{'?' if 'unconfirmed' in score.sure else ''})"


def ours_and_theirs(score: Any) -> str:
    """Our number, and the published one if there is one."""
    return f"{number(score.value)} {in_print(score)}".rstrip()


def effort(score: Any) -> str:
    """What stands behind a score: epochs of fine-tuning, if any, and n seeds."""
    return f"{counted(score.epochs, 'epoch')}, n {score.n}" if score.epochs else f"n {score.n}"


def result(score: Any) -> str:
    """A score in words: our number, the published one and the effort."""
    return f"{ours_and_theirs(score)}, {effort(score)}"


def network(run: Any) -> str:
    """Its layers as the paper writes them, such as 784-1000-500-250-30."""
    return f"{INPUTS[run.data]}-{run.widths}"


def span(values: pd.Series) -> str:
    """One number, or the least and the most."""
    low, high = values.min(), values.max()
    return f"{low}" if low == high else f"{low} to {high}"


def counted(n: Any, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{n} {noun}" + ("" if f"{n}" == "1" else "s")


def about(scores: pd.DataFrame, *more: str) -> str:
    """The line that every figure has: data, length, n and device of what it shows, and what else is said."""
    trained = scores[scores.epochs > 0]
    words = [", ".join(DATA.get(data, data) for data in scores["data"].unique())]
    words += [counted(span(trained.epochs), "epoch") + " of fine-tuning"] if len(trained) else []
    words += [f"n {span(scores.n)}", ", ".join(scores.device.unique())]
    return " · ".join([*words, *filter(None, more)])


def parentheses(scores: pd.DataFrame) -> str:
    """What the numbers in parentheses are, if there are any."""
    return "in parentheses: published" if any(map(in_print, scores.itertuples())) else ""


def query(scores: pd.DataFrame) -> str:
    """What a question mark behind a published number means, if there is one."""
    return QUERY if any("?" in in_print(score) for score in scores.itertuples()) else ""
