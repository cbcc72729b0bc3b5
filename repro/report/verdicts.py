"""Verdicts, computed from the records by criteria that were fixed before the first run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from repro.evaluation.uncertainty import interval
from repro.report.tables import Group, groups, longest
from repro.runs.record import Record, as_config, differs

N_SEEDS = 5  # fewer leave a verdict open
NAMED = 4  # variants in a line of what is lacking


class Lack(NamedTuple):
    """What keeps a verdict open, such as too few seeds."""

    what: str
    variant: str = ""  # that lacks it, after its experiment


class Measured(NamedTuple):
    """A quantity of each seed, and what its records lack to be full evidence."""

    values: np.ndarray  # [n], none: not measured
    lacks: frozenset[Lack] = frozenset()


class Condition(NamedTuple):
    """That a mean over seeds lies in a range."""

    text: str
    measured: Measured
    low: float = -inf
    high: float = inf

    @property
    def holds(self) -> bool | None:
        """Whether the 95 % interval, or of one seed the value, lies within; None if it crosses a bound, or if
        nothing was measured.
        """
        if not len(self.measured.values):
            return None
        low, high = self.spread
        if self.low <= low and high <= self.high:
            return True
        return False if high < self.low or low > self.high else None

    @property
    def settled(self) -> bool:
        """Whether it holds, on full evidence."""
        return bool(self.holds) and not self.measured.lacks

    @property
    def spread(self) -> tuple[float, float]:
        """95 % interval of the mean; a single value twice."""
        values = self.measured.values
        return interval(values) if len(values) > 1 else (values[0], values[0])


@dataclass(frozen=True)
class Claim:
    """What is claimed, and which conditions uphold it (all of them) or refute it (any of them)."""

    key: str
    statement: str
    upheld_if: str
    refuted_if: str
    upholding: Callable[[Evidence], Iterable[Condition]]
    refuting: Callable[[Evidence], Iterable[Condition]]


@dataclass(frozen=True)
class Evidence:
    """The records of a profile: of each variant the longest run."""

    folder: Path
    experiments: Mapping[str, Any]

    @cached_property
    def found(self) -> dict[str, dict[str, Group]]:
        """Groups by experiment and variant."""
        return {name: longest(groups(self.folder, name)) for name in self.experiments}

    def score(self, experiment: str, variant: str, metric: str = "test_squared_error") -> Measured:
        """A metric of each seed, or one value for all of a variant that is not random."""
        found = self.found[experiment]
        if variant not in found:
            missing = Lack("no records", f"{experiment} {variant}" if found else experiment)
            return Measured(np.zeros(0), frozenset({missing}))
        config = self.experiments[experiment].variants[variant]
        n_epochs, done = getattr(config, "n_epochs", 0), found[variant].epochs
        lacks = self.lacks(experiment, variant)
        if done < n_epochs:
            lacks |= {Lack(f"{done} of {n_epochs} epochs", f"{experiment} {variant}")}
        records = self.records(experiment, variant)
        return Measured(np.array([record.metrics[metric] for record in records]), lacks)

    def records(self, experiment: str, variant: str) -> list[Record]:
        """The longest run, by seed; none if there is none."""
        group = self.found[experiment].get(variant)
        return sorted(group.records, key=lambda record: record.seed) if group else []

    def lacks(self, experiment: str, variant: str, n_seeds: int = N_SEEDS) -> frozenset[Lack]:
        """What the longest run lacks, however long it should be: seeds, epochs of pretraining."""
        group, config = self.found[experiment][variant], self.experiments[experiment].variants[variant]
        n, lacks, name = len(group.records), set(), f"{experiment} {variant}"
        if n < n_seeds and not getattr(config, "deterministic", False):
            lacks.add(Lack(f"{n} of {n_seeds} seeds", name))
        if differs(group.records[0].config.get("pretraining"), as_config(config).get("pretraining")):
            lacks.add(Lack(f"{group.pretraining or 'no'} epochs of pretraining", name))
        return frozenset(lacks)


def combine(function: Callable[..., np.ndarray], *parts: Measured) -> Measured:
    """A quantity made of others, seed by seed; it lacks what any of them lacks."""
    n = min((len(part.values) for part in parts if len(part.values) != 1), default=1)
    lacks = frozenset().union(*(part.lacks for part in parts))
    values = [np.resize(part.values, n) for part in parts]  # what is not random is the same for all seeds
    return Measured(np.asarray(function(*values)) if n else np.zeros(0), lacks)


def verdict(claim: Claim, evidence: Evidence) -> str:
    """UPHELD or REFUTED; OPEN while evidence is missing or lies between the two."""
    if any(condition.settled for condition in claim.refuting(evidence)):
        return "REFUTED"
    return "UPHELD" if all(condition.settled for condition in claim.upholding(evidence)) else "OPEN"


def markdown(claims: Iterable[Claim], evidence: Evidence) -> str:
    """The verdicts, and below them what each rests on."""
    claims = list(claims)
    overview = [
        {"claim": claim.key, "statement": claim.statement, "verdict": verdict(claim, evidence)}
        for claim in claims
    ]
    head = (
        "# Verdicts\n\nGenerated by `repro tables`. A claim is UPHELD if the 95 % interval over seeds of "
        "every condition lies within its bounds, REFUTED if that of any refuting condition does, and OPEN "
        f"while anything is lacking, such as full length or {N_SEEDS} seeds, or lies between the two."
    )
    sections = [f"{head}\n\n{_table(overview)}\n"]
    sections += [_section(claim, evidence) for claim in claims]
    return "\n".join(sections)


def _section(claim: Claim, evidence: Evidence) -> str:
    upholding, refuting = list(claim.upholding(evidence)), list(claim.refuting(evidence))
    lacks = set().union(*(condition.measured.lacks for condition in upholding + refuting))
    rows = [_row("upholds", c) for c in upholding] + [_row("refutes", c) for c in refuting]
    missing = f"\nStill lacking:\n\n{_listed(lacks)}\n" if lacks else ""
    return (
        f"## {claim.key}: {verdict(claim, evidence)}\n\n{claim.statement}. Upheld if {claim.upheld_if}. "
        f"Refuted if {claim.refuted_if}.\n{missing}\n{_table(rows)}\n"
    )


def _listed(lacks: Iterable[Lack]) -> str:
    """A line for each thing that is lacking; of many variants that lack it the first few."""
    lines = []
    for what, same in groupby(sorted(lacks), key=lambda lack: lack.what):
        names = [lack.variant for lack in same if lack.variant]
        more = [f"{len(names) - NAMED} more"] if len(names) > NAMED + 1 else []
        shown = ", ".join(names[:NAMED] + more if more else names)
        lines.append(f"- {shown}: {what}" if names else f"- {what}")
    return "\n".join(lines)


def _row(role: str, condition: Condition) -> dict[str, str]:
    values = condition.measured.values
    bounds = [f"≥ {condition.low:g}"] if condition.low > -inf else []
    bounds += [f"≤ {condition.high:g}"] if condition.high < inf else []
    answer = {True: "yes", False: "no", None: "undecided" if len(values) else "–"}[condition.holds]
    so_far = "so far " if condition.measured.lacks and condition.holds is not None else ""
    return {
        "condition": condition.text,
        "bound": " and ".join(bounds),
        "if so": role,
        "measured": f"{values.mean():.3g}" if len(values) else "–",
        "95 % interval": "{:.3g} to {:.3g}".format(*condition.spread) if len(values) > 1 else "–",
        "n": str(len(values)),
        "holds": f"{so_far}{answer}",
    }


def _table(rows: list[dict[str, str]]) -> str:
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
