"""What a run is: a typed value, checked when it is made. Whatever can move a number is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, NonNegativeInt, TypeAdapter, ValidationError

from repro.errors import UserError
from repro.evaluation.annealing import Annealing
from repro.evaluation.decoder import Decoding
from repro.evaluation.few_shot import FewShot
from repro.evaluation.support_vectors import SupportVectors
from repro.models.autoencoder import Activation
from repro.models.perceptron import Dropout
from repro.training.contrastive import Contrastive
from repro.training.convolutional import ConvolutionalLayer, ConvolutionalPretraining
from repro.training.deep_boltzmann import DeepBoltzmann, DoubledPretraining, JointLearning, Unpretrained
from repro.training.greedy import Pretraining
from repro.training.langevin import Langevin
from repro.training.layerwise import Layerwise
from repro.training.optimisers import SGD, Adam, ConjugateGradient, FirstOrder, Muon, Nesterov, Optimiser
from repro.training.ranges import Evenly, Logarithmically, check_below_one
from repro.training.variational import KEPT, Estimator
from repro.typed import Count, NotNegative, Positive, Share, check_rising, choice, in_one_line

BY_KIND = Field(discriminator="kind"), BeforeValidator(lambda x: {"kind": x} if isinstance(x, str) else x)
LearnsFrom = Literal["all", "train"]  # all training cases, or those without the validation cases
Minibatches = Literal[
    "drawn anew", "formed once"
]  # every epoch, or for all seeds [hinton2006code, makebatches.m]
Matmul = Literal["highest", "tensorfloat32", "BF16_BF16_F32", "TF32_TF32_F32_X3", "BF16_BF16_F32_X6"]


@choice
class Network:
    """Hidden layers, lowest first; of a deep autoencoder those of the encoder, the last of them its code,
    which is linear, and the decoder mirrors them.
    """

    widths: tuple[Count, ...]
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
class Autoencoders:
    """Hidden layers that have learnt to reconstruct what is below them: one after another, as autoassociators
    [bengio2007greedy, section 4], or all as one deep autoencoder.
    """

    layerwise: Layerwise = Layerwise()
    kind: Literal["autoencoders"] = "autoencoders"


@choice
class Supervised:
    """Hidden layers that have learnt, one after another, to tell the classes apart through an output layer of
    their own   [bengio2007greedy, section 4].
    """

    layerwise: Layerwise = Layerwise()
    kind: Literal["supervised"] = "supervised"


StartOfClassifier = Start | Autoencoders | Supervised


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
class RelativeRates:
    """Learning rates of a classifier's biases and of its output layer, as multiples of the rate."""

    biases: Positive = 1.0
    output: Positive = 1.0


@choice
class Classifying:
    """One way to train one classifier, the hidden layers given and an output for each class above them.

    How long, and at which rate, is chosen on the validation cases, of at most so many epochs: the rate and
    the epoch with the fewest errors there. Then it is trained again, on all training cases, until the
    training cross-entropy is what it was at that epoch   [hinton2006science, supporting text].
    """

    data: str
    network: Network
    optimiser: Annotated[ConjugateGradient | FirstOrder, *BY_KIND]
    start: Annotated[StartOfClassifier, *BY_KIND] = Pretrained()
    budget: Epochs = Epochs(100)  # of the choice, at most
    longer: Count = 2  # times as many epochs, at most, for the run to come to where its choice stopped
    batch_size: Count = 100
    rates: tuple[Positive, ...] = ()  # candidates
    stop_at: NotNegative | None = None  # nats; None: still to be chosen
    dropout: Dropout | None = None
    relative_rates: RelativeRates = RelativeRates()
    n_alone: Annotated[int, Field(ge=0)] = 0  # epochs before these in which the output layer learns alone
    precision: Precision = Precision()
    learns_from: LearnsFrom = "all"
    kind: Literal["classifying"] = "classifying"

    def __post_init__(self) -> None:
        """Refuse a rate that comes from nowhere, rates of an optimiser that has none, noise where it searches
        along lines, and an output layer that learns alone at a rate still to be chosen.

        Raises:
            ValueError: naming the fields.
        """
        check_rates(self.optimiser, self.rates)
        if not isinstance(self.optimiser, FirstOrder):
            for name, none in (("dropout", None), ("relative_rates", RelativeRates())):
                if getattr(self, name) != none:
                    raise ValueError(f"{name}: leave it out, {self.optimiser.kind} searches along lines")
        elif self.n_alone and self.rates:
            raise ValueError("n_alone: leave it out, or name the learning_rate instead of rates")


@choice
class FewLabels:
    """One way to train one classifier on a few labels: so many cases drawn by the seed, as many of each
    class; whatever is learnt without labels is learnt from all training cases.

    Rate and epoch are chosen twice: by the errors on the validation cases, whatever their labels cost; and by
    cross-validation within the few labels.
    """

    data: str
    network: Network
    n_labels: Count
    rates: Annotated[tuple[Positive, ...], Field(min_length=1)]  # candidates
    optimiser: Annotated[FirstOrder, *BY_KIND] = Adam()
    start: Annotated[Start | Autoencoders, *BY_KIND] = Pretrained()
    budget: Epochs = Epochs(30)  # at most
    shown: Count = 3000  # cases in an epoch, at least: each of fewer is shown several times
    batch_size: Count = 100
    dropout: Dropout | None = None
    n_folds: Annotated[int, Field(ge=2)] = 5
    precision: Precision = Precision()
    kind: Literal["few labels"] = "few labels"

    def __post_init__(self) -> None:
        """Refuse a rate that is not one of those to choose from.

        Raises:
            ValueError: naming the field.
        """
        if self.optimiser.learning_rate is not None:
            raise ValueError("learning_rate: leave it out, it is chosen from the rates")
        check_rates(self.optimiser, self.rates)


def check_rates(how: Optimiser, rates: tuple[float, ...]) -> None:
    """Refuse candidates of an optimiser that has no rate, one without any, and one that is named twice.

    Raises:
        ValueError: naming the field.
    """
    if len(set(rates)) < len(rates):
        raise ValueError(f"rates must differ: {rates}")
    if rates and not isinstance(how, FirstOrder):
        raise ValueError(f"rates has candidates, but {how.kind} chooses its own steps")
    if isinstance(how, FirstOrder) and not rates and how.learning_rate is None:
        raise ValueError(f"{how.kind} needs a learning_rate, or rates to choose it from")


@choice
class DrawnGradients:
    """How the variance of gradients is measured: over so many draws of the latent units of the cases in each
    of the first minibatches, whose pixels are drawn once.
    """

    n_minibatches: Count = 5
    n_draws: Annotated[int, Field(ge=2)] = 100


@choice
class DirectedModel:
    """A variational autoencoder of binary images, drawn anew in every epoch, which climbs its bound by one of
    two gradients   [kingma2014autoencoding; the network is that of burda2015importance, section 5].
    """

    data: str
    estimator: Estimator = "reparameterised"
    latent: Annotated[tuple[Count, ...], Field(min_length=1)] = (50,)  # units of stochastic layers, up
    hidden: tuple[Count, ...] = (200,)  # of both layers below each of them, and of both above
    activation: Activation = "tanh"
    optimiser: Adam = Adam(schedule="cosine")
    budget: Annotated[Epochs | Flops, *BY_KIND] = Epochs()
    tuning: Rates | None = None  # where the rate comes from
    batch_size: Count = 100
    kept: Share = KEPT  # of the score function's baseline at each update; the rest is the minibatch's bound
    n_reports: Count = 20  # of both gradients' variances
    gradients: DrawnGradients = DrawnGradients()
    n_samples: Count = 5000  # draws for each test image [burda2015importance, section 5.1]
    n_test: Count | None = None  # test images scored, the first so many; None: all
    learns_from: LearnsFrom = "all"
    kind: Literal["directed"] = "directed"

    def __post_init__(self) -> None:
        """Refuse stochastic layers without layers between, and a rate that comes from nowhere.

        Raises:
            ValueError: naming the fields.
        """
        if len(self.hidden) != len(self.latent):
            raise ValueError(f"hidden: {len(self.latent)} latent layers need as many, not {len(self.hidden)}")
        if self.tuning is None and self.optimiser.learning_rate is None:
            raise ValueError(f"{self.optimiser.kind} needs a learning_rate, or tuning to choose it")


Tuned = Autoencoding | Classifying | DirectedModel


@choice
class Tuning:
    """The choice of a run's rate, or of how long it is: every candidate from the same start, without the
    validation cases.
    """

    run: Annotated[Tuned, *BY_KIND]
    kind: Literal["tuning"] = "tuning"

    @property
    def data(self) -> str:
        """The data set."""
        return self.run.data


def tuning_of(run: Tuned) -> Tuning:
    """The choice that a run without a rate asks for; how long a run is matters to a classifier's alone."""
    if isinstance(run, Classifying):
        return Tuning(replace(run, learns_from="train"))
    assert run.tuning is not None
    return Tuning(replace(run, budget=Epochs(run.tuning.n_epochs[-1]), learns_from="train"))


def candidates_of(tuning: Tuning) -> tuple[float, ...]:
    """The rates that it chooses from; none where the optimiser has no rate."""
    run = tuning.run
    if isinstance(run, Classifying):
        return run.rates
    assert run.tuning is not None
    return run.tuning.candidates


CHOICES = {"learning_rate", "stop_at"}  # metrics of a tuning, which its run takes for fields


def with_choice(run: Tuned, metrics: Mapping[str, Any]) -> Tuned:
    """The run with what the metrics of its tuning say; of None, as if it were still to be chosen."""
    if isinstance(run, Classifying):
        run = replace(run, stop_at=metrics["stop_at"])
    tuned = run.rates if isinstance(run, Classifying) else run.tuning
    if not tuned:
        return run
    return replace(run, optimiser=replace(run.optimiser, learning_rate=metrics["learning_rate"]))


UNCHOSEN = dict.fromkeys(CHOICES)


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
class AsStarted:
    """A network as its start has it, a stack of RBMs or random weights: nothing is fine-tuned."""

    data: str
    network: Network
    start: Annotated[Start, *BY_KIND] = Pretrained()
    precision: Matmul = "highest"  # of pretraining
    kind: Literal["as started"] = "as started"


@choice
class Pixels:
    """The inputs themselves."""

    data: str
    kind: Literal["pixels"] = "pixels"


Features = Autoencoding | AsStarted | PrincipalComponents | Pixels


@choice
class Transfer:
    """Features learnt without labels from some classes, which are to tell the others apart in episodes."""

    features: Annotated[Features, *BY_KIND]
    classes: Annotated[tuple[NonNegativeInt, ...], Field(min_length=2)] = (0, 1, 2, 3, 4)  # learnt from
    few_shot: FewShot = FewShot()
    kind: Literal["transfer"] = "transfer"

    def __post_init__(self) -> None:
        """Refuse a class named twice, and a network that learns from the cases that choose the penalty, or
        whose length or rate is not known beforehand.

        Raises:
            ValueError: naming the field.
        """
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes must differ: {self.classes}")
        if not isinstance(run := self.features, Autoencoding):
            return
        if run.learns_from != "train":
            raise ValueError("features must learn from 'train': validation cases choose the penalty")
        if run.tuning or not isinstance(run.budget, Epochs):
            raise ValueError("features need a budget of epochs, and no tuning")

    @property
    def data(self) -> str:
        """The data set."""
        return self.features.data


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


@choice
class Small:
    """Square images made small: without a margin of so many pixels all around, cut into side x side squares,
    of which each becomes a pixel: 1 if its mean is above the threshold.
    """

    side: Count = 4
    margin: NonNegativeInt = 4
    threshold: Share = 0.3


@choice
class Tied:
    """The first RBM turned over, transposed weights and all: together they are the first alone."""

    kind: Literal["tied"] = "tied"


Gradient = Literal["exact", "contrastive"]  # of the bound; or CD-1 from q(h | v) of a minibatch


@choice
class Bound:
    """A second RBM that is put on a trained one and learns by plain gradient ascent; what that does to the
    variational bound is computed exactly, in float64, by enumerating the states between them.
    """

    data: str
    widths: tuple[Annotated[int, Field(ge=1, le=12)], Count] = (10, 16)  # hidden units of both
    start: Annotated[Tied | Gaussian, *BY_KIND] = Tied()  # of the second
    gradient: Gradient = "exact"
    learning_rate: Positive = 0.04  # of the second
    n_updates: Count = 2000
    n_reports: Count = 50  # scores in the curves; the bound itself is computed after every update
    images: Small = Small()
    contrastive: Contrastive = Contrastive()  # how the first is trained
    n_epochs: Count = 5  # of the first
    batch_size: Count = 100
    kind: Literal["bound"] = "bound"

    def __post_init__(self) -> None:
        """Refuse a second RBM that starts as the first turned over and is not as wide as the images, and
        reports between updates.

        Raises:
            ValueError: naming the field.
        """
        n_visible = self.images.side**2
        if isinstance(self.start, Tied) and self.widths[1] != n_visible:
            raise ValueError(f"widths: a tied start needs {n_visible} units on top, not {self.widths[1]}")
        if self.n_updates % self.n_reports:
            raise ValueError(f"n_reports: {self.n_reports} does not divide {self.n_updates} updates")


@choice
class Mixture:
    """A mixture of products of independent pixels, by expectation maximisation."""

    n_components: Count = 500
    pseudo_count: Positive = 1.0  # see `mixture_trainer`
    n_epochs: Count = 100
    batch_size: Count = 1000  # cases that are counted at a time; moves nothing but rounding and the tail
    kind: Literal["mixture"] = "mixture"


@choice
class Belief:
    """A deep belief network, RBM upon RBM; of one layer it is an RBM. Visible biases start at the log odds of
    the pixels, all others at 0   [hinton2012guide, section 8].
    """

    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (500,)
    pretraining: Pretraining = Pretraining(
        n_epochs=100,
        seen="states",
        contrastive=Contrastive(learning_rate=0.05, rate_falls=True, mean_field=False),
    )
    scale: Positive = 0.01  # standard deviation of the weights that it starts from
    annealing: Annealing = Annealing()  # of the uppermost RBM
    n_prototypes: Count = 100  # from which it begins, if not at the base rate
    n_samples: Count = 100  # importance weights for each case, where there are several layers
    n_steps: Count = 1000  # Gibbs steps of the chains whose states are shown, from where annealing ended
    kind: Literal["belief"] = "belief"


@choice
class Boltzmann:
    """A deep Boltzmann machine   [salakhutdinov2009deep]."""

    widths: Annotated[tuple[Count, ...], Field(min_length=2)] = (500, 1000)
    learning: DeepBoltzmann = DeepBoltzmann()
    annealing: Annealing = Annealing()
    n_prototypes: Count = 100  # from which it begins, if not at the base rate
    n_steps: Count = 1000  # Gibbs steps of the chains whose states are shown, from where annealing ended
    n_mean_field: Count = 50  # updates of the means of each case that is scored
    kind: Literal["boltzmann"] = "boltzmann"

    def __post_init__(self) -> None:
        """Refuse pretraining of other layers.

        Raises:
            ValueError: naming the field.
        """
        start = self.learning.start
        if isinstance(start, DoubledPretraining) and len(start.n_epochs) != len(self.widths):
            raise ValueError(f"n_epochs must be as many as widths, {len(self.widths)}: {start.n_epochs}")


@choice
class Inferring:
    """A variational autoencoder   [kingma2014autoencoding]; units of its stochastic layers, that next to the
    pixels first, and of the two deterministic ones below each of them   [burda2015importance, section 5].
    """

    latent: Annotated[tuple[Count, ...], Field(min_length=1)] = (50,)
    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (200,)
    estimator: Estimator = "reparameterised"
    optimiser: Adam = Adam(1e-3, eps=1e-4, schedule="cosine")  # the paper's but for the schedule
    n_epochs: Count = 1000
    batch_size: Count = 100
    n_samples: Count = 5000  # importance weights for each case that is scored
    kind: Literal["variational"] = "variational"

    def __post_init__(self) -> None:
        """Refuse stochastic layers without networks between, and a rate that comes from nowhere.

        Raises:
            ValueError: naming the field.
        """
        if len(self.hidden) != len(self.latent):
            raise ValueError(f"hidden must be as many as latent, {len(self.latent)}: {self.hidden}")
        check_rates(self.optimiser, ())


@choice
class Energetic:
    """A deep energy-based model: the energy is a perceptron with so many hidden units in each layer."""

    hidden: Annotated[tuple[Count, ...], Field(min_length=1)] = (500, 500)
    activation: Literal["gelu", "tanh", "logistic"] = "gelu"  # smooth: chains follow slopes
    langevin: Langevin = Langevin()
    optimiser: Adam = Adam(1e-3, schedule="cosine")
    n_epochs: Count = 50
    batch_size: Count = 100
    annealing: Annealing = Annealing(n_steps=(1000, 8000, 21_000))
    n_prototypes: Count = 100  # from which it begins, if not at the base rate
    n_steps: Count = 1000  # proposals to the chains whose states are shown, from where annealing ended
    kind: Literal["energy"] = "energy"

    def __post_init__(self) -> None:
        """Refuse a rate that comes from nowhere.

        Raises:
            ValueError: naming the field.
        """
        check_rates(self.optimiser, ())


@choice
class Generating:
    """A generator that has learnt from a discriminator, and of its images a noise that turns each pixel over
    with this probability: without it they have no log p   [goodfellow2014generative; wu2017quantitative].
    """

    latent: Count = 50
    hidden: Count = 200  # units of both layers of both networks
    dropout: Dropout | None = Dropout()  # in the discriminator
    noise: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    optimiser: Adam = Adam(2e-4, b1=0.5)
    n_epochs: Count = 100
    batch_size: Count = 100
    decoding: Decoding = Decoding()
    n_decoded: Count = 1000  # cases of those scored: annealing is of each case
    kind: Literal["adversarial"] = "adversarial"

    def __post_init__(self) -> None:
        """Refuse a rate that comes from nowhere.

        Raises:
            ValueError: naming the field.
        """
        check_rates(self.optimiser, ())


Model = Mixture | Belief | Boltzmann | Inferring | Energetic | Generating


@choice
class Goal:
    """Where training may end: at the first look at which the model is worth so many nats."""

    nats: float = -88.0
    every: Count = 5  # epochs
    n_cases: Count = 1000  # of the validation cases, the first so many
    annealing: Annealing = Annealing(n_steps=(100, 800, 2100))  # of models that have a log Z
    n_samples: Count = 500  # importance weights for each case, of those that do not


@choice
class Density:
    """A model of binary images, trained on all training cases without their labels, and what it makes of the
    test cases: log p in nats. Pixels are drawn anew in every epoch, each with its value as the probability;
    those of the cases that are scored are drawn once, for all models the same.
    """

    data: str
    model: Annotated[Model, *BY_KIND]
    n_scored: Count = 10_000  # test cases, and as many training cases: the first, or as many as there are
    goal: Goal | None = None  # then it learns without the validation cases
    kind: Literal["density"] = "density"

    def __post_init__(self) -> None:
        """Refuse a goal of a model that has no epochs of its own, or whose log p takes long.

        Raises:
            ValueError: naming the field.
        """
        if self.goal and not isinstance(self.model, Boltzmann | Inferring):
            raise ValueError(f"goal: leave it out, {self.model.kind} is not looked at while it learns")


def lengths(model: Model) -> tuple[int, int]:
    """For how many epochs a model learns as a whole, 0 if it learns layer by layer alone, and before for how
    many its lowest layer does, 0 if none does.
    """
    match model:
        case Belief():
            return 0, model.pretraining.n_epochs
        case Boltzmann():
            start = model.learning.start
            layers = start.n_epochs if isinstance(start, DoubledPretraining) else (0,)
            return model.learning.joint.n_epochs, layers[0]
    return model.n_epochs, 0


def with_epochs(model: Model, n: int | None, n_pretraining: int | None) -> Any:
    """The model learning for so many epochs as a whole, and so many layer by layer, where these are given."""
    match model:
        case Belief():
            schedule = model.pretraining
            return replace(model, pretraining=replace(schedule, n_epochs=n_pretraining or schedule.n_epochs))
        case Boltzmann():
            start, joint = model.learning.start, model.learning.joint
            if n_pretraining and isinstance(start, DoubledPretraining):
                start = replace(start, n_epochs=(n_pretraining,) * len(start.n_epochs))
            joint = replace(joint, n_epochs=n or joint.n_epochs)
            return replace(model, learning=replace(model.learning, start=start, joint=joint))
    return replace(model, n_epochs=n or model.n_epochs)


@choice
class SmallMachine:
    """A deep Boltzmann machine of which all states of the first hidden layer can be gone through; the second
    is twice as wide.
    """

    width: Annotated[int, Field(ge=1, le=16)]  # of the first
    start: Unpretrained = Unpretrained(0.01)
    joint: JointLearning = JointLearning(20, learning_rate=0.01, rate_falls=0.0)
    kind: Literal["deep boltzmann"] = "deep boltzmann"

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the hidden layers."""
        return self.width, 2 * self.width


@choice
class SmallVariational:
    """A variational autoencoder with two latent units, which can be integrated over, and a hidden layer on
    each side; by Adam.
    """

    width: Count  # of the hidden layers
    n_epochs: Count = 20
    learning_rate: Positive = 0.001
    batch_size: Count = 100
    kind: Literal["variational"] = "variational"

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the hidden and the latent layer."""
        return self.width, 2


@choice
class GradientError:
    """How far estimates of the gradient of log p of one minibatch are from that gradient, when a model has
    learnt for a while: both in float64, the gradient by a sum over all states, or an integral.
    """

    data: str
    model: Annotated[SmallMachine | SmallVariational, *BY_KIND]
    n_estimates: Annotated[int, Field(ge=2)] = 400
    images: Small = Small()
    kind: Literal["gradient error"] = "gradient error"


@choice
class MachineSettings:
    """What a setting of a convolutional machine is drawn from; all its layers have the same."""

    learning_rate: Logarithmically
    sparsity: Logarithmically
    weight_decay: Logarithmically
    momentum: Evenly
    n_epochs: Logarithmically

    def __post_init__(self) -> None:
        """Refuse values that no machine may have.

        Raises:
            ValueError: naming the field.
        """
        check_below_one(self, "sparsity", "momentum")


@choice
class RandomFilters:
    """Convolutional machines that have not learnt: filters are random, but each so scaled that what its units
    receive of images has the standard deviation `gain`, and its bias such that this is `threshold` of them
    below 0 on average.
    """

    layers: Annotated[tuple[ConvolutionalLayer, ...], Field(min_length=1)] = (
        ConvolutionalLayer(),
        ConvolutionalLayer(side=6),
    )
    gain: Positive = 4.0
    threshold: float = 2.0
    n_cases: Count = 1000  # of the images that this is measured on
    kind: Literal["random filters"] = "random filters"


@choice
class OneRBM:
    """The hidden units of a restricted Boltzmann machine without convolutions."""

    n_hidden: Count = 2600  # as many as two layers of the default machine have pooling units
    start: Pretrained = Pretrained()
    kind: Literal["rbm"] = "rbm"


@choice
class Convolution:
    """Features learnt from all training images without their labels, and what linear support vector machines
    make of them.
    """

    data: str
    features: Annotated[ConvolutionalPretraining | RandomFilters | OneRBM, *BY_KIND] = (
        ConvolutionalPretraining()
    )
    drawn: MachineSettings | None = None  # every seed learns in a setting of its own; None: in the features'
    judged: SupportVectors | None = SupportVectors()  # None: not at all
    precision: Matmul = "highest"  # of learning
    kind: Literal["convolution"] = "convolution"

    def __post_init__(self) -> None:
        """Refuse settings drawn for what has none.

        Raises:
            ValueError: naming the field.
        """
        if self.drawn and not isinstance(self.features, ConvolutionalPretraining):
            raise ValueError(f"drawn: leave it out, {self.features.kind} features have no such settings")


@choice
class NetworkSettings:
    """What a setting of a convolutional network is drawn from."""

    learning_rate: Logarithmically
    weight_decay: Logarithmically
    momentum: Evenly
    dropout: Evenly
    n_epochs: Logarithmically

    def __post_init__(self) -> None:
        """Refuse values that no network may have.

        Raises:
            ValueError: naming the field.
        """
        check_below_one(self, "momentum", "dropout")


@choice
class PooledFilters:
    """One layer of a convolutional network."""

    n_bases: Count = 40
    side: Count = 12  # of its filters, which are square
    block: Count = 2  # side of the blocks of which the largest output counts


@choice
class ConvolutionalNetworks:
    """Convolutional networks, one for each number of labels, which every seed trains in a setting of its own.
    With all training cases an epoch shows each once; with fewer it shows so many cases, each of them several
    times.
    """

    data: str
    drawn: NetworkSettings
    layers: Annotated[tuple[PooledFilters, ...], Field(min_length=1)] = (
        PooledFilters(),
        PooledFilters(side=6),
    )
    n_labels: Annotated[tuple[Count, ...], Field(min_length=1)] = SupportVectors().n_labels
    all_labels: bool = SupportVectors().all_labels
    shown: Count = 10_000
    batch_size: Count = 100
    precision: Matmul = "highest"  # of learning
    kind: Literal["convolutional networks"] = "convolutional networks"

    def __post_init__(self) -> None:
        """Refuse numbers of labels that do not rise, and an epoch that does not show every label.

        Raises:
            ValueError: naming the field.
        """
        check_rising(self, "n_labels")
        if self.shown < max(self.n_labels):
            raise ValueError(
                f"shown: {self.shown} cases in an epoch are fewer than {max(self.n_labels)} labels"
            )

    @property
    def blocks(self) -> tuple[int, ...]:
        """Sides of the blocks of every layer."""
        return tuple(layer.block for layer in self.layers)


Learning = Autoencoding | Classifying | FewLabels  # by a network
Deterministic = PrincipalComponents | SemanticAnalysis | LocallyLinear
Config = (
    Learning
    | Tuning
    | Deterministic
    | Transfer
    | ByHand
    | Bound
    | Density
    | DirectedModel
    | GradientError
    | Convolution
    | ConvolutionalNetworks
)
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
    return isinstance(config, Deterministic)
