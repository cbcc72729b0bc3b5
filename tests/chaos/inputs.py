"""Inputs: files, arguments and surroundings that are not as they should be.

The verdict on a case: one line on standard error that names what is wrong, exit code 2, and nothing in the
results and data folders changed; or exit code 0 and what an undisturbed command gives.
"""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
import subprocess
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.chaos import damage
from tests.chaos.command import CG, ROOT, Done, carry_out, run
from tests.chaos.kills import Unbroken
from tests.chaos.trees import hashes, litter, plain

LINES = 4  # on standard error at most, where a command goes on and says what it did


@dataclasses.dataclass(frozen=True)
class Base:
    """What cases are made from; nothing here is ever changed."""

    results: Path  # everything recorded, every table and figure made
    begun: Path  # a results folder of runs that were killed in the middle
    cache: Path  # compiled programs
    prepared: Path  # a cache with the full curves in it
    checkout: Path  # the code and what it reads, to be copied
    listed: str  # what `repro list` says, "RESULTS" for the folder


def base(folder: Path, undisturbed: Unbroken, small: bool) -> Base:
    """Prepare what cases are made from; for the small ones little."""
    folder.mkdir()
    env = {"REPRO_CACHE_DIR": str(folder / "prepared")}
    begun, results, checkout = folder / "begun", undisturbed.results, folder / "checkout"
    said = carry_out(("list", "--results", str(results)), folder / "case", env).out
    listed = said.replace(str(results), "RESULTS")
    if small:
        return Base(results, begun, undisturbed.cache, folder / "prepared", checkout, listed)
    carry_out(("data", "prepare", "curves"), folder / "case", env)
    carry_out(
        (*run(CG), "--results", str(begun)),
        folder / "case",
        {"REPRO_CACHE_DIR": str(undisturbed.cache)},
        often=True,
        strike_when=lambda: any(begun.glob("quick/.checkpoints/*/fine-tuning/1/checksum")),
    )
    for part in ("repro", "experiments", "paper_figures"):
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("out"))
    (checkout / "results").mkdir()
    for path in [*(ROOT / "results").glob("*.csv"), ROOT / "results" / "README.md"]:
        shutil.copy(path, checkout / "results")
    for name in ("README.md", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, checkout)
    assert any(begun.glob("quick/.checkpoints/*/fine-tuning/1")), "no run could be interrupted"
    return Base(results, begun, undisturbed.cache, folder / "prepared", checkout, listed)


@dataclasses.dataclass
class Case:
    """One damaged input, and what is right about it."""

    what: str  # has been done, in words
    words: tuple[str, ...]
    names: tuple[str, ...] = ()  # a refusal names one of these
    outputs: tuple[str, ...] = ()  # files of the results that are as undisturbed ones after exit code 0
    says: str | None = None  # standard output, likewise
    must_refuse: bool = False
    free: bool = False  # after exit code 0 the results may be anything: a value was changed, not damaged
    codes: tuple[int, ...] = (0, 2)
    beside: tuple[str, ...] = ()  # a second command at the same time
    env: dict[str, str] = dataclasses.field(default_factory=dict)
    how: dict = dataclasses.field(default_factory=dict)
    results: bool = True  # the words take --results


class Place:
    """The folder of one case, with copies of what it damages."""

    def __init__(self, folder: Path, base: Base, draw: random.Random):
        self.folder, self.base, self.draw = folder, base, draw
        self.results, self.cache, self.data = folder / "results", folder / "cache", folder / "data"
        self.mounted = 0  # times
        folder.mkdir(parents=True)
        shutil.copytree(base.cache, self.cache)

    def records(self) -> list[Path]:
        """Of a fresh copy of the results."""
        shutil.copytree(self.base.results, self.results)
        return sorted(self.results.rglob("*.seed*.json"))

    def without(self, *patterns: str) -> None:
        """Remove files of the results."""
        for pattern in patterns:
            for path in list(self.results.rglob(pattern)):
                path.unlink()

    def damage(self, path: Path) -> str:
        """Damage a file, or remove it."""
        if self.draw.random() < 0.1:
            path.unlink()
            return f"{path.name} removed"
        way, content = damage.damaged(self.draw, path.read_bytes())
        path.write_bytes(content)
        return f"{path.name} {way}"

    def mount(self, *how: str) -> bool:
        """Mount something at the results; whether that could be done."""
        if os.getuid() or not shutil.which("mount"):
            return False
        done = subprocess.run(["mount", *how, str(self.results)], capture_output=True, check=False)
        self.mounted += done.returncode == 0
        return done.returncode == 0

    def unmount(self) -> None:
        """What was mounted."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.results)], check=True)

    def checkout(self) -> Path:
        """A copy of the code that may be damaged."""
        return shutil.copytree(self.base.checkout, self.folder / "checkout")


def try_one(kind: Callable[[Place], Case], draw: random.Random, folder: Path, base: Base) -> tuple[str, str]:
    """Try a case of a kind: what it was, and what was wrong; empty if nothing was."""
    place = Place(folder, base, draw)
    try:
        return _tried(place, kind(place))
    except Exception:
        return kind.__name__, f"this program itself failed\n{traceback.format_exc()}"
    finally:
        place.unmount()


def _tried(place: Place, case: Case) -> tuple[str, str]:
    folders = [folder for folder in (place.results, place.data) if folder.exists()]
    before = hashes(*folders)
    env = {"REPRO_CACHE_DIR": str(place.cache), "HOME": str(place.folder)} | case.env
    beside: list[Done] = []

    def command(words: tuple[str, ...], name: str) -> Done:
        to = ("--results", str(place.results)) if case.results else ()
        return carry_out((*words, *to), place.folder / name, env, **case.how)

    other = threading.Thread(target=lambda: beside.append(command(case.beside, "beside")))
    if case.beside:
        other.start()
    done = command(case.words, "case")
    if case.beside:
        other.join()
    after = hashes(*(folder for folder in (place.results, place.data) if folder.exists()))
    what = f"{case.what}; `repro {' '.join(map(repr, done.words))}`" + (
        f" with {case.env}" if case.env else ""
    )
    dones = [done, *beside]
    wrong = [_wrong(case, place, each, before, after, alone=len(dones) == 1) for each in dones]
    if len(dones) > 1 and not any(each.code == 0 for each in dones):
        wrong.append("neither command did its work")
    if any(each.code == 0 for each in dones) and not case.free:
        wrong += litter(place.results)
    said = "; ".join(filter(None, wrong))
    return what, said and said + "".join(f"\n{each}" for each in dones)


def _wrong(case: Case, place: Place, done: Done, before: dict, after: dict, alone: bool) -> str:
    lines, hidden = done.err.splitlines(), str(place.results / "quick" / ".")
    if done.code is None:
        return "it hung"
    if "Traceback" in done.err + done.out or (done.code not in (0, 2) and "Error:" in done.err):
        return "a traceback"
    if done.code not in case.codes:
        return f"exit code {done.code}"
    if len(lines) > LINES:
        return f"{len(lines)} lines on standard error"
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if done.code == 2:
        if len(lines) != 1 or not lines[0].startswith("repro: "):
            return "not one line"
        if case.names and not any(name in lines[0] for name in case.names):
            return f"the line names none of {case.names}"
        changed = [path for path in changed if not path.startswith(hidden)]  # what was trained is kept
        return f"refused, and yet changed: {', '.join(changed[:5])}" if changed and alone else ""
    if case.must_refuse:
        return "accepted"
    if case.says is not None and done.words[0] == "list" and _anywhere(done, place) != case.says:
        return "another answer than undisturbed"
    return "" if case.free else _not_right(case, place, changed)


def _anywhere(done: Done, place: Place) -> str:
    return done.out.replace(str(place.results), "RESULTS")


def _not_right(case: Case, place: Place, changed: list[str]) -> str:
    """What is wrong with the files that a command left that succeeded."""
    expected = {path for pattern in case.outputs for path in place.base.results.glob(pattern)}
    wrong = []
    for path in sorted(expected):
        ours = place.results / path.relative_to(place.base.results)
        if not ours.exists() or plain(ours) != plain(path):
            wrong.append(f"{ours} is missing" if not ours.exists() else f"{ours} is another")
    mine = {str(place.results / path.relative_to(place.base.results)) for path in expected}
    hidden = str(place.results / "quick" / ".")
    wrong += [f"{path} was changed" for path in changed if path not in mine and not path.startswith(hidden)]
    return "; ".join(wrong[:5])
