"""One page to read: the answer, the verdicts, the tables, the figures, the eras, and where each number is
from; a single file that loads nothing, generated from the frame by the queries of tables and README.
"""

from __future__ import annotations

import base64
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from repro.report import answer, axis, eras, precision, tables, verdicts
from repro.report.fairness import judged
from repro.report.frame import Frame, select
from repro.report.origins import Origins, Source
from repro.report.readme import Questions, check_recorded, headline, standing
from repro.report.verdicts import Evidence, Ruling

SIGNS = {"UPHELD": "✓", "REFUTED": "✗", "OPEN": "○"}
NUMBERS = {"ours", "95 % interval", "n", "pretraining", "epochs", "updates", "published", "difference"}
NUMBERS |= {"median", "shortest and longest call", "cores", "batch", "seeds", "load", "time", "records"}
ERROR = "test_squared_error"
RATE = "seconds_per_million_cases"  # the metric of timings that is shown first


class Row(NamedTuple):
    """Of a table: its cells, and the records that its numbers are made of."""

    cells: list[str]
    sources: list[Source]
    sizes: Mapping[str, float]  # by column, to sort by, where the text does not begin with the number


class Group(NamedTuple):
    """Rows that can be compared: of one metric, or of one machine."""

    name: str
    rows: list[Row]


class Table(NamedTuple):
    """A table that sorts and filters, with one group shown at a time."""

    key: str
    title: str
    about: str
    noun: str  # what its groups are, such as "metric"; none if there is but one
    columns: list[str]
    groups: list[Group]
    first: str = ""  # the group that is shown first; all if there is none such

    @property
    def rows(self) -> list[Row]:
        """Of all groups."""
        return [row for group in self.groups for row in group.rows]

    @property
    def chosen(self) -> str:
        """The group that is shown first; none: all."""
        return self.first if self.first in [group.name for group in self.groups] else ""


class Picture(NamedTuple):
    """A figure."""

    name: str
    title: str
    about: str
    data: str  # base64 of a PNG
    width: int
    height: int


def page_path(results: Path, profile: str) -> Path:
    """results/report/index.html for committed evidence; the quick profile's stays with its records."""
    return tables.tables_folder(results, profile).parent / "report" / "index.html"


def build(frame: Frame, asked: Questions, captions: Mapping[str, str]) -> str:
    """The page, from the frame and those figures that are drawn, in the order of their captions."""
    check_recorded(frame)
    origins, place = Origins(frame, asked.experiments), page_path(frame.folder, frame.profile).parent
    pictures = {picture.name: picture for picture in _pictures(frame, captions)}
    about: dict[str, Any] = {} if frame.small else _evidence(frame, asked, origins)
    on_axis = axis.spans(frame, asked.experiments)
    return _template().render(
        small=frame.small,
        profile=frame.profile,
        n_records=len(frame.records),
        of_answer=pictures.pop("fig_answer", None),
        tables=[*_tables(frame, asked, origins)],
        pictures=[*pictures.values()],
        eras=_eras(on_axis, origins),
        of_eras=eras.OF_TARGETS.partition("\n\n")[2] + eras.OF_CONVERSION.partition("\n\n")[2],
        axis=_axis(on_axis),
        runs=_by_experiment(origins),
        place=lambda path: Path(os.path.relpath(path, place)).as_posix(),
        below=lambda path: path.relative_to(frame.folder).as_posix(),
        signs=SIGNS,
        numbers=NUMBERS,
        **about,
    )


def _template() -> Template:
    """It refuses a name that it was not given, and escapes all texts."""
    strict = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    found = Environment(loader=PackageLoader("repro.report"), **strict)
    found.filters["marked"] = marked
    return found.get_template("index.html.j2")


def marked(text: str) -> Markup:
    """Text whose **bold** and `code` are shown as such; all else in it is escaped."""
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", html))


# --- the answer and the verdicts ----------------------------------------------------------------------------


def _evidence(frame: Frame, asked: Questions, origins: Origins) -> dict[str, Any]:
    """What the paper profile alone has."""
    cells = answer.cells(frame, asked.recipe, asked.shares)
    evidence = Evidence(frame, asked.experiments)
    rulings = [verdicts.rule(claim, evidence) for claim in asked.claims]
    return {
        "sentence": answer.sentence(cells, asked.shares),
        "how_answered": answer.HOW,
        "answer": _answer(frame, cells, asked, origins),
        "optimisers": [*answer.OPTIMISERS.values()],
        "how_judged": verdicts.HOW,
        "rulings": [_ruling(ruling, origins) for ruling in rulings],
        "between": verdicts.BETWEEN,
    }


def _answer(frame: Frame, cells: pd.DataFrame, asked: Questions, origins: Origins) -> list[dict[str, Any]]:
    """The rows of the answer table; behind each cell, by the name of an arm, where its numbers are from."""
    runs = answer.arms_of(judged(frame))
    paths = {variant: [*own.path] for variant, own in runs.groupby("variant")}
    rows = answer.worded(cells, asked.shares).to_dict("records")
    places = [(data, share) for data in cells["data"].unique() for share in asked.shares]
    found = []
    for (data, share), words in zip(places, rows, strict=True):
        own = cells[(cells["data"] == data) & (cells.share == share)].set_index("optimiser")
        arms = []
        for name, label in answer.OPTIMISERS.items():
            cell, sources = own.loc[name], {}
            for arm in ("random", "pretrained") if cell.n else ():
                [sources[arm]] = origins.of(paths[cell[f"{arm}_variant"]])
            arms.append({"text": words[label], "sources": sources})
        found.append({"data": data, "operations": words["operations"], "cells": arms})
    return found


def _ruling(ruling: Ruling, origins: Origins) -> dict[str, Any]:
    """A verdict in words, its conditions with the records that each rests on."""
    rows = verdicts.worded(ruling)
    conditions = [*ruling.upholding, *ruling.refuting]
    sources = [origins.of(condition.measured.paths) for condition in conditions]
    return {
        "claim": ruling.claim,
        "said": ruling.said,
        "conditions": [*zip(rows, sources, strict=True)],
        "lacking": verdicts.lacking(ruling.lacks),
        "settling": verdicts.settling(ruling.lacks) if ruling.said == "OPEN" else [],
    }


# --- tables -------------------------------------------------------------------------------------------------


def _tables(frame: Frame, asked: Questions, origins: Origins) -> Iterator[Table]:
    """The README's first; then those of each experiment, of precision and of rates."""
    rows = tables.summed(frame, tables.read_published())
    first = headline(standing(frame, rows), asked.experiments)
    if len(first) and not frame.small:
        title, about = (
            "Beside the papers’ numbers",
            "Test squared errors with the papers’ networks, best first.",
        )
        yield _table("headline", title, about, first, origins)
    for name, experiment in asked.experiments.items():
        if len(own := select(rows, experiment=name)):
            about = f"{experiment.claim} [{experiment.artefact}]."
            yield _table(f"experiment-{name}", name, about, own, origins, by="metric", first=ERROR)
    if len(rounded := precision.compared(frame)):
        words = precision.worded(rounded)
        group = _group("", words, rounded.paths, origins)
        title = "Which precision of the matrix products is enough"
        yield Table("precision", title, precision.HOW, "", [*words], [group])
    if len(timed := eras.rates(frame)):
        yield _timings(timed, origins)


def _table(
    key: str, title: str, about: str, rows: pd.DataFrame, origins: Origins, by: str = "", first: str = ""
) -> Table:
    """Of an experiment, in groups of what is in the column `by`."""
    about = f"{about} “ours” is the mean over n seeds; one seed has no interval."
    parts = [("", rows)] if not by else [(str(name), own) for name, own in rows.groupby(by, sort=False)]
    groups = [_group(name, tables.worded(own), own.paths, origins) for name, own in parts]
    return Table(key, title, about, by, [*tables.worded(rows.head(1))], groups, first)


def _group(name: str, words: pd.DataFrame, paths: Iterable[Sequence[str]], origins: Origins) -> Group:
    cells = words.astype(str).to_numpy().tolist()
    return Group(name, [Row(row, origins.of(own), {}) for row, own in zip(cells, paths, strict=True)])


def _timings(timed: pd.DataFrame, origins: Origins) -> Table:
    """Every rate of every machine; what they are for reading is in results/tables/eras.md."""
    words = pd.DataFrame(
        {
            "machine": timed.machine,
            "program": timed.program,
            "workload": timed.workload,
            "sizes": timed.sizes,
            "median": [f"{value:.3g}" for value in timed.value],
            "shortest and longest call": [
                f"{low:.3g} to {high:.3g}" if low == low else "–"
                for low, high in zip(timed.low, timed.high, strict=True)
            ],
            "n": timed.n,
            "cores": timed.cores,
            "precision": timed.precision,
            "batch": timed.batch_size,
            "seeds": timed.seeds,
            "load": [f"{load:.2f}" for load in timed.load_per_core],
        }
    )
    groups = [
        _group(str(name), words.loc[own.index], [(path,) for path in own.path], origins)
        for name, own in timed.groupby("metric", sort=False)
    ]
    about = eras.OF_RATES.partition("\n\n")[2]
    return Table("rates", "Rates of machines", about, "metric", [*words], groups, RATE)


# --- figures and eras ---------------------------------------------------------------------------------------


def _pictures(frame: Frame, captions: Mapping[str, str]) -> Iterator[Picture]:
    """Those that are drawn."""
    for name, caption in captions.items():
        path = tables.figures_folder(frame.folder, frame.profile) / f"{name}.png"
        if path.is_file():
            content, (title, _, about) = path.read_bytes(), caption.partition("\n\n")
            width, height = struct.unpack(">II", content[16:24])  # where every PNG has them
            yield Picture(name, title, about, base64.b64encode(content).decode(), width, height)


def _eras(spans: Sequence[axis.Span], origins: Origins) -> Table:
    """The numbers behind the axis of time, by machine."""
    columns = ["data", "run", "start", "seeds that came there", "time", "how"]
    groups: dict[str, list[Row]] = {}
    for span in spans:
        cells = [span.data, span.arm, span.start, span.seeds, span.said, _how(span)]
        row = Row(cells, origins.of(span.paths), {"time": span.seconds})
        groups.setdefault(_machine(span), []).append(row)
    made = [Group(name, rows) for name, rows in groups.items()]
    return Table("time", "Time on each machine", "", "machine", columns, made, next(iter(groups), ""))


def _how(span: axis.Span) -> str:
    return "measured" if span.measured else "computed"


def _machine(span: axis.Span) -> str:
    """As the reader picks it."""
    return f"{span.machine}, {_how(span)}"


def _axis(spans: Sequence[axis.Span]) -> dict[str, Any]:
    """What the page's script draws: a lane for each run, with a point for each machine that has one."""
    lanes: dict[tuple, dict[str, Any]] = {}
    met: dict[tuple, int] = {}
    for span in spans:
        if span.seconds != span.seconds:
            continue
        place = _machine(span), span.data, span.arm, span.start
        met[place] = met.get(place, -1) + 1  # the same arm may have been run on two machines
        lane = {"data": span.data, "name": span.arm, "start": span.start, "points": {}}
        lane = lanes.setdefault((*place[1:], met[place]), lane)
        ends = [span.low, span.high] if span.low == span.low else None
        point = {"seconds": span.seconds, "ends": ends, "said": span.said, "measured": span.measured}
        lane["points"][place[0]] = point
    ordered = sorted(lanes.values(), key=lambda lane: [*eras.PIXELS, lane["data"]].index(lane["data"]))
    return {"ticks": axis.TICKS, "marks": axis.MARKS, "lanes": ordered}


def _by_experiment(origins: Origins) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for run in origins.runs:
        found.setdefault(run.experiment, []).append(run)
    return found
