"""Few labelled cases of new classes: do features that were learnt without labels from other classes transfer?

Claim       None of the papers: the question of "one-shot or transfer learning". Features learnt from the
            digits 0 to 4 are to tell the digits 5 to 9 apart by 1, 5 or 20 labelled cases of each. They
            transfer if the error from them is below that from pixels, in the same episodes; pretraining
            helps if that of a pretrained stack, or of one that was fine-tuned, is below that of the same
            network trained directly; learning helps if it is below that of random weights.
Deviations  60. The network and the recipe of pretraining are those of experiments/mnist.py, with its
                deviations; they learn from the digits 0 to 4 among 50,000, and not among the other 10,000.
            61. Which digits are learnt from is known, but no label is used in learning features. The penalty
                of logistic regression is chosen with labels, of the digits 0 to 4 among 10,000 validation
                digits, in episodes of their own: for every arm, number of shots and seed, from one grid;
                features are scaled by one number, so that the grid means the same for all.
            62. Arms are not given as many operations; the records say what each took.
Tuning      None of features: Adam's rate is that of experiments/code_size.py, and not tuned here.
Run         repro run transfer --profile paper
"""

from __future__ import annotations

from dataclasses import replace

from repro.runs.config import (
    AsStarted,
    Autoencoding,
    Epochs,
    Glorot,
    Network,
    Pixels,
    PrincipalComponents,
    Transfer,
)
from repro.runs.experiment import Experiment, shorter
from repro.training.optimisers import Adam

NETWORK = Network((1000, 500, 250, 30))
ADAM = Autoencoding(
    data="mnist",
    network=NETWORK,
    optimiser=Adam(1e-3),
    batch_size=100,
    budget=Epochs(50),
    learns_from="train",
)
FEATURES = {
    "pretrained": AsStarted("mnist", NETWORK),
    "pretrained-adam": ADAM,
    "glorot-adam": replace(ADAM, start=Glorot()),
    "glorot": AsStarted("mnist", NETWORK, Glorot()),
    "pca": PrincipalComponents("mnist", 30),
    "pixels": Pixels("mnist"),
}
VARIANTS = {name: Transfer(features) for name, features in FEATURES.items()}


def quick(config):
    """On the embedded digits, in few episodes; networks of two layers, with a few epochs."""
    few, features = replace(config.few_shot, n_episodes=30, n_to_choose=5), config.features
    config = replace(config, few_shot=few)
    if not isinstance(features, AsStarted | Autoencoding):
        return config
    features = shorter(replace(features, network=Network((250, 30))), pretraining=6)
    if isinstance(features, Autoencoding):
        features = replace(features, budget=Epochs(6), n_reports=1)
    return replace(config, features=features)


# per cent of errors in the quick profile, where those of eight seeds came out with room: by the mean of 20
# and by logistic regression from 5 of each class
EXPECTED = {
    "pretrained": ((22, 48), (22, 56)),
    "pretrained-adam": ((25, 33), (25, 45)),
    "glorot-adam": ((57, 74), (30, 55)),  # hardly off the mean image
    "glorot": ((16, 44), (24, 52)),
    "pca": ((16, 24), (21, 34)),
    "pixels": ((13.5, 20.5), (21.5, 29.5)),
}
SCORES = ("error_percent_mean_20_shot", "error_percent_logistic_5_shot")

EXPERIMENT = Experiment(
    name="transfer",
    claim="Features learnt without labels from some classes tell others apart by a few labelled cases",
    artefact="one-shot and transfer learning",
    variants=VARIANTS,
    quick=quick,
    expected={
        (variant, score): limits
        for variant, both in EXPECTED.items()
        for score, limits in zip(SCORES, both, strict=True)
    },
    scores=SCORES,
    figures=("fig_transfer",),
)
