"""How one autoencoder is trained, as a choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from repro.models.autoencoder import Activation
from repro.runs.outcome import Fold
from repro.training.greedy import Pretraining

Start = Literal["pretrained", "gaussian", "fan-in", "glorot", "sparse", "he"]
Optimiser = Literal["cg", "sgd", "momentum", "nag", "adam", "lbfgs", "hf", "kfac", "muon"]


@dataclass(frozen=True)
class Arm:
    """One way to train one autoencoder; defaults are those of the 2006 program [hinton2006code]."""

    widths: tuple[int, ...] = (1000, 500, 250, 30)  # hidden layers of the encoder, the code last
    start: Start = "pretrained"
    start_scale: float = 0.1  # standard deviation of the weights of untrained RBMs
    start_factor: float = 1.0  # what the weights of the other random starts are multiplied by
    activation: Activation = "logistic"
    pretraining: Pretraining = field(default_factory=Pretraining)
    optimiser: Optimiser = "cg"
    momentum: float = 0.9  # of "momentum"; of "nag" where it stops growing
    schedule: Literal["constant", "cosine"] = "constant"  # of the learning rate
    l2: float = 0.0  # half of it times the squared weights is added to the loss
    learning_rate: float | None = None  # None: to be chosen from `rates`, or the optimiser has none
    rates: tuple[float, ...] = ()  # candidates, compared on the validation cases
    rate_epochs: int = 0  # fine-tuning epochs given to each candidate
    n_epochs: int = 200  # of fine-tuning
    batch_size: int | None = 1000  # of fine-tuning; None: all training cases
    n_reports: int | None = None  # scores during fine-tuning; None: one after every epoch
    fold: Fold = "final"
