"""The `repro` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from repro.commands import data, timing
from repro.commands.options import DataDir, Profile, Results, console
from repro.errors import RecordsMissingError, UserError

if TYPE_CHECKING:  # imported where it is needed: `repro --help` answers at once
    from repro.conduct import Experiment

app = typer.Typer(
    help="Layerwise pretraining versus direct backprop: run experiments, build tables, draw figures.\n\n"
    "Example: repro run mnist",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data.app, name="data")

Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME", help="Experiments; none means all of them.")
]
Figures = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Figures; none means all of them.")]


def main() -> None:
    """Run the command; what the user can mend is one line and exit code 2, Ctrl-C one line and 130."""
    try:
        code = app(standalone_mode=False)
        if code == 130:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code)
    except KeyboardInterrupt:
        fail(130, "stopped; the same command goes on from the last record and checkpoint")
    except UserError as error:
        fail(2, str(error))
    except Exception as error:
        explain = getattr(error, "format_message", None)  # of words that the parser did not understand
        if explain is None:
            raise
        fail(2, f"{explain()} (see --help)")


def fail(code: int, message: str) -> None:
    """Say one line and leave."""
    print(f"repro: {message}", file=sys.stderr)
    sys.exit(code)


@app.command()
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
    data_dir: DataDir = None,
    results: Results = Path("results"),
) -> None:
    """Run experiments and write one record per variant and seed; what is recorded already is skipped.

    Example: repro run mnist --profile paper --only pca
    """
    from repro.conduct import Order, check, conduct, out_of_range
    from repro.training.fit import compiled_once

    order = Order(profile, seeds, tuple(only or ()), epochs, pretraining_epochs, data_dir, results)
    chosen = _experiments(names)
    for experiment in chosen.values():
        check(experiment, order)
    surprises = []
    with compiled_once():
        for experiment in chosen.values():
            paths = conduct(experiment, order, console)
            _print_scores(experiment, paths)
            surprises += out_of_range(experiment, order, paths)
    console.print(f"records are in {results / profile}")
    for surprise in surprises:
        print(f"repro: {surprise}", file=sys.stderr)
    raise typer.Exit(1 if surprises else 0)


@app.command("list")
def list_experiments(results: Results = Path("results")) -> None:
    """Show each experiment: its claim, the paper's artefact, its cost, what is recorded.

    Example: repro list
    """
    from repro.conduct import PROFILES
    from repro.readme import recorded
    from repro.tables import groups

    for name, experiment in _experiments(None).items():
        console.print(f"{name}: {experiment.claim}\n  artefact  {experiment.artefact}")
        console.print(f"  variants  {', '.join(experiment.variants)}")
        for profile in PROFILES:
            console.print(f"  {profile:<9} {recorded(groups(results / profile, name))}")


@app.command()
def tables(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if anything is stale.")] = False,
    profile: Profile = "paper",
    results: Results = Path("results"),
) -> None:
    """Build the tables, the README's headline and the index of experiments from the records.

    Example: repro tables --check
    """
    from experiments import all_claims
    from repro.atomic import write_atomically
    from repro.conduct import check_profile
    from repro.readme import generated

    check_profile(profile)
    contents = generated(results, profile, _experiments(None), all_claims())
    stale = [
        path for path, text in contents.items() if not path.is_file() or path.read_bytes() != text.encode()
    ]
    if check and stale:
        raise UserError(
            f"stale: {', '.join(map(str, stale))}; `repro tables --profile {profile}` rebuilds them"
        )
    for path in stale:
        write_atomically(path, contents[path].encode())
        console.print(f"wrote {path}")
    console.print(f"{len(contents)} files up to date")


@app.command()
def figures(names: Figures = None, profile: Profile = "paper", results: Results = Path("results")) -> None:
    """Draw the figures from the tables and records.

    Example: repro figures fig_2b --profile quick
    """
    from paper_figures import all_figures, figures_folder, save
    from repro.conduct import check_profile

    check_profile(profile)
    chosen, folder = _chosen(names, all_figures(), "figure"), figures_folder(results, profile)
    for name, module in chosen.items():
        try:
            paths = save(module.draw(results, profile), folder, name)
        except RecordsMissingError as error:
            if names:
                raise
            console.print(f"{name} is not drawn: {error}")
            continue
        for path in paths:
            console.print(f"wrote {path}")


app.command("time")(timing.time_machine)


def _experiments(names: list[str] | None) -> dict:
    from experiments import all_experiments

    return _chosen(names, all_experiments(), "experiment")


def _chosen(names: list[str] | None, available: dict, noun: str) -> dict:
    """Those named, or all.

    Raises:
        UserError: if one is not available.
    """
    for name in names or ():
        if name not in available:
            raise UserError(f"no {noun} {name!r}; there are: {', '.join(available)}")
    return {name: available[name] for name in names or available}


def _print_scores(experiment: Experiment, paths: list[Path]) -> None:
    """The scores of every variant, mean over the seeds of this order."""
    from repro.records import load_record
    from repro.tables import n_epochs

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


if __name__ == "__main__":
    main()
