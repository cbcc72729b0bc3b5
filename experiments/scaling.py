"""Does Boltzmann learning scale like backprop? It "needs Markov chain Monte Carlo, and is not as scalable as
backpropagation".

Claim       A deep Boltzmann machine takes at least three times as long as a variational autoencoder to come
            to -88 nats at the largest width, and the more the wider both are. Beside it, where both can be
            computed: how far estimates of the gradient of log p are from it, by mean field and persistent
            chains, and by reparameterisation; and how many steps a chain takes to forget.
Deviations  95. The gradient is computed of small images, those of experiments/bound.py, and of a second
                hidden layer twice as wide as the first; the autoencoder has two latent units at every width,
                for more are not integrated over. Its log p depends on its generative part, whose gradient is
                compared.
            96. A model is at -88 nats where an estimate of log p of 1,000 validation digits first is, at a
                look after every fifth epoch, which is not counted; log Z by annealed importance sampling from
                below, which favours the machine, and importance weighting, which does not. Time counts the
                machine's learning layer by layer.
            97. Rates are not tuned, and both learn for as many epochs: the error of a gradient depends on its
                length, which falls as a model learns.
Tuning      None.
Run         repro run scaling --profile paper
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from repro.report.verdicts import Claim, Condition, Evidence, Measured, ratio
from repro.runs.config import (
    Boltzmann,
    Density,
    Goal,
    GradientError,
    Inferring,
    SmallMachine,
    SmallVariational,
)
from repro.runs.experiment import Experiment
from repro.training.deep_boltzmann import JointLearning

WIDTHS = (1, 2, 4, 8)  # times the smallest
MACHINE, VARIATIONAL = SmallMachine(2), SmallVariational(8)


def _wider(times):
    yield f"gradient-dbm-x{times}", replace(MACHINE, width=times * MACHINE.width)
    yield f"gradient-vae-x{times}", replace(VARIATIONAL, width=times * VARIATIONAL.width)


def _towards(times):
    yield f"dbm-x{times}", Boltzmann((250 * times, 500 * times))
    yield f"vae-x{times}", Inferring(latent=(50,), hidden=(100 * times,), n_epochs=1000)


VARIANTS = {name: GradientError("mnist", model) for times in WIDTHS for name, model in _wider(times)}
VARIANTS |= {
    name: Density("mnist", model, goal=Goal()) for times in WIDTHS for name, model in _towards(times)
}


def quick(config):
    """The smallest of both, after a few epochs on the 5,000 embedded digits."""
    if config.model == MACHINE:
        joint = JointLearning(5, learning_rate=0.02, rate_falls=0.0)
        return replace(config, model=replace(MACHINE, joint=joint), n_estimates=100)
    if config.model == VARIATIONAL:
        return replace(config, model=replace(VARIATIONAL, n_epochs=5), n_estimates=100)
    return None


# of the quick profile, where those of eight seeds came out with room
EXPECTED = {
    "gradient-dbm-x1": {"relative_distance": (0.6, 2.0), "autocorrelation_free_energy_steps": (1.2, 1.6)},
    "gradient-vae-x1": {"relative_distance": (0.25, 0.6), "minibatch_log_probability": (-9.7, -8.1)},
}

EXPERIMENT = Experiment(
    name="scaling",
    claim="Learning by Markov chains does not scale like backpropagation",
    artefact="claim C6",
    variants=VARIANTS,
    quick=quick,
    expected={
        (variant, metric): limits for variant, each in EXPECTED.items() for metric, limits in each.items()
    },
    scores=("relative_distance", "relative_bias"),
    figures=("fig_scaling",),
    claims=("C6",),
)


def slower(evidence: Evidence, times: int) -> Measured:
    """Seconds of the deep Boltzmann machine to the target over those of the autoencoder, at one width."""
    both = (evidence.score("scaling", f"{kind}-x{times}", "seconds_to_target") for kind in ("dbm", "vae"))
    return ratio(*both)


def does_not_scale(evidence: Evidence) -> Iterator[Condition]:
    """C6, upheld."""
    widest, narrowest = slower(evidence, WIDTHS[-1]), slower(evidence, WIDTHS[0])
    yield Condition(f"time to -88 nats at width x{WIDTHS[-1]}: DBM / VAE", widest, low=3)
    yield Condition(f"the same over that at x{WIDTHS[0]}", ratio(widest, narrowest), low=1)


def scales(evidence: Evidence) -> Iterator[Condition]:
    """C6, refuted."""
    for times in WIDTHS:
        text = f"time to -88 nats at width x{times}: DBM / VAE"
        yield Condition(text, slower(evidence, times), high=1, case="every width")


CLAIMS = (
    Claim(
        key="C6",
        statement="Boltzmann learning needs Markov chains and does not scale like backpropagation",
        upheld_if="a DBM's time to -88 nats is at least three times a VAE's at the largest of the widths "
        "x1, 2, 4 and 8, and that ratio is larger there than at the smallest",
        refuted_if="the ratio is at most 1 at every width",
        upholding=does_not_scale,
        refuting=scales,
    ),
)
