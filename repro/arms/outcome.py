"""What a run has to say, and what every run shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Key

from repro.data.dataset import Cases, Dataset

Fold = Literal["final", "choice"]
CODES_PER_CLASS = 500  # points of each class in a picture of 2-D codes [hinton2006science, fig. 3]


class Outcome(NamedTuple):
    """Every leaf has leading axis S, one entry per seed."""

    metrics: dict[str, np.ndarray]  # [S]: scores and costs at the end, units in the name
    curves: dict[str, np.ndarray]  # [S, epochs]
    arrays: dict[str, np.ndarray]  # [S, ...]: what the figures show


def folds(data: Dataset, fold: Fold) -> dict[str, Cases]:
    """The cases to learn from ("train") and those to be scored on, by name.

    "final" learns from all training cases, as the papers did, and scores on test; "choice" leaves the
    validation cases out, scores on them, and never sees test.
    """
    if fold == "choice":
        return {"train": data.train, "valid": data.valid}
    return {"train": data.full_train, "test": data.test}


def pictures(test: Cases, reconstruct: Callable, encode: Callable) -> dict[str, np.ndarray]:
    """Examples for the figures: the first test case of each class as it is and as it is reconstructed,
    in 255ths, and, of a code with two units, the codes of the first 500 test cases of each class.

    `reconstruct` and `encode` map inputs [N V] to [S N V] and [S N C].
    """
    classes = np.unique(test.labels)
    first = np.array([np.flatnonzero(test.labels == label)[0] for label in classes])
    reconstructions = np.asarray(reconstruct(test.inputs[first]))
    examples = np.broadcast_to(test.inputs[first], reconstructions.shape)
    shown = {"example_inputs": _bytes(examples), "example_reconstructions": _bytes(reconstructions)}
    members = np.concatenate([np.flatnonzero(test.labels == c)[:CODES_PER_CLASS] for c in classes])
    codes = np.asarray(encode(test.inputs[members]), np.float32)
    if codes.shape[-1] == 2:
        labels = np.broadcast_to(test.labels[members].astype(np.uint8), codes.shape[:-1])
        shown |= {"codes": codes, "code_labels": labels}
    return shown


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(images * 255), 0, 255).astype(np.uint8)


def for_each(keys: Key[Array, " S"], value) -> np.ndarray:
    """The same number or curve for every seed."""
    return np.repeat(np.asarray(value, np.float64)[None], len(keys), axis=0)
