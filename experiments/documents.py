"""Deep autoencoders of documents, word counts: Fig. 4, and Fig. S5 of the supporting text.

Claim       Ten numbers from the pretrained 2000-500-250-125-10 autoencoder find documents of the same class
            better than ten numbers from LSA do at every rank, and at most ranks better than fifty; in two
            dimensions the classes lie apart as they do not in LSA   [hinton2006science, fig. 4]; ten
            numbers from locally linear embedding (LLE) find fewer than the autoencoder's do [fig. S5]
Deviations  1 to 6. As in experiments/mnist.py; the loss is -sum p log p^ over words, in nats.
            16. The paper's corpus, RCV1-v2, must be applied for. Where its files are not in the data folder
                the corpus is Reuters-21578 alone, 11,367 stories of 1987 where RCV1-v2 has 804,414; the
                name before the variant says which. Fewer stories are also fewer updates in 50 epochs.
            17. A document's class is its one topic, as repro/data/documents assigns it; the paper does not
                say how it treats stories with several.
            18. Pretraining's softmax visibles count N times in the hidden units' input, as in the paper; the
                unrolled network is fed with the counts, so its first layer needs no factor.
            19. The quick profile's corpus is the 395 stories of RCV1 that the package lda carries; their
                class is the country in the title.
            44. Fig. S5 has 20 newsgroups, which are not among the data sets here: LLE is compared on the
                corpus of Fig. 4. What it was given in the paper is not known to us: ours sees log(1 + count),
                as LSA does, scaled to length 1, so that nearest means the largest cosine, as in retrieval. It
                learns from the first 10,000 training stories at most, and places test stories among them.
                Where some stories have only each other for neighbours, several embeddings are as good, and
                rounding picks one: other machines may differ in the third digit of a precision.
Tuning      Adam's rate: four candidates, each fine-tuned for 20 epochs on the training stories without the
            validation stories from the arm's own start with seed 0, chosen by the validation cross-entropy;
            a record of its own. LLE's number of neighbours: four candidates, chosen by the precision at 7 of
            the validation stories; in its record.
Run         repro run documents --profile paper
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from repro.evaluation.retrieval import RANKS
from repro.report.verdicts import Claim, Condition, Evidence, Measured, combine, largest, ratio
from repro.runs.config import (
    Autoencoding,
    Config,
    Epochs,
    Gaussian,
    Glorot,
    LocallyLinear,
    Network,
    Rates,
    SemanticAnalysis,
)
from repro.runs.experiment import Experiment, shorter
from repro.training.optimisers import Adam

CORPORA = ("reuters21578", "rcv1")
RATES = Rates((3e-4, 1e-3, 3e-3, 1e-2), n_epochs=(5, 20))


def arms(corpus: str) -> dict[str, Config]:
    """All variants of one corpus."""
    cg = Autoencoding(data=corpus, network=Network((500, 250, 125, 10)), budget=Epochs(50))
    adam = replace(cg, optimiser=Adam(), batch_size=100, tuning=RATES)
    return {
        "pretrained-cg": cg,
        "gaussian-cg": replace(cg, start=Gaussian()),
        "glorot-adam": replace(adam, start=Glorot()),
        "pretrained-adam": adam,
        "lsa-10": SemanticAnalysis(corpus, 10),
        "lsa-50": SemanticAnalysis(corpus, 50),
        "lle-10": LocallyLinear(corpus, 10),
        "pretrained-cg-2d": replace(cg, network=Network((500, 250, 125, 2))),
        "lsa-2d": SemanticAnalysis(corpus, 2),
    }


VARIANTS = {f"{corpus}/{name}": config for corpus in CORPORA for name, config in arms(corpus).items()}


def quick(config):
    """The same networks on the 198 training stories of the embedded sample."""
    if not isinstance(config, Autoencoding):
        return config
    config = shorter(config, pretraining=30, batch_size=33)
    if config.tuning:
        tuning = Rates(config.tuning.candidates[1::2], n_epochs=(5,))
        return replace(config, budget=Epochs(20), batch_size=33, tuning=tuning)
    return replace(config, budget=Epochs(6), batch_size=66)


# test_precision_at_7 of the quick profile, as in experiments/mnist.py
EXPECTED = {
    "pretrained-cg": (0.31, 0.43),
    "gaussian-cg": (0.09, 0.24),
    "glorot-adam": (0.09, 0.25),
    "pretrained-adam": (0.30, 0.42),
    "lsa-10": (0.37, 0.40),
    "lsa-50": (0.36, 0.39),
    "lle-10": (0.37, 0.43),
    "pretrained-cg-2d": (0.20, 0.32),
    "lsa-2d": (0.18, 0.21),
}


EXPERIMENT = Experiment(
    name="documents",
    claim="The same procedure learns word counts: its codes find documents of a class better than LSA's do",
    artefact="hinton2006science, Fig. 4 and Fig. S5",
    variants=VARIANTS,
    quick=quick,
    expected={(f"rcv1/{arm}", "test_precision_at_7"): limits for arm, limits in EXPECTED.items()},
    scores=("test_precision_at_1", "test_precision_at_7", "test_precision_at_127"),
    figures=("fig_4a", "fig_4bc", "fig_s5"),
    claims=("C9",),
)


# C9 is about three kinds of data; it stands here because its criterion for documents is the longest


def over_pca(evidence: Evidence, data: str) -> Measured:
    """The error of the pretrained autoencoder over that of PCA with as many numbers."""
    return ratio(evidence.score(data, "pretrained-cg"), evidence.score(data, "pca"))


def corpus(evidence: Evidence) -> str:
    """RCV1-v2, the paper's, if it has been run; else Reuters-21578."""
    return "rcv1" if evidence.records("documents", "rcv1/pretrained-cg") else "reuters21578"


def deficits(evidence: Evidence, baseline: str, last: int) -> list[Measured]:
    """By how much the autoencoder finds fewer than a baseline does, at each rank up to the last."""
    variants = [f"{corpus(evidence)}/{name}" for name in (baseline, "pretrained-cg")]
    return [
        combine(
            np.subtract,
            *(evidence.score("documents", variant, f"test_precision_at_{k}") for variant in variants),
        )
        for k in RANKS
        if k <= last
    ]


def works_on_all_kinds(evidence: Evidence) -> Iterator[Condition]:
    """C9, upheld."""
    for data, bound in (("mnist", 0.35), ("faces", 0.97)):
        yield Condition(f"{data}: error over that of PCA-30", over_pca(evidence, data), high=bound)
    text = f"documents ({corpus(evidence)}): largest deficit to"
    yield Condition(f"{text} LSA-10 at any rank", largest(deficits(evidence, "lsa-10", RANKS[-1])), high=0)
    yield Condition(f"{text} LSA-50 at ranks 1 to 127", largest(deficits(evidence, "lsa-50", 127)), high=0)


def loses_somewhere(evidence: Evidence) -> Iterator[Condition]:
    """C9, refuted."""
    for data in ("mnist", "faces"):
        yield Condition(f"{data}: error over that of PCA-30", over_pca(evidence, data), low=1)
    share = combine(
        lambda *each: np.mean(np.greater(each, 0), axis=0), *deficits(evidence, "lsa-10", RANKS[-1])
    )
    text = f"documents ({corpus(evidence)}): share of ranks at which LSA-10 finds more"
    yield Condition(text, share, low=0.6)


CLAIMS = (
    Claim(
        key="C9",
        statement="It works on real-valued, count and binary data",
        upheld_if="MNIST ≤ .35 × PCA-30; faces ≤ .97 × PCA-30; documents: the autoencoder's 10 numbers above "
        "LSA-10 at every rank and not below LSA-50 at ranks 1 to 127",
        refuted_if="any loses to its linear baseline (documents: at 6 of the 10 ranks or more) at full "
        "length, on data prepared as in the paper",
        upholding=works_on_all_kinds,
        refuting=loses_somewhere,
    ),
)
