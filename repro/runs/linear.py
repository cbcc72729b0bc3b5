"""The linear baselines: PCA of images, LSA of documents."""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Array, Key
from scipy.sparse import csr_array

from repro.data.dataset import Dataset
from repro.evaluation.baselines import fit_lsa, fit_pca, log_counts
from repro.evaluation.reconstruction import squared_error
from repro.runs.config import PrincipalComponents, SemanticAnalysis
from repro.runs.outcome import Outcome, cases_of, codes, for_each, pictures, retrieval
from repro.training.fit import UNWATCHED, Monitor


def run_pca(
    config: PrincipalComponents, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Fit on all training cases, score; the same for every seed, for nothing in it is random."""
    del monitor
    cases = cases_of(data, "all")
    began = time.perf_counter()
    pca = fit_pca(np.asarray(cases["train"].inputs), config.n_components)
    seconds = time.perf_counter() - began

    def reconstruct(x):
        return pca.mean_ + pca.transform(x) @ pca.components_  # scikit-learn refuses 0 components here

    metrics = {
        f"{name}_squared_error": squared_error(np.asarray(some.inputs), reconstruct(some.inputs))
        for name, some in cases.items()
    }
    shown = pictures(
        data, lambda x: for_each(keys, reconstruct(x)), lambda x: for_each(keys, pca.transform(x))
    )
    metrics["finetuning_seconds"] = seconds
    return Outcome({name: for_each(keys, value) for name, value in metrics.items()}, {}, shown)


def run_lsa(
    config: SemanticAnalysis, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Fit on all training documents, look test documents up by their codes; the same for every seed."""
    del monitor
    began = time.perf_counter()
    lsa = fit_lsa(csr_array(data.full_train.inputs), config.n_components)
    seconds = time.perf_counter() - began

    def encode(counts):
        return for_each(keys, lsa.transform(log_counts(counts)))

    metrics = retrieval(data, encode) | {"finetuning_seconds": for_each(keys, seconds)}
    return Outcome(metrics, {}, codes(data, encode))
