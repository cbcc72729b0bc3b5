"""Few labels and many unlabelled digits: does what was learnt without labels help?

Claim       With few labels and much unlabelled data pretraining helps; with many labels it does not matter
            (claim C5).
Draws       A seed draws the labelled digits, as many of each class, out of the 50,000 that are not for
            validation; with 60,000 labels there is nothing to draw and the seed is the start's alone. What is
            learnt without labels is learnt from all 60,000 images.
Deviations  55. 60,000 labels have the protocol of experiments/classifier.py: chosen on 10,000 of them, then
                trained again on all, so that both ways to choose are one.
            56. Every network has Adam, minibatches of 100 and at most 30 epochs of 3,000 digits (of 10,000 or
                60,000, where there are as many), of fewer labels each several times; the number of epochs is
                chosen with the rate.
            57. One RBM of 1,024 units is the network of the published comparison; how that was tuned is not
                known, so its numbers stand beside ours and decide nothing.
            58. Folds hold out a quarter of the labels; who is chosen by them has learnt from all of them.
Tuning      Five rates for every network and every draw: by the errors on 10,000 validation digits, as the
            literature did, which spends more labels on the choice than on learning; and by cross-validation
            within the labels, as who has no others must.
Run         repro run few_labels --profile paper
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from repro.models.perceptron import Dropout
from repro.report.frame import select
from repro.report.verdicts import Evidence, Measured, combine
from repro.runs.config import (
    Autoencoders,
    Classifying,
    Config,
    Epochs,
    FewLabels,
    Glorot,
    He,
    Network,
    Pretrained,
    Start,
)
from repro.runs.experiment import Experiment, shorter
from repro.training.layerwise import Layerwise
from repro.training.optimisers import Adam

SIZES = (100, 600, 1000, 3000, 10_000)
ALL = 60_000
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
ONE, DEEP = (1024,), (500, 500, 2000)
LEARNT: dict[str, tuple[tuple[int, ...], Start | Autoencoders]] = {  # without labels
    "rbm": (ONE, Pretrained()),
    "dbn": (DEEP, Pretrained()),
    "autoencoder": (DEEP, Autoencoders(Layerwise(one_by_one=False))),
}
DIRECT: dict[str, tuple[tuple[int, ...], Start | Autoencoders]] = {
    "shallow-glorot": (ONE, Glorot()),
    "deep-glorot": (DEEP, Glorot()),
    "shallow-relu": (ONE, He()),
    "deep-relu": (DEEP, He()),
}


def arm(name: str, n_labels: int) -> Config:
    """One network with so many labels."""
    widths, start = {**LEARNT, **DIRECT}[name]
    modern = isinstance(start, He)
    network = Network(widths, "relu" if modern else "logistic")
    dropout = Dropout() if modern else None
    if n_labels == ALL:
        return Classifying(
            "mnist", network, Adam(), start=start, rates=RATES, dropout=dropout, budget=Epochs(30)
        )
    return FewLabels(
        "mnist", network, n_labels, RATES, start=start, dropout=dropout, budget=Epochs(30), n_folds=4
    )


VARIANTS = {f"{n}/{name}": arm(name, n) for n in (*SIZES, ALL) for name in (*LEARNT, *DIRECT)}
QUICK = ("100/rbm", "1000/rbm", "100/shallow-glorot", "1000/shallow-glorot")


def quick(config):
    """The shallow networks with 100 and 1,000 labels, on the 5,000 embedded digits, with fewer units, rates
    and epochs.
    """
    if config not in [VARIANTS[variant] for variant in QUICK]:
        return None
    config = replace(
        config, network=Network((128,)), rates=RATES[2:4], budget=Epochs(10), shown=1000, n_folds=2
    )
    return shorter(config, pretraining=6)


# test errors of the quick profile in per cent, as in experiments/mnist.py
EXPECTED = dict.fromkeys(QUICK, (0.0, 100.0))


EXPERIMENT = Experiment(
    name="few_labels",
    claim="With few labels what was learnt without labels helps, with many it does not",
    artefact="claim C5",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_error_percent"): limits for variant, limits in EXPECTED.items()},
    seeds={"quick": 2, "paper": 10},
    scores=("test_error_percent", "test_error_percent_within"),
    figures=("fig_few_labels",),
    claims=("C5",),
)


def gain(evidence: Evidence, n_labels: int, within: bool) -> Measured:
    """Points of test error that learning without labels saves: the error of the best network from random
    weights less that of the best that had learnt before, each chosen by its mean validation error.
    """
    return combine(np.subtract, *(_best(evidence, n_labels, within, names) for names in (DIRECT, LEARNT)))


def _best(evidence: Evidence, n_labels: int, within: bool, names) -> Measured:
    end = "_within" if within and n_labels < ALL else ""
    chosen_by = "held_out_error_percent" if end else "valid_error_percent"
    rows = select(evidence.frame.rows, experiment="few_labels", metric=chosen_by)
    variants = [f"{n_labels}/{name}" for name in names]
    valid = rows[rows.variant.isin(variants)].groupby("variant").value.mean()
    best = valid.idxmin() if len(valid) else variants[0]
    return evidence.score("few_labels", best, f"test_error_percent{end}")
