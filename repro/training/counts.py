"""Word counts on a device: sparse there too, dense a minibatch at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.sparse import csr_array

BLOCK = 2**15  # documents made dense at a time where all are gone through: 256 MiB of 2000 counts


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Counts:
    """N documents over V words, stored one after another; indexed as the dense [N V] array would be.

    Rows padded to the longest would not do: few stories of RCV1 have several hundred different words, most
    have some fifty, and padded they take two thirds of what dense counts do.
    """

    # arrays, but no types that are checked: JAX makes pytrees of its own things too
    words: Any  # int32 [W], the different words of each document
    counts: Any  # float32 [W], how often each occurs
    starts: Any  # int32 [N], where in these a document begins
    lengths: Any  # int32 [N], how many different words it has
    n_words: int = field(metadata={"static": True})  # V
    longest: int = field(metadata={"static": True})  # different words of the document that has most

    @property
    def shape(self) -> tuple[int, int]:
        """N, V."""
        return len(self), self.n_words

    @property
    def ndim(self) -> int:
        """That of [N V]."""
        return 2

    @property
    def dtype(self) -> np.dtype:
        """That of the counts."""
        return self.counts.dtype

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, members: Int[Array, "*B"]) -> Float[Array, "*B V"]:
        """These documents, dense."""
        return jnp.vectorize(self._dense, signature="()->(v)")(members)

    def _dense(self, member: Int[Array, ""]) -> Float[Array, " V"]:
        place = jnp.arange(self.longest, dtype=jnp.int32)
        at = self.starts[member] + place
        words = jnp.where(place < self.lengths[member], self.words[at], self.n_words)  # the rest is dropped
        nothing = jnp.zeros(self.n_words, self.counts.dtype)
        return nothing.at[words].set(self.counts[at], mode="drop")


def counts_of(documents: Float[csr_array, "N V"]) -> Counts:
    """The counts, on the device."""
    lengths, shape = np.diff(documents.indptr), documents.shape
    assert shape is not None, "what SciPy says of a sparse array may be None"
    return Counts(
        words=jnp.asarray(documents.indices, jnp.int32),
        counts=jnp.asarray(documents.data),
        starts=jnp.asarray(documents.indptr[:-1], jnp.int32),
        lengths=jnp.asarray(lengths, jnp.int32),
        n_words=shape[1],
        longest=int(lengths.max()),
    )


def of_each(function: Callable, inputs: Float[Array, "N V"] | Counts, at_a_time: int | None = None) -> Any:
    """`function` of every case, [N ...]: of so many at a time, or of all at once; of documents never of all,
    for that would make all of them dense.
    """
    if isinstance(inputs, Counts):
        members = jnp.arange(len(inputs), dtype=jnp.int32)
        size = min(at_a_time or BLOCK, len(inputs))
        return jax.lax.map(lambda member: function(inputs[member]), members, batch_size=size)
    if at_a_time is None:
        return jax.vmap(function)(inputs)
    return jax.lax.map(function, inputs, batch_size=min(at_a_time, len(inputs)))
