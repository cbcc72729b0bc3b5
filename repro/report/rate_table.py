"""The rates of every machine as one tidy table, and its parts for reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from repro.runs.record import Record, load_record
from repro.timing.machines import published_speeds
from repro.timing.rates import BUSY, EXPERIMENT, machine
from repro.timing.subject import MNIST, MNIST_BATCH, NETWORK, RAINA, RAINA_BATCH

COLUMNS = ["machine", "host", "variant", "program", "workload", "sizes", "batch_size", "cores", "precision"]
COLUMNS += ["seeds", "metric", "value", "low", "high", "n", "load_per_core"]
RATES = ("gflops", "gigabytes_per_second", "fraction")  # metrics that are larger when calls are shorter
NOT_MEASURED = "not yet measured"
COMMAND = "repro time --profile paper"


def timed(folder: Path) -> list[Record]:
    """Every record of a timed subject in the folder of a profile."""
    return [load_record(path) for path in sorted((folder / EXPERIMENT).glob("*.json"))]


def tidy(records: Iterable[Record]) -> pd.DataFrame:
    """One row per machine, variant and metric: of the median call, with the range over n calls."""
    return pd.DataFrame([row for record in records for row in _rows(record)], columns=COLUMNS)


def _rows(record: Record) -> Iterable[tuple]:
    config, origin, calls = record.config, record.provenance, sorted(record.curves["call_seconds"])
    median = (calls[(len(calls) - 1) // 2] + calls[len(calls) // 2]) / 2
    shortest, longest = calls[0] / median, calls[-1] / median
    cores = "GPU" if origin["platform"] != "cpu" else str(origin["cores_used"])
    about = (
        config["program"],
        config["workload"],
        named(config["sizes"]),
        config["batch_size"],
        cores,
        config["precision"],
    )
    for metric, value in record.metrics.items():
        span = value * shortest, value * longest
        if metric.startswith(RATES):
            span = value / longest, value / shortest
        if "floor" in metric or metric == "compile_seconds":
            span = float("nan"), float("nan")  # not from these calls
        load = origin["load_average"] / origin["cores"]
        first = machine(origin), origin["host"], record.variant, *about, config["n_seeds"]
        yield (*first, metric, value, *span, len(calls), load)


def pages(table: pd.DataFrame) -> str:
    """The rates for reading: time, share of the machine's own matrix products, floors, compiling."""
    sections = [_busy(table)] if (table.load_per_core > BUSY).any() else []
    for workload, name in (("cd1", "CD-1"), ("backprop", "Backprop")):
        rows = table[(table.workload == workload) & ~table.variant.str.contains("cases")]
        of_mnist = MNIST_SIZES[:-1] if workload == "cd1" else MNIST_SIZES
        both = [*of_mnist, *RAINA_SIZES]
        for title, part in (
            ("seconds an epoch of 60,000 cases", grid(rows, of_mnist, epoch)),
            ("seconds a million cases", grid(rows, RAINA_SIZES, million, workload == "cd1")),
            (
                "GFLOP/s (share of the matrix products at these shapes, and of the best)",
                grid(rows, both, share),
            ),
            ("least seconds a million cases, by flops or by bytes", grid(rows, both, floor)),
            ("seconds of compiling", grid(rows, both, compiling)),
        ):
            sections += [f"### {name}: {title}\n", part]
    return "\n".join(sections)


def named(sizes: Sequence[int]) -> str:
    """Sizes of layers in one word."""
    return "x".join(map(str, sizes))


MNIST_SIZES = [named(sizes) for sizes in (*MNIST, NETWORK)]
RAINA_SIZES = [named(sizes) for sizes in RAINA]


def grid(rows: pd.DataFrame, sizes: list[str], cell: Callable, with_published: bool = False) -> str:
    """A table of programs by sizes; a row says that no GPU has been timed, where none has."""
    lines, about = [], ["machine", "program", "cores", "precision", "batch", "seeds"]
    usual = rows.batch_size.isin([MNIST_BATCH, RAINA_BATCH])
    rows = rows.assign(batch=rows.batch_size.astype(str).mask(usual, f"{MNIST_BATCH} or {RAINA_BATCH}"))
    for key, own in rows.groupby(about, sort=False):
        cells = {size: cell(values(own, size)) for size in sizes}
        if any(text != "–" for text in cells.values()):
            lines.append(dict(zip(about, map(str, key), strict=True)) | cells)
    if not any(line["cores"] == "GPU" for line in lines):
        lines.append(dict.fromkeys(about, "any") | {"machine": "a GPU", "program": "jax", "cores": "GPU"})
        lines[-1] |= dict.fromkeys(sizes, NOT_MEASURED)
    lines += _published(sizes) if with_published else []
    return pd.DataFrame(lines).fillna("–").to_markdown(index=False, disable_numparse=True) + "\n"


def values(rows: pd.DataFrame, size: str) -> dict[str, Any]:
    """Rows of one program at one size, by metric."""
    own = rows[rows.sizes == size]
    return {row["metric"]: SimpleNamespace(**row) for row in own.to_dict("records")}


def epoch(found: dict[str, Any]) -> str:
    """Median and range of an epoch."""
    return _spread(found.get("seconds_per_epoch"))


def million(found: dict[str, Any]) -> str:
    """Median and range of a million cases."""
    return _spread(found.get("seconds_per_million_cases"))


def _spread(row) -> str:
    return f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g}, n {row.n})" if row is not None else "–"


def share(found: dict[str, Any]) -> str:
    """The rate, and what part that is of the machine's own."""
    if "gflops" not in found:
        return "–"
    same, best = (found[f"fraction_of_{what}"].value for what in ("matmul", "best_matmul"))
    return f"{found['gflops'].value:.3g} ({100 * same:.0f} %, {100 * best:.0f} %)"


def floor(found: dict[str, Any]) -> str:
    """The time below which the machine cannot go."""
    least = {what: found.get(f"{what}_floor_seconds_per_million_cases") for what in ("flops", "bytes")}
    seconds = {what: row.value for what, row in least.items() if row is not None}
    bound = max(seconds, key=lambda what: seconds[what], default="")
    return f"{seconds[bound]:.3g} {bound}" if bound else "–"


def compiling(found: dict[str, Any]) -> str:
    """Seconds of compiling; nothing is compiled of other programs."""
    row = found.get("compile_seconds")
    return f"{row.value:.2g}" if row is not None and row.program == "jax" else "–"


def _published(sizes: list[str]) -> list[dict[str, str]]:
    """What raina2009large printed."""
    speeds = published_speeds()
    speeds = speeds[speeds.metric == "seconds_per_million_cases"]
    lines = []
    for (name, sure), own in speeds.groupby(["machine", "sure"], sort=False):
        printed = {f"{row.visible:.0f}x{row.hidden:.0f}": f"{row.value:g}" for row in own.itertuples()}
        line = {"machine": f"{name}, {own.key.iloc[0]} ({sure})"}
        lines.append(line | {size: printed.get(size, "–") for size in sizes})
    return lines


def _busy(table: pd.DataFrame) -> str:
    names = ", ".join(sorted(set(table.machine[table.load_per_core > BUSY])))
    return f"**{names} did other work at the time: these seconds are too long.**\n"
