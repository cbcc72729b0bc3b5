"""What a comparison on a user's own data has found, from the frame of its records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from repro.evaluation.intervals import interval, ratio
from repro.report.answer import NOT_WORSE, OPTIMISERS, PRECISION, Arm, Cell, arms_of, compared, doubts
from repro.report.fairness import LOSSES, judged
from repro.report.frame import Frame, shown
from repro.report.tables import number
from repro.runs.compare import NAME
from repro.shapes import VisibleKind

COLUMNS = ["arm", "n", "metric", "error", "low", "high", "valid_loss", "precision_at_7", "pretraining"]
COLUMNS += ["epochs", "learning_rate", "flops", "seconds", "tuning"]
METRICS = {"count": "test_cross_entropy", "binary": "test_squared_error", "real": "test_squared_error"}
ERRORS = {
    "count": "the cross-entropy of a document's word frequencies, nats per word, 0 of one without words",
    "binary": "the squared error, sum over the numbers of a case",
    "real": "the squared error of standardised numbers, sum over a case",
}
LOSS_NAMES = {
    "count": "validation cross-entropy",
    "binary": "validation cross-entropy",
    "real": "validation squared error",
}
LOSS_WORDS = {
    "count": "the same of validation cases",
    "binary": "the cross-entropy of validation cases, nats summed over a case",
    "real": "the same of validation cases",
}


def table(frame: Frame, kind: VisibleKind) -> pd.DataFrame:
    """A row for each arm and baseline, the lowest error first: means over its n seeds, `low` and `high` the
    95 % t-interval of the error. `flops` has pretraining and the choice of the rate in it, `seconds` has
    pretraining.
    """
    runs = shown(judged(frame))
    rows = [_row(frame, some, METRICS[kind]) for _, some in runs.groupby("variant", sort=False)]
    by = {"by": ["error", "precision_at_7"], "ascending": [True, False]}
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(**by, kind="stable", ignore_index=True)


def _row(frame: Frame, runs: pd.DataFrame, metric: str) -> dict:
    scores = pd.DataFrame([frame.record(path).metrics for path in runs.path], dtype=float)
    first, errors = runs.iloc[0], scores.get(metric, pd.Series(dtype=float))
    low, high = interval(errors.to_numpy(float))
    losses = [name for name in LOSSES if name in scores]
    seconds = scores.reindex(columns=["pretraining_seconds", "finetuning_seconds"]).sum(axis=1)
    return {
        "arm": first.variant,
        "n": len(runs),
        "metric": metric,
        "error": errors.mean(skipna=False) if len(errors) else np.nan,
        "low": low,
        "high": high,
        "valid_loss": scores[losses[0]].mean(skipna=False) if losses else np.nan,
        "precision_at_7": scores[PRECISION].mean() if PRECISION in scores else np.nan,
        "pretraining": first.pretraining,
        "epochs": first.epochs,
        "learning_rate": first.learning_rate,
        "flops": runs.total_flops.mean(),
        "seconds": seconds.mean(),
        "tuning": first.tuning,
    }


def _losses(frame: Frame) -> pd.DataFrame:
    """The runs of networks with their validation `loss`, which is a number."""
    runs = shown(frame.runs[frame.runs.kind == "autoencoding"])
    metrics = [frame.record(path).metrics for path in runs.path]
    losses = [next(of[name] for name in LOSSES if name in of) for of in metrics]
    runs = runs.assign(loss=np.array(losses, float))
    return runs[np.isfinite(runs.loss)]


def lowest(frame: Frame) -> dict[str, str]:
    """The record of each arm's seed with the lowest validation loss, by arm."""
    runs = _losses(frame)
    return {arm: str(runs.loc[own.loss.idxmin()].path) for arm, own in runs.groupby("variant")}


def best(frame: Frame) -> str | None:
    """The arm with the lowest mean validation loss: test chooses nothing. None if all diverged."""
    runs = _losses(frame)
    return None if runs.empty else str(runs.groupby("variant").loss.mean().idxmin())


def sentences(frame: Frame, data: str, flops: float, kind: VisibleKind, nothing: float) -> Iterator[str]:
    """For each optimiser that both kinds of start were given what the comparison says; `nothing` is the
    validation loss of who gives the mean training case whatever is seen.
    """
    runs = arms_of(judged(frame), NAME)
    for cell in compared(frame, runs, {data: flops}, {"all": 1.0}):
        if cell.random is not None and cell.pretrained is not None:
            yield _sentence(cell._replace(nothing=nothing), METRICS[kind])


def _sentence(cell: Cell, metric: str) -> str:
    assert cell.random is not None and cell.pretrained is not None
    arms = cell.random, cell.pretrained
    seeds = arms[0].scores.index.intersection(arms[1].scores.index)
    ours, theirs = (arm.scores.loc[seeds, metric].to_numpy(float) for arm in arms)
    if not len(seeds) or not np.isfinite([*ours, *theirs]).all():
        return f"With {OPTIMISERS[cell.optimiser]} one of the arms diverged, or has no seed in common."
    found = ratio(ours, theirs)
    sure = f" ({found.low:.2f} to {found.high:.2f}, 95 %, n={len(seeds)})" if len(seeds) > 1 else ", n=1"
    but = [doubt for doubt in doubts(cell) if "alone so far" not in doubt]
    says = "which is better is open"
    if found.low > 1 / NOT_WORSE and found.high < NOT_WORSE:
        says = "they are alike within 5 %"
    if found.high < 1:
        says = "the random arm is better"
    if found.low > 1:
        says = "the pretrained arm is better"
    says = says if but else f"**{says}**"
    return (
        f"With {OPTIMISERS[cell.optimiser]} the test error from the random start ({_named(arms[0])}) is "
        f"{found.value:.2f} times{sure} that from the pretrained one ({arms[1].variant}): {says}"
        + (f"; but {'; '.join(but)}" if but else "")
        + "."
    )


def _named(arm: Arm) -> str:
    return f"{arm.variant}, with rectified linear units" if arm.start == "he" else arm.variant


def readable(rows: pd.DataFrame, kind: VisibleKind) -> str:
    """The table for reading."""
    cells = pd.DataFrame(
        {
            "arm": rows.arm,
            METRICS[kind].replace("_", " "): [number(v) if np.isfinite(v) else "–" for v in rows.error],
            "95 % interval": [
                f"{number(a)} to {number(b)}" if a == a else "–"
                for a, b in zip(rows.low, rows.high, strict=True)
            ],
            "n": rows.n,
            LOSS_NAMES[kind]: rows.valid_loss.map(number),
            "pretraining": rows.pretraining.replace("", "–"),
            "epochs": rows.epochs,
            "rate": ["–" if pd.isna(rate) else f"{rate:g}" for rate in rows.learning_rate],
            "operations": [f"{flops:.2g}" if flops == flops else "–" for flops in rows.flops],
            "seconds": [f"{seconds:.1f}" for seconds in rows.seconds],
            "tuning": rows.tuning.replace("", "–"),
        }
    )
    if rows.precision_at_7.notna().any():
        cells.insert(3, "precision at 7", rows.precision_at_7.map(number))
    return cells.to_markdown(index=False, disable_numparse=True)


def page(
    settings: Mapping[str, Any],
    said: Sequence[str],
    rows: pd.DataFrame,
    chosen: str | None,
    drawn: Sequence[Path],
) -> str:
    """answer.md: what was asked, what was found, and how to go on."""
    figures = "\n\n".join(f"![]({path})" for path in drawn)
    widths = "-".join(map(str, settings["widths"]))
    found = "\n".join(f"- {sentence}" for sentence in said) or "No optimiser had both kinds of start."
    network = f"`networks/{chosen}.npz`, which `repro encode` takes" if chosen else "none: all diverged"
    return f"""# Does a pretrained start help on {settings["file"]}?

{found}

{readable(rows, settings["kind"])}

The test error is {ERRORS[settings["kind"]]}, mean over cases; the validation loss
{LOSS_WORDS[settings["kind"]]}. Both are means over n seeds, the test error with its 95 % t-interval. A tenth
of the cases gives the validation loss, by which rates and networks are chosen; a fifth gives the test error,
which chooses nothing; but kind and divisor of the numbers are seen from all cases. The arms learn from the
rest, PCA and LSA from the tenth as well. Every arm had {settings["operations"]:.3g} operations, of which
pretraining and the choice of a rate took about a fifth each at most; seconds are those of its own training.

{figures}

Data: {settings["said"]}. Networks: {widths} and mirrored, logistic units, of the He start rectified linear
ones. Lowest validation loss: {network}. Every run is a record in `{settings["records"]}`; all numbers are in
`answer.csv` and `learning_curves.csv`.
"""
