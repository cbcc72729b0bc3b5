"""The question of this project, asked of a user's own data: arms with as many operations, tuned alike.

Pretraining takes at most a fifth of a run's operations and the choice of a rate about another; fine-tuning
has the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax

from repro.data.dataset import Dataset
from repro.errors import UserError, known
from repro.models.autoencoder import Architecture
from repro.runs.autoencoding import finetune, length_of, minibatch, pretraining_flops, start, tuning_flops
from repro.runs.config import (
    Autoencoding,
    Config,
    Epochs,
    FanIn,
    Flops,
    Gaussian,
    Glorot,
    He,
    Network,
    Pretrained,
    PrincipalComponents,
    Rates,
    SemanticAnalysis,
    Sparse,
    Start,
)
from repro.runs.experiment import Experiment
from repro.runs.outcome import on_device
from repro.shapes import VisibleKind
from repro.training.contrastive import Contrastive
from repro.training.flops import backprop_flops
from repro.training.greedy import Pretraining
from repro.training.optimisers import KFAC, Adam, ConjugateGradient, HessianFree, Muon, Nesterov, Optimiser

NAME = "compare"  # of the experiment
ARMS = ("pretrained-cg", "pretrained-adam", "he-adam")  # where the user names none
EPOCHS = 100  # of backprop that a run's operations would do, where nothing is said
FIFTH = 0.2
MOST_PRETRAINING, MOST_CHOICE = 50, 15  # epochs: of each RBM [hinton2006code], and of each rate at first
FEWEST = 5  # epochs of fine-tuning that must be left
STARTS: dict[str, Start] = {
    "pretrained": Pretrained(),
    "gaussian": Gaussian(),
    "fan-in": FanIn(),
    "glorot": Glorot(),
    "sparse": Sparse(),
    "he": He(),
}
OPTIMISERS: dict[str, Optimiser] = {
    "cg": ConjugateGradient(),
    "adam": Adam(),
    "nag": Nesterov(),
    "muon": Muon(),
    "kfac": KFAC(),
    "hf": HessianFree(),
}
SEARCHING = ("cg", "kfac", "muon")  # and others that do much with each minibatch, which is large
WIDE = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
RATES: dict[str, dict[VisibleKind, tuple[float, ...]]] = {  # to choose from
    "adam": {"binary": WIDE, "real": WIDE, "count": (1e-3, 3e-3, 1e-2, 3e-2)},
    "nag": {"binary": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1), "real": WIDE, "count": (0.1, 0.3, 1.0, 3.0)},
    "muon": {"binary": WIDE, "real": WIDE, "count": (0.03, 0.1, 0.3, 1.0)},
}
NAMES = {f"{begins}-{how}": (begins, how) for begins in STARTS for how in OPTIMISERS}


def comparison(data: Dataset, widths: Sequence[int], arms: Sequence[str], flops: float | None) -> Experiment:
    """The arms of these names, such as "pretrained-cg", each with so many operations in all, and beside them
    PCA, or of documents with labels LSA, with as many numbers.

    Raises:
        UserError: if there is no arm of a name, or the operations are too few for one.
    """
    for name in arms:
        if name not in NAMES:
            raise UserError(f"--arms has {name!r}; {known(name, NAMES)}")
    variants: dict[str, Config] = {name: arm(data, widths, name, flops) for name in arms}
    most = min(len(data.full_train.labels), _width(data)) - 1
    code = min(widths[-1], most)
    if data.kind != "count" and code:
        variants[f"pca-{code}"] = PrincipalComponents(data.name, code)
    elif data.labelled and code:
        variants[f"lsa-{code}"] = SemanticAnalysis(data.name, code)
    return Experiment(NAME, "", "", variants, quick=lambda config: config, expected={})


def arm(data: Dataset, widths: Sequence[int], name: str, flops: float | None) -> Autoencoding:
    """One arm: its pretraining, if it has one, and the choice of its rate as long as the operations allow.

    Raises:
        UserError: if they leave fewer than five epochs of fine-tuning.
    """
    begins, how = NAMES[name]
    n, of = len(data.train.labels), architecture(data, widths)
    total = default_flops(of, n) if flops is None else flops
    large, small = batch_sizes(n)
    whole = Autoencoding(
        data=data.name,
        network=Network(tuple(widths), "relu" if begins == "he" else "logistic"),
        start=Pretrained(pretraining(data.kind, small, 1)) if begins == "pretrained" else STARTS[begins],
        optimiser=OPTIMISERS[how],
        batch_size=None if how == "hf" else large if how in SEARCHING else small,
        l2=1e-5 if how == "kfac" else 0.0,
        tuning=Rates(RATES[how][data.kind], (1, 2)) if how in RATES else None,
        budget=Flops(total),
        n_reports=20,
        learns_from="train",
    )
    return _within(name, whole, of, n, total)


def batch_sizes(n_cases: int) -> tuple[int, int]:
    """Cases in the minibatches of optimisers that search, and of all others, RBMs included."""
    return min(1000, n_cases), min(100, max(1, n_cases // 10))


def default_flops(of: Architecture, n_cases: int) -> float:
    """The operations of a hundred epochs of backprop, to two digits."""
    return float(f"{EPOCHS * backprop_flops(of.layers, n_cases):.2g}")


def architecture(data: Dataset, widths: Sequence[int]) -> Architecture:
    """The network on this data set; its activation does not matter to what it costs."""
    return Architecture((_width(data), *widths), data.kind)


def _width(data: Dataset) -> int:
    shape = data.train.inputs.shape
    assert shape is not None, "what SciPy says of a sparse array may be None"
    return shape[1]


def pretraining(
    kind: VisibleKind, batch_size: int, n_epochs: int, contrastive: Contrastive | None = None
) -> Pretraining:
    """As in the program of 2006, or by this contrastive divergence; of real data the lowest RBM learns at a
    hundredth of the rate, or it diverges.
    """
    contrastive = contrastive or Contrastive()
    lowest = contrastive.learning_rate / 100 if kind == "real" else None
    return Pretraining(n_epochs, batch_size, contrastive, first_learning_rate=lowest)


def _within(name: str, config: Autoencoding, of: Architecture, n: int, flops: float) -> Autoencoding:
    """The arm with pretraining and choice as long as a fifth of its operations each allows, if not longer
    than they are ever of use.

    Raises:
        UserError: if an epoch of either leaves fewer than five of fine-tuning.
    """
    batch = minibatch(config, n)
    once, rungs = pretraining_flops(config, of, n), tuning_flops(config, of, n)
    needed = once + rungs + FEWEST * backprop_flops(of.layers, n - n % batch)
    if flops < needed:
        raise UserError(
            f"{flops:.2g} operations are too few for {name}, which needs {needed:.2g}: "
            "give it more time or operations, or name fewer arms or seeds"
        )
    if isinstance(config.start, Pretrained):
        n_epochs = max(1, min(MOST_PRETRAINING, int(FIFTH * flops / once)))
        longer = replace(config.start.pretraining, n_epochs=n_epochs)
        config = replace(config, start=replace(config.start, pretraining=longer))
    if config.tuning:
        first = max(1, min(MOST_CHOICE, int(FIFTH * flops / rungs)))
        config = replace(config, tuning=replace(config.tuning, n_epochs=(first, 2 * first)))
    return config


def speed(data: Dataset, widths: Sequence[int]) -> float:
    """Operations per second that backprop reaches here on these data, in an epoch of at most 20 minibatches
    once it is compiled.
    """
    of = architecture(data, widths)
    config = replace(arm(data, widths, "glorot-adam", None), optimiser=Adam(learning_rate=1e-4), tuning=None)
    size = minibatch(config, len(data.train.labels))
    inputs = on_device(data.train.inputs[: 20 * size])
    keys = jax.vmap(jax.random.key)(jax.numpy.arange(1))
    params = start(config, of, keys, inputs).params
    length = length_of(replace(config, budget=Epochs(3)), of, len(inputs), len(inputs))
    fitted = finetune(config, of, keys, params, inputs, length)
    return backprop_flops(of.layers, len(inputs) - len(inputs) % size) / float(fitted.seconds[1:].min())
