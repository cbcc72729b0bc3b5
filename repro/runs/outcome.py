"""What a run has to say, and what every run shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.sparse import csr_array

from repro.data.dataset import Cases, Dataset, Inputs
from repro.evaluation.retrieval import precision
from repro.models.autoencoder import Layer
from repro.runs.config import LearnsFrom
from repro.training.counts import Counts, counts_of

N_EXAMPLES = 10  # images shown of a data set without classes
CODES_PER_CLASS = 500  # points of each class in a picture of 2-D codes [hinton2006science, fig. 3]
ENCODED = 2**15  # documents encoded at a time: 256 MiB of 2000 dense counts


class Outcome(NamedTuple):
    """Every leaf has leading axis S, one entry per seed."""

    metrics: dict[str, np.ndarray]  # [S]: scores and costs at the end, units in the name
    curves: dict[str, np.ndarray]  # [S, epochs]
    arrays: dict[str, np.ndarray]  # [S, ...]: what the figures show
    layers: Sequence[Layer] = ()  # of a network on a user's own data: weights [S I O] and biases [S O]


def side_by_side(platform: str | None = None) -> bool:
    """Whether devices of this platform, or of this machine, train several as fast as one: accelerators do;
    CPUs take them one by one.
    """
    return (platform or jax.devices()[0].platform) != "cpu"


def cases_of(data: Dataset, learns_from: LearnsFrom) -> dict[str, Cases]:
    """The cases to learn from ("train") and those to be scored on, by name.

    "all" learns from all training cases, as the papers did; "train" leaves the validation cases out and
    scores on them too, so that runs can be chosen by them.
    """
    if learns_from == "all":
        return {"train": data.full_train, "test": data.test}
    return {"train": data.train, "valid": data.valid, "test": data.test}


def on_device(inputs: Inputs) -> Float[Array, "N V"] | Counts:
    """Inputs where they are learnt from and scored."""
    return counts_of(inputs) if isinstance(inputs, csr_array) else jax.device_put(inputs)


def retrieval(
    data: Dataset, encode: Callable, split: Literal["valid", "test"] = "test"
) -> dict[str, np.ndarray]:
    """How well the codes of test or validation documents find those of the same class; see `precision`.

    `encode` maps inputs [N V] to [S N C].
    """
    cases = data.test if split == "test" else data.valid
    starts = range(0, len(cases.labels), ENCODED)
    blocks = [np.asarray(encode(cases.inputs[i : i + ENCODED])) for i in starts]
    codes = np.concatenate(blocks, axis=1).astype(np.float32)
    found = [precision(of_seed, cases.labels) for of_seed in codes]
    return {f"{split}_{name}": np.array([of_seed[name] for of_seed in found]) for name in found[0]}


def pictures(data: Dataset, reconstruct: Callable, encode: Callable) -> dict[str, np.ndarray]:
    """What the figures show of a network: examples of images, and codes that have two units.

    `reconstruct` and `encode` map inputs [N V] to [S N V] and [S N C].
    """
    shown = {} if data.kind == "count" else examples(data, reconstruct)
    return shown | codes(data, encode)


def examples(data: Dataset, reconstruct: Callable) -> dict[str, np.ndarray]:
    """The first test image of each class, or the first ten where there are no classes, and what becomes of
    them; pixels in [0, 1] are kept in 255ths.
    """
    test = data.test
    _, first = np.unique(test.labels, return_index=True)
    inputs = test.inputs[first if len(first) > 1 else slice(N_EXAMPLES)]
    reconstructions = np.asarray(reconstruct(inputs))
    inputs = np.broadcast_to(inputs, reconstructions.shape)
    shown = {"example_inputs": inputs, "example_reconstructions": reconstructions}
    return {name: as_bytes(x) if data.kind == "binary" else x.astype(np.float32) for name, x in shown.items()}


def coded(labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " K"]:
    """Which test cases a picture of 2-D codes shows: the first 500 of each class, class after class."""
    return np.concatenate([np.flatnonzero(labels == c)[:CODES_PER_CLASS] for c in np.unique(labels)])


def codes(data: Dataset, encode: Callable) -> dict[str, np.ndarray]:
    """The codes of the test cases that `coded` names, if they have two units, and their labels; of documents
    also the names of the classes and how many test cases each has in all.
    """
    test = data.test
    members = coded(test.labels)
    found = np.asarray(encode(test.inputs[members]), np.float32)
    if found.shape[-1] != 2:
        return {}
    labels = np.broadcast_to(test.labels[members].astype(np.uint8), found.shape[:-1])
    shown = {"codes": found, "code_labels": labels}
    if data.classes:
        sizes = np.bincount(test.labels, minlength=len(data.classes))
        about = {"class_names": data.classes, "class_sizes": sizes}
        shown |= {name: np.array([value] * len(found)) for name, value in about.items()}
    return shown


def weights(layers: Sequence[Layer], i: int) -> dict[str, np.ndarray]:
    """The layers of the i-th seed by name, `weights_0` and `biases_0` those of the lowest."""
    names = {}
    for depth, (matrix, biases) in enumerate(layers):
        names |= {f"weights_{depth}": np.asarray(matrix[i]), f"biases_{depth}": np.asarray(biases[i])}
    return names


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Pixels in [0, 1] in 255ths."""
    return np.clip(np.rint(images * 255), 0, 255).astype(np.uint8)


def for_each(keys: Key[Array, " S"], value) -> np.ndarray:
    """The same number or curve for every seed."""
    return np.repeat(np.asarray(value, np.float64)[None], len(keys), axis=0)
