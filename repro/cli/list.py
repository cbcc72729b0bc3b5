"""`repro list`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from repro.cli.options import Names, Results, chosen, console, experiments

PROFILES = ("quick", "paper")  # those of repro.runs.experiment, which takes seconds to import


def list_experiments(names: Names = None, results: Results = Path("results")) -> None:
    """Show each experiment: its claim, the paper's artefact, what is recorded; of those named every variant.

    Example: repro list mnist
    """
    from experiments import summaries

    told = chosen(names, summaries(), "experiment")
    from repro.runs.record import load_records, recorded

    for name, about in told.items():
        records = {profile: load_records(results / profile, name).values() for profile in PROFILES}
        console.print(f"{name}: {about['claim']}\n  artefact  {about['artefact']}")
        for profile, own in records.items():
            console.print(f"  {profile:<9} {recorded(own)}")
        if names:
            print_variants(
                name, {profile: Counter(r.variant for r in own) for profile, own in records.items()}
            )
    console.print(f"recorded: below {results.absolute()}")
    if not names:
        console.print("`repro list NAME` shows the variants of one")


def print_variants(name: str, n_runs: dict[str, Counter[str]]) -> None:
    """The variants of an experiment, what they learn from, and how many runs of each are recorded."""
    variants = experiments([name])[name].variants
    width = max(map(len, variants))
    console.print(f"  {'variant':<{width}}  {'data':<12}  " + "  ".join(f"{p:>5}" for p in PROFILES))
    for variant, config in variants.items():
        counts = "  ".join(f"{n_runs[profile][variant] or '-':>5}" for profile in PROFILES)
        console.print(f"  {variant:<{width}}  {config.data:<12}  {counts}")
