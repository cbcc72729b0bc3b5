"""Does the reparameterisation trick let backprop train a stochastic system?

Claim       A variational autoencoder learns by backprop through the draw of its latent units, written as a
            function of parameters and noise [kingma2014autoencoding, section 2.4]: its gradient is far less
            noisy than that of the score function, which needs no such function [williams1992simple;
            mnih2014neural], and at equal cost the model becomes better (claim C7).
Budget      Both have the same number of operations in all, the choice of the rate counted in, from the same
            start, with the same order of the images; a gradient by the score function costs 1 % less, which
            makes as many more updates.
Deviations  86. The network, with one stochastic layer, and the binary images are burda2015importance's,
                section 5; but minibatches are of 100, not 20, and the rate falls as a cosine to 0, where they
                had 3,280 epochs at a rate that fell in eight steps.
            87. The score function has one baseline, the running mean of the bound. One that depends on the
                image, and a scale that is learnt, would lower its variance [mnih2014neural, section 2.3].
            88. Where variances are measured the baseline is the mean bound, at that moment, of the cases
                that they are measured on: no running mean is nearer.
Tuning      Adam's rate, one of three for both, by the bound of the validation images after 150 epochs with
            seed 0; a record of its own, whose operations count. The three of the score function lie lower: of
            those of the other it took the lowest. After 20 and after 100 epochs, as was tried first, the rate
            of the reparameterised one was .003: what wins early loses later.
Run         repro run reparameterise --profile paper
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine
from repro.runs.config import DirectedModel, DrawnGradients, Epochs, Flops, Rates
from repro.runs.experiment import Experiment
from repro.training.optimisers import Adam

OURS, THEIRS = "reparameterised", "score-function"
RATES = Rates((3e-4, 1e-3, 3e-3), n_epochs=(150,))
LOWER = replace(RATES, candidates=(1e-4, 3e-4, 1e-3))
BUDGET = Flops(2e14)
ADAM = Adam(eps=1e-4, schedule="cosine")
VARIANTS = {
    OURS: DirectedModel("mnist", "reparameterised", optimiser=ADAM, budget=BUDGET, tuning=RATES),
    THEIRS: DirectedModel("mnist", "score function", optimiser=ADAM, budget=BUDGET, tuning=LOWER),
}
GOOD = -88.0  # nats
RATIO, NEAR = 10.0, 1.0  # of variances; nats


def quick(config):
    """A few epochs at a rate that is given, on the 5,000 embedded digits; 100 of them scored."""
    return replace(
        config,
        optimiser=replace(ADAM, learning_rate=3e-3),
        budget=Epochs(4),
        tuning=None,
        n_reports=2,
        gradients=DrawnGradients(n_minibatches=1, n_draws=20),
        n_samples=50,
        n_test=100,
    )


# of the quick profile: nats where those of seeds 0 to 7 came out with room; the variances' ratios differ much
EXPECTED = {
    OURS: {"test_log_probability": (-195, -160), "variance_ratio": (5, 5e3)},
    THEIRS: {"test_log_probability": (-260, -165), "variance_ratio": (5, 1e4)},
}

EXPERIMENT = Experiment(
    name="reparameterise",
    claim="The reparameterisation trick lets backprop train a stochastic system",
    artefact="kingma2014autoencoding, and claim C7",
    variants=VARIANTS,
    quick=quick,
    expected={
        (variant, metric): limits for variant, each in EXPECTED.items() for metric, limits in each.items()
    },
    scores=("test_log_probability", "variance_ratio"),
    figures=("fig_reparameterise",),
    claims=("C7",),
)


def log_probability(evidence: Evidence, variant: str) -> Measured:
    """Of the test images, in nats, of each seed."""
    return evidence.score("reparameterise", variant, "test_log_probability")


def backprop_trains(evidence: Evidence) -> Iterator[Condition]:
    """C7, upheld."""
    ratio = evidence.score("reparameterise", OURS, "variance_ratio")._replace(how="ratio")
    yield Condition("variance of the score function's gradient over the reparameterised", ratio, low=RATIO)
    text = "log p of test images in nats, reparameterised"
    yield Condition(text, log_probability(evidence, OURS), low=GOOD)


def score_function_suffices(evidence: Evidence) -> Iterator[Condition]:
    """C7, refuted."""
    behind = combine(np.subtract, *(log_probability(evidence, variant) for variant in (OURS, THEIRS)))
    text = "nats by which the score function stays behind"
    yield Condition(text, behind, high=NEAR)


CLAIMS = (
    Claim(
        key="C7",
        statement="The reparameterisation trick lets backprop train a stochastic system",
        upheld_if=f"the gradient by the score function with a baseline has ≥ {RATIO:g} times the variance "
        "of the reparameterised one, at equal operations, in the geometric mean along its training, and "
        f"the model that it trains gives binarised MNIST test images ≥ {GOOD:g} nats on average, by the "
        "importance-weighted estimate",
        refuted_if=f"with as many operations in all the score function comes within {NEAR:g} nat of it",
        upholding=backprop_trains,
        refuting=score_function_suffices,
    ),
)
