"""Few labels and many unlabelled digits: does what was learnt without labels help?

Claim       With few labels and much unlabelled data pretraining helps; with many labels it does not matter
            (claim C5).
Draws       A seed draws the labelled digits, as many of each class, out of the 50,000 that are not for
            validation; with 60,000 labels there is nothing to draw and the seed is the start's alone. What is
            learnt without labels is learnt from all 60,000 images.
Deviations  55. 60,000 labels have the protocol of experiments/classifier.py: chosen on 10,000 of them, then
                trained again on all, so that both ways to choose are one.
            56. Every network has Adam, minibatches of 100 and at most 60 epochs of 3,000 digits (of 10,000,
                where there are as many), of fewer labels each several times; the number of epochs is chosen
                with the rate. What is learnt without labels comes on top: operations are not matched.
            57. One RBM of 1,024 units is the network of the published comparison, in which no classifier was
                tuned and a tenth of the labels served for validation [bondarenko2017boltzmann]: its numbers
                stand beside ours and decide nothing.
            58. Folds hold out a fifth of the labels, and an epoch shows some of the others once more than the
                rest; who is chosen by folds has learnt from all labels alike.
Tuning      Six rates for every network and every draw, those of one logistic layer tenfold with 600 labels or
            more, for with 1,000 the highest had been their first choice. They are chosen by the errors on
            10,000 validation digits, as the literature did, which spends more labels on the choice than on
            learning; and by cross-validation within the labels, as who has no others must. A network whose
            rate lies at an edge of the grid in more than half of the draws, or its epoch among the last
            twentieth, counts as not tuned.
Run         repro run few_labels --profile paper
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import scipy.stats

from experiments import classifier
from repro.models.perceptron import Dropout
from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine
from repro.runs.config import (
    Autoencoders,
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

SIZES = (100, 600, 1000, 3000, 10_000)
ALL = 60_000
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
HIGHER = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
BUDGET = Epochs(60)
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
        like = classifier.MODERN if modern else classifier.EVERY
        return replace(like, network=network, start=start)
    rates = HIGHER if widths == ONE and not modern and n_labels > 100 else RATES
    return FewLabels(
        "mnist", network, n_labels, rates, start=start, dropout=dropout, budget=BUDGET, n_folds=5
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


# test errors of the quick profile in per cent, where those of eight seeds came out with room
EXPECTED = {
    "100/rbm": (16.5, 25.0),
    "100/shallow-glorot": (18.5, 27.0),
    "1000/rbm": (8.8, 14.0),
    "1000/shallow-glorot": (9.0, 14.2),
}


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


DRAWS = 10
WAYS = {False: "10,000 validation labels", True: "cross-validation"}  # to choose: within the labels or not
LITTLE, MUCH = 2.0, 4.0  # points of test error that are gained
FEW = (100, 1000)  # where much is claimed


def best(evidence: Evidence, n_labels: int, names: Iterable[str], within: bool) -> Measured:
    """The test error, in per cent, of that network which erred least on the cases it was chosen by, mean over
    the draws; it lacks what any of them lacks.
    """
    variants = [f"{n_labels}/{name}" for name in names]
    if n_labels == ALL:
        return classifier.best(evidence, "few_labels", variants, DRAWS)
    by, end = ("held_out_error_percent", "_within") if within else ("valid_error_percent", "")
    errors, chosen_by = (
        [evidence.score("few_labels", variant, metric, DRAWS) for variant in variants]
        for metric in (f"test_error_percent{end}", by)
    )
    lacks = frozenset().union(*(error.lacks for error in errors))
    there = [i for i, error in enumerate(chosen_by) if len(error.values)]
    if not there:
        return Measured(np.zeros(0), lacks)
    return errors[min(there, key=lambda i: chosen_by[i].number)]._replace(lacks=lacks)


def gain(evidence: Evidence, n_labels: int, within: bool) -> Measured:
    """Points of test error, draw by draw, that the best network without pretraining has more than the best of
    those that have learnt without labels.
    """
    return combine(np.subtract, *(best(evidence, n_labels, names, within) for names in (DIRECT, LEARNT)))


def trend(evidence: Evidence, within: bool) -> Measured:
    """Spearman's rank correlation of the gain with the number of labels, of each draw."""

    def of_draws(*gains: np.ndarray) -> np.ndarray:
        sizes = (*SIZES, ALL)
        return np.array([scipy.stats.spearmanr(sizes, each)[0] for each in np.transpose(gains)])

    return combine(of_draws, *(gain(evidence, n, within) for n in (*SIZES, ALL)))


def helps_with_few(evidence: Evidence) -> Iterator[Condition]:
    """C5, upheld."""
    for within, way in WAYS.items():
        for n in FEW:
            yield Condition(
                f"points gained with {n} labels, chosen by {way}", gain(evidence, n, within), MUCH
            )
        yield Condition(f"rank correlation with the number, chosen by {way}", trend(evidence, within), high=0)
    yield Condition(f"points gained with {ALL} labels", gain(evidence, ALL, within=False), high=1.0)


def helps_little(evidence: Evidence) -> Iterator[Condition]:
    """C5, refuted."""
    for n, (within, way) in product([n for n in SIZES if n <= max(FEW)], WAYS.items()):
        text = f"points gained with {n} labels, chosen by {way}"
        yield Condition(text, gain(evidence, n, within), high=LITTLE, case="few")


CLAIMS = (
    Claim(
        key="C5",
        statement="With few labels and much unlabelled data pretraining helps",
        upheld_if=f"the best of RBM, DBN and autoencoder errs on ≥ {MUCH:g} points less of the test digits "
        "than the best network without pretraining, logistic or modern, with 100 and with 1,000 labels, on "
        "≤ 1 point less with 60,000, and the gain falls with the number of labels (Spearman's correlation "
        f"of each draw is below 0), of {DRAWS} draws, whichever way rates are chosen",
        refuted_if=f"it gains < {LITTLE:g} points with 100, 600 and 1,000 labels, whichever way",
        upholding=helps_with_few,
        refuting=helps_little,
    ),
)
