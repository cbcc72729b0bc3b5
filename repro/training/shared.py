"""What training that several runs may do, word for word, is known by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key


def names(
    keys: Key[Array, " S"], always: tuple[Any, ...], layers: Iterable[tuple[Any, ...]]
) -> Iterator[str]:
    """Of the training of each layer, lowest first: a digest of all that decides it but the data and the kind
    of device, the layers below included. Arrays count by their bytes, all else as Python shows it.
    """
    digest = hashlib.sha256(repr((jax.config.values["jax_default_matmul_precision"], *always)).encode())
    digest.update(np.asarray(jr.key_data(keys)).tobytes())
    for layer in layers:
        for part in layer:
            is_array = isinstance(part, np.ndarray | jax.Array)
            digest.update(np.asarray(part).tobytes() if is_array else repr(part).encode())
        yield digest.hexdigest()[:16]
