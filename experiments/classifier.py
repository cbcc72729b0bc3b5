"""Digits told apart by 784-500-500-2000-10: does a classifier need a pretrained start?

Claim       A classifier of permutation-invariant digits pretrained layer by layer errs on 1.2 % of the test
            digits, from random weights on 1.6 % at best [hinton2006science, p. 506]; with today's units
            and optimisers random weights do as well (claim C2b).
Deviations  50. Steepest descent is what a summary of the supporting text says of it: momentum .9, biases at a
                tenth of the weights' rate, the output layer at five times the rate. Minibatches have 100
                digits; the summary does not say how many. The rate is chosen, as every arm's is.
            51. What is learnt without labels is learnt from all 60,000 training digits, also before the
                choice on the validation digits, as in 2006.
            52. Conjugate gradients: the output layer learns alone for 5 epochs, as in the authors' program,
                then all layers for at most 60 epochs, chosen like the others' number.
            53. The modern arm has He's start, rectified linear units, dropout of .2 and .5 and Adam; no limit
                on the norm of the weights, as srivastava2014dropout has; hidden layers as in 2006.
            54. Whether the training cross-entropy has come down to that at the best epoch is asked after
                every epoch.
Tuning      Every arm alike, with seed 0 for all seeds: five rates, each trained on 50,000 digits for as many
            epochs as the run has at most; rate and epoch with the fewest errors on the 10,000 validation
            digits; trained again on 60,000 to the same training cross-entropy. A record of its own.
Run         repro run classifier --profile paper
"""

from __future__ import annotations

from dataclasses import replace

from repro.models.perceptron import Dropout
from repro.runs.config import Classifying, Epochs, Gaussian, Glorot, He, Network, RelativeRates
from repro.runs.experiment import Experiment, shorter
from repro.training.optimisers import SGD, Adam, ConjugateGradient

WIDTHS = (500, 500, 2000)
STARTS = {"gaussian": Gaussian(), "glorot": Glorot()}
EVERY = Classifying(
    data="mnist", network=Network(WIDTHS), optimiser=Adam(), rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
)
DESCENTS = {
    "sd": replace(
        EVERY,
        optimiser=SGD(momentum=0.9),
        rates=(0.003, 0.01, 0.03, 0.1, 0.3),
        relative_rates=RelativeRates(biases=0.1, output=5.0),
    ),
    "cg": replace(
        EVERY, optimiser=ConjugateGradient(), rates=(), batch_size=1000, n_alone=5, budget=Epochs(60)
    ),
    "adam": EVERY,
}
MODERN = replace(EVERY, network=Network(WIDTHS, "relu"), start=He(), dropout=Dropout())
VARIANTS = {
    **{f"pretrained-{name}": config for name, config in DESCENTS.items()},
    **{
        f"{start}-{name}": replace(config, start=how)
        for start, how in STARTS.items()
        for name, config in DESCENTS.items()
    },
    "relu-dropout-adam": MODERN,
}
QUICK = ("pretrained-sd", "glorot-adam", "relu-dropout-adam")


def quick(config):
    """Three of the arms on the 5,000 embedded digits, with narrower layers, two rates and a few epochs."""
    if config not in [VARIANTS[variant] for variant in QUICK]:
        return None
    narrow = replace(config.network, widths=(100, 100))
    config = replace(config, network=narrow, rates=config.rates[2:4], budget=Epochs(8))
    return shorter(config, pretraining=6)


# test errors of the quick profile in per cent, as in experiments/mnist.py
EXPECTED = {
    "pretrained-sd": (0.0, 100.0),
    "glorot-adam": (0.0, 100.0),
    "relu-dropout-adam": (0.0, 100.0),
}


EXPERIMENT = Experiment(
    name="classifier",
    claim="A classifier of digits trains as well from random weights as from a pretrained stack",
    artefact="hinton2006science, p. 506, and claim C2b",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_error_percent"): limits for variant, limits in EXPECTED.items()},
    scores=("train_error_percent", "test_error_percent"),
    figures=("fig_classifier",),
    claims=("C2b",),
)
