"""The reader's question in one table: with the same optimiser and as many operations, does a pretrained start
still help?

Rows are data sets, columns optimisers, each cell the ratio of test errors, random over pretrained start.
Where an arm has several starts, the one with the lowest mean validation loss is shown: test chooses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from repro.evaluation.intervals import ratio
from repro.report.fairness import CHOSEN, LOSSES, judged
from repro.report.frame import Frame, shown

OPTIMISERS = {"cg": "CG", "nag": "NAG", "adam": "Adam", "kfac": "K-FAC", "hf": "Hessian-free", "muon": "Muon"}
COLUMNS = ["data", "optimiser", "share", "metric", "n", "ratio", "low", "high", "upper", "random_error"]
COLUMNS += ["pretrained_error", "random_start", "pretrained_variant", "random_variant", "random_valid_loss"]
COLUMNS += ["pretrained_valid_loss", "random_flops", "pretrained_flops", "random_precision_at_7"]
COLUMNS += ["pretrained_precision_at_7", "not_tuned", "doubt"]
NOT_WORSE, WORSE = 1.05, 1.10
PRECISION = "test_precision_at_7"
UNEQUAL = 0.1  # operations that differ by more, relatively, are said to
N_STARTS = 2  # random starts of which the better is shown


class Arm(NamedTuple):
    """Of a cell the runs with one kind of start: those with the lowest mean validation loss."""

    variant: str
    start: str
    scores: pd.DataFrame  # [seed, metric]
    valid_loss: float  # mean over seeds
    flops: float  # of a run, the choice of its rate included; mean over seeds
    tuning: str  # where its rate comes from


class Cell(NamedTuple):
    """One optimiser on one data set with a share of the operations."""

    data: str
    optimiser: str
    share: str
    random: Arm | None
    pretrained: Arm | None
    n_starts: int  # random starts that have runs
    nothing: float  # mean validation loss of giving the mean training case whatever is seen; NaN: not known


def compared(
    frame: Frame, runs: pd.DataFrame, recipe: Mapping[str, float], shares: Mapping[str, float]
) -> list[Cell]:
    """Every cell, of those of `runs` that were asked to spend a share of the recipe's operations; these are
    one row a record, with what `judged` says of each, and of each variant one run.
    """
    runs = runs[
        ["path", "seed", "variant", "data", "start", "optimiser", "flops_asked", "total_flops", "tuning"]
    ]
    cells, nothing = [], _nothing_learnt(frame)
    for (share, part), (data, total), optimiser in product(shares.items(), recipe.items(), OPTIMISERS):
        matched = np.isclose(runs.flops_asked.astype(float), part * total, rtol=1e-6, atol=0)
        some = runs[matched & (runs.data == data) & (runs.optimiser == optimiser)]
        pretrained = some.start == "pretrained"
        arms = (_best(frame, some[~pretrained]), _best(frame, some[pretrained]))
        n_starts = some[~pretrained].start.nunique()
        cells.append(Cell(data, optimiser, share, *arms, n_starts, nothing.get(data, np.nan)))
    return cells


def _nothing_learnt(frame: Frame) -> dict[str, float]:
    """By data set the validation loss of the mean training case, which tunings record."""
    rows = frame.rows[frame.rows.metric.isin([f"{loss}_mean" for loss in LOSSES])]
    return rows.groupby("data").value.last().to_dict()


def arms_of(runs: pd.DataFrame, experiment: str = "answer") -> pd.DataFrame:
    """Those of `judged` runs that the table is made of: of each of the experiment's variants one run."""
    whole = (runs.kind == "autoencoding") & runs.flops_asked.notna()  # not shortened by hand
    return shown(runs[(runs.experiment == experiment) & whole])


def _best(frame: Frame, runs: pd.DataFrame) -> Arm | None:
    """The variant with the lowest mean validation loss; one that diverged is the last to be taken."""
    arms = [_arm(frame, some) for _, some in runs.groupby("variant", sort=True)]
    return min(arms, key=lambda arm: np.nan_to_num(arm.valid_loss, nan=np.inf), default=None)


def _arm(frame: Frame, runs: pd.DataFrame) -> Arm:
    metrics = {seed: frame.record(path).metrics for seed, path in zip(runs.seed, runs.path, strict=True)}
    scores = pd.DataFrame.from_dict(metrics, orient="index", dtype=float)
    losses = [name for name in LOSSES if name in scores]
    return Arm(
        variant=runs.variant.iloc[0],
        start=runs.start.iloc[0],
        scores=scores.sort_index(),
        valid_loss=float(scores[losses[0]].mean(skipna=False)) if losses else np.nan,
        flops=float(runs.total_flops.mean()),
        tuning=runs.tuning.iloc[0],
    )


def error_of(arm: Arm) -> str:
    """By which metric arms on these data are compared: documents by the cross-entropy of their words."""
    return "test_cross_entropy" if PRECISION in arm.scores else "test_squared_error"


def cells(frame: Frame, recipe: Mapping[str, float], shares: Mapping[str, float]) -> pd.DataFrame:
    """The table, tidy: a row for each data set, optimiser and share, empty where there are no runs.

    Errors, losses and operations are means over the n seeds that both arms have; `ratio` is the geometric
    mean of random over pretrained, by seed, `low` and `high` its 95 % t-interval, `upper` the end of the
    one-sided one.
    """
    found = compared(frame, arms_of(judged(frame)), recipe, shares)
    return pd.DataFrame([_row(cell) for cell in found], columns=COLUMNS)


def _row(cell: Cell) -> dict:
    row = {"data": cell.data, "optimiser": cell.optimiser, "share": cell.share, "n": 0}
    for name, arm in (("random", cell.random), ("pretrained", cell.pretrained)):
        if arm is not None:
            row |= {f"{name}_variant": arm.variant, f"{name}_valid_loss": arm.valid_loss}
            row |= {f"{name}_flops": arm.flops, f"{name}_error": arm.scores[error_of(arm)].mean()}
            row |= {"metric": error_of(arm)}
    row |= {"not_tuned": _not_tuned(cell), "doubt": "; ".join(doubts(cell))}
    if cell.random is None or cell.pretrained is None:
        return row
    seeds = cell.random.scores.index.intersection(cell.pretrained.scores.index)
    ours, theirs = (arm.scores.loc[seeds] for arm in (cell.random, cell.pretrained))
    row |= {"random_start": cell.random.start, "n": len(seeds)}
    if len(seeds):
        found = ratio(*(scores[row["metric"]].to_numpy(float) for scores in (ours, theirs)))
        row |= {"ratio": found.value, "low": found.low, "high": found.high, "upper": found.upper}
        for name, scores in (("random", ours), ("pretrained", theirs)):
            row[f"{name}_error"] = scores[row["metric"]].mean()
            if PRECISION in scores:
                row[f"{name}_precision_at_7"] = scores[PRECISION].mean()
    return row


def _not_tuned(cell: Cell) -> str:
    """Which arms of a cell have no fair choice of rate."""
    arms = {"random": cell.random, "pretrained": cell.pretrained}
    return ", ".join(name for name, arm in arms.items() if arm and arm.tuning not in ("", CHOSEN))


def doubts(cell: Cell) -> list[str]:
    """Why a cell is no answer yet: an arm that was not tuned or learnt nothing, unequal operations, or a
    random start without runs.
    """
    if cell.random is None or cell.pretrained is None:
        return []
    arms = {"random": cell.random, "pretrained": cell.pretrained}
    idle = [name for name, arm in arms.items() if arm.valid_loss >= cell.nothing]
    found = [f"not tuned: {names}"] if (names := _not_tuned(cell)) else []
    found += [f"learnt nothing: {', '.join(idle)}"] if idle else []
    found += [f"{cell.random.start} alone so far"] if cell.n_starts < N_STARTS else []
    if abs(cell.random.flops / cell.pretrained.flops - 1) > UNEQUAL:
        found.append(f"operations {cell.random.flops:.2g} / {cell.pretrained.flops:.2g}")
    return found


def sentence(table: pd.DataFrame, shares: Mapping[str, float]) -> str:
    """What the cells say, a sentence for each share."""
    parts = []
    for share, part in shares.items():
        of_share = table[table.share == share]
        there = of_share[(of_share.n > 0) & (of_share.doubt == "")]
        several, doubtful = there[there.n > 1], ((of_share.n > 0) & (of_share.doubt != "")).sum()
        how = f"With {_percent(part)} of the recipe's operations"
        if there.empty:
            parts.append(f"{how} no cell is complete yet.")
            continue
        said = [
            f"at most {NOT_WORSE:g} times the pretrained one's in {(several.upper <= NOT_WORSE).sum()}",
            f"above {WORSE:g} times in {(several.low > WORSE).sum()}",
            f"below it in {(several.high < 1).sum()}",
        ]
        so_far = "" if len(there) == len(of_share) else " so far"
        single = (
            f", and {(there.n == 1).sum()} more have one seed and no interval" if (there.n == 1).any() else ""
        )
        parts.append(
            f"{how} the error from a random start is surely (95 %) {', '.join(said)} of the {len(several)} "
            f"cells that have several seeds{so_far}{single}; the geometric mean of all ratios is "
            f"{np.exp(np.log(there.ratio).mean()):.2f}."
        )
        if doubtful:
            verb = "does" if doubtful == 1 else "do"
            parts.append(f"{doubtful} more {verb} not count, for the reason in the cell.")
    return " ".join(parts)


def _percent(part: float) -> str:
    return "all" if part == 1 else f"{100 * part:g} %"


def worded(table: pd.DataFrame, shares: Mapping[str, float]) -> pd.DataFrame:
    """For reading: *ratio (95 % interval), n; random / pretrained error* in each cell."""
    rows = [
        {"data": data, "operations": _percent(part)}
        | {
            label: _cell(
                table[(table.data == data) & (table.share == share) & (table.optimiser == name)].iloc[0]
            )
            for name, label in OPTIMISERS.items()
        }
        for data, (share, part) in product(table.data.unique(), shares.items())
    ]
    return pd.DataFrame(rows)


def readable(table: pd.DataFrame, shares: Mapping[str, float]) -> str:
    """The same as Markdown."""
    return worded(table, shares).to_markdown(index=False, disable_numparse=True)


def _cell(row: pd.Series) -> str:
    if not row.n:
        return "–"
    interval = f" ({row.low:.2f} to {row.high:.2f})" if row.low == row.low else ""
    text = f"**{row.ratio:.2f}**{interval}, n={row.n}; {row.random_error:.3g} / {row.pretrained_error:.3g}"
    if row.random_precision_at_7 == row.random_precision_at_7:
        text += f", precision {row.random_precision_at_7:.2f} / {row.pretrained_precision_at_7:.2f}"
    return f"{text}; {row.doubt}" if row.doubt else text


def block(table: pd.DataFrame, shares: Mapping[str, float]) -> str:
    """Sentence and table, for the README."""
    return f"{sentence(table, shares)}\n\n{readable(table, shares)}"


HOW = """\
Each cell: the ratio of test errors, random over pretrained start, with the same optimiser and as many
operations, pretraining and the choice of the rate counted in, with its 95 % t-interval by seed; then the two
errors. Below 1 the random start is better. Images are compared by squared error, documents by cross-entropy,
with the precision among the 7 nearest beside it. Of the random starts (sparse, Glorot) the one with the lower
mean validation loss is shown. One seed has no interval; "–" has no runs yet. What a cell says behind its
numbers is why it does not count: an arm whose choice of rate is refused, or that is not better than the mean
case; operations that differ by more than a tenth; a random start that has not been run.
"""


def page(table: pd.DataFrame, recipe: Mapping[str, float], shares: Mapping[str, float]) -> str:
    """results/tables/answer.md."""
    spent = ", ".join(f"{data} {total:.3g}" for data, total in recipe.items())
    return f"""# Does a pretrained start still help?

Generated by `repro tables` from the records of experiments/answer.py; columns of the CSV file are explained
in results/README.md.

{sentence(table, shares)}

{HOW}Operations of the recipe of 2006: {spent}.

{readable(table, shares)}
"""
