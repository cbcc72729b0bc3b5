"""`repro list`."""

from __future__ import annotations

from pathlib import Path

from repro.cli.options import Results, console, experiments


def list_experiments(results: Results = Path("results")) -> None:
    """Show each experiment: its claim, the paper's artefact, its cost, what is recorded.

    Example: repro list
    """
    from repro.report.readme import recorded
    from repro.report.tables import groups
    from repro.runs.experiment import PROFILES

    for name, experiment in experiments(None).items():
        console.print(f"{name}: {experiment.claim}\n  artefact  {experiment.artefact}")
        console.print(f"  variants  {', '.join(experiment.variants)}")
        for profile in PROFILES:
            console.print(f"  {profile:<9} {recorded(groups(results / profile, name))}")
