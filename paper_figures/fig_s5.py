"""Fig. S5 of hinton2006science: documents found by ten numbers from the autoencoder, from locally linear
embedding (LLE) and from LSA.

As Fig. 4A. LLE learns from the training documents alone; a test document stands where the weights that best
make it of its nearest training documents put it. Its number of neighbours was chosen on the validation
documents, and is said above with those that were tried. The paper's figure is of 20 newsgroups; here it is
of the corpus of Fig. 4 (deviation 44 in experiments/documents.py). That it compares codes of ten numbers is
known from a secondary source; that the autoencoder does better than both is general knowledge and not
confirmed; its curves are not known as numbers. What to look for: whether the autoencoder lies above LLE and
LSA at every rank.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from paper_figures.style import retrieval
from paper_figures.style.evidence import scores
from repro.evaluation.retrieval import RANKS
from repro.report.frame import Frame, select

NUMBERS = 10
NAMES = {"autoencoding": "the pretrained autoencoder", "lle": "LLE", "lsa": "LSA"}


def draw(frame: Frame) -> Figure:
    """Draw the figure from the frame of a profile."""
    own = select(frame.rows, experiment="documents", data=retrieval.corpus(frame), code_size=NUMBERS)
    recipe = (own.start == "pretrained").fillna(False) & (own.optimiser == "cg").fillna(False)
    own = own[recipe | own.kind.isin(["lsa", "lle"])]
    what = f"codes of {NUMBERS} numbers"
    figure = retrieval.draw(frame, own, what, what, *_neighbours(frame, own), *_not_run(own))
    figure.axes[0].set_title(_against_the_paper(frame, own), size=8)
    return figure


def _against_the_paper(frame: Frame, own: pd.DataFrame) -> str:
    """At how many ranks the autoencoder finds more than each of the others; in the paper it outdoes both."""
    tables = [scores(frame, retrieval.precision_at(k), among=own) for k in RANKS]
    found = pd.DataFrame([table.set_index("kind").value for table in tables if len(table)])
    others = [kind for kind in ("lle", "lsa") if {kind, "autoencoding"} <= {*found}]
    more = [f"than {NAMES[kind]} at {(found.autoencoding > found[kind]).sum()}" for kind in others]
    ours = f"the autoencoder finds more {', '.join(more)} of {len(found)} ranks"
    return f"{ours};\nin the paper more than both (unconfirmed)" if more else ""


def _neighbours(frame: Frame, own: pd.DataFrame) -> Iterator[str]:
    """How many neighbours the LLE that is shown has, and which numbers were tried."""
    shown = scores(frame, retrieval.precision_at(1), among=select(own, kind="lle"))
    for record in map(frame.record, shown.path):
        tried = ", ".join(map(str, record.config["n_neighbors"]))
        yield f"LLE with {record.metrics['n_neighbors']:.0f} neighbours, chosen on validation from {tried}"


def _not_run(own: pd.DataFrame) -> Iterator[str]:
    lacking = [name for kind, name in NAMES.items() if kind not in set(own.kind)]
    if lacking:
        yield f"not run: {', '.join(lacking)}"
