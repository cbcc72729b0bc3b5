"""Are convolution and pooling hard to integrate into machines that learn without labels?

Claim       "The use of convolution is something that's fairly difficult to integrate into these models;
            probabilistic max pooling ... it's still extremely hard to train these models": a convolutional deep
            belief network [lee2009convolutional] in settings drawn at random, beside a supervised convolutional
            network of the same shape in as many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from repro.evaluation.support_vectors import SupportVectors
from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine
from repro.runs.config import (
    Convolution,
    ConvolutionalNetworks,
    MachineSettings,
    NetworkSettings,
    OneRBM,
    PooledFilters,
    Pretrained,
    RandomFilters,
)
from repro.runs.experiment import Experiment
from repro.training.convolutional import ConvolutionalLayer, ConvolutionalLearning, ConvolutionalPretraining
from repro.training.greedy import Pretraining
from repro.training.ranges import Evenly, Logarithmically

SEEDS = 20
HOW = ConvolutionalLearning(learning_rate=0.1, sparsity=0.02, weight_decay=1e-4, n_epochs=10)
OF_FACES = replace(HOW, learning_rate=0.01, weight_decay=0.01)


def machine(how: ConvolutionalLearning, n_bases: int = 40) -> ConvolutionalPretraining:
    """A convolutional deep belief network of two layers."""
    layers = (ConvolutionalLayer(n_bases, side, learning=how) for side in (12, 6))
    return ConvolutionalPretraining(tuple(layers))


VARIANTS = {
    "published": Convolution("mnist", machine(HOW)),
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
    ),
    "random-filters": Convolution("mnist", RandomFilters()),
    "rbm": Convolution("mnist", OneRBM()),
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
    "faces": Convolution("faces", machine(OF_FACES), judged=None),
    "curves": Convolution("curves", machine(HOW), judged=None),
}
FEW = (100, 1000)  # labels of the quick profile


def quick(config):
    """Eight bases and a few epochs, on the 5,000 embedded digits; no other pictures."""
    short = Logarithmically(2, 6)
    if isinstance(config, ConvolutionalNetworks):
        layers = tuple(replace(layer, n_bases=8) for layer in config.layers)
        drawn = replace(config.drawn, n_epochs=short)
        return replace(config, layers=layers, drawn=drawn, n_labels=FEW, shown=2000)
    if config.judged is None:
        return None
    match config.features:
        case ConvolutionalPretraining(layers=layers):
            how = replace(layers[0].learning, n_epochs=6)
            config = replace(config, features=machine(how, n_bases=8))
        case RandomFilters(layers=layers):
            layers = tuple(replace(layer, n_bases=8) for layer in layers)
            config = replace(config, features=replace(config.features, layers=layers))
        case OneRBM(start=start):
            config = replace(config, features=OneRBM(200, Pretrained(Pretraining(n_epochs=6), start.scale)))
    drawn = replace(config.drawn, n_epochs=short) if config.drawn else None
    return replace(config, drawn=drawn, judged=SupportVectors(n_labels=FEW))


EXPECTED = {}

EXPERIMENT = Experiment(
    name="convolution",
    claim="Convolutional belief networks reach their published errors in few settings, supervised ones in most",
    artefact="claim C8",
    variants=VARIANTS,
    quick=quick,
    expected=EXPECTED,
    seeds={"quick": 2, "paper": SEEDS},
    scores=("test_error_percent_1000_labels", "test_error_percent_all_labels"),
    claims=("C8",),
)
