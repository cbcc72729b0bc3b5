"""How well a network classifies, and which labelled cases it may learn from."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from repro.errors import UserError
from repro.models.perceptron import Layers, Perceptron, cross_entropy, outputs
from repro.training.labelled import Labelled

CHUNK = 1000  # cases at a time: bounds the memory of the hidden layers


def scores(of: Perceptron, layers: Layers, cases: Labelled) -> dict[str, Array]:
    """Per cent of the N cases that are misclassified, and -log p(label) in nats, mean over cases."""

    def of_case(case):
        logits = outputs(of, layers, case.inputs)
        wrong = jnp.argmax(logits) != case.labels
        return {
            "error_percent": jnp.where(wrong, 100.0, 0.0),
            "cross_entropy": cross_entropy(logits[None], case.labels[None]),
        }

    return jax.tree.map(jnp.mean, jax.lax.map(of_case, cases, batch_size=min(CHUNK, len(cases))))


def most_frequent(labels: Int[np.ndarray, " N"], of: Int[np.ndarray, " M"]) -> float:
    """Per cent misclassified of the second labels by who always names the most frequent of the first."""
    return 100.0 * float(np.mean(of != np.bincount(labels).argmax()))


def balanced(
    random: np.random.Generator, labels: Int[np.ndarray, " N"], n_labels: int
) -> Int[np.ndarray, " n"]:
    """So many cases, drawn without replacement, as many of each class; class after class in turn, so that
    every stretch of as many cases as there are classes has one of each.

    Raises:
        UserError: if the classes cannot have as many each.
    """
    each = n_of_each(labels, n_labels)
    drawn = [random.choice(np.flatnonzero(labels == c), each, replace=False) for c in np.unique(labels)]
    return np.stack(drawn, axis=1).ravel()


def n_of_each(labels: Int[np.ndarray, " N"], n_labels: int) -> int:
    """How many cases of each class so many are.

    Raises:
        UserError: if the classes cannot have as many each.
    """
    classes = np.unique(labels)
    each, left = divmod(n_labels, len(classes))
    fewest = min(np.bincount(labels)[classes])
    if left or each > fewest or not each:
        raise UserError(
            f"n_labels {n_labels}: {len(classes)} classes of {fewest} cases or more cannot have as many each:"
            f" name a multiple of {len(classes)} up to {len(classes) * fewest}"
        )
    return each


def folds(n_labels: int, n_classes: int, n_folds: int) -> list[Int[np.ndarray, " held"]]:
    """Which of `balanced` cases each fold of a cross-validation holds out, by place: as many of each class.

    Raises:
        UserError: if folds cannot have as many each.
    """
    if n_labels % (n_folds * n_classes):
        made_of = f"{n_labels} labels of {n_classes} classes"
        raise UserError(f"n_folds {n_folds}: {made_of} cannot be cut into so many equal folds: name fewer")
    turns = np.arange(n_labels) // n_classes
    return [np.flatnonzero(turns % n_folds == fold) for fold in range(n_folds)]
