"""Records + published.csv -> tidy CSV and Markdown: generated, and checked for being stale."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from repro.errors import UserError
from repro.evaluation.uncertainty import interval
from repro.runs.provenance import ROOT
from repro.runs.record import Record, load_arrays, load_record

COLUMNS = ["experiment", "variant", "metric", "value", "low", "high", "n", "pretraining", "epochs", "updates"]
COLUMNS += ["device", "published", "source"]
CURVES = ["train_squared_error", "test_squared_error"]
CURVE_KEYS = [
    "experiment",
    "variant",
    "seed",
    "device",
    "load_per_core",
    "epoch",
    "updates",
    "flops",
    "seconds",
]


class Group(NamedTuple):
    """The records of one variant that differ in nothing but the seed."""

    experiment: str
    variant: str
    pretraining: str  # epochs of each layer
    epochs: int
    device: str
    paths: tuple[Path, ...]
    records: tuple[Record, ...]


def groups(folder: Path, experiment: str) -> list[Group]:
    """All groups of an experiment's records, by variant, then epochs, then device."""
    found = defaultdict(list)
    for path in sorted((folder / experiment).rglob("*.json")):
        record = load_record(path)
        same = path.stem.rsplit(".", 1)[1], record.provenance["data_sha256"]
        row = record.variant, pretraining(record), n_epochs(record), record.provenance["device"]
        found[*row, same].append((path, record))
    return [
        Group(experiment, *row, *map(tuple, zip(*members, strict=True)))
        for (*row, _), members in sorted(found.items())
    ]


def check_unambiguous(found: list[Group]) -> None:
    """Refuse two groups that a table could not tell apart, such as records of an older configuration.

    Raises:
        UserError: naming a file of each.
    """
    seen = {}
    for group in found:
        row = group.variant, group.pretraining, group.epochs, group.device
        if row in seen:
            raise UserError(
                f"{seen[row].paths[0]} and {group.paths[0]} would share a row: remove the outdated one"
            )
        seen[row] = group


def n_epochs(record: Record) -> int:
    """Fine-tuning epochs that a record has behind it; 0 if nothing was fine-tuned."""
    return (
        int(record.curves["epochs"][-1])
        if "epochs" in record.curves
        else len(record.curves.get("seconds", ()))
    )


def n_updates(record: Record) -> float:
    """Minibatches of fine-tuning; NaN if the record, an early one, does not say."""
    return float(record.curves["updates"][-1]) if "updates" in record.curves else np.nan


def layer_epochs(record: Record) -> list[int]:
    """Epochs of each pretrained layer, lowest first."""
    layers = sorted(name for name in record.curves if name.startswith("reconstruction_error_layer"))
    return [len(record.curves[name]) for name in layers]


def pretraining(record: Record) -> str:
    """Epochs of pretraining for reading: "200, 50, 50, 50", or one number if all layers have the same."""
    each = layer_epochs(record)
    return ", ".join(map(str, each[:1] if len(set(each)) == 1 else each))


def longest(found: list[Group]) -> dict[str, Group]:
    """For each variant the group to show: most epochs, then most seeds, then most epochs of pretraining."""
    ordered = sorted(found, key=lambda g: (g.epochs, len(g.records), sum(layer_epochs(g.records[0]))))
    return {group.variant: group for group in ordered}


def arrays(group: Group) -> dict[str, np.ndarray]:
    """What the figures show of a group: the arrays of its lowest seed."""
    return load_arrays(group.paths[0], group.records[0])


def tidy(found: list[Group], published: pd.DataFrame) -> pd.DataFrame:
    """One row per variant, metric, number of epochs and device: mean over seeds, 95 % interval, published."""
    rows = [row for group in found for row in _rows(group)]
    table = pd.DataFrame(rows, columns=COLUMNS[:-2])
    theirs = published.assign(source=published.key + ", " + published.artefact + " (" + published.sure + ")")
    theirs = theirs.rename(columns={"value": "published"})
    joined = table.merge(theirs, how="left", on=["experiment", "variant", "metric"], validate="many_to_one")
    return joined[COLUMNS]


def _rows(group: Group):
    for metric in group.records[0].metrics:
        values = np.array([record.metrics[metric] for record in group.records], float)
        yield (
            group.experiment,
            group.variant,
            metric,
            values.mean(),
            *interval(values),
            len(values),
            group.pretraining,
            group.epochs,
            n_updates(group.records[0]),
            group.device,
        )


def learning_curves(found: list[Group]) -> pd.DataFrame:
    """Scores against epochs and seconds, pretraining included, of each variant's longest group.

    One row per seed and epoch; epoch 0 is the network before fine-tuning.
    """
    shown = [(group, record) for group in longest(found).values() for record in group.records]
    rows = [row for group, record in shown for row in _curve(group, record)]
    return pd.DataFrame(rows, columns=[*CURVE_KEYS, *CURVES])


def _curve(group: Group, record: Record) -> list[tuple]:
    if not set(CURVES) <= set(record.curves):
        return []  # nothing was fine-tuned, or a rate was chosen, which never sees test
    shown, origin = record.curves, record.provenance
    n = len(shown["seconds"])
    before = [0, 0, np.nan, 0.0, *(record.metrics[f"{name}_before"] for name in CURVES)]
    unsaid = {"epochs": range(1, n + 1), "updates": [np.nan] * n, "flops": [np.nan] * n}  # by early records
    after = zip(*({**unsaid, **shown}[name] for name in (*unsaid, "seconds", *CURVES)), strict=True)
    waited = record.metrics["pretraining_seconds"]
    run = group.experiment, group.variant, record.seed, group.device, origin["load_average"] / origin["cores"]
    return [
        (*run, int(epoch), updates, flops, waited + seconds, *errors)
        for epoch, updates, flops, seconds, *errors in [before, *after]
    ]


def markdown(table: pd.DataFrame, title: str, note: str) -> str:
    """The tidy table for reading: one section per metric."""
    sections = [f"# {title}\n\n{note}\n"]
    for metric in table.metric.unique():
        sections.append(f"## {metric}\n\n{readable(table[table.metric == metric])}\n")
    return "\n".join(sections)


def readable(rows: pd.DataFrame) -> str:
    """*ours | interval | n | published | difference*, the difference in percent of the published value."""
    comparable = ~rows.source.str.contains("other scale", na=False)
    difference = 100 * (rows.value / rows.published.where(comparable) - 1)
    readable = pd.DataFrame(
        {
            "variant": rows.variant,
            "ours": rows.value.map(_number),
            "95 % interval": [
                f"{_number(a)} to {_number(b)}" if a == a else "–"
                for a, b in zip(rows.low, rows.high, strict=True)
            ],
            "n": rows.n,
            "pretraining": rows.pretraining.replace("", "–"),
            "epochs": rows.epochs,
            "updates": rows.updates.map(lambda n: "–" if n != n else f"{n:.0f}"),
            "published": rows.published.map(_number),
            "difference": [f"{round(d, 1) + 0.0:+.1f} %" if d == d else "–" for d in difference],
            "source": rows.source.fillna("–"),
            "device": rows.device,
        }
    )
    return readable.to_markdown(index=False, disable_numparse=True)


def _number(value: float) -> str:
    """Two decimals, or four significant digits of what is smaller than one or very large."""
    if value != value:
        return "–"
    return f"{value:.2f}" if value == 0 or 1 <= abs(value) < 1e5 else f"{value:.4g}"


def build(results: Path, profile: str, experiments: Mapping[str, Any]) -> dict[Path, str]:
    """Every generated table of a profile, by path.

    Raises:
        UserError: if nothing has been recorded.
    """
    published, tables = read_published(), tables_folder(results, profile)
    contents = {}
    for name, experiment in experiments.items():
        found = groups(results / profile, name)
        if not found:
            continue
        check_unambiguous(found)
        table = tidy(found, published)
        contents[tables / f"{name}.csv"] = table.to_csv(index=False, float_format="%.7g")
        contents[tables / f"{name}_curves.csv"] = learning_curves(found).to_csv(
            index=False, float_format="%.7g"
        )
        contents[tables / f"{name}.md"] = markdown(table, name, _note(profile, experiment))
    if not contents:
        raise UserError(f"no records below {results / profile}: `repro run --profile {profile}` makes them")
    return contents


def tables_folder(results: Path, profile: str) -> Path:
    """results/tables for committed evidence; the quick profile's stay with its records."""
    return results / "tables" if profile == "paper" else results / profile / "tables"


def read_published(path: Path = ROOT / "results" / "published.csv") -> pd.DataFrame:
    """The papers' numbers.

    Raises:
        UserError: if the file is missing.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing: restore it with `git checkout {path.name}`")
    return pd.read_csv(path)


def _note(profile: str, experiment) -> str:
    small = "**Quick profile: small data, few epochs; not evidence.** " if profile == "quick" else ""
    return (
        f"{small}{experiment.claim} [{experiment.artefact}]. Generated by `repro tables`; columns are "
        "explained in results/README.md. *ours* is the mean over n seeds; one seed has no interval."
    )
