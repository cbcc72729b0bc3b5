"""Which documents stand for the paper's."""

from __future__ import annotations

from paper_figures.style.evidence import require
from repro.report.frame import Frame, select

CORPORA = ("rcv1", "reuters21578")  # the paper's first


def precision_at(k: int) -> str:
    """The metric: the fraction of the k nearest documents that are of the query's class."""
    return f"test_precision_at_{k}"


def corpus(frame: Frame) -> str:
    """RCV1, the paper's, if a network was pretrained on it; else Reuters-21578.

    Raises:
        RecordsMissingError: if there are records of neither.
    """
    runs = select(frame.runs, experiment="documents")
    require(frame, runs, "documents", "any variant")
    pretrained = select(runs, kind="autoencoding", start="pretrained")
    known = set((pretrained if len(pretrained) else runs)["data"])
    return next(data for data in CORPORA if data in known)
