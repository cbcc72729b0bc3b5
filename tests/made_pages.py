"""The page of some of the committed records."""

from functools import cache

from made_frames import EXPERIMENTS

from experiments import all_claims
from experiments.answer import RECIPE, SHARES
from repro.report.frame import Frame, read
from repro.report.page import build
from repro.report.readme import Questions
from repro.runs.provenance import ROOT

ASKED = Questions(EXPERIMENTS, all_claims(), RECIPE, SHARES)
RESULTS = ROOT / "results"
FEW = ("curves/glorot", "curves/pca", "curves/pretrained-cg.", "mnist/pretrained-adam", "mnist/pca")
FEW += ("answer/tenth/curves/sparse-a", "answer/tenth/curves/pretrained-cg", "answer/tenth/curves/sparse-cg")
FEW += ("eras/jax-cd1-576x1024", "eras/program2006-backprop-784x1000x500x250x30")
CAPTIONS = {"fig_answer": "An answer.\n\nIn a picture.", "fig_2a": "Curves.\n\nAnd what is left of them."}


@cache
def committed():
    """All of them."""
    return read(RESULTS, "paper")


@cache
def some():
    """A frame of few of them."""
    folder = RESULTS / "paper"
    kept = {p: r for p, r in committed().records.items() if str(p.relative_to(folder)).startswith(FEW)}
    return Frame("paper", RESULTS, kept)


@cache
def page():
    """Its page, with two figures."""
    return build(some(), ASKED, CAPTIONS)
