"""Verdicts, computed from the records by criteria that were fixed before the runs that decide them.

The criteria stand in the experiments; here is how a verdict follows from them, and the page that shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from math import inf, nan
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from repro.evaluation.intervals import (
    ENOUGH,
    LEVEL,
    bootstrap,
    holm,
    interval,
    p_at_most,
    p_share_at_most,
    resampled,
    share_interval,
    variation,
)
from repro.report.cost import Cost, Costs
from repro.report.fairness import CHOSEN, UNRECORDED, Key, choice_of, choices, judged
from repro.report.frame import DIVERGED, Frame, layer_epochs, n_epochs, shown
from repro.runs.config import (
    SUFFICIENT,
    UNCHOSEN,
    Classifying,
    Convolution,
    DirectedModel,
    Epochs,
    FewLabels,
    Flops,
    Learning,
    Precision,
    Pretrained,
    deterministic,
    from_json,
    with_choice,
)
from repro.runs.record import Record
from repro.training.greedy import Pretraining
from repro.typed import as_json

N_SEEDS = 5  # fewer leave a verdict open
ALPHA = 1 - LEVEL
NAMED = 4  # variants in a line of what is lacking
BETWEEN = "Nothing is lacking: the evidence lies between the two."
How = Literal["mean", "ratio", "share", "variation", "least", "most", "spread"]


class Lack(NamedTuple):
    """What keeps a verdict open, such as too few seeds."""

    what: str
    variant: str = ""  # that lacks it, after its experiment
    cost: Cost | None = None  # of the runs that would settle it


class Measured(NamedTuple):
    """A quantity of each seed, and what its records lack to be full evidence.

    How the seeds become one number: their "mean"; the geometric mean of a "ratio"; the "share", in per cent,
    of those whose value is 1 and not 0; their coefficient of "variation"; the "least" or the "most" of them;
    the "spread", the most over the least. The last three have no interval.
    """

    values: np.ndarray  # [n], none: not measured
    lacks: frozenset[Lack] = frozenset()
    seeds: tuple[int, ...] | None = None  # whose values these are; None: of no seed, the same for all
    how: How = "mean"
    paths: frozenset[str] = frozenset()  # of the records that it is made of

    @property
    def number(self) -> float:
        """The one number."""
        x = self.values
        match self.how:
            case "ratio":
                return float(np.exp(np.log(x).mean()))
            case "share":
                return float(100 * x.mean())
            case "variation":
                return float(variation(x))
            case "least":
                return float(x.min())
            case "most":
                return float(x.max())
            case "spread":
                return float(x.max() / x.min())
        return float(x.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval; NaN where it has none."""
        match self.how:
            case "mean":
                return interval(self.values)
            case "ratio":
                low, high = np.exp(interval(np.log(self.values)))
                return float(low), float(high)
            case "share":
                low, high = share_interval(self.values == 1)
                return 100 * low, 100 * high
            case "variation" if len(self.values) >= ENOUGH:
                return bootstrap(self.values, variation)
        return nan, nan

    def p_at_most(self, bound: float) -> float:
        """P of the one-sided test that the number is at most this; 0 or 1, for yes or no, where there is no
        interval.
        """
        if len(self.values) > 1 and self.how == "mean":
            return p_at_most(self.values, bound)
        if len(self.values) > 1 and self.how == "ratio":
            return p_at_most(np.log(self.values), np.log(bound))
        if self.how == "share":
            return p_share_at_most(self.values == 1, bound / 100)
        if len(self.values) >= ENOUGH and self.how == "variation":
            return float(np.mean(resampled(self.values, variation) > bound))
        return 0.0 if self.number <= bound else 1.0


class Condition(NamedTuple):
    """That a quantity lies in a range."""

    text: str
    measured: Measured
    low: float = -inf
    high: float = inf
    case: str = ""  # conditions of one case count as one, which holds if all of them do
    one_sided: bool = False  # tested at 95 % on the side of the bound alone, not by the two-sided interval

    @property
    def holds(self) -> bool | None:
        """Whether it does, were it the only one; None if its interval crosses a bound, or if nothing was
        measured.
        """
        return ruled([self])[0]

    @property
    def p(self) -> tuple[float, float]:
        """P of the tests that the quantity lies within, and that it lies outside; NaN if not measured."""
        m = self.measured
        if not len(m.values) or not np.isfinite(m.number):
            return nan, nan
        at_most = m.p_at_most(float(self.high)) if self.high < inf else 0.0
        at_least = _other_side(m, float(self.low)) if self.low > -inf else 0.0
        above = _other_side(m, float(self.high)) if self.high < inf else 1.0
        below = m.p_at_most(float(self.low)) if self.low > -inf else 1.0
        sides = 1 if self.one_sided else 2
        return min(1.0, sides * max(at_most, at_least)), min(1.0, sides * min(above, below))


def _other_side(measured: Measured, bound: float) -> float:
    """P of the test that the number is at least this."""
    if measured.how == "share":  # of the others
        return measured._replace(values=1 - measured.values).p_at_most(100 - bound)
    p = measured.p_at_most(bound)
    return float(measured.number < bound) if p in (0.0, 1.0) else 1 - p


def ruled(conditions: list[Condition]) -> list[bool | None]:
    """Which of several conditions hold, their tests held to 95 % together, by Holm's procedure."""
    within, outside = (holm([condition.p[side] for condition in conditions]) for side in (0, 1))
    return [
        True if yes <= ALPHA + 1e-12 else False if no <= ALPHA + 1e-12 else None
        for yes, no in zip(within, outside, strict=True)
    ]


@dataclass(frozen=True)
class Claim:
    """What is claimed, and the conditions that uphold or refute it."""

    key: str
    statement: str
    upheld_if: str
    refuted_if: str
    upholding: Callable[[Evidence], Iterable[Condition]]
    refuting: Callable[[Evidence], Iterable[Condition]]
    n_upholding: int | None = None  # cases that have to hold; None: all
    n_refuting: int = 1


@dataclass(frozen=True, eq=False)
class Evidence:
    """The records of a profile, of each variant the run that stands for it, and what was asked for."""

    frame: Frame
    experiments: Mapping[str, Any]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a record of the runs that stand for their variants, with what `judged` says of each."""
        return shown(judged(self.frame)).sort_values(["experiment", "variant", "seed"])

    @cached_property
    def rulings(self) -> dict[Claim, Ruling]:
        """What has been ruled by it."""
        return {}

    @cached_property
    def _paths(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for experiment, variant, path in zip(
            *(self.runs[c] for c in ("experiment", "variant", "path")), strict=True
        ):
            found.setdefault((experiment, variant), []).append(path)
        return found

    @cached_property
    def _tuning(self) -> dict[tuple[str, str], str]:
        runs = self.runs
        return dict(zip(zip(runs.experiment, runs.variant, strict=True), runs.tuning, strict=True))

    @cached_property
    def costs(self) -> Costs:
        """Of runs that are not recorded."""
        return Costs(self.frame)

    def records(self, experiment: str, variant: str) -> list[Record]:
        """The run that stands for a variant, by seed; none if there is none."""
        return [self.frame.record(path) for path in self._paths.get((experiment, variant), [])]

    def paths(self, experiment: str, variant: str) -> frozenset[str]:
        """Where its records are."""
        return frozenset(self._paths.get((experiment, variant), []))

    @cached_property
    def _choices(self) -> dict[Key, Record]:
        return choices(self.frame)

    def choice(self, experiment: str, variant: str) -> Record | None:
        """The record of what was chosen for the run that stands for a variant; None if there is none."""
        records = self.records(experiment, variant)
        key = choice_of(records[0]) if records else None
        return None if key is None else self._choices.get(key)

    def score(
        self, experiment: str, variant: str, metric: str = "test_squared_error", n_seeds: int = N_SEEDS
    ) -> Measured:
        """A metric of each seed, NaN of one that diverged; one value for all if a variant is not random."""
        records = self.records(experiment, variant)
        if not records:
            return Measured(np.zeros(0), frozenset({self.missing(experiment, variant, n_seeds)}))
        config = self.experiments[experiment].variants[variant]
        lacks, asked = self.lacks(experiment, variant, n_seeds), getattr(config, "budget", None)
        done = min((n_epochs(record) for record in records if not diverged(record)), default=inf)
        if isinstance(asked, Flops) and records[0].config["budget"] != as_json(asked):
            lacks |= {self.lack(experiment, variant, "runs with other operations than asked for", n_seeds)}
        if isinstance(config, Classifying | FewLabels):  # these stop when they are at their best
            done = records[0].config["budget"]["n"]
        if isinstance(asked, Epochs) and done < asked.n:
            lacks |= {self.lack(experiment, variant, f"{done} of {asked.n} epochs", n_seeds)}
        unstopped = sum(record.metrics.get("stopped_by_rule", 1) == 0 for record in records)
        if unstopped:  # scored where their epochs were over
            what = f"{unstopped} of {len(records)} seeds that the rule did not stop"
            lacks |= {self.lack(experiment, variant, what, n_seeds)}
        values = np.array([record.metrics[metric] for record in records], float)
        paths = self.paths(experiment, variant)
        return Measured(values, lacks, seeds_of(records, config), paths=paths)

    def lacks(
        self, experiment: str, variant: str, n_seeds: int = N_SEEDS, operations: float | None = None
    ) -> frozenset[Lack]:
        """What a run lacks, however long it should be: seeds, epochs of pretraining, a fair choice of rate. A
        choice from today's rates that was refused would be refused again: no runs mend that, other rates do.

        With so many operations of each run, if not at full length.
        """
        records, config = self.records(experiment, variant), self.experiments[experiment].variants[variant]
        n, lacks = len(records), set()
        if n < n_seeds and not deterministic(config):
            lacks.add(self.lack(experiment, variant, f"{n} of {n_seeds} seeds", n_seeds - n, operations))
        if pretrained_otherwise(records[0], config):
            each = layer_epochs(records[0])
            said = ", ".join(map(str, each[:1] if len(set(each)) == 1 else each)) or "no"
            lacks.add(self.lack(experiment, variant, f"{said} epochs of pretraining", n_seeds, operations))
        if configured_otherwise(records[0], config):
            lacks.add(self.lack(experiment, variant, "of an earlier configuration", n_seeds, operations))
        if (tuning := self._tuning[experiment, variant]) not in ("", CHOSEN):
            again = tuning == UNRECORDED or configured_otherwise(records[0], config)
            lacks.add(self.lack(experiment, variant, tuning, n_seeds if again else 0, operations))
        return frozenset(lacks)

    def missing(
        self, experiment: str, variant: str, n_seeds: int = N_SEEDS, operations: float | None = None
    ) -> Lack:
        """That a variant, which the experiment has or will have, has not been run."""
        return self.lack(experiment, variant, "no records", n_seeds, operations)

    def lack(
        self, experiment: str, variant: str, what: str, n_runs: int, operations: float | None = None
    ) -> Lack:
        """Something that a variant lacks, with the cost of so many runs of it at full length, or with so many
        operations each.
        """
        config = self.experiments[experiment].variants.get(variant)
        n_runs = 1 if config is not None and deterministic(config) else n_runs
        cost = self.costs.of_runs(experiment, config, n_runs, operations) if config is not None else None
        return Lack(what, f"{experiment} {variant}", cost)


def diverged(record: Record) -> bool:
    """Whether a seed ended before its time in values that are no numbers."""
    return bool(np.isfinite(record.metrics.get(DIVERGED, nan)))


def seeds_of(records: list[Record], config: Any) -> tuple[int, ...] | None:
    """The seeds of some records; None if nothing in them is random."""
    return None if deterministic(config) else tuple(record.seed for record in records)


def pretrained_otherwise(record: Record, config: Any) -> bool:
    """Whether a record was pretrained in another way than its variant asks for."""
    if not (isinstance(config, Learning) and isinstance(config.start, Pretrained)):
        return False
    return record.config["start"].get("pretraining") != as_json(config.start.pretraining)


def configured_otherwise(record: Record, config: Any) -> bool:
    """Whether a record differs from its variant in anything but lengths, which have lacks of their own, how
    often it was scored, a rate that was chosen, and a precision of products that is enough.
    """
    return _but_for_lengths(from_json(record.config)) != _but_for_lengths(config)


def _but_for_lengths(config: Any) -> Any:
    if isinstance(config, DirectedModel):
        return replace(with_choice(config, UNCHOSEN), budget=Epochs(1))
    if isinstance(config, Convolution) and config.precision == SUFFICIENT.pretraining:
        return replace(config, precision=Precision().pretraining)
    if not isinstance(config, Learning):
        return config
    start = config.start
    if isinstance(start, Pretrained):
        start = replace(start, pretraining=Pretraining())
    precision = Precision() if config.precision == SUFFICIENT else config.precision
    config = replace(config, budget=Epochs(1), start=start, precision=precision)
    if isinstance(config, FewLabels):
        return config
    if isinstance(config, Classifying):
        return with_choice(config, UNCHOSEN)
    return replace(with_choice(config, UNCHOSEN), n_reports=None)


def combine(function: Callable[..., np.ndarray], *parts: Measured, how: How = "mean") -> Measured:
    """A quantity made of others, seed by seed, or in order where they are of no seed; it lacks what any of
    them lacks, and is made of all their records. What is a single value of no seed is the same for all.
    """
    lacks = frozenset().union(*(part.lacks for part in parts))
    paths = frozenset().union(*(part.paths for part in parts))
    fixed = [part.seeds is None and len(part.values) == 1 for part in parts]
    of_seeds = [part.seeds for part in parts if part.seeds is not None]
    seeds: tuple[int, ...] | None = None
    if of_seeds and len(of_seeds) + sum(fixed) == len(parts):
        seeds = tuple(sorted(set(of_seeds[0]).intersection(*of_seeds[1:])))
        values = [
            np.resize(part.values, len(seeds))
            if part.seeds is None
            else part.values[_where(part.seeds, seeds)]
            for part in parts
        ]
    else:
        n = min((len(part.values) for part, same in zip(parts, fixed, strict=True) if not same), default=1)
        values = [np.resize(part.values, n) for part in parts]
    if not len(values[0]):
        return Measured(np.zeros(0), lacks, how=how)
    return Measured(np.asarray(function(*values), float), lacks, seeds, how, paths)


def _where(seeds: tuple[int, ...], some: tuple[int, ...]) -> list[int]:
    return [seeds.index(seed) for seed in some]


def ratio(ours: Measured, theirs: Measured) -> Measured:
    """One quantity over another, paired by seed; averaged as logarithms."""
    return combine(np.divide, ours, theirs, how="ratio")


def largest(parts: Iterable[Measured], how: How = "mean") -> Measured:
    """The largest of some quantities, seed by seed."""
    return combine(lambda *values: np.max(values, axis=0), *parts, how=how)


def smallest(parts: Iterable[Measured]) -> Measured:
    """The smallest of those quantities that were measured, seed by seed; NaN, of a seed that diverged, only
    where all are. It lacks what any of them lacks.
    """
    parts = list(parts)
    measured = [part for part in parts if len(part.values)]
    lacks = frozenset().union(*(part.lacks for part in parts))
    if not measured:
        return Measured(np.zeros(0), lacks)
    return combine(lambda *values: np.fmin.reduce(values), *measured)._replace(lacks=lacks)


def within(
    evidence: Evidence,
    run: tuple[str, str],
    budget: Measured,
    metric: str,
    *,
    lowest: bool = False,
    n_seeds: int = N_SEEDS,
) -> Measured:
    """The score of each seed of a run, an experiment's variant, when no more than so many operations had
    been spent (the mean of `budget`), or at the end of a run that spent fewer; with `lowest` the lowest until
    then.
    """
    records, allowed = evidence.records(*run), budget.values.mean() if len(budget.values) else None
    if not records or allowed is None:
        missing = frozenset() if records else {evidence.missing(*run, n_seeds, allowed)}
        return Measured(np.zeros(0), budget.lacks | missing)
    lacks = evidence.lacks(*run, n_seeds, allowed) | budget.lacks
    spent = min((r.curves["flops"][-1] for r in records if not diverged(r)), default=inf) / allowed
    if spent < 1 - 1e-9:
        lacks |= {evidence.lack(*run, f"{spent:.2g} of the operations allowed", n_seeds, allowed)}
    in_time = [np.searchsorted(record.curves["flops"], allowed, side="right") for record in records]
    scores = [record.curves[metric][: max(n, 1)] for record, n in zip(records, in_time, strict=True)]
    values = np.array([np.fmin.reduce(each) if lowest else each[-1] for each in scores], float)
    seeds = tuple(record.seed for record in records)
    return Measured(values, lacks, seeds, paths=evidence.paths(*run) | budget.paths)


class Ruling(NamedTuple):
    """A verdict and the conditions that it follows from."""

    claim: Claim
    said: str  # UPHELD, REFUTED or OPEN
    upholding: list[Condition]
    refuting: list[Condition]

    @property
    def lacks(self) -> frozenset[Lack]:
        """What any of the conditions lacks."""
        return frozenset().union(*(c.measured.lacks for c in self.upholding + self.refuting))


def rule(claim: Claim, evidence: Evidence) -> Ruling:
    """The verdict: by full evidence alone, several conditions of a side held to 95 % together. It is found
    once.
    """
    if claim not in evidence.rulings:
        evidence.rulings[claim] = _ruled(claim, evidence)
    return evidence.rulings[claim]


def _ruled(claim: Claim, evidence: Evidence) -> Ruling:
    upholding, refuting = list(claim.upholding(evidence)), list(claim.refuting(evidence))
    n_cases = len({condition.case or condition.text for condition in upholding})
    enough = n_cases if claim.n_upholding is None else claim.n_upholding
    said = "UPHELD" if upholding and n_settled(upholding) >= enough else "OPEN"
    if refuting and n_settled(refuting) >= claim.n_refuting:
        said = "REFUTED"
    return Ruling(claim, said, upholding, refuting)


def verdict(claim: Claim, evidence: Evidence) -> str:
    """UPHELD, REFUTED or OPEN."""
    return rule(claim, evidence).said


def n_settled(conditions: list[Condition]) -> int:
    """Cases of which all conditions hold, on full evidence."""
    cases: dict[str, bool] = {}
    for condition, holds in zip(conditions, ruled(conditions), strict=True):
        name = condition.case or condition.text
        cases[name] = cases.get(name, True) and bool(holds) and not condition.measured.lacks
    return sum(cases.values())


HOW = f"""A claim is UPHELD if its upholding conditions hold, REFUTED if its refuting ones
do, and OPEN while anything is lacking, such as full length or {N_SEEDS} seeds, or the evidence lies between.
A condition holds if the 95 % t-interval over seeds lies within its bounds, of ratios the interval of their
paired logarithms, of shares the exact binomial one; "one-sided" if the one-sided interval does. Where a claim
has several conditions their tests are held to 95 % together (Holm), so that an interval just within its bound
may be "undecided". What has no interval, such as the worst seed, is judged as it is. Times are estimates,
at the operations per second of the runs recorded on the device named; runs that several claims need are
counted in each.
"""
HEAD = f"# Verdicts\n\nGenerated by `repro tables`. {HOW}"


def page(claims: Iterable[Claim], evidence: Evidence) -> str:
    """The verdicts, below them what each rests on, and what would settle those that are open."""
    rulings = [rule(claim, evidence) for claim in claims]
    rows = [{"claim": r.claim.key, "statement": r.claim.statement, "verdict": r.said} for r in rulings]
    return "\n".join([f"{HEAD}\n{_table(rows)}\n", *map(_section, rulings)])


def _section(ruling: Ruling) -> str:
    claim, lacks, missing = ruling.claim, ruling.lacks, ""
    if lacks:
        listed = "\n".join(f"- {line}" for line in lacking(lacks))
        missing = f"\nStill lacking:\n\n{listed}\n"
    if ruling.said == "OPEN" and (rows := settling(lacks)):
        missing += f"\n{_table(rows)}\n"
    elif ruling.said == "OPEN" and not lacks:
        missing = f"\n{BETWEEN}\n"
    return (
        f"## {claim.key}: {ruling.said}\n\n{claim.statement}. Upheld if {claim.upheld_if}. "
        f"Refuted if {claim.refuted_if}.\n{missing}\n{_table(worded(ruling))}\n"
    )


def worded(ruling: Ruling) -> list[dict[str, str]]:
    """The conditions in words, those that uphold first."""
    sides = (("upholds", ruling.upholding), ("refutes", ruling.refuting))
    return [
        _row(role, condition, holds)
        for role, conditions in sides
        for condition, holds in zip(conditions, ruled(conditions), strict=True)
    ]


def settling(lacks: Iterable[Lack]) -> list[dict[str, str]]:
    """Which runs would settle it, and what they cost."""
    costs: dict[str, Cost] = {}
    for lack in lacks:
        if lack.cost and lack.cost.n_runs and _size(lack.cost) > _size(costs.get(lack.variant)):
            costs[lack.variant] = lack.cost
    rows = []
    by_place = sorted(costs.values(), key=lambda cost: (cost.experiment, cost.device, *_size(cost)))
    for (experiment, device), group in groupby(by_place, key=lambda cost: (cost.experiment, cost.device)):
        some = list(group)
        rows.append(
            {
                "to settle it": f"`repro run {experiment} --profile paper`",
                "variants": str(len(some)),
                "runs": str(sum(cost.n_runs for cost in some)),
                "operations": f"{sum(cost.operations for cost in some):.2g}",
                "estimated time": _time(sum(cost.seconds for cost in some)),
                "at the rate of": device or "–",
            }
        )
    return rows


def _size(cost: Cost | None) -> tuple[int, float]:
    return (cost.n_runs, cost.operations) if cost else (0, 0.0)


def _time(seconds: float) -> str:
    """In the largest unit of which there is at least one."""
    if not np.isfinite(seconds):
        return "unknown"
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    return "seconds"


def lacking(lacks: Iterable[Lack]) -> list[str]:
    """A line for each thing that is lacking; of many variants that lack it the first few."""
    lines = []
    for what, same in groupby(sorted({lack[:2] for lack in lacks}), key=lambda lack: lack[0]):
        names = [variant for _, variant in same if variant]
        more = [f"{len(names) - NAMED} more"] if len(names) > NAMED + 1 else []
        listed = ", ".join(names[:NAMED] + more if more else names)
        lines.append(f"{listed}: {what}" if names else what)
    return lines


def _row(role: str, condition: Condition, holds: bool | None) -> dict[str, str]:
    measured = condition.measured
    there = len(measured.values) > 0
    bounds = [f"≥ {condition.low:g}"] if condition.low > -inf else []
    bounds += [f"≤ {condition.high:g}"] if condition.high < inf else []
    answer = {True: "yes", False: "no", None: "undecided" if there else "–"}[holds]
    so_far = "so far " if measured.lacks and holds is not None else ""
    low, high = measured.interval if there else (nan, nan)
    return {
        "condition": condition.text,
        "bound": " and ".join(bounds) + (", one-sided" if condition.one_sided else ""),
        "if so": role,
        "measured": ("diverged" if np.isnan(measured.number) else f"{measured.number:.3g}") if there else "–",
        "95 % interval": f"{low:.3g} to {high:.3g}" if low == low else "–",
        "n": str(len(measured.values)),
        "holds": f"{so_far}{answer}",
    }


def _table(rows: list[dict[str, str]]) -> str:
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
