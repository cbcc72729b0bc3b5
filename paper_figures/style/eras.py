"""What the figures of the eras read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from paper_figures.style import arms
from repro.errors import RecordsMissingError
from repro.report.tables import tables_folder
from repro.timing.machines import Machine


def of_eras(results: Path, profile: str, part: str = "") -> pd.DataFrame:
    """A table of what training cost: the rates, or the part "curves", "targets" or "2006".

    Raises:
        RecordsMissingError: if there is none.
    """
    path = tables_folder(results, profile) / "_".join(filter(None, ["eras", part]))
    path = path.with_suffix(".csv")
    if not path.is_file():
        remedy = f"`repro time --profile {profile}`, then `repro tables --profile {profile}`"
        raise RecordsMissingError(f"{path} is missing: run {remedy}")
    return pd.read_csv(path)


def best(runs: pd.DataFrame) -> pd.DataFrame:
    """The arms that have a colour, in that order; of one that several experiments have, the run with the
    lowest error.
    """
    runs = runs.assign(arm=runs.variant.astype(str).str.split("/").str[-1])
    runs = runs[runs.arm.isin(arms.COLOURS)]
    lowest = runs.groupby(["data", "arm", "device", "experiment"]).value.min().reset_index()
    chosen = lowest.sort_values("value", kind="stable").drop_duplicates(["data", "arm", "device"])
    shown = runs.merge(chosen.drop(columns="value"), on=["data", "arm", "device", "experiment"])
    return shown.sort_values(["arm", "device"], key=_rank, kind="stable")


def _rank(column: pd.Series) -> pd.Series:
    order = {name: i for i, name in enumerate(arms.COLOURS)}
    return column.map(order) if column.name == "arm" else column


def direct_seconds(then: pd.DataFrame, data: str, rate: Machine) -> pd.Series:
    """Seconds that one direct run of the published length would have taken at the machine's rate."""
    one = then[(then.data == data) & then.variant.str.startswith("one direct run")]
    return one.flops / (rate.sustained_gflops * 1e9)


def speedups(table: pd.DataFrame) -> pd.DataFrame:
    """One row per host, kind of speed-up, workload and size: slower over faster, with its range."""
    plain = table[(table.seeds == 1) & (table.batch_size < 1000) & table.program.isin(["jax", "program2006"])]
    plain = plain[plain.precision.isin(["float32", "float64"])]
    one_core = plain.variant.str.endswith("-1core")
    lane = np.where(plain.cores == "GPU", "gpu", np.where(one_core, "one", "all"))
    index = ["host", "workload", "sizes"]
    by = {
        key: own.drop_duplicates(index).set_index(index)
        for key, own in plain.assign(lane=lane).groupby(["program", "lane"])
    }
    nothing = plain.head(0).set_index(index)
    one, every, gpu = (by.get(("jax", lane), nothing) for lane in ("one", "all", "gpu"))
    kinds = {"GPU over one core": (one, gpu), "all cores over one": (one, every)}
    kinds["JAX over the 2006 program"] = (by.get(("program2006", "one"), nothing), one)
    parts = [_ratio(*pair).assign(kind=kind) for kind, pair in kinds.items()]
    return pd.concat(parts).reset_index()


def _ratio(slow: pd.DataFrame, fast: pd.DataFrame) -> pd.DataFrame:
    both = slow.add_suffix("_slow").join(fast.add_suffix("_fast"), how="inner")
    value, low, high = ("value", "value"), ("low", "high"), ("high", "low")
    columns = {"value": value, "low": low, "high": high}
    ratios = {name: both[f"{a}_slow"] / both[f"{b}_fast"] for name, (a, b) in columns.items()}
    return pd.DataFrame(ratios | {"device": both.machine_fast})
