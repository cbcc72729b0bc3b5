"""The tensorflow-datasets builder of MNIST: raw bytes in, array_record out, no TensorFlow anywhere.

The stock `mnist` builder declares an Image feature, which needs TensorFlow; plain tensors do not.
Imported only while the data set is being prepared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from repro.data.mnist.idx import read_idx
from repro.data.mnist.recipe import SOURCES, VERSION

RANGES = {  # split: which pair of files, and which of its cases
    "train": ("train", slice(0, 50_000)),
    "valid": ("train", slice(50_000, 60_000)),
    "test": ("t10k", slice(0, 10_000)),
}


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The four canonical files as `inputs` (uint8, 784 pixels) and `labels` (uint8), in the files' order."""

    name = "repro_mnist"  # not the stock builder's
    VERSION = tfds.core.Version(VERSION)
    files: Mapping[str, Path] | None = None  # raw files that are here already, by their names at the host

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "inputs": tfds.features.Tensor(shape=(784,), dtype=np.uint8, encoding="bytes"),
            "labels": tfds.features.Tensor(shape=(), dtype=np.uint8),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, dl_manager):
        paths = self.files or dl_manager.download({source.filename: source.url for source in SOURCES})
        return {
            split: self._generate_examples(
                read_idx(Path(paths[f"{stem}-images-idx3-ubyte.gz"]))[cases],
                read_idx(Path(paths[f"{stem}-labels-idx1-ubyte.gz"]))[cases],
            )
            for split, (stem, cases) in RANGES.items()
        }

    def _generate_examples(self, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict]]:
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield i, {"inputs": image.reshape(784), "labels": label}
