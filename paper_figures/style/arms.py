"""A colour for each start, a marker for each optimiser, and names for readers: from what a run was, never
from how its variant is called.

A run is a row of the frame, or whatever else has its columns as attributes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pandas as pd

MEAN_IMAGE, PCA, LSA, LLE, LOGISTIC_PCA = "mean image", "PCA", "LSA", "LLE", "logistic PCA"
PIXELS = "pixels"
BASELINES = {"pca": PCA, "lsa": LSA, "lle": LLE}  # by kind: nothing was trained by gradients
COLOURS = {  # Okabe and Ito's, for colour-blind readers, and two more; tests/test_figures.py holds them apart
    "pretrained": "#0072b2",
    "gaussian": "#d55e00",
    "fan-in": "#661100",
    "glorot": "#e69f00",
    "sparse": "#009e73",
    "he": "#cc79a7",
    "autoencoders": "#56b4e9",  # of classifiers, which are never beside PCA and its like
    "supervised": "#9600f0",
    LOGISTIC_PCA: "#56b4e9",
    PCA: "#000000",
    LSA: "#000000",  # never beside PCA
    LLE: "#9600f0",
    MEAN_IMAGE: "#666666",
    PIXELS: "#666666",  # never beside the mean image
}
MARKERS = {"cg": "o", "nag": "s", "adam": "^", "muon": "P", "kfac": "D", "hf": "v", "lbfgs": "*"}
MARKERS |= {"sgd": "X", "momentum": "h"}
STARTS = {"pretrained": "pretrained", "gaussian": "Gaussian", "fan-in": "fan-in", "glorot": "Glorot"}
STARTS |= {"sparse": "sparse", "he": "He", "autoencoders": "autoencoder", "supervised": "supervised layers"}
OPTIMISERS = {"sgd": "SGD", "momentum": "momentum", "cg": "CG", "lbfgs": "L-BFGS", "hf": "HF", "nag": "NAG"}
OPTIMISERS |= {"adam": "Adam", "kfac": "K-FAC", "muon": "Muon"}
ACTIVATIONS = {"logistic": "", "tanh": "tanh", "relu": "ReLU", "gelu": "GELU"}
USUAL_SCALE = {"pretrained": 0.1, "gaussian": 0.1}  # standard deviations; of the other starts a factor, 1
DASHES = ["-", (0, (1, 1)), (0, (5, 1.2)), (0, (4, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2))]


class Look(NamedTuple):
    """How a run is drawn and called."""

    label: str
    colour: str
    marker: str
    dashes: Any

    @property
    def line(self) -> dict[str, Any]:
        """For `Axes.plot`."""
        return {"color": self.colour, "marker": self.marker, "ls": self.dashes}


def family(run: Any) -> str:
    """What decides the colour: the start, or what no start was needed for."""
    if run.kind in BASELINES:
        return BASELINES[run.kind] if run.code_size else MEAN_IMAGE
    return LOGISTIC_PCA if run.n_layers == 1 and run.kind == "autoencoding" else run.start


def optimiser(run: Any) -> str | None:
    """The optimiser, where stochastic gradients with momentum are one of their own; None if nothing was
    trained.
    """
    if run.kind in BASELINES:
        return None
    return "momentum" if run.optimiser == "sgd" and run.momentum > 0 else run.optimiser


def colour(run: Any) -> str:
    """The colour of the run in every figure."""
    return COLOURS[family(run)]


def marker(run: Any) -> str:
    """The marker of its optimiser in every figure; a point for what was not trained."""
    found = optimiser(run)
    return MARKERS[found] if found else "."


def label(run: Any) -> str:
    """Start, kind of units if not logistic, and optimiser; or the name of a baseline."""
    name = family(run)
    if name not in STARTS:
        return name
    return f"{start(run)}, {OPTIMISERS[optimiser(run) or '']}"


def start(run: Any) -> str:
    """How a network started, and its kind of units if not logistic."""
    return ", ".join(filter(None, [STARTS[run.start], ACTIVATIONS[run.activation]]))


def sized(run: Any) -> str:
    """The label of a code of so many numbers, such as PCA-18."""
    return f"{label(run)}-{run.code_size}"


def usual_scale(run: Any) -> bool:
    """Whether the start is drawn at its usual scale."""
    return run.start_scale == USUAL_SCALE.get(run.start, 1.0)


def looks(runs: pd.DataFrame, facts: Iterable[str] | None = None) -> list[Look]:
    """How to draw each of these runs, in their order: no two alike.

    A label says, beside start and optimiser, what most of these runs do not share: size of the code, layers,
    scale of the start, weight decay, or those of them in `facts`. Runs of one colour and marker get a dash
    pattern each.
    """
    extras = {fact: EXTRAS[fact] for fact in EXTRAS if facts is None or fact in facts}
    rows = list(runs.itertuples())
    networks = [run for run in rows if run.kind == "autoencoding"]
    common = {name: _most(getattr(run, name) for run in networks) for name in extras}
    found, seen = [], []
    for run in rows:
        name, place = label(run), (colour(run), marker(run))
        if run.kind in BASELINES:
            alike = [other for other in rows if family(other) == family(run)]
            name = sized(run) if len({other.code_size for other in alike}) > 1 else name
        elif family(run) != LOGISTIC_PCA:
            extra = [say(run) for fact, say in extras.items() if getattr(run, fact) != common[fact]]
            name = ", ".join(filter(None, [name, *extra]))
        found.append(Look(name, *place, DASHES[seen.count(place) % len(DASHES)]))
        seen.append(place)
    return found


def _most(values: Iterable[Any]) -> Any:
    """The most frequent, the first of several."""
    values = list(values)
    return max(values, key=values.count) if values else None


def _scale(run: Any) -> str:
    if usual_scale(run):
        return ""
    if run.start in USUAL_SCALE:
        return f"sd {run.start_scale:g}".replace("0.", ".")
    return f"×{run.start_scale:g}"


EXTRAS = {
    "code_size": lambda run: f"code of {run.code_size}",
    "n_layers": lambda run: f"{run.n_layers} layers",
    "start_scale": _scale,
    "l2": lambda run: f"L2 {run.l2:g}" if run.l2 else "",
    "of_2006": lambda run: run.of_2006,
}
