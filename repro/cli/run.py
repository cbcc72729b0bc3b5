"""`repro run`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from repro.cli.options import DataDir, For, Names, Profile, Results, console, experiments, precision_of
from repro.errors import UserError

if TYPE_CHECKING:  # imported where it is needed: `repro --help` answers at once
    from repro.runs.experiment import Experiment
    from repro.runs.run import Request

    Made = tuple[Experiment, list[Path]]  # an experiment, and its records that were asked for

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
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of a Dask scheduler, whose workers do it; local or local:2 starts workers here.",
        ),
    ] = None,
) -> None:
    """Run experiments and write one record per variant and seed; what is recorded already is skipped.

    Example: repro run mnist --profile paper --only pca
    """
    began = time.monotonic()
    named = experiments(names)  # before what takes seconds to import
    from repro.runs.memory import peak_memory, share_pools
    from repro.runs.provenance import here
    from repro.runs.run import Request, diverged, out_of_range

    share_pools()
    products = None if precision is None else precision_of(precision)
    how = seeds, tuple(only or ()), epochs, pretraining_epochs, products
    request = Request(profile, *how, data_dir=data_dir, results=results)
    if cluster is not None and (plan or given):
        raise UserError(f"{'--plan' if plan else '--for'} is of this machine alone: leave --cluster out")
    if plan:
        from repro.cli.queue import show

        here()
        _check(named, request)
        show(named, request, given)
        return
    if cluster is not None:
        made = _on_workers(cluster, named, request)
    else:
        made = _here(named, request, began + given.total_seconds() if given else None)
    surprises = []
    for experiment, paths in made:
        print_scores(experiment, paths)
        surprises += diverged(experiment, paths) + out_of_range(experiment, request, paths)
    console.print(f"records are in {results / profile}")
    if cluster is None:
        console.print(f"at most {peak_memory() / 1e9:.2f} GB of memory were taken")
    for surprise in surprises:
        print(f"repro: {surprise}", file=sys.stderr)
    raise typer.Exit(SURPRISED if surprises else 0)


def _check(named: dict[str, Experiment], request: Request) -> None:
    """Refuse what cannot be carried out."""
    from repro.runs.run import check

    for experiment in named.values():
        check(experiment, request)


def _here(named: dict[str, Experiment], request: Request, until: float | None) -> Iterator[Made]:
    """Carry it out in this process; what can be done until a time of `time.monotonic`, if there is one."""
    from repro.atomic import check_writable
    from repro.runs.compiler import compiled_once
    from repro.runs.provenance import here, n_cores
    from repro.runs.run import Tally, missing, run
    from repro.training.compiling import soon

    device = here()
    _check(named, request)
    check_writable(request.folder, request.results)
    console.print(f"on {device.name}" + (f", {n_cores()} threads" if device.platform == "cpu" else ""))
    with compiled_once(console), soon(request.profile == "quick"):
        if until is not None:
            from repro.cli.queue import work

            yield from work(named, request, until)
            return
        tally = Tally(sum(1 for each in named.values() for _ in missing(each, request)))
        for each in named.values():
            yield each, run(each, request, console, tally)


def _on_workers(address: str, named: dict[str, Experiment], request: Request) -> Iterator[Made]:
    """Have it carried out by the workers of a scheduler."""
    from repro.atomic import check_writable
    from repro.runs.cluster import connected, run_on
    from repro.runs.run import Tally, missing

    with connected(address, console) as cluster:
        request = replace(request, workers=cluster.platform)
        _check(named, request)
        check_writable(request.folder, request.results)
        console.print(f"on {cluster}")
        tally = Tally(sum(1 for each in named.values() for _ in missing(each, request)))
        yield from run_on(cluster, list(named.values()), request, console, tally)


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
