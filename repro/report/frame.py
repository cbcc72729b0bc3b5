"""Every record of a profile as one table with typed columns: tables, verdicts and figures are queries on it.

A variant's name is for people; what a run was is in the columns. `shown` alone decides which run stands for
a variant.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from repro.errors import UserError
from repro.runs.config import (
    AsStarted,
    Autoencoders,
    Autoencoding,
    Belief,
    Boltzmann,
    Bound,
    ByHand,
    Classifying,
    Convolution,
    ConvolutionalNetworks,
    Density,
    DirectedModel,
    Energetic,
    FewLabels,
    Flops,
    Gaussian,
    Generating,
    GradientError,
    Inferring,
    Learning,
    LocallyLinear,
    Mixture,
    OneRBM,
    Pixels,
    Pretrained,
    PrincipalComponents,
    RandomFilters,
    SemanticAnalysis,
    SmallMachine,
    Supervised,
    Transfer,
    Tuning,
    from_json,
    lengths,
)
from repro.runs.record import Record, layer_epochs, load_arrays, load_records, n_epochs
from repro.timing.subject import Subject, named
from repro.training.optimisers.line_search import SEPTEMBER_2006
from repro.typed import as_json

DIVERGED = "diverged_epoch"  # a metric of runs of which seeds diverged: when, NaN of the others
RUN = ["experiment", "variant", "kind", "identity", "device"]  # seeds of one run agree in these
NAMES = {"highest": "float32", "tensorfloat32": "TF32", "TF32_TF32_F32_X3": "3 x TF32"}
NAMES |= {"BF16_BF16_F32": "bfloat16", "BF16_BF16_F32_X6": "6 x bfloat16"}
FACTS = {  # column: its type; what means nothing for a run is missing
    **dict.fromkeys(["experiment", "variant", "kind", "identity", "data", "device", "platform"], "string"),
    **dict.fromkeys(["start", "optimiser", "schedule", "activation", "widths"], "string"),
    "features": "string",  # kind of those that are transferred
    "model": "string",  # kind of one that is worth so many nats, or whose gradient is estimated
    **dict.fromkeys(["pretraining", "precision", "of_2006", "commit", "path"], "string"),
    **dict.fromkeys(["program", "workload", "sizes", "part", "host"], "string"),  # of timings
    **dict.fromkeys(["seed", "code_size", "n_layers", "n_labels", "epochs"], "Int64"),
    **dict.fromkeys(
        ["pretraining_epochs", "epochs_asked", "batch_size", "n_seeds", "cores", "cores_used"], "Int64"
    ),
    **dict.fromkeys(["start_scale", "momentum", "learning_rate", "l2", "flops_asked"], "Float64"),
    **dict.fromkeys(["updates", "flops", "wall_seconds", "load_per_core"], "Float64"),
    **dict.fromkeys(["of_curve", "tuned"], "boolean"),
}


@dataclass(frozen=True)
class Frame:
    """The records of a profile; `rows` has one row for each metric of each."""

    profile: str
    folder: Path  # of the results: the profile's records are in a folder of it
    records: dict[Path, Record]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a record: its facts."""
        rows = [{"path": str(path), **facts(record)} for path, record in self.records.items()]
        return pd.DataFrame(rows, columns=list(FACTS)).astype(FACTS)

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row a metric: the facts of its record, `metric` and `value`."""
        metrics = [
            (str(path), metric, value)
            for path, record in self.records.items()
            for metric, value in record.metrics.items()
        ]
        values = pd.DataFrame(metrics, columns=["path", "metric", "value"])
        return self.runs.merge(values.astype({"path": "string", "metric": "string"}), on="path", how="inner")

    def record(self, path: str) -> Record:
        """The record of a row."""
        return self.records[Path(path)]

    def arrays(self, path: str) -> dict[str, np.ndarray]:
        """What the figures show of the record of a row."""
        return load_arrays(Path(path), self.record(path))

    @property
    def small(self) -> bool:
        """Whether these are of the quick profile, and no evidence."""
        return self.profile == "quick"


def read(results: Path, profile: str) -> Frame:
    """All records of a profile.

    Raises:
        UserError: if one of them is not as it was written, or two are of one run.
    """
    records = load_records(results / profile)
    return Frame(profile, results, {path: _of_today(record) for path, record in records.items()})


def _of_today(record: Record) -> Record:
    """The record with every field that a configuration has today: those it lacks had what is the default.

    Raises:
        UserError: if its configuration is none of today's.
    """
    if record.config.get("kind") == "timing":
        return record
    try:
        return record._replace(config=as_json(from_json(record.config)))
    except UserError as error:
        raise UserError(f"the configuration of {_name(record)} is not one: {error}") from error


def _name(record: Record) -> str:
    return f"{record.experiment}/{record.variant}, seed {record.seed}"


def shown(runs: pd.DataFrame, by: Sequence[str] = ("experiment", "variant")) -> pd.DataFrame:
    """Of the rows of each variant, or of whatever `by` tells apart, those of the one run that stands for it:
    most epochs of fine-tuning (of classifiers, which stop by a rule, most that were allowed), then most
    seeds, then most epochs of pretraining, then products in float32 throughout, then the later identity.
    """
    if runs.empty:
        return runs
    finished = runs[runs.kind != "tuning"]
    allowed = finished.epochs.mask(finished.kind == "classifying", finished.epochs_asked)
    long = finished.assign(length=allowed)
    order = long.groupby([*dict.fromkeys([*RUN, *by])], dropna=False, sort=False).agg(
        epochs=("length", "max"),
        n=("seed", "nunique"),
        pretraining_epochs=("pretraining_epochs", "max"),
        precision=("precision", "first"),
    )
    order = order.reset_index().assign(exact=lambda runs: (runs.precision == "float32").fillna(False))
    keys = ["epochs", "n", "pretraining_epochs", "exact", "identity", "device"]
    best = order.sort_values(keys, kind="stable", na_position="first").drop_duplicates([*by], keep="last")
    return finished.merge(best[RUN], on=RUN, how="inner")


def select(rows: pd.DataFrame, **facts: Any) -> pd.DataFrame:
    """The rows whose columns have these values."""
    for name, value in facts.items():
        rows = rows.loc[(rows[name] == value).fillna(False)]
    return rows


def curves(frame: Frame, runs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Scores against what had been spent: a row for each seed and report of these runs, epoch 0 before
    fine-tuning; `seconds` and `flops` with pretraining. Runs that were not scored so are left out.
    """
    rows = [
        {**about, **point}
        for about in runs.drop_duplicates("path").to_dict("records")
        for point in _points(frame.record(about["path"]), names)
    ]
    return pd.DataFrame(rows, columns=[*FACTS, "epoch", "seconds", *names])


def _points(record: Record, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    has = record.curves
    if not set(names) <= set(has) or "seconds" not in has:
        return
    waited, n = record.metrics.get("pretraining_seconds") or 0.0, len(has["seconds"])
    yield {
        "epoch": 0,
        "updates": 0.0,
        "flops": np.nan,
        "seconds": waited,
        **{name: record.metrics.get(f"{name}_before", np.nan) for name in names},
    }
    epochs, unsaid = has.get("epochs", range(1, n + 1)), [np.nan] * n
    for i, epoch in enumerate(epochs):
        yield {
            "epoch": int(epoch),
            "updates": has.get("updates", unsaid)[i],
            "flops": has.get("flops", unsaid)[i],
            "seconds": waited + has["seconds"][i],
            **{name: has[name][i] for name in names},
        }


def facts(record: Record) -> dict[str, Any]:
    """What a run was, and how long it was, as columns.

    Raises:
        UserError: if its configuration is none of today's.
    """
    origin = record.provenance
    about = {
        "experiment": record.experiment,
        "variant": record.variant,
        "identity": record.identity,
        "seed": record.seed,
        "device": origin["device"],
        "platform": origin["platform"],
        "cores": origin["cores"],
        "commit": origin["commit"],
        "wall_seconds": origin["wall_seconds"] / origin["seeds_side_by_side"],
        # several processes on a GPU have a part of it each
        "load_per_core": max(origin["load_average"] / origin["cores"], origin.get("processes_on_gpu", 0)),
    }
    try:
        return about | (_of_timing(record) if record.config.get("kind") == "timing" else _of_run(record))
    except UserError as error:
        raise UserError(f"the configuration of {_name(record)} is not one: {error}") from error


def _of_run(record: Record) -> dict[str, Any]:
    config = from_json(record.config)
    found = {
        "kind": config.kind,
        "data": config.data,
        "epochs": 0,
        "pretraining_epochs": 0,
        "pretraining": "",
    }
    if isinstance(config, Transfer):
        config = config.features
        found["features"] = config.kind
    match config:
        case Pixels():
            return found
        case PrincipalComponents() | SemanticAnalysis() | LocallyLinear():
            return found | {"code_size": config.n_components}
        case ByHand():
            return found | _of_classifier_by_hand(record, config)
        case Bound():
            return found | _of_bound(record, config)
        case Density():
            return found | _of_density(record, config)
        case GradientError():
            return found | _of_small(config)
        case Convolution():
            return found | _of_convolution(record, config)
        case ConvolutionalNetworks():
            return found | _of_networks(record, config)
        case DirectedModel():
            return found | _of_directed(config) | _spent(record)
        case Tuning(run=run):
            of_run = _of_directed(run) if isinstance(run, DirectedModel) else _of_network(run)
            return found | of_run | {"flops": record.metrics.get("flops")}
    layers = layer_epochs(record) or _layerwise(config)
    each = layers[:1] if len(set(layers)) == 1 else layers
    return (
        found
        | _of_network(config)
        | _spent(record)
        | {"pretraining_epochs": sum(layers), "pretraining": ", ".join(map(str, each))}
    )


def _spent(record: Record) -> dict[str, Any]:
    updates = record.curves.get("updates")
    return {
        "epochs": n_epochs(record),
        "updates": updates[-1] if updates else None,
        "flops": record.metrics.get("flops"),
    }


def _of_classifier_by_hand(record: Record, config: ByHand) -> dict[str, Any]:
    return _spent(record) | {
        "epochs_asked": config.budget.n,
        "start": "he",
        "optimiser": "sgd",
        "momentum": config.momentum,
        "learning_rate": config.learning_rate,
        "activation": "relu",
        "batch_size": config.batch_size,
        "precision": "float64",
    }


def _of_bound(record: Record, config: Bound) -> dict[str, Any]:
    return {
        "updates": config.n_updates,
        "pretraining_epochs": sum(layer_epochs(record)),
        "pretraining": str(config.n_epochs),
        "start": config.start.kind,
        "widths": "-".join(map(str, config.widths)),
        "learning_rate": config.learning_rate,
        "precision": "float64",
    }


def _of_density(record: Record, config: Density) -> dict[str, Any]:
    model, layers = config.model, layer_epochs(record)
    found = {
        "model": model.kind,
        "epochs": lengths(model)[0],
        "flops": record.metrics.get("flops"),
        "pretraining_epochs": sum(layers),
        "pretraining": ", ".join(map(str, layers[:1] if len(set(layers)) == 1 else layers)),
        "precision": "float32",
    }
    match model:
        case Belief():
            how = model.pretraining.contrastive
            sizes, rate, batch_size = model.widths, how.learning_rate, model.pretraining.batch_size
        case Boltzmann():
            joint = model.learning.joint
            sizes, rate, batch_size = model.widths, joint.learning_rate, joint.batch_size
        case Energetic() | Generating():
            sizes = model.hidden if isinstance(model, Energetic) else (model.hidden, model.hidden)
            rate, batch_size = model.optimiser.learning_rate, model.batch_size
        case Inferring():
            sizes, rate, batch_size = model.latent, model.optimiser.learning_rate, model.batch_size
        case Mixture():
            sizes, rate, batch_size = (model.n_components,), None, model.batch_size
    return found | {"widths": "-".join(map(str, sizes)), "learning_rate": rate, "batch_size": batch_size}


def _of_convolution(record: Record, config: Convolution) -> dict[str, Any]:
    features, layers = config.features, layer_epochs(record)
    found = {
        "features": features.kind,
        "flops": record.metrics.get("flops"),
        "pretraining_epochs": sum(layers),
        "pretraining": "drawn" if config.drawn else ", ".join(map(str, dict.fromkeys(layers))),
        "precision": NAMES[config.precision],
    }
    if isinstance(features, OneRBM):
        return found | {"widths": str(features.n_hidden)}
    found["widths"] = "-".join(str(layer.n_bases) for layer in features.layers)
    if config.drawn or isinstance(features, RandomFilters):
        return found
    how = features.layers[0].learning
    return found | {name: getattr(how, name) for name in ("learning_rate", "momentum", "batch_size")}


def _of_networks(record: Record, config: ConvolutionalNetworks) -> dict[str, Any]:
    return {
        "flops": record.metrics.get("flops"),
        "start": "he",
        "optimiser": "sgd",
        "activation": "relu",
        "widths": "-".join(str(layer.n_bases) for layer in config.layers),
        "batch_size": config.batch_size,
        "precision": NAMES[config.precision],
    }


def _of_directed(config: DirectedModel) -> dict[str, Any]:
    between = zip(config.hidden, config.latent, strict=True)
    return _length(config) | {
        "start": "glorot",
        "start_scale": 1.0,
        "optimiser": config.optimiser.kind,
        "learning_rate": config.optimiser.learning_rate,
        "schedule": config.optimiser.schedule,
        "activation": config.activation,
        "widths": "-".join(f"{hidden}-{hidden}-{latent}" for hidden, latent in between),
        "code_size": config.latent[-1],
        "batch_size": config.batch_size,
        "tuned": config.tuning is not None,
        "precision": "float32",
    }


def _of_small(config: GradientError) -> dict[str, Any]:
    learns = config.model.joint if isinstance(config.model, SmallMachine) else config.model
    return {
        "model": config.model.kind,
        "epochs": learns.n_epochs,
        "widths": "-".join(map(str, config.model.widths)),
        "learning_rate": learns.learning_rate,
        "batch_size": learns.batch_size,
        "precision": "float64",
    }


def _layerwise(config: Learning | AsStarted) -> list[int]:
    """Epochs of each group of layers that learnt by backprop before the network did."""
    if not isinstance(start := config.start, Autoencoders | Supervised):
        return []
    n_groups = len(config.network.widths) if start.layerwise.one_by_one else 1
    return [start.layerwise.n_epochs] * n_groups


def widths_of(config: Learning | AsStarted) -> str:
    """The hidden layers, of an autoencoder those of the encoder, as the column has them."""
    return "-".join(map(str, config.network.widths))


def _of_network(config: Learning | AsStarted) -> dict[str, Any]:
    start, classifies = config.start, isinstance(config, Classifying | FewLabels)
    begins = {
        "start": start.kind,
        "start_scale": start.scale
        if isinstance(start, Pretrained | Gaussian)
        else getattr(start, "factor", None),
        "activation": config.network.activation,
        "widths": widths_of(config),
        "code_size": None if classifies else config.network.widths[-1],
        "n_layers": len(config.network.widths),
        "n_labels": config.n_labels if isinstance(config, FewLabels) else None,
        "precision": products(config),
    }
    return begins | ({} if isinstance(config, AsStarted) else _of_finetuning(config))


def _of_finetuning(config: Learning) -> dict[str, Any]:
    descent = config.optimiser
    return _length(config) | {
        "optimiser": descent.kind,
        "momentum": getattr(descent, "limit", getattr(descent, "momentum", None)),
        "learning_rate": getattr(descent, "learning_rate", None),
        "schedule": getattr(descent, "schedule", None),
        "l2": config.l2 if isinstance(config, Autoencoding) else None,
        "batch_size": config.batch_size,
        "tuned": bool(config.tuning if isinstance(config, Autoencoding) else config.rates),
        "of_2006": _of_2006(config),
    }


def _length(config: Learning | DirectedModel) -> dict[str, Any]:
    """How long it was to be."""
    if isinstance(config.budget, Flops):
        return {"flops_asked": config.budget.total}
    return {"epochs_asked": config.budget.n}


def products(config: Learning | AsStarted) -> str:
    """The precision of the matrix products; where pretraining has another than fine-tuning, both."""
    if isinstance(config, AsStarted):
        return NAMES[config.precision]
    both = [NAMES[name] for name in (config.precision.pretraining, config.precision.finetuning)]
    learnt_before = isinstance(config.start, Pretrained | Autoencoders | Supervised)
    return " + ".join(dict.fromkeys(both if learnt_before else both[1:]))


def _of_2006(config: Learning) -> str:
    """What a run has of the year's programs that others do not have."""
    if isinstance(config, Autoencoding) and config.minibatches == "formed once":
        return "as the program of 2006"
    search = getattr(config.optimiser, "line_search", None)
    return "minimize of 2006" if search == SEPTEMBER_2006 else ""


def _of_timing(record: Record) -> dict[str, Any]:
    subject, origin = Subject(**record.config), record.provenance
    config = as_json(subject)
    same = {
        name: config[name]
        for name in ("kind", "program", "workload", "batch_size", "precision", "n_seeds", "of_curve")
    }
    return same | {
        "sizes": named(subject.sizes),
        "part": subject.part,
        "host": origin["host"],
        "cores_used": origin["cores_used"] if origin["platform"] == "cpu" else None,
    }
