"""Few-shot classification: episodes, in each of which classes are told apart from a few labelled cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from repro.errors import UserError
from repro.typed import Count, Positive, choice

# labelled cases [W K C] of W classes, cases to be classified [N C] -> which of the W classes they are of [N]
Classifier = Callable[[np.ndarray, np.ndarray], np.ndarray]


@choice
class FewShot:
    """How features are judged: in episodes [snell2017prototypical], by the nearest class mean and by logistic
    regression, whose penalty is chosen in episodes of other cases.
    """

    shots: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 5, 20)  # labelled cases of each class
    n_queries: Count = 15  # cases of each class to be classified   [snell2017prototypical, section 3.2]
    n_episodes: Count = 1000
    # C of scikit-learn, to choose from: the larger, the weaker the penalty
    inverse_penalties: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.01, 0.1, 1, 10, 100, 1000)
    n_to_choose: Count = 100  # episodes that each penalty is tried in

    def __post_init__(self) -> None:
        """Refuse what would be tried twice.

        Raises:
            ValueError: naming the field.
        """
        for name in ("shots", "inverse_penalties"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise ValueError(f"{name} must differ: {getattr(self, name)}")


class Encoded(NamedTuple):
    """Features of some cases, with their classes."""

    values: Float[np.ndarray, "N C"]
    labels: Int[np.ndarray, " N"]


class Episodes(NamedTuple):
    """Which cases are in each of E episodes, of the same W classes: no case twice in one of them."""

    support: Int[np.ndarray, "E W K"]  # labelled
    queries: Int[np.ndarray, "E W Q"]  # to be classified


def episodes(
    rng: np.random.Generator, labels: Int[np.ndarray, " N"], *, n: int, shots: int, n_queries: int
) -> Episodes:
    """So many episodes of all classes that the cases have, drawn without replacement within each.

    Raises:
        UserError: if a class has too few cases.
    """
    of_classes = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    if (fewest := min(map(len, of_classes))) < shots + n_queries:
        asked = f"few_shot: {shots} shots and {n_queries} n_queries of each class"
        raise UserError(f"{asked} are more than the {fewest} cases that one has: lower them")
    drawn = [[rng.permutation(members)[: shots + n_queries] for members in of_classes] for _ in range(n)]
    return Episodes(*np.split(np.array(drawn), [shots], axis=2))


def scaled(features: Float[np.ndarray, "N C"], of: Float[np.ndarray, "M C"]) -> Float[np.ndarray, "N C"]:
    """Features in float64, moved and scaled by one number, so that those `of` the cases learnt from have mean
    zero and a mean squared length of 1: then a penalty means the same for whatever features. Those that are
    the same for all cases are not scaled.
    """
    mean = of.mean(axis=0, dtype=np.float64)
    length = np.sqrt(((of - mean) ** 2).sum(axis=1).mean())
    return (features - mean) / (1 if length == 0 else length)


def nearest_mean(
    support: Float[np.ndarray, "W K C"], queries: Float[np.ndarray, "N C"]
) -> Int[np.ndarray, " N"]:
    """The class whose mean is nearest   [snell2017prototypical, section 2.2, of given features]."""
    means = support.mean(axis=1)
    return ((queries[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)


def logistic(
    support: Float[np.ndarray, "W K C"], queries: Float[np.ndarray, "N C"], *, inverse_penalty: float
) -> Int[np.ndarray, " N"]:
    """The most probable class by multinomial logistic regression, half of whose squared weights over
    `inverse_penalty` are added to the cross-entropy, which is summed over the labelled cases.
    """
    n_classes, n_shots, n_features = support.shape
    model = LogisticRegression(C=inverse_penalty, max_iter=1000)
    model.fit(support.reshape(-1, n_features), np.repeat(np.arange(n_classes), n_shots))
    return np.asarray(model.predict(queries))


def error_percent(
    classify: Classifier, features: Float[np.ndarray, "N C"], episodes: Episodes, k: int
) -> float:
    """Per cent of queries misclassified by the first k labelled cases of each class, averaged over episodes;
    NaN if a feature is not a number.
    """
    if not np.isfinite(features).all():
        return np.nan
    n_classes, n_queries = episodes.queries.shape[1:]
    classes = np.repeat(np.arange(n_classes), n_queries)
    with threadpool_limits(1):  # the products are small
        wrong = [
            np.mean(classify(features[support[:, :k]], features[queries.ravel()]) != classes)
            for support, queries in zip(*episodes, strict=True)
        ]
    return 100 * float(np.mean(wrong))


def assess(
    how: FewShot,
    seed: Sequence[int],
    learnt_from: Float[np.ndarray, "M C"],
    choosing: Encoded,
    testing: Encoded,
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Errors by name and what was chosen; and the errors of all that it was chosen from.

    Episodes depend on seed and labels alone: they are the same for whatever features.
    """

    def task(rng: np.random.Generator, cases: Encoded, n: int):
        drawn = episodes(rng, cases.labels, n=n, shots=max(how.shots), n_queries=how.n_queries)
        return scaled(cases.values, learnt_from), drawn

    of_choice, of_test = np.random.default_rng(seed).spawn(2)
    to_choose, to_test = task(of_choice, choosing, how.n_to_choose), task(of_test, testing, how.n_episodes)
    found, tried = {}, {}
    for k in how.shots:
        by_penalty = {c: partial(logistic, inverse_penalty=c) for c in how.inverse_penalties}
        errors = {c: error_percent(classify, *to_choose, k) for c, classify in by_penalty.items()}
        best = min(errors, key=errors.__getitem__)  # of equals the first
        tried[f"valid_error_percent_logistic_{k}_shot"] = [*errors.values()]
        found[f"inverse_penalty_{k}_shot"] = best
        for name, classify in (("mean", nearest_mean), ("logistic", by_penalty[best])):
            found[f"error_percent_{name}_{k}_shot"] = error_percent(classify, *to_test, k)
    return found, tried
