"""`python -m tests.chaos`: 100 kills and 200 damaged inputs, drawn by a seed; see README.md, `make chaos`."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.chaos import inputs, kills, kinds
from tests.chaos.command import ADAM, CG, PCA, ready

console = Console(highlight=False, markup=False, soft_wrap=True)


def cores() -> list[int]:
    """Those that this process may use."""
    return (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )


def drawn(seed: int, kind: str, number: int) -> random.Random:
    """What a case draws from: it can be repeated alone."""
    return random.Random(f"{seed}/{kind}/{number}")


def side_by_side(title: str, total: int, work: Callable, tasks: list) -> Iterator:
    """What `work` makes of each task, as each is done, a task on each core; with the time left."""
    n = len(cores())
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
        ThreadPoolExecutor(n) as pool,
    ):
        shown, done, said = bar.add_task(title, total=total), 0, 0
        for future in as_completed([pool.submit(work, task) for task in tasks]):
            yield (found := future.result())
            done += len(found)
            bar.update(shown, completed=done)
            if not console.is_terminal and done - said >= total / 10:
                console.print(f"{title}: {done} of {total}")
                said = done


def strike(seed: int, n: int, work: Path, only: int | None, base: kills.Unbroken) -> int:
    """So many kills; how many left nothing behind, and what is to be said of the others."""

    def one(number: int) -> list[tuple[int, kills.Kill]]:
        n_kills = min(kills.PER_CASE, n - number * kills.PER_CASE)
        folder = work / f"kills{number}"
        found = kills.case(drawn(seed, "kills", number), folder, base, n_kills)
        if not any(kill.wrong for kill in found):
            shutil.rmtree(folder)
        return [(number, kill) for kill in found]

    good, said = 0, set()
    tasks = [only] if only is not None else list(range(-(-n // kills.PER_CASE)))
    for found in side_by_side("kills", n, one, tasks):
        good += sum(not kill.wrong for _, kill in found)
        for number, kill in found:
            if kill.wrong and (number, kill.wrong) not in said:
                said.add((number, kill.wrong))
                blows = "\n".join(f"    {other.what}" for _, other in found)
                console.print(f"{_again(seed, 'kills', number)}\n{blows}\n    {kill.wrong}")
    return good


def feed(seed: int, n: int, work: Path, only: int | None, undisturbed: kills.Unbroken) -> int:
    """So many damaged inputs; how many were refused or came right, and what is to be said of the others."""
    small = len(undisturbed.variants) == 1
    base, of = inputs.base(work / "inputs", undisturbed, small), kinds.SMALL if small else kinds.KINDS

    def one(number: int) -> list[tuple[int, str, str]]:
        folder = work / f"inputs{number}"
        what, wrong = inputs.try_one(of[number % len(of)], drawn(seed, "inputs", number), folder, base)
        if not wrong:
            shutil.rmtree(folder)
        return [(number, what, wrong)]

    good = 0
    for [(number, what, wrong)] in side_by_side("inputs", n, one, list(range(n)) if only is None else [only]):
        good += not wrong
        if wrong:
            console.print(f"{_again(seed, 'inputs', number)}\n    {what}\n    {wrong}")
    return good


def _again(seed: int, kind: str, number: int) -> str:
    return f"{kind}, case {number}: python -m tests.chaos --seed {seed} --only {kind}/{number}"


def main() -> int:
    """Strike, feed, and say how it went."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--only", metavar="KIND/CASE", help="one case, such as kills/7")
    parser.add_argument(
        "--small", action="store_true", help="train nothing: to see whether this program works"
    )
    asked = parser.parse_args()
    console.print(f"seed {asked.seed}")
    kind, _, number = (asked.only or "").partition("/")
    only = int(number) if number else None
    work = Path(tempfile.mkdtemp(prefix="chaos-"))
    ready(cores())
    base = kills.unbroken(work / "base", *((PCA,) if asked.small else (CG, PCA, ADAM)))
    counts, bad = [], 0
    for name, n, act in (("kills", asked.kills, strike), ("inputs", asked.inputs, feed)):
        if kind in ("", name) and n:
            good = act(asked.seed, n, work, only, base)
            bad += good < n if only is None else not good
            counts.append(f"{good} of {n} {name}" if only is None else f"case {only} of {name}: {good} good")
    if bad:
        console.print(f"what they left is in {work}")
    else:
        shutil.rmtree(work)
    console.print(f"{', '.join(counts)}, seed {asked.seed}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
