"""`repro compare`, `repro encode` and `repro decode`: both arms on a user's own data."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repro.cli.options import For, console
from repro.errors import DivergedError, OutOfTimeError, UserError

if TYPE_CHECKING:
    from repro.data.own import Own
    from repro.estimators import DeepAutoencoder, StackedRBM
    from repro.report.frame import Frame
    from repro.runs.experiment import Experiment
    from repro.runs.run import Request

KINDS = ("binary", "real", "count")
SETTINGS, RECORDS, NETWORKS = "comparison.json", "records", "networks"  # in the folder of an answer
OTHER = "name another folder with --out"
USED = 0.6  # of the time given, that runs are planned to take: compiling and scoring need the rest
File = Annotated[Path, typer.Argument(help=".npy, .npz (also sparse), .csv, or a folder of images.")]
Folder = Annotated[Path, typer.Argument(help="What `repro compare` made.")]
Arm = Annotated[str | None, typer.Option(help="The network of this arm; default: lowest validation loss.")]


def compare(
    data: File,
    widths: Annotated[str, typer.Option(help="Hidden layers of the encoder, the code last.")],
    kind: Annotated[
        str | None, typer.Option(help="binary, real or count; default: proposed, and said.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help=".npy or .csv: a label for each case.")] = None,
    arms: Annotated[
        str, typer.Option(help="Start and optimiser of each.")
    ] = "pretrained-cg,pretrained-adam,he-adam",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each arm.")] = 3,
    operations: Annotated[
        float | None, typer.Option(help="Of each run, in all; default: a hundred epochs of backprop.")
    ] = None,
    given: For = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the answer; default DATA-answer.")] = None,
) -> None:
    """Compare pretrained with random starts on your own data, each with as many operations.

    Example: repro compare my.npy --widths 1000,500,250,30 --for 10m
    """
    began, folder = time.monotonic(), out or Path(f"{data.stem}-answer")
    layers = widths_of(widths)
    if operations is not None and not 0 < operations < float("inf"):
        raise UserError(f"--operations {operations:g} is no number of them: write it as 1e13")
    if kind is not None and kind not in KINDS:
        raise UserError(f"--kind {kind} is none; there are: {', '.join(KINDS)}")
    from repro.atomic import check_writable, write_atomically
    from repro.data.own import load_own
    from repro.runs.compare import comparison
    from repro.runs.compiler import compiled_once
    from repro.runs.memory import share_pools
    from repro.runs.run import Request

    share_pools()
    own = load_own(data, kind, labels)
    check_writable(folder, folder, "--out")
    say(data, own)
    names = [name.strip() for name in arms.split(",")]
    with compiled_once(console):
        asked = {"file": data.name, "data": own.data.checksum, "kind": own.scaling.kind, "widths": layers}
        total = settled(folder, asked, own, names, seeds, operations, given)
        experiment = comparison(own.data, layers, names, total)
        settings = asked | {"operations": total, "shape": own.shape, "said": own.said}
        if not (folder / SETTINGS).exists():
            write_atomically(folder / SETTINGS, as_text(settings))
        request = Request(RECORDS, seeds, results=folder, own=own.data)
        whole = work(experiment, request, began + given.total_seconds() if given else float("inf"))
    answer(folder, settings, own)
    if not whole:
        console.print("the time is over; the same command goes on")


def widths_of(text: str) -> list[int]:
    """Numbers of units, such as 1000,500,250,30.

    Raises:
        UserError: if it is anything else.
    """
    try:
        widths = [int(width) for width in text.split(",")]
    except ValueError:
        widths = []
    if not widths or min(widths) < 1:
        raise UserError(f"--widths {text!r} is not a list of layers: write it as 1000,500,250,30")
    return widths


def say(path: Path, own: Own) -> None:
    """What was found in the data and is done with them."""
    data, n = own.data, [len(cases.labels) for cases in (own.data.train, own.data.valid, own.data.test)]
    console.print(f"{path}: {sum(n)} cases of {len(own.scaling.unit)} {own.said}")
    classes = f"; {len(data.classes)} classes" if data.classes else ""
    shape = f"; pictures of {own.shape[0]} x {own.shape[1]}" if own.shape else ""
    console.print(f"{n[0]} cases train, {n[1]} validate, {n[2]} test{classes}{shape}")


def settled(
    folder: Path,
    asked: dict[str, Any],
    own: Own,
    names: list[str],
    seeds: int,
    operations: float | None,
    given: timedelta | None,
) -> float:
    """The operations of each run: those of the answer that is begun in the folder, or that are asked for, or
    that the time given is enough for, or the usual ones.

    Raises:
        UserError: if the folder has the answer to another question.
    """
    from repro.runs.compare import architecture, comparison, default_flops, speed

    comparison(own.data, asked["widths"], names, None)  # refuses names before anything takes time
    usual = default_flops(architecture(own.data, asked["widths"]), len(own.data.train.labels))
    if (folder / SETTINGS).exists():
        before = read_settings(folder)
        for name, value in asked.items():
            if before.get(name) != value:
                raise UserError(f"{folder} has an answer about another {name}, {before.get(name)}: {OTHER}")
        if operations is not None and operations != before["operations"]:
            raise UserError(f"{folder} has runs of {before['operations']:g} operations: {OTHER}")
        return before["operations"]
    if operations is not None:
        return operations
    rate, n_runs = speed(own.data, asked["widths"]), len(names) * seeds
    total = usual
    if given is not None:
        total = min(usual, float(f"{USED * given.total_seconds() * rate / n_runs:.2g}"))
    about = timedelta(seconds=round(n_runs * total / rate / USED))
    console.print(
        f"{n_runs} runs of {total:.2g} operations each, at about {rate / 1e9:.3g} GFLOP/s here: {about}"
        + ("" if given else "; --for 10m makes them as short as that needs")
    )
    return total


def work(experiment: Experiment, request: Request, until: float) -> bool:
    """Make what is missing of the records, the first seed of every arm first; whether all is there."""
    from repro.runs.outcome import side_by_side
    from repro.runs.run import Session, Tally, chosen, configurations, loader, missing, records, seeds_of

    tally = Tally(sum(1 for _ in missing(experiment, request)))
    session = Session(experiment, request, loader(request), console, until, tally)
    assert request.seeds is not None
    rounds = [range(request.seeds)] if side_by_side() else [[seed] for seed in range(request.seeds)]
    left_out = set()
    for seeds in rounds:
        for variant, config in configurations(experiment, request).items():
            own = [seed for seed in seeds if seed in seeds_of(experiment, request, config)]
            if variant in left_out or not own:
                continue
            try:
                records(session, variant, chosen(session, variant, config), own)
            except DivergedError as error:
                console.print(f"the comparison goes on without {variant}: {error}")
                left_out.add(variant)
            except OutOfTimeError:
                return False
    return True


def answer(folder: Path, settings: dict[str, Any], own: Own) -> None:
    """Write table, figures and networks from the records there are, and say what they say."""
    from paper_figures.comparison import figures
    from paper_figures.style.house import save
    from repro.atomic import write_atomically
    from repro.evaluation.reconstruction import loss_of_mean
    from repro.report import comparison
    from repro.report.frame import read
    from repro.report.tables import csv, learning_curves

    frame, kind = read(folder, RECORDS), own.scaling.kind
    if not frame.records:
        return
    table = comparison.table(frame, kind)
    nothing = loss_of_mean(kind, own.data.train, own.data.valid)
    said = list(comparison.sentences(frame, own.data.name, settings["operations"], kind, nothing))
    shown = figures(frame, comparison.METRICS[kind], own.shape)
    drawn = [save(figure, folder / "figures", name)[0] for name, figure in shown]
    pictures = [path.relative_to(folder).as_posix() for path in drawn]
    chosen = networks(frame, own)
    page = comparison.page(settings | {"records": RECORDS}, said, table, chosen, pictures)
    write_atomically(folder / SETTINGS, as_text(settings | {"network": chosen}))
    write_atomically(folder / "answer.csv", csv(table).encode())
    write_atomically(folder / "learning_curves.csv", csv(learning_curves(frame)).encode())
    write_atomically(folder / "answer.md", page.encode())
    for sentence in said:
        console.print(sentence.replace("**", ""))
    console.print(f"{folder / 'answer.md'} has the table, the figures and how it was made")


def networks(frame: Frame, own: Own) -> str | None:
    """Write of every arm the network with the lowest validation loss; the arm with the lowest of all."""
    from repro.estimators import of_run
    from repro.report import comparison

    for arm, path in comparison.lowest(frame).items():
        network = of_run(frame.record(path), frame.arrays(path), own.scaling)
        network.save(frame.folder / NETWORKS / f"{arm}.npz")
    return comparison.best(frame)


def encode(folder: Folder, data: File, codes: Path, arm: Arm = None) -> None:
    """Write the codes of new data by a network that `repro compare` trained.

    Example: repro encode my-answer new.npy codes.npy
    """
    from repro.data.own import read

    network = network_of(folder, arm)
    table = read(data)
    try:
        network.scaling_.check(table.values)
    except UserError as error:
        raise UserError(f"{data}: {error}") from error
    found = network.transform(table.values)
    save_array(codes, found)
    console.print(f"{data}: {float(table.values.min()):g} to {float(table.values.max()):g}")
    console.print(f"the network has learnt from {network.scaling_.said}")
    console.print(f"{codes}: {len(found)} codes of {found.shape[1]} numbers")


def decode(folder: Folder, codes: File, data: Path, arm: Arm = None) -> None:
    """Write what codes stand for, in the units of the data that were learnt from.

    Example: repro decode my-answer codes.npy reconstructions.npy
    """
    from repro.data.own import read

    network = network_of(folder, arm)
    try:
        found = network.inverse_transform(read(codes).values)
    except ValueError as error:
        raise UserError(f"{codes}: {error}") from error
    shape = read_settings(folder).get("shape")
    save_array(data, found.reshape(len(found), *shape) if shape and data.suffix == ".npy" else found)
    console.print(f"{data}: {len(found)} cases of {found[0].size} numbers")


def network_of(folder: Path, arm: str | None) -> DeepAutoencoder | StackedRBM:
    """The network of an arm, or of the one with the lowest validation loss.

    Raises:
        UserError: if there is none.
    """
    from repro.errors import known
    from repro.estimators import load

    chosen = arm or read_settings(folder).get("network")
    there = sorted(path.stem for path in (folder / NETWORKS).glob("*.npz"))
    if chosen is None or not there:
        raise UserError(f"{folder} has no networks yet: let `repro compare` finish")
    if chosen not in there:
        raise UserError(f"{folder} has no network {chosen!r}; {known(chosen, there)}")
    return load(folder / NETWORKS / f"{chosen}.npz")


def read_settings(folder: Path) -> dict[str, Any]:
    """What was asked.

    Raises:
        UserError: if the folder has no answer, or a damaged one.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise UserError(f"{folder} has no {SETTINGS}: name a folder that `repro compare` made")
    with suppress(ValueError):
        settings = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(settings, dict) and isinstance(settings.get("operations"), int | float):
            return settings
    raise UserError(f"{path} is damaged: delete the folder and compare again")


def as_text(settings: dict[str, Any]) -> bytes:
    """A field a line."""
    return (json.dumps(settings, indent=1, ensure_ascii=False) + "\n").encode()


def save_array(path: Path, values: Any) -> None:
    """Write numbers as .npy or .csv, whole or not at all.

    Raises:
        UserError: if the name is of another format.
    """
    import io

    import numpy as np

    from repro.atomic import write_atomically

    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, values, allow_pickle=False)
    elif path.suffix == ".csv":
        np.savetxt(content, values, delimiter=",", fmt="%.7g")
    else:
        raise UserError(f"{path} is of no known format: name a file that ends in .npy or .csv")
    write_atomically(path, content.getvalue())
