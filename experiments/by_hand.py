"""Backprop of a convolutional network, coded by hand: "I ask people to code backpropagation for convolutional
neural networks".

Claim       Backprop of a convolutional network, coded by hand in plain NumPy (repro/models/by_hand.py), is
            that of automatic differentiation: of convolution, rectifier, pooling, full connection and
            softmax [lecun1998gradient, section II], of the whole network, and in where training leads
Deviations  70. The network is no published one: convolutions of 8 and of 16 filters of 5 x 5, each with
                rectifier and 2 x 2 pooling, and one full connection.
            71. Both networks compute in float64, so that what differs between them is rounding alone.
            72. Scored on test after every epoch; test chooses nothing.
Tuning      No claim rests on it. Before any record was made, the errors of 10,000 validation digits after
            training on the other 50,000 chose batches of 50 over 100, the rate of .05 over .01 and .1, and
            to let it fall to 0.
Run         repro run by_hand --profile paper
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from repro.report.verdicts import Claim, Condition, Evidence, Measured
from repro.runs.config import ByHand, Epochs
from repro.runs.experiment import Experiment

EXACT = 1e-6  # relative error, in float64
VARIANTS = {"mnist": ByHand("mnist")}


def quick(config):
    """Half as many filters, on the 5,000 embedded digits."""
    return replace(config, channels=(4, 8), budget=Epochs(3), n_checked=3)


# of the quick profile: relative errors at which only rounding is left, and the per cent of test digits wrong
# where they come out with seeds 0 to 9, with room
EXPECTED = {
    "relative_error_largest": (0, 1e-12),
    "relative_difference": (0, 1e-9),
    "test_error_percent": (2.0, 9.0),
    "test_error_percent_jax": (2.0, 9.0),
}


EXPERIMENT = Experiment(
    name="by_hand",
    claim="Backprop of a convolutional network, coded by hand, is that of automatic differentiation",
    artefact="claim C14",
    variants=VARIANTS,
    quick=quick,
    expected={("mnist", metric): limits for metric, limits in EXPECTED.items()},
    scores=("test_error_percent", "test_error_percent_jax"),
    figures=("fig_by_hand",),
    claims=("C14",),
)


def error(evidence: Evidence) -> Measured:
    """The largest relative error of a layer or of the network, of any seed."""
    return evidence.score("by_hand", "mnist", "relative_error_largest")._replace(how="most")


TEXT = "largest relative error of a layer or of the network, of all seeds"


def exact(evidence: Evidence) -> Iterator[Condition]:
    """C14, upheld."""
    yield Condition(TEXT, error(evidence), high=EXACT)


def wrong(evidence: Evidence) -> Iterator[Condition]:
    """C14, refuted."""
    yield Condition(TEXT, error(evidence), low=EXACT)


CLAIMS = (
    Claim(
        key="C14",
        statement="Code backprop for convolutional nets yourself once",
        upheld_if="the gradients of a convolutional network coded by hand, those of every layer and of the "
        f"whole, differ from those of automatic differentiation by a relative error ≤ {EXACT:g} in float64, "
        "on real minibatches",
        refuted_if="one differs by more",
        upholding=exact,
        refuting=wrong,
    ),
)
