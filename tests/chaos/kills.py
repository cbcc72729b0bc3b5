"""Kills: a quick run, its tables and figures, struck at random moments and begun again, end as if they never
had been struck.

A moment is drawn in one of two ways: a time, or the number of a change to a file, so that what is written in
an instant is hit as surely as what takes long. SIGKILL cannot be heeded. SIGINT must end in one line and
exit code 130; it is sent to a process that was begun cold, so that it may meet imports too.
"""

from __future__ import annotations

import random
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

from tests.chaos.command import FIGURES, TABLES, Done, carry_out, run
from tests.chaos.trees import LITTER, SET_ASIDE, different, litter

PER_CASE = 5
WEIGHTS = (6, 2, 2)  # how often each is struck
FORGOTTEN = 3  # compiled programs that some cases must make again, so that the cache is being written


class Unbroken(NamedTuple):
    """The run that nothing disturbed."""

    results: Path
    cache: Path
    variants: tuple[str, ...]  # that are trained
    script: tuple[tuple[str, ...], ...]  # commands
    done: tuple[Done, ...]  # how each went


class Kill(NamedTuple):
    """One blow, and what was wrong after it."""

    what: str
    wrong: str  # empty: nothing


def unbroken(folder: Path, *variants: str) -> Unbroken:
    """Train some variants, make tables and figures: once to fill the cache, and once as it will be struck."""
    script = (run(*variants), TABLES, FIGURES)
    cache = folder / "cache"
    env = {"REPRO_CACHE_DIR": str(cache)}
    for name in ("first", "unbroken"):
        done, results = [], folder / name
        for words in script:
            watched = (str(results), str(cache))
            done.append(carry_out((*words, "--results", str(results)), folder / "case", env, watched=watched))
            if done[-1].code != 0:
                raise SystemExit(f"the undisturbed run fails:\n{done[-1]}")
    return Unbroken(results, cache, variants, script, tuple(done))


def case(draw: random.Random, folder: Path, base: Unbroken, n_kills: int = PER_CASE) -> list[Kill]:
    """Strike so often; the blows, each with what was wrong."""
    cache = shutil.copytree(base.cache, folder / "cache")
    if draw.random() < 0.3:
        programs = sorted(cache.glob("programs/*/*-cache"))
        for program in draw.sample(programs, min(FORGOTTEN, len(programs))):
            program.unlink()
    kills: list[Kill] = []
    for turn in range(10):
        results = folder / f"results{turn}"
        due = sorted(draw.choices(range(len(base.script)), WEIGHTS, k=n_kills - len(kills)))
        kills += _script(draw, folder, results, base, due)
        if len(kills) == n_kills or any(kill.wrong for kill in kills):
            return kills
    return kills + [Kill("a blow", "it came too late ten times")] * (n_kills - len(kills))


def _script(draw: random.Random, folder: Path, results: Path, base: Unbroken, due: list[int]) -> list[Kill]:
    """Carry out the script, its commands struck as often as they are due; blows that came too late count for
    nothing, and are not in the answer.
    """
    kills: list[Kill] = []
    for i, words in enumerate(base.script):
        to = (*words, "--results", str(results))
        for _ in range(due.count(i)):
            kill, over = _blow(draw, to, folder, base.done[i])
            kills += [kill] if kill else []
            if over or (kill and kill.wrong):
                break
        if kills and kills[-1].wrong:
            return kills
        done = carry_out(to, folder, _env(folder))
        if done.code != 0:
            return _failed(kills, f"afterwards the command fails\n{done}")
    wrong = different(results, base.results) + litter(results, folder / "cache", patterns=LITTER + SET_ASIDE)
    check = carry_out((*TABLES, "--check", "--results", str(results)), folder, _env(folder))
    if check.code != 0:
        wrong.append(f"the tables are not those of the records\n{check}")
    return _failed(kills, "; ".join(wrong)) if wrong else kills


def _blow(draw: random.Random, words: tuple[str, ...], folder: Path, known: Done) -> tuple[Kill | None, bool]:
    """Strike a command once: the kill, None if it came too late; and whether the command is done."""
    number = draw.choice([signal.SIGKILL, signal.SIGINT])
    how: dict = {"strike_with": int(number), "cold": number == signal.SIGINT}
    if draw.random() < 0.5:
        at = draw.randint(1, max(1, known.changes))
        how |= {"strike_at": at, "watched": (str(folder),)}
        when = f"before change {at}"
    else:
        seconds = draw.uniform(0, known.seconds + (2.5 if how["cold"] else 0))
        how |= {"strike_after": seconds}
        when = f"after {seconds:.2f} s"
    if not how["cold"]:
        how |= {"often": draw.random() < 0.7}
    done = carry_out(words, folder, _env(folder), **how)
    what = f"`repro {' '.join(words)}` struck by {number.name} {when}"
    if done.code == 0:
        return None, True
    if number == signal.SIGKILL:
        return Kill(what, "" if done.code == -signal.SIGKILL else f"ended otherwise\n{done}"), False
    lines = done.err.splitlines()
    said = done.code == 130 and len(lines) == 1 and lines[0].startswith("repro: ")
    return Kill(what, "" if said else f"Ctrl-C is not one line and 130\n{done}"), False


def _env(folder: Path) -> dict[str, str]:
    return {"REPRO_CACHE_DIR": str(folder / "cache")}


def _failed(kills: list[Kill], wrong: str) -> list[Kill]:
    """The same blows, of which any may have been the one."""
    return [kill._replace(wrong=wrong) for kill in kills] or [Kill("no blow in time", wrong)]
