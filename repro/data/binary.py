"""Binary images: pixels in [0, 1] become 0 or 1, each drawn with its value as the probability."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32
from scipy.sparse import csr_array

from repro.data.dataset import Dataset
from repro.errors import UserError

DRAW = 2008  # of the images that models are scored on, the same for all of them


def drawn_once(values: Float[np.ndarray, "N V"]) -> Float32[np.ndarray, "N V"]:
    """Binary images, of the same values always the same   [salakhutdinov2008quantitative, section 5]."""
    draw = np.random.default_rng(DRAW)
    return (draw.random(values.shape, np.float32) < values).astype(np.float32)


def check_pixels(data: Dataset) -> None:
    """Refuse data that are no images with pixels in [0, 1].

    Raises:
        UserError: naming what is wrong.
    """
    if data.kind != "binary" or isinstance(data.train.inputs, csr_array):
        raise UserError(f"data: {data.name} has no pixels in [0, 1]: name mnist")
