"""Which documents stand for the paper's."""

from __future__ import annotations

from pathlib import Path

from paper_figures.style.evidence import scores

NAMES = {"rcv1": "Reuters RCV1", "reuters21578": "Reuters-21578"}


def precision_at(k: int) -> str:
    """The metric: the fraction of the k nearest documents that are of the query's class."""
    return f"test_precision_at_{k}"


def corpus(results: Path, profile: str, arm: str) -> str:
    """RCV1, the paper's, if the arm was run on it; else Reuters-21578."""
    known = scores(results, profile, "documents", precision_at(1)).index
    return "rcv1" if f"rcv1/{arm}" in known else "reuters21578"
