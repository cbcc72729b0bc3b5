"""What is a model of binarised digits worth in nats, by an estimate that can be trusted?

Claim       Deep Boltzmann machines "are very powerful models": one is no more than a nat worse than a
            variational autoencoder with as many parameters. Beside both, what came before and after: a
            mixture, RBMs by contrastive divergence of 1, 3 and 25 steps and by persistent chains, a deep
            belief network [salakhutdinov2008quantitative; murray2009evaluating].
Deviations  90. Pixels are drawn anew in every epoch for all models, and once for scoring. Papers differ in
                it, and their test pixels are other draws.
            91. All RBMs learn for 100 epochs without momentum, at a rate that falls from .1 to 0 in a
                straight line; CD-25 has 25 steps from the beginning.
            92. Variational autoencoders are those of burda2015importance, by its Adam, but trained for 1,000
                epochs in minibatches of 100, where it has 3,280 in minibatches of 20, at a rate that falls as
                a cosine.
            93. Estimates differ in kind: the exact log p of a mixture; -F - log Z of an RBM, with log Z from
                below by annealed importance sampling, so that it is on average too good, beside the estimate
                from above; of the others lower bounds, on average, by importance weighting. Annealing begins
                at independent units, as in the papers, and at 100 prototypes, and the higher log Z is taken:
                deep Boltzmann machines have modes that independent units do not lead to.
            94. Estimates from above are no bounds, for their chains have not forgotten where they began: two
                stand beside each other, from where annealing ended, and from training digits.
            98. The two models of C6b have as many parameters, but the deep Boltzmann machine has 3.5 times as
                many operations, for it has the authors' numbers of epochs.
            99. The upper RBM of the deep belief network, with 2,000 units, learns at a rate of its own. At
                that of the lower one most of its mass is where its chains never came.
Tuning      Rate and momentum of the RBMs: .05 and .1 without momentum and .02, .05, .1 with .9, on 2,000
            validation digits, after 15 epochs of persistent chains. Those with momentum were put aside, for
            their log Z from both sides was up to 156 nats apart. Rate of the upper RBM: .003, .01, .03, .05,
            on 2,000 validation digits after 100 epochs, by the lowest of what log Z from below, from above
            and from training digits says; at .03 and .05 these are 11 and 17 nats apart. Adam's rate of the
            variational autoencoders was .001 or .003, on 2,000 validation digits after 150 epochs; others are
            first tries.
Run         repro run densities --profile paper
"""

from __future__ import annotations

from dataclasses import replace

from repro.evaluation.annealing import Annealing
from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine
from repro.runs.config import (
    Belief,
    Boltzmann,
    Density,
    Energetic,
    Generating,
    Inferring,
    Mixture,
    with_epochs,
)
from repro.runs.experiment import Experiment
from repro.training.contrastive import Contrastive
from repro.training.greedy import Pretraining

HOW = Contrastive(learning_rate=0.1, rate_falls=True, momentum=(0.0, 0.0), mean_field=False)


def belief(*widths: int, upper_rate: float | None = None, **how) -> Belief:
    """A belief network whose RBMs learn in one way, but for the rate of the upper ones."""
    pretraining = Pretraining(n_epochs=100, seen="states", contrastive=replace(HOW, **how))
    if upper_rate is not None:
        contrastive = replace(pretraining.contrastive, learning_rate=upper_rate)
        pretraining = replace(pretraining, first_learning_rate=HOW.learning_rate, contrastive=contrastive)
    return Belief(widths, pretraining)


SCORE = "test_log_probability"
MODELS = {
    "mixture-500": Mixture(),
    "rbm-cd1": belief(500),
    "rbm-cd3": belief(500, k=3),
    "rbm-cd25": belief(500, k=25),
    "rbm-pcd": belief(500, persistent=True),
    "dbn-500-2000": belief(500, 2000, upper_rate=0.01, persistent=True),
    "dbm-500-1000": Boltzmann(),
    "vae-1": Inferring(),
    "vae-2": Inferring(latent=(100, 50), hidden=(200, 100)),
    "vae-score-function": Inferring(estimator="score function"),
    "energy-500-500": Energetic(),
    "gan": Generating(),
    "vae-as-dbm": Inferring(hidden=(365,)),  # .2 % fewer parameters than the deep Boltzmann machine has
}
VARIANTS = {name: Density("mnist", model) for name, model in MODELS.items()}
IN_QUICK = {"mixture-500": 20, "rbm-pcd": 6, "dbm-500-1000": 6, "vae-1": 20}  # epochs


def quick(config):
    """Four of the models, small, on the 5,000 embedded digits."""
    n = IN_QUICK.get(names()[config])
    if n is None:
        return None
    model = with_epochs(config.model, n, n)
    few = Annealing(20, (50, 100, 150))
    match model:
        case Mixture():
            model = replace(model, n_components=20)
        case Belief() | Boltzmann():
            widths = tuple(width // 10 for width in model.widths)
            model = replace(model, widths=widths, annealing=few, n_steps=50)
        case Inferring():
            fast = replace(model.optimiser, learning_rate=3e-3)
            model = replace(model, latent=(10,), hidden=(50,), optimiser=fast)
    if isinstance(model, Belief | Inferring):
        model = replace(model, n_samples=20)
    return replace(config, model=model, n_scored=200)


def names() -> dict[Density, str]:
    """Of the variants, by their configurations."""
    return {config: name for name, config in VARIANTS.items()}


# of the quick profile, in nats, where those of three seeds came out with room
EXPECTED = {
    "mixture-500": (-190, -150),
    "rbm-pcd": (-178, -166),
    "dbm-500-1000": (-190, -165),
    "vae-1": (-202, -178),
}

EXPERIMENT = Experiment(
    name="densities",
    claim="Deep Boltzmann machines are models of digits as good as variational autoencoders",
    artefact="claim C6b",
    variants=VARIANTS,
    quick=quick,
    expected={(variant, SCORE): limits for variant, limits in EXPECTED.items()},
    scores=(SCORE, f"{SCORE}_low", f"{SCORE}_high"),
    figures=("fig_densities",),
    claims=("C6b",),
)


def ahead(evidence: Evidence) -> Measured:
    """By how many nats the deep Boltzmann machine is the better one on the test digits: its variational
    bound less the importance-weighted bound of the other.
    """
    machine, other = (evidence.score("densities", name, SCORE) for name in ("dbm-500-1000", "vae-as-dbm"))
    return combine(lambda machine, other: machine - other, machine, other)


TEXT = "log p of the deep Boltzmann machine less that of the variational autoencoder, nats"
CLAIMS = (
    Claim(
        key="C6b",
        statement="Deep Boltzmann machines are very powerful models",
        upheld_if="the variational bound of the deep Boltzmann machine is at most a nat below log p of the "
        "variational autoencoder with as many parameters, on the test digits of binarised MNIST",
        refuted_if="it is more than 3 nats below",
        upholding=lambda evidence: [Condition(TEXT, ahead(evidence), low=-1)],
        refuting=lambda evidence: [Condition(TEXT, ahead(evidence), high=-3)],
    ),
)
