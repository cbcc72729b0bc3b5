"""In which order missing records are made: what settles most for its time comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from repro.report.cost import Costs
from repro.report.verdicts import Claim, Evidence, Lack, verdict
from repro.runs.provenance import Device
from repro.runs.queue import Planned
from repro.runs.run import Work


class Question(NamedTuple):
    """Something that is open: a claim, or a cell of the answer table."""

    name: str  # of a claim its key; of all cells "answer"
    variants: frozenset[str]  # that it lacks, each after its experiment


def questions(claims: Iterable[Claim], evidence: Evidence) -> Iterator[Question]:
    """The claims without a verdict, and the cells of the answer table that lack runs."""
    for claim in claims:
        if verdict(claim, evidence) == "OPEN":
            conditions = [*claim.upholding(evidence), *claim.refuting(evidence)]
            lacks = frozenset().union(*(condition.measured.lacks for condition in conditions))
            yield Question(claim.key, _to_run(lacks))
    cells: dict[tuple, set[str]] = {}
    for variant, config in evidence.experiments["answer"].variants.items():
        if _to_run(evidence.score("answer", variant, "flops").lacks):
            cell = config.data, config.optimiser.kind, config.budget
            cells.setdefault(cell, set()).add(f"answer {variant}")
    for variants in cells.values():
        yield Question("answer", frozenset(variants))


def _to_run(lacks: Iterable[Lack]) -> frozenset[str]:
    """The variants that more runs would help."""
    return frozenset(lack.variant for lack in lacks if lack.cost is None or lack.cost.n_runs)


def ordered(
    works: Sequence[Work], asked: Iterable[Question], costs: Costs, here: Device
) -> tuple[list[Planned], frozenset[str]]:
    """The programs, the most valuable for their time first; and whose rates the estimates are at.

    A second is worth the more the fewer its question still needs: one over the seconds of all that it lacks,
    what is shared counted once, summed over the questions that a program bears on. Of programs that are worth
    as much the lowest seeds come first, so that arms can be compared seed by seed, and then the shortest.
    """
    estimates = [costs.estimate(work, here) for work in works]
    names = [f"{work.experiment.name} {work.variant}" for work in works]
    worth, settles = np.zeros(len(works)), [[] for _ in works]
    for question in asked:
        lacking = [i for i, name in enumerate(names) if name in question.variants]
        parts = {part: s for i in lacking for part, s in estimates[i].parts.items()}
        seconds = float(np.nansum(list(parts.values())))
        for i in lacking:
            worth[i] += 1 / max(seconds, 1.0)
            settles[i].append(question.name)
    planned = [
        Planned(work, tuple(names), estimate.parts, estimate.first)
        for work, names, estimate in zip(works, settles, estimates, strict=True)
    ]

    def key(i: int):
        seconds = sum(planned[i].parts.values())
        return -worth[i], works[i].seeds[0], np.nan_to_num(seconds, nan=np.inf)

    order = sorted(range(len(works)), key=key)
    return [planned[i] for i in order], frozenset().union(*(estimate.devices for estimate in estimates))
