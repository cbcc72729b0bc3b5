"""What the figures of costs read from the frame: what every arm spent, and speed-ups of programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from paper_figures.style import arms
from paper_figures.style.evidence import ERROR
from repro.report.frame import RUN, Frame, curves, select, shown
from repro.runs.record import Record
from repro.timing.conversion import direct_run
from repro.timing.load import BUSY
from repro.timing.machines import Machine
from repro.timing.target import PIXELS, trajectory
from repro.training.flops import direct_flops

NETWORKS = {  # hidden layers of hinton2006science's autoencoders, figs. 2A to 2C
    "curves": "400-200-100-50-25-6",
    "mnist": "1000-500-250-30",
    "faces": "2000-1000-500-30",
}
ARM = ("data", "start", "start_scale", "optimiser", "momentum", "activation", "l2")
ORDER = list(arms.STARTS)


def of_arms(frame: Frame, *more: str) -> pd.DataFrame:
    """What every run spent that stands for an arm on a network of the paper, a row for each seed and report:
    its facts, `epoch`, `seconds`, `updates`, `flops` and the test squared error; pretraining is counted in.
    `more`: columns that tell apart what is shown, such as the device.
    """
    runs = select(frame.runs, kind="autoencoding")
    runs = runs[runs.widths == runs["data"].map(NETWORKS)]
    runs = runs[(runs.experiment == runs["data"]) | (runs.experiment == "direct")]
    runs = runs[[arms.usual_scale(run) for run in runs.itertuples()]]
    return spent(frame, shown(runs, (*ARM, *more)))


def spent(frame: Frame, runs: pd.DataFrame) -> pd.DataFrame:
    """The test squared error of these runs against everything that was spent for it, by start."""
    points = [_filled(frame.record(path), own) for path, own in curves(frame, runs, [ERROR]).groupby("path")]
    if not points:
        return curves(frame, runs.head(0), [ERROR])
    return pd.concat(points).sort_values(
        ["start", "optimiser", "path", "epoch"],
        key=_by_start,
        kind="stable",
        ignore_index=True,
    )


def _by_start(column: pd.Series) -> pd.Series:
    return column.map(ORDER.index) if column.name == "start" else column


def _filled(record: Record, points: pd.DataFrame) -> pd.DataFrame:
    """The reports of one record, with what was spent until each."""
    run = trajectory(record)
    return points.assign(updates=run.updates, flops=run.flops, seconds=run.seconds)


def means(trained: pd.DataFrame) -> pd.DataFrame:
    """One run's reports, averaged over its seeds: what was spent, `value`, and its range `low` to `high`."""
    seeds = trained.groupby("epoch")
    line = seeds[["updates", "flops", "seconds"]].mean()
    errors = seeds[ERROR]
    return line.assign(value=errors.mean(), low=errors.min(), high=errors.max()).reset_index()


def one_each(trained: pd.DataFrame) -> pd.DataFrame:
    """One row for each run of such a table: its facts, and n."""
    n = trained.groupby(RUN, sort=False).seed.nunique().rename("n")
    return trained.drop_duplicates(RUN).merge(n.reset_index(), on=RUN)


def arm(run: Any) -> tuple[str, float]:
    """What the same arm on several data sets shares."""
    return arms.label(run), float(run.l2)


def looks(*trained: pd.DataFrame) -> dict[tuple[str, float], arms.Look]:
    """How each arm is drawn and called, whatever it was trained on; by start, then optimiser."""
    runs = pd.concat([one_each(some) for some in trained], ignore_index=True)
    runs = runs.sort_values(["start", "optimiser"], key=_by_start, kind="stable")
    runs = runs[~pd.Series([arm(run) for run in runs.itertuples()], index=runs.index).duplicated()]
    return dict(zip(map(arm, runs.itertuples()), arms.looks(runs, ["l2"]), strict=True))


def legend(figure: Figure, known: Iterable[arms.Look]) -> None:
    """The arms below the panels."""
    handles = [Line2D([], [], label=look.label, ms=4, mew=0, **look.line) for look in known]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)


def quiet(trained: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs during which the machine did no other work; of others the seconds are too long."""
    return trained[trained.groupby(RUN).load_per_core.transform("max") <= BUSY]


def direct_seconds(data: str, rate: Machine) -> float:
    """Seconds that one direct run of the published length would have taken at the machine's rate."""
    run, sizes = direct_run(), (PIXELS[data], *map(int, NETWORKS[data].split("-")))
    return direct_flops((*sizes, *sizes[-2::-1]), run.updates, run.batch_size) / (rate.sustained_gflops * 1e9)


def speedups(frame: Frame) -> pd.DataFrame:
    """One row for each host, kind of speed-up, workload and size: slower over faster, with its range."""
    rows = select(frame.rows, kind="timing", metric="seconds_per_million_cases", n_seeds=1, of_curve=False)
    rows = rows[rows.precision.isin(["float32", "float64"]) & (rows.batch_size < 1000)]
    ranges = [_range(frame.record(run.path), run.value) for run in rows.itertuples()]
    rows = rows.assign(low=[low for low, _ in ranges], high=[high for _, high in ranges])
    jax = {part: select(rows, program="jax", part=part) for part in ("1core", "cpu", "gpu")}
    kinds = {"GPU over one core": (jax["1core"], jax["gpu"])}
    kinds["all cores over one"] = (jax["1core"], jax["cpu"])
    kinds["JAX over the 2006 program"] = (select(rows, program="program2006", part="1core"), jax["1core"])
    return pd.concat([_ratio(*pair).assign(kind=kind) for kind, pair in kinds.items()], ignore_index=True)


def _range(record: Record, value: float) -> tuple[float, float]:
    """What the value would be in the shortest and in the longest of the timed calls."""
    calls: Any = np.asarray(record.curves["call_seconds"]) / np.median(record.curves["call_seconds"])
    return value * calls.min(), value * calls.max()


def _ratio(slow: pd.DataFrame, fast: pd.DataFrame) -> pd.DataFrame:
    same = ["host", "workload", "sizes"]
    both = slow.merge(fast, on=same, suffixes=("_slow", "_fast"))
    ends = {"value": ("value", "value"), "low": ("low", "high"), "high": ("high", "low")}
    ratios = {name: both[f"{a}_slow"] / both[f"{b}_fast"] for name, (a, b) in ends.items()}
    return both[same].assign(**ratios, device=both.device_fast, cores=both.cores_fast, part=both.part_fast)
