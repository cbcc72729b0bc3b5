"""What could be trained in 2005? Its optimisers and its starts on the deep network of curves.

Claim       Very deep autoencoders could not be trained with the optimisation of the time: without pretraining
            they stay at the mean image [hinton2006science, p. 506 and fig. S1]. It was compute alone that
            changed this.
Deviations  33. Which starts and which settings of stochastic gradients were tried in 2005 is not known. Here
                are N(0, .1^2) and N(0, .01^2), with 1/sqrt(fan-in) [lecun1998efficient], published and
                little used; and two that came later, for comparison, with the optimisers of the time.
            34. Every learning rate of the grid is trained to the end; the best of them counts, by its error
                on test, which favours the arms without pretraining.
            35. "gaussian-momentum-long" has the flops of a thousand pretrained networks at full length; the
                record says how far it came.
Tuning      None: the whole grid is the result.
Run         repro run untrainable --profile paper
            repro run untrainable --profile paper --epochs 12200   (claim C1b: ten times the flops of 2006)
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from repro.runs.config import Autoencoding, Epochs, FanIn, Gaussian, Glorot, Network, Sparse, Start
from repro.runs.experiment import Experiment
from repro.training.optimisers import LBFGS, SGD

OF_2005: dict[str, Start] = {"gaussian": Gaussian(), "gaussian.01": Gaussian(0.01), "fan-in": FanIn()}
LATER: dict[str, Start] = {"glorot": Glorot(), "sparse": Sparse()}
RATES = (0.05, 0.01, 0.005, 0.001, 0.0005, 0.0001)  # [sutskever2013importance, section 3]
EVERY = Autoencoding(
    data="curves", network=Network((400, 200, 100, 50, 25, 6)), budget=Epochs(500), n_reports=100
)
DESCENTS = {
    **{
        f"{name}-{rate:g}": replace(EVERY, optimiser=SGD(rate, momentum), batch_size=200)
        for (name, momentum), rate in product({"sgd": 0.0, "momentum": 0.9}.items(), RATES)
    },
    "cg": EVERY,
    "lbfgs": replace(EVERY, optimiser=LBFGS(), batch_size=None),
}
VARIANTS = {
    f"{name}-{descent}": replace(config, start=start)
    for (name, start), (descent, config) in product({**OF_2005, **LATER}.items(), DESCENTS.items())
}
LONG = "gaussian-momentum-long"
VARIANTS[LONG] = replace(VARIANTS["gaussian-momentum-0.01"], budget=Epochs(7500), n_reports=1000)
QUICK = [VARIANTS["gaussian-momentum-0.01"], VARIANTS["gaussian-cg"]]


def quick(config):
    """Two of the arms on 2,500 curves, with a few epochs."""
    return replace(config, budget=Epochs(5), n_reports=None, batch_size=250) if config in QUICK else None


# test squared errors of the quick profile, as in experiments/mnist.py
EXPECTED = {"gaussian-cg": (15.9, 16.4), "gaussian-momentum-0.01": (15.9, 16.4)}  # still the mean image


EXPERIMENT = Experiment(
    name="untrainable",
    claim="Very deep autoencoders could not be trained with the optimisation of 2005",
    artefact="hinton2006science, p. 506 and Fig. S1",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_squared_error"): limits for variant, limits in EXPECTED.items()},
    figures=("fig_starts",),
    claims=("C1", "C1b", "C13"),
)
