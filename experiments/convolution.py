"""Are convolution and pooling hard to integrate into machines that learn without labels? "The use of
convolution is something that's fairly difficult to integrate into these models; probabilistic max pooling …
it's still extremely hard to train these models".

Claim       A convolutional deep belief network [lee2009convolutional] comes to its published errors in few of
            20 settings that are drawn at random, a supervised convolutional network of the same shape in most
            of as many. Beside both: whether its filters need be learnt, and what an RBM without convolutions
            gives.
Draws       A seed draws the setting, the start and the labelled digits, as many of each class, out of the
            50,000 that are not for validation; the first 1,000 of them are those of 1,000 labels. Features
            are learnt from all 60,000 images. What machine and network of a seed both draw, such as the
            number of epochs, lies at the same place of its range.
Shares      Intervals are exact [clopper1934use]: if all of 20 settings work the share may be 83 %, and to
            show 90 % more of a network's would have to be drawn. With 1,000 labels the claim asks of a
            network that sees no other digits what the paper has from 60,000: fig_convolution shows how far
            both arms are from it.
Deviations  100. The second layer has filters of 6 x 6, for those of 12 x 12 do not fit on a first layer that
                is pooled to 8 x 8; which the paper has there could not be looked up. Of an odd number of rows
                the last is cut, so that blocks tile the rest: the second layer has one place, 40 of 2,600
                features.
            101. Both layers have one setting, but on faces. Of its values the paper gives none: those of
                `published` were chosen here, see Tuning.
            102. The support vector machines are linear, one class against the rest, with squared hinges, and
                features are scaled by one number; the paper does not say which it had. Their penalty is
                chosen on 10,000 validation digits, whatever these labels cost. Their operations do not count.
            103. Ranges are a decade or two about what Hinton's guide [hinton2012guide] and the authors' later
                program [lee2011code] have: rate .005 to .5, sparsity .002 to .1, decay .00001 to .01,
                momentum .5 to .9, 3 to 30 epochs; of the network rate .001 to .1, decay .000001 to .01,
                momentum .5 to .9, dropout of 0 to .5 of the units below the output, 3 to 30 epochs of 60,000
                digits, or of 10,000 where there are fewer labels, each of these several times.
            104. The network's setting is drawn once for all numbers of labels, and its rate falls to 0 in a
                straight line; nothing is chosen on validation digits, neither its length nor its setting.
            105. Random filters are not drawn at the scale at which machines start, where every unit is as
                good as off, but so that what they receive has a standard deviation of 4 about a mean of -8:
                of 16 such pairs that with the fewest errors on validation digits.
            106. The RBM has 2,600 hidden units, as many as both convolutional layers have pooling units, and
                the schedule of 2006.
Tuning      Of the machine, on 10,000 validation digits, the first layer alone after 3 or 6 epochs, one draw
            of 1,000 and 5,000 labels: rate .02 to .3, sparsity .002 to .06, decay .01 to .00001, 13 settings.
            With the decay and sparsity of the authors' program, whose filters are scaled by 25 [lee2011code],
            bases stay blurred; with a decay of .0001 and a sparsity of .01 to .04 they are strokes, and
            errors differ little. Filters scaled by a half or two, biases moved by two, features of unit
            length and kernels were tried too: none of them halves the error, as it would have to be. Pooling
            the features once more, over 2 x 2 pooling units, took a fifth off it, but is not the paper's. Of
            a first layer alone, and 4,000 of these digits, ten times less or a hundred times less strength
            of the sparsity changed little; the largest of 3 x 3 units, of what their detection units
            receive, with a threshold and a kernel together, took a quarter off.
            Ranges of 103 were fixed before any of these settings was drawn. Of faces after a look at bases: a
            rate of .05 diverges, with a sparsity of .02 or more, or after 10 epochs at .04, bases are frames
            that stand for the border of the image.
Run         repro run convolution --profile paper
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from repro import reference
from repro.evaluation.support_vectors import SupportVectors
from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine
from repro.runs.config import (
    Convolution,
    ConvolutionalNetworks,
    MachineSettings,
    NetworkSettings,
    OneRBM,
    RandomFilters,
)
from repro.runs.experiment import Experiment
from repro.training.convolutional import ConvolutionalLayer, ConvolutionalLearning, ConvolutionalPretraining
from repro.training.ranges import Evenly, Logarithmically

SEEDS = 20
ERROR = "test_error_percent"
NUMBERS = {"1000_labels": 0.5, "all_labels": 0.2}  # how far from the published error, in points
HOW = ConvolutionalLearning(learning_rate=0.1, sparsity=0.04, weight_decay=1e-4, n_epochs=10)
OF_FACES = ConvolutionalLearning(learning_rate=0.01, n_epochs=2)
JUDGED = SupportVectors(inverse_penalties=(0.3, 1, 3, 10, 30, 100, 300, 1000))


def machine(
    how: ConvolutionalLearning, upper: ConvolutionalLearning | None = None, n_bases: int = 40
) -> ConvolutionalPretraining:
    """A convolutional deep belief network of two layers, which learn alike if nothing else is said."""
    layers = (
        ConvolutionalLayer(n_bases, 12, learning=how),
        ConvolutionalLayer(n_bases, 6, learning=upper or how),
    )
    return ConvolutionalPretraining(layers)


VARIANTS = {
    "published": Convolution("mnist", machine(HOW), judged=JUDGED),
    "settings": Convolution(
        "mnist",
        machine(HOW),
        MachineSettings(
            learning_rate=Logarithmically(0.005, 0.5),
            sparsity=Logarithmically(0.002, 0.1),
            weight_decay=Logarithmically(1e-5, 1e-2),
            momentum=Evenly(0.5, 0.9),
            n_epochs=Logarithmically(3, 30),
        ),
        JUDGED,
    ),
    "random-filters": Convolution("mnist", RandomFilters(), judged=JUDGED),
    "rbm": Convolution("mnist", OneRBM(), judged=JUDGED),
    "network": ConvolutionalNetworks(
        "mnist",
        NetworkSettings(
            learning_rate=Logarithmically(0.001, 0.1),
            weight_decay=Logarithmically(1e-6, 1e-2),
            momentum=Evenly(0.5, 0.9),
            dropout=Evenly(0, 0.5),
            n_epochs=Logarithmically(3, 30),
        ),
    ),
    "faces": Convolution("faces", machine(OF_FACES, HOW), judged=None),
    "curves": Convolution("curves", machine(HOW), judged=None),
}
FEW = (100, 1000)  # labels of the quick profile


def quick(config):
    """Machines and networks of eight bases, with a few epochs, on the 5,000 embedded digits."""
    short = Logarithmically(2, 6)
    if isinstance(config, ConvolutionalNetworks):
        layers = tuple(replace(layer, n_bases=8) for layer in config.layers)
        drawn = replace(config.drawn, n_epochs=short)
        return replace(config, layers=layers, drawn=drawn, n_labels=FEW, shown=2000, batch_size=20)
    if config.judged is None or not isinstance(config.features, ConvolutionalPretraining):
        return None
    features = machine(replace(HOW, n_epochs=6), n_bases=8)
    drawn = replace(config.drawn, n_epochs=short) if config.drawn else None
    return replace(config, features=features, drawn=drawn, judged=replace(JUDGED, n_labels=FEW))


# test errors of the quick profile in per cent, where those of eight seeds came out with room
EXPECTED = {
    "published": (4, 9),
    "settings": (6, 30),
    "network": (15, 95),
}

EXPERIMENT = Experiment(
    name="convolution",
    claim="Convolutional deep belief networks come to their published errors in few settings",
    artefact="claim C8",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, f"{ERROR}_1000_labels"): limits for variant, limits in EXPECTED.items()},
    seeds={"quick": 2, "paper": SEEDS},
    scores=tuple(f"{ERROR}_{labels}" for labels in NUMBERS),
    figures=("fig_convolution",),
    claims=("C8",),
)


def published(labels: str) -> float:
    """The error in print, in per cent."""
    table = reference.table("published.csv")
    [value] = table[(table.experiment == "convolution") & (table.metric == f"{ERROR}_{labels}")].value
    return float(value)


def working(evidence: Evidence, variant: str) -> Measured:
    """The share of settings that come to the published errors, or as near as is asked for."""
    errors = (evidence.score("convolution", variant, f"{ERROR}_{labels}", SEEDS) for labels in NUMBERS)
    limits = [published(labels) + room for labels, room in NUMBERS.items()]

    def of_settings(*errors: np.ndarray) -> np.ndarray:
        return np.all([each <= limit for each, limit in zip(errors, limits, strict=True)], axis=0)

    return combine(of_settings, *errors, how="share")


def hard(evidence: Evidence) -> Iterator[Condition]:
    """C8, upheld."""
    yield Condition("per cent of the machine's settings that work", working(evidence, "settings"), high=50)
    yield Condition("per cent of the network's settings that work", working(evidence, "network"), low=90)


def easy(evidence: Evidence) -> Iterator[Condition]:
    """C8, refuted."""
    yield Condition("per cent of the machine's settings that work", working(evidence, "settings"), low=80)


CLAIMS = (
    Claim(
        key="C8",
        statement="Convolution and pooling are hard to integrate into machines that learn without labels",
        upheld_if=f"of {SEEDS} settings drawn at random fewer than 50 % come to the published errors of a "
        "convolutional deep belief network on MNIST, within half a point with 1,000 labels and within .2 "
        "with all, while of as many of a supervised convolutional network more than 90 % do",
        refuted_if="more than 80 % of the former do",
        upholding=hard,
        refuting=easy,
    ),
)
