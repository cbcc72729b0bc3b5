"""Cases with their labels, where they are learnt from: indexed together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
from jaxtyping import Array, Int


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Labelled:
    """N cases, or N for each of S seeds; a minibatch of them is one too."""

    # arrays, but no types that are checked: JAX makes pytrees of its own things too
    inputs: Any  # float32 [*seeds N V]
    labels: Any  # int32 [*seeds N]

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the inputs."""
        return self.inputs.shape

    @property
    def ndim(self) -> int:
        """That of the inputs."""
        return self.inputs.ndim

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, members: Int[Array, "*B"]) -> Labelled:
        """These cases."""
        return Labelled(self.inputs[members], self.labels[members])
