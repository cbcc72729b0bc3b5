"""`repro list`."""

from __future__ import annotations

from pathlib import Path

from repro.cli.options import Names, Results, console, experiments


def list_experiments(names: Names = None, results: Results = Path("results")) -> None:
    """Show each experiment: its claim, the paper's artefact, its cost, what is recorded.

    Example: repro list mnist
    """
    named = experiments(names)
    from repro.report.frame import read
    from repro.report.readme import recorded
    from repro.runs.experiment import PROFILES

    frames = {profile: read(results, profile) for profile in PROFILES}
    for name, experiment in named.items():
        console.print(f"{name}: {experiment.claim}\n  artefact  {experiment.artefact}")
        console.print(f"  variants  {', '.join(experiment.variants)}")
        for profile, frame in frames.items():
            runs = frame.runs.query("experiment == @name")
            console.print(f"  {profile:<9} {recorded(runs)}")
