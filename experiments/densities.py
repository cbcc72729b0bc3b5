"""What is a model of binarised digits worth in nats, by an estimate that can be trusted?

Claim       Deep Boltzmann machines "are very powerful models": one is no more than a nat worse than a
            variational autoencoder with as many parameters, trained for as long. Beside both, what came
            before and after: a mixture, RBMs by contrastive divergence of 1, 3 and 25 steps and by persistent
            chains, a deep belief network [salakhutdinov2008quantitative; murray2009evaluating].
Deviations  90. Pixels are drawn anew in every epoch for all models, and once for scoring. Papers differ in
                it, and their test pixels are other draws.
            91. All RBMs learn for 100 epochs without momentum, at a rate that falls from .1 to 0 in a straight
                line; CD-25 has 25 steps from the beginning.
            92. Variational autoencoders are those of burda2015importance, trained for 300 epochs, not 3,280,
                by Adam at a rate that falls as a cosine.
            93. Estimates differ in kind: the exact log p of a mixture; -F - log Z of an RBM, with log Z from
                below by annealed importance sampling, so that it is on average too good, beside the estimate
                from above; of the others lower bounds, on average, by importance weighting.
Tuning      Rate and momentum of the RBMs: .05 and .1 without momentum and .02, .05, .1 with .9, on 2,000
            validation digits, after 15 epochs of persistent chains. Those with momentum were put aside, for
            their log Z from both sides was 150 nats apart.
Run         repro run densities --profile paper
"""

from __future__ import annotations

from dataclasses import replace

from repro.evaluation.annealing import Annealing
from repro.runs.config import Belief, Density, Inferring, Mixture
from repro.runs.experiment import Experiment
from repro.training.contrastive import Contrastive
from repro.training.greedy import Pretraining

HOW = Contrastive(learning_rate=0.1, rate_falls=True, momentum=(0.0, 0.0), mean_field=False)


def belief(*widths: int, **how) -> Belief:
    """A belief network whose RBMs learn in one way."""
    pretraining = Pretraining(n_epochs=100, seen="states", contrastive=replace(HOW, **how))
    return Belief(widths, pretraining)


MODELS = {
    "mixture-500": Mixture(),
    "rbm-cd1": belief(500),
    "rbm-cd3": belief(500, k=3),
    "rbm-cd25": belief(500, k=25),
    "rbm-pcd": belief(500, persistent=True),
    "dbn-500-2000": belief(500, 2000, persistent=True),
    "vae-1": Inferring(),
    "vae-2": Inferring(latent=(100, 50), hidden=(200, 100)),
}
VARIANTS = {name: Density("mnist", model) for name, model in MODELS.items()}
IN_QUICK = {"mixture-500": 20, "rbm-pcd": 6, "dbn-500-2000": 6, "vae-1": 20}  # epochs


def quick(config):
    """A fourth of the models, small, on the 5,000 embedded digits."""
    model, n = config.model, IN_QUICK.get(names()[config])
    if n is None:
        return None
    few = Annealing(20, (50, 100, 150))
    match model:
        case Mixture():
            model = replace(model, n_components=20, n_epochs=n)
        case Belief():
            schedule = replace(model.pretraining, n_epochs=n)
            widths = tuple(width // 10 for width in model.widths)
            model = replace(
                model, widths=widths, pretraining=schedule, annealing=few, n_steps=50, n_samples=20
            )
        case Inferring():
            model = replace(model, latent=(10,), hidden=(50,), n_epochs=n, n_samples=50)
    return replace(config, model=model, n_scored=200)


def names() -> dict[Density, str]:
    """Of the variants, by their configurations."""
    return {config: name for name, config in VARIANTS.items()}


EXPERIMENT = Experiment(
    name="densities",
    claim="Deep Boltzmann machines are models of digits as good as variational autoencoders",
    artefact="claim C6b",
    variants=VARIANTS,
    quick=quick,
    expected={},
    scores=("test_log_probability", "test_log_probability_low", "test_log_probability_high"),
)
