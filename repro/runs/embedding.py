"""Locally linear embedding of documents."""

from __future__ import annotations

import time

from jaxtyping import Array, Float, Key
from scipy.sparse import csr_array

from repro.data.dataset import Dataset
from repro.errors import UserError
from repro.evaluation.baselines import fit_lle, unit_log_counts
from repro.runs.config import LocallyLinear
from repro.runs.outcome import Outcome, codes, for_each, retrieval
from repro.training.fit import UNWATCHED, Monitor

CHOSEN_BY = "valid_precision_at_7"


def run_lle(
    config: LocallyLinear, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Choose the number of neighbours on the validation documents, by `precision_at_7`, among equals the
    first; embed all training documents with it, look test documents up by their codes. The same for every
    seed.

    Raises:
        UserError: if there are not more documents to learn from than neighbours.
    """
    del monitor
    train, full = (csr_array(cases.inputs)[: config.n_cases] for cases in (data.train, data.full_train))
    if max(config.n_neighbors) >= train.shape[0]:
        found = f"{config.n_neighbors} of {train.shape[0]} training documents of {data.name}"
        raise UserError(f"n_neighbors: {found} are too many: name fewer")
    seconds: list[float] = []

    def fitted(documents: Float[csr_array, "N V"], n_neighbors: int):
        began = time.perf_counter()
        lle = fit_lle(documents, config.n_components, n_neighbors)
        seconds.append(time.perf_counter() - began)
        return lambda counts: for_each(keys, lle.transform(unit_log_counts(counts)))

    tried = {n: retrieval(data, fitted(train, n), "valid")[CHOSEN_BY] for n in config.n_neighbors}
    chosen = max(tried, key=lambda n: tried[n][0])
    encode = fitted(full, chosen)
    metrics = retrieval(data, encode) | {f"{CHOSEN_BY}_neighbors_{n}": found for n, found in tried.items()}
    metrics |= {"n_neighbors": for_each(keys, chosen), "finetuning_seconds": for_each(keys, sum(seconds))}
    return Outcome(metrics, {}, codes(data, encode))
