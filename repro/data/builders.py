"""The one place that drives tensorflow-datasets: quietly, without TensorFlow, and lazily imported."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from repro.data.recipe import SPLITS, Arrays
from repro.data.sources import Source, unreachable
from repro.errors import DataUnavailableError


def build(
    name: str, sources: tuple[Source, ...], scratch: Path, files: Mapping[str, Path] | None = None
) -> Arrays:
    """Run the `Builder` of `repro.data.<name>.builder` and read back all it has written, in order.

    The raw files are `files`, by name, if they are given and are downloaded otherwise. Downloads and the
    array_record files stay below `scratch`; whoever made that folder deletes it.

    Raises:
        DataUnavailableError: tensorflow-datasets is not installed, or the download broke off or brought
            another file.

    """
    try:
        import requests
        import tensorflow_datasets as tfds
        from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
        from tensorflow_datasets.core.download.util import DownloadError
    except ImportError as error:
        raise DataUnavailableError(
            f"{name} cannot be prepared without the package tensorflow-datasets ({error}): "
            f"pip install tensorflow-datasets importlib_resources"
        ) from error
    tfds.disable_progress_bar()
    builder = importlib.import_module(f"repro.data.{name}.builder").Builder(
        data_dir=scratch, file_format="array_record"
    )
    builder.files = files
    config = tfds.download.DownloadConfig(num_shards=1, verify_ssl=True)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it announces itself by bare print
            builder.download_and_prepare(download_dir=scratch / "downloads", download_config=config)
    except (NonMatchingChecksumError, DownloadError, requests.RequestException) as error:
        raise DataUnavailableError(unreachable(name, sources, " ".join(str(error).split()[:30]))) from error
    return {key: x for split in SPLITS for key, x in read_split(builder, split).items()}


def read_split(builder, split: str) -> Arrays:
    """One split of a prepared builder as `<split>_<feature>` arrays, cases along the leading axis.

    The types are restored from the features: without TensorFlow the reader gives every integer as int64.
    """
    source = builder.as_data_source(split=split)
    cases = source.__getitems__(range(len(source)))
    return {
        f"{split}_{key}": np.array([case[key] for case in cases], dtype=feature.np_dtype)
        for key, feature in builder.info.features.items()
    }
