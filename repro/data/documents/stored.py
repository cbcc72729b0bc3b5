"""A table of counts split three ways, as it is stored and as it is learnt from."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from repro.data.dataset import Cases
from repro.data.documents.table import Table
from repro.data.recipe import SPLITS, Arrays
from repro.errors import UserError

SEED = 2006


def random_halves(n: int) -> dict[str, np.ndarray]:
    """Which of n documents train, validate and test: random halves [hinton2006science, p. 506].

    The first half of a random order trains, its last tenth held out for every choice; the second half,
    larger by one when n is odd, is for testing. The order is that of n raw 64-bit draws of PCG64, a stream
    that NumPy promises never to change.
    """
    order = np.argsort(np.random.PCG64(SEED).random_raw(n), kind="stable")
    half = n // 2
    held_out = half // 10
    return {"train": order[: half - held_out], "valid": order[half - held_out : half], "test": order[half:]}


def stored(name: str, table: Table, places: dict[str, np.ndarray]) -> Arrays:
    """The arrays to store: per split the counts as compressed rows, labels and story numbers; the names.

    `places` says which rows of the table each split takes, in which order. `dropped` is a number, shape (1,).

    Raises:
        UserError: so few documents that a split would be empty.

    """
    if not all(len(places[split]) for split in SPLITS):
        raise UserError(f"{name} has {len(table.numbers)} documents: too few to train, validate and test")
    arrays = {
        "vocabulary": np.array(table.vocabulary, np.str_),
        "classes": np.array(table.classes, np.str_),
        "dropped": np.array([table.n_dropped], np.int32),
    }
    for split in SPLITS:
        rows = table.counts[places[split]]
        arrays |= {
            f"{split}_indptr": rows.indptr.astype(np.int64),
            f"{split}_indices": rows.indices.astype(np.uint16),
            f"{split}_counts": rows.data,
            f"{split}_labels": table.labels[places[split]],
            f"{split}_stories": table.numbers[places[split]],
        }
    return arrays


def cases(arrays: Arrays, split: str) -> Cases:
    """One split as sparse float32 counts, shape (N, V), with its labels."""
    counts, indices, indptr = (arrays[f"{split}_{part}"] for part in ("counts", "indices", "indptr"))
    entries = (np.array(counts, np.float32), np.array(indices, np.int32), np.array(indptr))
    inputs = csr_array(entries, shape=(len(indptr) - 1, len(arrays["vocabulary"])))
    return Cases(inputs, np.array(arrays[f"{split}_labels"], np.int32))


def names(arrays: Arrays, of: str) -> tuple[str, ...]:
    """The names of the "classes" or the words of the "vocabulary"; none for a data set that stores none."""
    return tuple(arrays[of].tolist()) if of in arrays else ()
