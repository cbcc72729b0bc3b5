"""What every data set looks like once it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32
from scipy.sparse import csr_array, vstack

from repro.errors import UserError
from repro.shapes import VisibleKind

OWN = "own"  # the source of data that a user brings
Inputs = Float32[np.ndarray, "N V"] | Float32[csr_array, "N V"]


class Cases(NamedTuple):
    """Some cases with their classes; inputs in the units of the data set's kind (pixels in [0, 1]).

    Word counts are sparse, everything else is dense.
    """

    inputs: Inputs
    labels: Int32[np.ndarray, " N"]


@dataclass(frozen=True)
class Dataset:
    """A data set split three ways.

    `train` and `valid` serve every choice; `full_train`, both together, serves the final figures,
    as in the papers; `test` is for reporting alone.
    """

    name: str
    source: str  # "full"; "embedded", the small sample that an installed package carries; or OWN
    kind: VisibleKind
    checksum: str  # SHA-256 over the stored arrays
    train: Cases
    valid: Cases
    test: Cases
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, ..., where they have any
    vocabulary: tuple[str, ...] = ()  # the words that the inputs count

    @property
    def labelled(self) -> bool:
        """Whether the test cases are of several classes."""
        return len(set(self.test.labels.tolist())) > 1

    @property
    def full_train(self) -> Cases:
        """The training and the validation cases, in that order."""
        labels = np.concatenate([self.train.labels, self.valid.labels])
        if isinstance(self.train.inputs, csr_array):
            return Cases(csr_array(vstack([self.train.inputs, self.valid.inputs])), labels)
        return Cases(np.concatenate([self.train.inputs, np.asarray(self.valid.inputs)]), labels)


def check_classes(data: Dataset) -> None:
    """Refuse data that a network of binary visible units cannot learn to classify.

    Raises:
        UserError: naming what is wrong.
    """
    unknown = {*data.test.labels.tolist()} - {*data.train.labels.tolist()}
    wrong = "has no classes" if not data.labelled else ""
    wrong = wrong or ("has test cases of classes that no training case is of" if unknown else "")
    wrong = "has no pixels in [0, 1]" if data.kind != "binary" else wrong
    if wrong:
        raise UserError(f"data: {data.name} {wrong}, so that it cannot be classified: name mnist")
