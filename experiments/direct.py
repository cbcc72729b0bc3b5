"""Direct training at its best: the optimisers of two decades on the networks that pretraining was for.

Claim       Once the start and the optimiser are right, the deep autoencoders of 2006 train from random
            weights as well as from pretrained ones: Hessian-free [martens2010hf, table 1], Nesterov momentum
            with a sparse start [sutskever2013importance, table 1], K-FAC [martens2015kfac]
Deviations  22. One momentum limit for each data set, the best of the paper's; its other limits are not run.
            23. Training is as long as the column "updates" says; the paper's 750,000 are the full length.
            24. Hessian-free measures gradients on all cases and curvature on a quarter of them, drawn anew,
                and has no preconditioner.
            25. K-FAC: the block-diagonal version with minibatches of 1000, not growing ones; inverses
                are renewed every 5 updates, the published 20 being for slower machines; their damping is
                the root of that of the quadratic, where the paper adapts it by itself; every case of a
                minibatch gives statistics; no averaging of the weights.
            26. The random starts but "gaussian" draw encoder and decoder independently.
            27. "he" networks have rectified linear hidden units (with Muon: GELU) and a learning rate that
                falls to 0 along a cosine; all others have the logistic units of 2006.
            28. Faces: the scale of 2013 is another than that of 2006, and that of 2010 is not stated: errors
                are compared within one paper only.
            36. Rates: the paper of 2013 takes the best of six, .05 to .0001, by the final training error. In
                the short runs that choose ours, as in all runs far shorter than the published, Nesterov
                momentum stays below its limit: at .875 after 800 updates of curves, .986 after 10,000.
Tuning      Arms with a learning rate: four candidates, each trained for 10 epochs (faces 2) on the training
            cases without the validation cases with seed 0; the lowest validation loss; a record of its own.
            CG, L-BFGS, Hessian-free and K-FAC choose their own steps and are not tuned. The initial damping
            of the last two is the papers'.
Run         repro run direct --profile paper
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from repro.runs import Arm
from repro.runs.run import Experiment
from repro.training.greedy import Pretraining


@dataclass(frozen=True)
class Budget:
    """Of one data set: its network, how long each kind of arm trains at full scale, and its grid."""

    widths: tuple[int, ...]
    first_order: int  # epochs of 200-case minibatches; 750,000 updates where they are published
    hessian_free: int  # updates on all cases; also of L-BFGS
    kfac: int  # epochs
    momentum: float  # where the schedule of 2013 ends
    rates: tuple[float, ...]  # of stochastic gradients, with momentum or not


BUDGETS = {
    "curves": Budget((400, 200, 100, 50, 25, 6), 7500, 500, 500, 0.999, (0.001, 0.003, 0.01, 0.03)),
    "mnist": Budget((1000, 500, 250, 30), 2500, 300, 300, 0.99, (0.001, 0.003, 0.01, 0.03)),
    "faces": Budget((2000, 1000, 500, 30), 1208, 200, 60, 0.999, (0.0001, 0.0003, 0.001, 0.003)),
    "reuters21578": Budget((500, 250, 125, 10), 500, 200, 100, 0.99, (0.003, 0.01, 0.03, 0.1)),
    "rcv1": Budget((500, 250, 125, 10), 50, 200, 20, 0.99, (0.003, 0.01, 0.03, 0.1)),
}
ADAPTIVE = {"adam": (0.0003, 0.001, 0.003, 0.01), "muon": (0.003, 0.01, 0.03, 0.1)}
STARTS = ("gaussian", "gaussian.01", "fan-in", "glorot", "sparse", "he")
OPTIMISERS = ("sgd", "momentum", "nag", "adam", "muon", "cg", "lbfgs", "hf", "kfac")
STRONG = (
    "sparse-nag",
    "sparse-hf",
    "sparse-hf-l2",
    "sparse-kfac",
    "sparse-adam",
    "glorot-nag",
    "glorot-adam",
)
STRONG += ("he-adam", "he-muon", "pretrained-nag", "pretrained-hf")
PRETRAINING = {"faces": Pretraining(first_learning_rate=0.001, first_n_epochs=200)}


def arm(data: str, variant: str) -> Arm:
    """The configuration that a name stands for."""
    start, _, optimiser = variant.removesuffix("-l2").rpartition("-")
    budget = BUDGETS[data]
    small = start == "gaussian.01"
    names: dict[str, Any] = {"start": "gaussian" if small else start, "optimiser": optimiser}
    config = Arm(
        widths=budget.widths,
        **names,
        start_scale=0.01 if small else 0.1,
        activation="logistic" if start != "he" else "gelu" if optimiser == "muon" else "relu",
        pretraining=PRETRAINING.get(data, Pretraining()),
        momentum=budget.momentum if optimiser == "nag" else 0.9,
        schedule="cosine"
        if start == "he" and optimiser in ("adam", "muon", "sgd", "momentum")
        else "constant",
        l2=2e-5 if variant.endswith("-l2") else 0.0,
        n_reports=100,
    )
    if optimiser in ("hf", "lbfgs"):
        return replace(config, batch_size=None, n_epochs=budget.hessian_free)
    if optimiser == "kfac":
        return replace(config, n_epochs=budget.kfac, l2=1e-5)  # below it nothing bounds the damping
    if optimiser == "cg":
        return replace(config, n_epochs=budget.kfac)
    rates = ADAPTIVE.get(optimiser, budget.rates)
    config = replace(config, batch_size=200, n_epochs=budget.first_order, rates=rates)
    return replace(config, rate_epochs=2 if data == "faces" else 10)


NAMES: dict[str, dict[str, None]] = {data: dict.fromkeys(STRONG) for data in BUDGETS}
NAMES["curves"] |= dict.fromkeys(f"{start}-{optimiser}" for start in STARTS for optimiser in OPTIMISERS)
VARIANTS = {f"{data}/{name}": arm(data, name) for data, names in NAMES.items() for name in names}

QUICK_EPOCHS = {"sparse-nag": 15, "sparse-hf": 6, "sparse-kfac": 5, "he-adam": 15}
QUICK = {VARIANTS[f"curves/{name}"]: n_epochs for name, n_epochs in QUICK_EPOCHS.items()}


def quick(config):
    """Four of the arms on 2,500 curves, with a few epochs, their rates compared after one."""
    if config not in QUICK:
        return None
    size = config.batch_size and min(config.batch_size, 250)
    short = replace(config, n_epochs=QUICK[config], n_reports=None, batch_size=size)
    return replace(short, rate_epochs=1, rates=config.rates[1:3])


# test squared errors of the quick profile, as in experiments/mnist.py
EXPECTED = {
    "curves/sparse-nag": (15.9, 16.4),  # still the mean image
    "curves/sparse-hf": (15.9, 16.6),
    "curves/sparse-kfac": (15.9, 16.5),
    "curves/he-adam": (9.5, 12.5),
}


EXPERIMENT = Experiment(
    name="direct",
    claim="With the right start and optimiser deep autoencoders need no pretraining",
    artefact="martens2010hf, Table 1; sutskever2013importance, Table 1",
    data="",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, "test_squared_error"): limits for variant, limits in EXPECTED.items()},
    figures=("fig_direct", "fig_starts"),
    claims=("C2", "C3"),
)
