"""Few-shot classification: episodes, in each of which classes are told apart from a few labelled cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from repro.errors import UserError

# labelled cases [W K C] of W classes, cases to be classified [N C] -> which of the W classes they are of [N]
Classifier = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Episodes(NamedTuple):
    """Which cases are in each of E episodes, of the same W classes: no case twice in one of them."""

    support: Int[np.ndarray, "E W K"]  # labelled
    queries: Int[np.ndarray, "E W Q"]  # to be classified

    def of_shots(self, k: int) -> Episodes:
        """The same queries with the first k labelled cases of each class."""
        return self._replace(support=self.support[:, :, :k])


def episodes(
    rng: np.random.Generator, labels: Int[np.ndarray, " N"], *, n: int, shots: int, n_queries: int
) -> Episodes:
    """So many episodes of all classes that the cases have, drawn without replacement within each.

    Raises:
        UserError: if a class has too few cases.
    """
    of_classes = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    if (fewest := min(map(len, of_classes))) < shots + n_queries:
        asked = f"{shots} shots and {n_queries} n_queries of each class"
        raise UserError(f"{asked} are more than the {fewest} cases that one has: lower them")
    drawn = [[rng.permutation(members)[: shots + n_queries] for members in of_classes] for _ in range(n)]
    return Episodes(*np.split(np.array(drawn), [shots], axis=2))


def scaled(features: Float[np.ndarray, "N C"], of: Float[np.ndarray, "M C"]) -> Float[np.ndarray, "N C"]:
    """Features in float64, moved and scaled by one number, so that those `of` the cases learnt from have mean
    zero and a mean squared length of 1: then a penalty means the same for whatever features.
    """
    mean = of.mean(axis=0, dtype=np.float64)
    return (features - mean) / np.sqrt(((of - mean) ** 2).sum(axis=1).mean())


def nearest_mean(support: Float[np.ndarray, "W K C"], queries: Float[np.ndarray, "N C"]):
    """The class whose mean is nearest   [snell2017prototypical, section 2.2, of given features]."""
    means = support.mean(axis=1)
    return ((queries[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)


def logistic(
    support: Float[np.ndarray, "W K C"], queries: Float[np.ndarray, "N C"], *, inverse_penalty: float
):
    """The most probable class by multinomial logistic regression, half of whose squared weights over
    `inverse_penalty` are added to the cross-entropy, which is summed over the labelled cases.
    """
    n_classes, n_shots, n_features = support.shape
    model = LogisticRegression(C=inverse_penalty, max_iter=1000)
    model.fit(support.reshape(-1, n_features), np.repeat(np.arange(n_classes), n_shots))
    return np.asarray(model.predict(queries))


def error_percent(classify: Classifier, features: Float[np.ndarray, "N C"], episodes: Episodes) -> float:
    """Per cent of queries misclassified, averaged over episodes; NaN if a feature is not a number."""
    if not np.isfinite(features).all():
        return np.nan
    n_classes, n_queries = episodes.queries.shape[1:]
    classes = np.repeat(np.arange(n_classes), n_queries)
    with threadpool_limits(1):  # the products are small
        wrong = [
            np.mean(classify(features[support], features[queries.ravel()]) != classes)
            for support, queries in zip(*episodes, strict=True)
        ]
    return 100 * float(np.mean(wrong))


def errors_by_penalty(
    features: Float[np.ndarray, "N C"], episodes: Episodes, inverse_penalties: Sequence[float]
) -> list[float]:
    """The `error_percent` of logistic regression with each of the penalties."""
    return [
        error_percent(partial(logistic, inverse_penalty=c), features, episodes) for c in inverse_penalties
    ]
