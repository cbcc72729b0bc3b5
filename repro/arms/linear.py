"""PCA, the linear baseline."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Array, Key

from repro.arms.outcome import Outcome, folds, for_each, pictures
from repro.data.dataset import Dataset
from repro.evaluation.baselines import fit_pca
from repro.evaluation.reconstruction import squared_error
from repro.training.fit import UNWATCHED, Monitor


@dataclass(frozen=True)
class PrincipalComponents:
    """PCA with a code of n_components; 0 components reconstruct everything as the mean training case."""

    n_components: int
    deterministic: ClassVar[bool] = True  # the same for every seed


def run_pca(
    config: PrincipalComponents, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Fit on all training cases, score; the same for every seed, for nothing in it is random."""
    del monitor
    cases = folds(data, "final")
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
        data.test, lambda x: for_each(keys, reconstruct(x)), lambda x: for_each(keys, pca.transform(x))
    )
    metrics["finetuning_seconds"] = seconds
    return Outcome({name: for_each(keys, value) for name, value in metrics.items()}, {}, shown)
