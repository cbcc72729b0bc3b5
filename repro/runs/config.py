"""What a run is: a typed value, checked when it is made. Whatever can move a number is in it."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from repro.errors import UserError
from repro.models.autoencoder import Activation
from repro.training.greedy import Pretraining
from repro.training.optimisers import SGD, Adam, ConjugateGradient, Muon, Nesterov, Optimiser
from repro.typed import NotNegative, Positive, choice, in_one_line

Count = Annotated[int, Field(ge=1)]
BY_KIND = Field(discriminator="kind"), BeforeValidator(lambda x: {"kind": x} if isinstance(x, str) else x)
LearnsFrom = Literal["all", "train"]  # all training cases, or those without the validation cases
Minibatches = Literal[
    "drawn anew", "formed once"
]  # every epoch, or for all seeds [hinton2006code, makebatches.m]
Matmul = Literal["highest", "tensorfloat32", "BF16_BF16_F32", "TF32_TF32_F32_X3", "BF16_BF16_F32_X6"]


@choice
class Network:
    """A deep autoencoder; the decoder mirrors the encoder, the code is linear."""

    widths: tuple[Count, ...]  # hidden layers of the encoder, the code last
    activation: Activation = "logistic"


@choice
class Pretrained:
    """A stack of RBMs, trained layer by layer and unrolled   [hinton2006science]."""

    pretraining: Pretraining = Pretraining()
    scale: Positive = 0.1  # standard deviation of the weights that the RBMs start from
    kind: Literal["pretrained"] = "pretrained"


@choice
class Gaussian:
    """The stack that pretraining starts from, unrolled untouched: weights N(0, scale²)."""

    scale: Positive = 0.1
    kind: Literal["gaussian"] = "gaussian"


@choice
class FanIn:
    """N(0, 1/fan-in) times the factor   [lecun1998efficient]."""

    factor: Positive = 1.0
    kind: Literal["fan-in"] = "fan-in"


@choice
class Glorot:
    """Uniform on ±√(6 / (fan-in + fan-out)) times the factor   [glorot2010understanding]."""

    factor: Positive = 1.0
    kind: Literal["glorot"] = "glorot"


@choice
class Sparse:
    """N(0, 1) times the factor for some inputs of each unit, 0 for the others   [martens2010hf]."""

    n_incoming: Count = 15
    factor: Positive = 1.0
    kind: Literal["sparse"] = "sparse"


@choice
class He:
    """N(0, 2/fan-in) times the factor   [he2015delving]."""

    factor: Positive = 1.0
    kind: Literal["he"] = "he"


Start = Pretrained | Gaussian | FanIn | Glorot | Sparse | He


@choice
class Epochs:
    """So many epochs of fine-tuning."""

    n: Count = 200
    kind: Literal["epochs"] = "epochs"


@choice
class Flops:
    """So many operations in all, pretraining and the choice of a rate included: arms can be matched."""

    total: Positive
    kind: Literal["flops"] = "flops"


@choice
class Rates:
    """Learning rates to choose from on the validation cases, by successive halving
    [jamieson2016nonstochastic]: after each of these numbers of epochs but the last, the better half, rounded
    up, goes on; after the last the best is chosen. One number alone is a plain search of the grid.
    """

    candidates: Annotated[tuple[Positive, ...], Field(min_length=1)]
    n_epochs: Annotated[tuple[Count, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        """Refuse a rate that would be tried twice, and a halving of nothing.

        Raises:
            ValueError: naming what is wrong.
        """
        if len(set(self.candidates)) < len(self.candidates):
            raise ValueError(f"candidates must differ: {self.candidates}")
        if list(self.n_epochs) != sorted(set(self.n_epochs)):
            raise ValueError(f"n_epochs must rise: {self.n_epochs}")
        if len(self.n_epochs) > 1 and self.n_left[-1] < 2:
            raise ValueError(f"n_epochs has {len(self.n_epochs)} numbers, but too few candidates to halve")

    @property
    def n_left(self) -> list[int]:
        """How many candidates train until each of the numbers of epochs."""
        return [ceil(len(self.candidates) / 2**rung) for rung in range(len(self.n_epochs))]

    @property
    def total_epochs(self) -> int:
        """Epochs of all candidates together."""
        more = np.diff(self.n_epochs, prepend=0)
        return int(np.dot(self.n_left, more))


@choice
class Precision:
    """Of the matrix products of an accelerator, by phase: names that `jax.default_matmul_precision` takes. A
    CPU computes in float32.
    """

    pretraining: Matmul = "highest"  # float32 stays float32 on accelerators
    finetuning: Matmul = "highest"


# what an accelerator takes: faster, and no worse by results/tables/precision.md
SUFFICIENT = Precision(pretraining="tensorfloat32")


@choice
class Autoencoding:
    """One way to train one autoencoder on one data set; defaults are the 2006 program's [hinton2006code]."""

    data: str
    network: Network
    start: Annotated[Start, *BY_KIND] = Pretrained()
    optimiser: Annotated[Optimiser, *BY_KIND] = ConjugateGradient()
    budget: Annotated[Epochs | Flops, *BY_KIND] = Epochs()
    batch_size: Count | None = 1000  # of fine-tuning; None: all training cases
    l2: NotNegative = 0.0  # half of it times the squared weights is added to the loss
    tuning: Rates | None = None  # where the optimiser's rate comes from
    precision: Precision = Precision()
    n_reports: Count | None = None  # scores during fine-tuning; None: one after every epoch
    learns_from: LearnsFrom = "all"
    minibatches: Minibatches = "drawn anew"
    kind: Literal["autoencoding"] = "autoencoding"

    def __post_init__(self) -> None:
        """Refuse a rate that comes from nowhere, or rates of an optimiser that has none.

        Raises:
            ValueError: naming the fields.
        """
        how = self.optimiser
        if not isinstance(how, SGD | Nesterov | Adam | Muon):
            if self.tuning:
                raise ValueError(f"tuning has rates, but {how.kind} chooses its own steps")
        elif self.tuning is None and how.learning_rate is None:
            raise ValueError(f"{how.kind} needs a learning_rate, or tuning to choose it")


@choice
class Tuning:
    """The choice of a run's rate: every candidate from the same start, without the validation cases."""

    run: Autoencoding
    kind: Literal["tuning"] = "tuning"

    @property
    def data(self) -> str:
        """The data set."""
        return self.run.data


def tuning_of(run: Autoencoding) -> Tuning:
    """The choice that a run without a rate asks for; how long the run itself is does not matter to it."""
    assert run.tuning is not None
    return Tuning(replace(run, budget=Epochs(run.tuning.n_epochs[-1]), learns_from="train"))


@choice
class PrincipalComponents:
    """PCA with a code of n_components; 0 components reconstruct everything as the mean training case."""

    data: str
    n_components: Annotated[int, Field(ge=0)]
    kind: Literal["pca"] = "pca"


@choice
class SemanticAnalysis:
    """Latent semantic analysis (LSA) of log(1 + count) with a code of n_components   [hinton2006science]."""

    data: str
    n_components: Count
    kind: Literal["lsa"] = "lsa"


@choice
class LocallyLinear:
    """Locally linear embedding (LLE) of log(1 + count), a code of n_components   [roweis2000nonlinear]."""

    data: str
    n_components: Count
    n_neighbors: Annotated[tuple[Count, ...], Field(min_length=1)] = (5, 10, 20, 40)  # to choose from
    n_cases: Count = 10_000  # learns from the first so many documents: its cost is the cube of their number
    kind: Literal["lle"] = "lle"

    def __post_init__(self) -> None:
        """Refuse a number of neighbours that would be tried twice.

        Raises:
            ValueError: naming them.
        """
        if len(set(self.n_neighbors)) < len(self.n_neighbors):
            raise ValueError(f"n_neighbors must differ: {self.n_neighbors}")


@choice
class ByHand:
    """A convolutional classifier trained by the gradients of models/by_hand.py, and beside it by JAX's, from
    the same He start on the same minibatches, both in float64 by stochastic gradients with momentum.
    """

    data: str
    channels: tuple[Count, Count] = (8, 16)  # filters of the two convolutions
    kernel: Count = 5  # rows and columns of a filter
    budget: Epochs = Epochs(4)
    batch_size: Count = 50
    learning_rate: Positive = 0.05  # of the first update; it falls to 0 in a straight line
    momentum: NotNegative = 0.9
    n_checked: Count = 10  # minibatches at the beginning of an epoch whose derivatives are compared
    kind: Literal["by-hand"] = "by-hand"


Config = Autoencoding | Tuning | PrincipalComponents | SemanticAnalysis | LocallyLinear | ByHand
_ANY = TypeAdapter(Annotated[Config, *BY_KIND])


def from_json(config: dict[str, Any]) -> Config:
    """The typed value of a record's configuration.

    Raises:
        UserError: if it is not one, naming the field and the choices.
    """
    try:
        return _ANY.validate_python(config)
    except ValidationError as error:
        raise UserError(in_one_line(error)) from error


def deterministic(config: Config) -> bool:
    """Whether all seeds give the same."""
    return isinstance(config, PrincipalComponents | SemanticAnalysis | LocallyLinear)
