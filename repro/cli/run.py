"""`repro run`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from repro.cli.options import DataDir, For, Names, Profile, Results, console, experiments, precision_of

if TYPE_CHECKING:  # imported where it is needed: `repro --help` answers at once
    from repro.runs.experiment import Experiment

SURPRISED = 3  # exit code: all is recorded, but something diverged or a quick score is out of its range


def run(
    names: Names = None,
    profile: Profile = "quick",
    seeds: Annotated[int | None, typer.Option(help="Seeds 0 to N-1; default 1 quick, 5 paper.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this variant; may be repeated.")] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Fine-tuning epochs instead of the variant's own.")
    ] = None,
    pretraining_epochs: Annotated[
        int | None, typer.Option(help="Epochs of every RBM instead of the variant's own.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="PRE,FINE",
            help="Of an accelerator's products, in pretraining and fine-tuning, such as highest,highest.",
        ),
    ] = None,
    data_dir: DataDir = None,
    results: Results = Path("results"),
    given: For = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Run nothing; show what is missing, the most valuable first.")
    ] = False,
) -> None:
    """Run experiments and write one record per variant and seed; what is recorded already is skipped.

    Example: repro run mnist --profile paper --only pca
    """
    began = time.monotonic()
    named = experiments(names)  # before what takes seconds to import
    from repro.atomic import check_writable
    from repro.runs.compiler import compiled_once
    from repro.runs.memory import peak_memory, share_pools
    from repro.runs.provenance import here, n_cores
    from repro.runs.run import Request, Tally, check, diverged, missing, out_of_range
    from repro.runs.run import run as carry_out

    share_pools()
    device = here()
    products = None if precision is None else precision_of(precision)
    how = seeds, tuple(only or ()), epochs, pretraining_epochs, products
    request = Request(profile, *how, data_dir=data_dir, results=results)
    for experiment in named.values():
        check(experiment, request)
    if plan or given:
        from repro.cli.queue import show, work
    if plan:
        show(named, request, given)
        return
    check_writable(request.folder, results)
    console.print(f"on {device.name}" + (f", {n_cores()} threads" if device.platform == "cpu" else ""))
    surprises = []
    with compiled_once(console):
        if given:
            made = work(named, request, began + given.total_seconds())
        else:
            tally = Tally(sum(1 for each in named.values() for _ in missing(each, request)))
            made = ((each, carry_out(each, request, console, tally)) for each in named.values())
        for experiment, paths in made:
            print_scores(experiment, paths)
            surprises += diverged(experiment, paths) + out_of_range(experiment, request, paths)
    console.print(f"records are in {results / profile}")
    console.print(f"at most {peak_memory() / 1e9:.2f} GB of memory were taken")
    for surprise in surprises:
        print(f"repro: {surprise}", file=sys.stderr)
    raise typer.Exit(SURPRISED if surprises else 0)


def print_scores(experiment: Experiment, paths: list[Path]) -> None:
    """The scores of every variant, mean over the seeds of this request."""
    from repro.report.frame import n_epochs
    from repro.runs.record import load_record

    names = [score.replace("_", " ") for score in experiment.scores]
    table = Table(Column("variant", no_wrap=True), "n", "epochs", *names, title=experiment.name)
    records = [load_record(path) for path in paths]
    for variant in dict.fromkeys(record.variant for record in records):
        own = [record for record in records if record.variant == variant]
        shown = [
            f"{sum(r.metrics[score] for r in own) / len(own):.2f}" if score in own[0].metrics else "–"
            for score in experiment.scores
        ]
        table.add_row(variant, str(len(own)), str(n_epochs(own[0])), *shown)
    console.print(table)
