"""Which program carries out which kind of run."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Array, Key

from repro.data.dataset import Dataset
from repro.runs.autoencoding import autoencode
from repro.runs.bound import add_layer
from repro.runs.by_hand import train_by_hand
from repro.runs.classifying import choose_stop, classify
from repro.runs.config import (
    Autoencoding,
    Bound,
    ByHand,
    Classifying,
    Convolution,
    ConvolutionalNetworks,
    Density,
    DirectedModel,
    FewLabels,
    GradientError,
    LocallyLinear,
    PrincipalComponents,
    SemanticAnalysis,
    Transfer,
    Tuning,
)
from repro.runs.convolving import convolve, train_networks
from repro.runs.density import learn_density
from repro.runs.directed import choose_rate_of_bound, climb
from repro.runs.embedding import run_lle
from repro.runs.few_labels import learn_from_few
from repro.runs.gradient_error import estimate_gradients
from repro.runs.linear import run_lsa, run_pca
from repro.runs.outcome import Outcome
from repro.runs.transfer import transfer
from repro.runs.tuning import choose_rate
from repro.training.fit import UNWATCHED, Monitor


def choose(config: Tuning, data: Dataset, keys: Key[Array, 1], monitor: Monitor = UNWATCHED) -> Outcome:
    """What a run leaves to be chosen on the validation cases."""
    of_kind = {Classifying: choose_stop, Autoencoding: choose_rate, DirectedModel: choose_rate_of_bound}
    return of_kind[type(config.run)](config, data, keys, monitor)


PROGRAMS: dict[type, Callable[..., Outcome]] = {
    Autoencoding: autoencode,
    PrincipalComponents: run_pca,
    SemanticAnalysis: run_lsa,
    LocallyLinear: run_lle,
    Classifying: classify,
    FewLabels: learn_from_few,
    Tuning: choose,
    Transfer: transfer,
    ByHand: train_by_hand,
    Bound: add_layer,
    Density: learn_density,
    DirectedModel: climb,
    GradientError: estimate_gradients,
    Convolution: convolve,
    ConvolutionalNetworks: train_networks,
}
