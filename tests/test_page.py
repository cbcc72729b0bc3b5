"""The page of `repro report`: what is on it, without a browser."""

import base64
import re
import shlex
import shutil
import sys
import webbrowser
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import typer.main
from made_eras import arm
from made_frames import EXPERIMENTS, frame, record, runs
from made_pages import ASKED, CAPTIONS, RESULTS, committed, page, some

import repro.runs.run
from paper_figures import captions, figure, figure_names
from repro.cli.main import app, main
from repro.report import answer, axis, eras, verdicts
from repro.report.frame import Frame, read
from repro.report.origins import Origins
from repro.report.origins import command as command_of
from repro.report.page import build, page_path
from repro.report.verdicts import Evidence
from repro.runs.config import SUFFICIENT, Epochs, Precision, from_json, tuning_of, with_choice
from repro.runs.record import identity, load_arrays, save_records
from repro.runs.run import Request, configurations

SECTIONS = ["answer", "verdicts", "tables", "figures", "eras", "records"]


class Elements(HTMLParser):
    """Every element of a page: its tag, its attributes, and the text within it."""

    VOID = ("meta", "link", "img", "input")

    def __init__(self, html):
        super().__init__()
        self.all, self.open = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = (tag, dict(attrs), [])
        self.all.append(element)
        if tag not in self.VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag, "elements are closed in the order in which they were opened"

    def handle_data(self, data):
        for _, _, text in self.open:
            text.append(data)

    def named(self, *tags):
        return [(attrs, " ".join("".join(text).split())) for tag, attrs, text in self.all if tag in tags]


@pytest.fixture(scope="module")
def elements():
    return Elements(page())


@pytest.fixture(scope="module")
def evidence():
    return Evidence(committed(), EXPERIMENTS)


def command(capsys, monkeypatch, *words):
    """Exit code, standard output and standard error of one `repro` command."""
    monkeypatch.setattr(sys, "argv", ["repro", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0, *capsys.readouterr()


@pytest.fixture
def results(tmp_path):
    """A results folder with one record."""
    [path] = (RESULTS / "paper" / "mnist").glob("pca.seed0.*.json")
    record = committed().records[path]
    save_records(tmp_path / "paper", [(record, load_arrays(path, record))])
    return tmp_path


def test_the_answer_comes_first_and_then_all_else_in_order(elements):
    ids = [attrs["id"] for attrs, _ in elements.named("section")]
    assert ids == SECTIONS
    cells = answer.cells(some(), ASKED.recipe, ASKED.shares)
    [first, *_] = [text for attrs, text in elements.named("section")]
    assert first.startswith(f"The answer {answer.sentence(cells, ASKED.shares)} Test error")
    for words in answer.worded(cells, ASKED.shares).to_dict("records"):
        for cell in words.values():
            assert all(part.replace("**", "") in first for part in cell.split("; "))
    assert page().index('id="fig_answer"') < page().index('id="verdicts"')


def test_every_claim_is_there_with_all_that_its_verdict_rests_on(elements):
    found = {attrs["id"]: text for attrs, text in elements.named("details") if "id" in attrs}
    for claim in ASKED.claims:
        ruling, text = verdicts.rule(claim, Evidence(some(), EXPERIMENTS)), found[f"claim-{claim.key}"]
        assert f"{ruling.said} {claim.key} {claim.statement}" in text
        rows = [" ".join(row.values()) for row in verdicts.worded(ruling)]
        for words in (f"{claim.upheld_if}. Refuted if {claim.refuted_if}.", *rows):
            assert "".join(words.split()) in "".join(text.split())
        assert all(line in text for line in verdicts.lacking(ruling.lacks))
        for row in verdicts.settling(ruling.lacks) if ruling.said == "OPEN" else []:
            assert all(cell.strip("`") in text for cell in row.values())


def test_the_numbers_of_a_verdict_say_their_records(evidence):
    for claim in ASKED.claims:
        for condition in [*claim.upholding(evidence), *claim.refuting(evidence)]:
            m = condition.measured
            assert len(m.values) == 0 or m.paths, condition.text
            assert {Path(path) for path in m.paths} <= set(committed().records)
    both = evidence.score("curves", "pretrained-cg"), evidence.score("curves", "pca-18")
    found = {(r.variant, r.seed) for r in map(committed().record, verdicts.ratio(*both).paths)}
    assert found == {("pca-18", 0), *(("pretrained-cg", seed) for seed in range(5))}


def test_every_record_is_there_with_its_command_and_every_number_leads_to_some(elements):
    ids = [attrs["id"] for _, attrs, _ in elements.all if "id" in attrs]
    assert len(set(ids)) == len(ids)
    rows = {attrs["id"]: text for attrs, text in elements.named("tr") if "id" in attrs}
    listed = Origins(some(), EXPERIMENTS).runs
    assert sorted(path for run in listed for path in run.records) == sorted(some().records)
    assert {run.key for run in listed} == set(rows)
    for run in listed:
        assert run.command in rows[run.key]
        for path, one in run.records.items():
            said = f"seed {one.seed}, {one.provenance['commit'][:12]}"
            assert said in rows[run.key] and str(path.relative_to(RESULTS)) in rows[run.key]
    links = [attrs["href"] for attrs, _ in elements.named("a")]
    inside = {link.removeprefix("#") for link in links if link.startswith("#")}
    assert inside <= set(ids) and set(rows) <= inside
    for link in set(links) - {f"#{name}" for name in inside}:
        assert (page_path(RESULTS, "paper").parent / link).resolve() in some().records
    bodies = re.findall(r'<tbody data-group="[^"]*">(.*?)</tbody>', page(), re.DOTALL)
    cells = [row for body in bodies for row in body.split("<tr>")[1:] if "in print" not in row]
    assert len(cells) > 100 and all('href="#run-' in row for row in cells)


def test_commands_make_the_same_records_again(monkeypatch):
    """Of today's variants, as the command line reads them, on a machine of the same kind."""
    run = typer.main.get_command(app).commands["run"]  # pyright: ignore
    known = [one for one in Origins(committed(), EXPERIMENTS).runs if one.experiment != "eras"]
    assert len(known) > 100 and sum(not one.today for one in known) < 40
    for one in known:
        records = [*one.records.values()]
        first, words = records[0], shlex.split(one.command)
        asked = run.make_context("run", words[2:]).params
        accelerator = first.provenance["platform"] != "cpu"
        monkeypatch.setattr(repro.runs.run, "side_by_side", lambda *_, it=accelerator: it)
        precision = asked["precision"] and repro.cli.options.precision_of(asked["precision"])
        request = Request(
            asked["profile"],
            asked["seeds"],
            tuple(asked["only"]),
            asked["epochs"],
            asked["pretraining_epochs"],
            precision,
        )
        experiment = EXPERIMENTS[first.experiment]
        [config] = configurations(experiment, request).values()
        seeds = repro.runs.run.seeds_of(experiment, request, config)
        if one.choice:
            config = tuning_of(config)
        elif repro.runs.run.needs_a_choice(config):
            ran = from_json(first.config)
            chosen = {"learning_rate": getattr(ran.optimiser, "learning_rate", None)}
            config = with_choice(config, chosen | {"stop_at": getattr(ran, "stop_at", None)})
        made = identity(config, first.provenance["data_sha256"], first.provenance["platform"])
        assert (made == first.identity) == one.today, one.command
        assert one.choice or max(r.seed for r in records) == max(seeds)


def test_a_command_asks_for_what_its_variant_does_not_have():
    config = EXPERIMENTS["mnist"].variants["pretrained-cg"]
    exact, few = Precision("highest", "highest"), Epochs(7)
    told = {
        "": (5, replace(config, precision=SUFFICIENT)),
        " --precision highest,highest": (5, replace(config, precision=exact)),
        " --epochs 7": (5, replace(config, precision=SUFFICIENT, budget=few)),
        " --seeds 3": (3, replace(config, precision=SUFFICIENT)),
    }
    for words, (n, asked) in told.items():
        origin = {"platform": "gpu"}
        records = [record("mnist", "pretrained-cg", asked, {}, seed=seed) for seed in range(n)]
        records = [one._replace(provenance=one.provenance | origin) for one in records]
        said = f"repro run mnist --profile paper --only pretrained-cg{words}"
        assert command_of(records, EXPERIMENTS["mnist"]) == (said, True)


def test_runs_alike_on_two_devices_have_two_keys():
    both = [[*runs("mnist", "pca", device="one")], [*runs("mnist", "pca", device="one")]]
    both[1] = [one._replace(provenance=one.provenance | {"device": "two"}) for one in both[1]]
    found = Origins(frame(*both), EXPERIMENTS).runs
    assert len(found) == 2 and len({run.key for run in found}) == 2


def test_a_variant_that_is_no_more_has_the_commit_that_made_it():
    [one, *_] = some().records.values()
    alone = Frame("paper", RESULTS, {RESULTS / "paper" / "x.json": one._replace(variant="gone")})
    [run] = Origins(alone, EXPERIMENTS).runs
    assert not run.today and "--only gone" in run.command
    commit = one.provenance["commit"][:12]
    assert f"changed since: with the code of {commit}" in build(alone, ASKED, {})


def test_the_same_records_give_the_same_bytes_in_any_folder(tmp_path):
    for path, one in some().records.items():
        place = tmp_path / "there" / path.relative_to(RESULTS)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        if one.arrays:
            shutil.copyfile(path.with_suffix(".npz"), place.with_suffix(".npz"))
    there = build(read(tmp_path / "there", "paper"), ASKED, {})
    assert there == build(some(), ASKED, {}) and str(tmp_path) not in there


def test_it_loads_nothing(elements):
    text = page()
    assert not re.search(r"https?:|@import|url\(|\bfetch\(|XMLHttpRequest", text)
    loaded = [
        attrs[name] for _, attrs, _ in elements.all for name in ("src", "srcset", "data") if name in attrs
    ]
    loaded += [attrs["href"] for attrs, _ in elements.named("link")]
    assert loaded and all(place.startswith("data:") for place in loaded)


def test_pictures_are_those_that_are_drawn_and_have_words(elements):
    drawn = RESULTS.parent / "paper_figures" / "out"
    images = {attrs["alt"]: attrs for attrs, _ in elements.named("img")}
    assert list(images) == ["An answer.", "Curves."]
    for name, title in zip(CAPTIONS, images, strict=True):
        content = base64.b64decode(images[title]["src"].partition(",")[2])
        assert content == (drawn / f"{name}.png").read_bytes()
    assert "none is drawn yet" in build(some(), ASKED, {"fig_nobody": ""}).lower()


def test_captions_are_those_of_the_figures():
    found = captions()
    assert list(found) == figure_names() and all(found.values())
    assert " ".join(found["fig_2a"].split()) == " ".join(figure("fig_2a").__doc__.split())


def test_texts_are_escaped():
    nasty = "</script><b>&\"'"
    named = arm("curves", "glorot-adam", [2.0, 1.0])._replace(variant=nasty)
    named.metrics["finetuning_seconds"] = 2.0
    alone = Frame("paper", RESULTS, {RESULTS / "paper" / "curves" / "x.json": named})
    own = replace(EXPERIMENTS["curves"], claim=f"`{nasty}`")
    text = build(alone, ASKED._replace(experiments={**EXPERIMENTS, "curves": own}), {})
    assert nasty not in text and "</script><b>" not in text and "<b>" not in text
    assert "<code>&lt;/script&gt;&lt;b&gt;&amp;&#34;&#39;</code>" in text
    assert [text for attrs, text in Elements(text).named("th") if attrs.get("scope") == "row"].count(
        nasty
    ) >= 1
    assert text.count("</script>") == 2, "the data of the axis and the program"


def test_the_eras_have_the_numbers_of_their_tables():
    spans = axis.spans(committed(), EXPERIMENTS)
    of_runs = eras.to_target(committed(), EXPERIMENTS)
    for row in of_runs.itertuples():
        [span] = [
            s for s in spans if (s.machine, s.paths) == (row.device, row.paths) and s.start != axis.WHOLE
        ]
        assert span.measured and span.seeds == f"{row.reached} of {row.n}"
        assert span.seconds == row.seconds or not row.reached
    table = (RESULTS / "tables" / "eras_2006.csv").read_text(encoding="utf-8").splitlines()
    computed = [span for span in spans if not span.measured]
    assert len({span.machine for span in computed}) * (len(table) - 1) == len(computed)
    days = [float(line.split(",")[6]) for line in table[1:]]  # of the first machine
    first = [span.seconds / 86_400 for span in computed if span.machine == computed[0].machine]
    assert sorted(first) == pytest.approx(sorted(days), rel=1e-6)


def test_durations_are_in_the_largest_unit():
    said = [axis.duration(seconds) for seconds in (0.5, 59.0, 60.0, 5400.0, 2 * 86_400.0, 3 * 365 * 86_400.0)]
    assert said == ["0.5 s", "59 s", "1 minutes", "1.5 hours", "2 days", "3 years"]


def test_headings_are_in_order_and_tables_have_captions_and_scopes(elements):
    levels = [int(tag[1]) for tag, _, _ in elements.all if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in pairwise(levels))
    assert len(elements.named("table")) == len(elements.named("caption"))
    assert all("scope" in attrs for attrs, _ in elements.named("th"))
    assert all(label for _, label in elements.named("label"))


def test_a_quick_page_says_that_it_is_no_evidence(tmp_path):
    records = {
        tmp_path / "quick" / path.relative_to(RESULTS / "paper"): record._replace(profile="quick")
        for path, record in some().records.items()
        if record.experiment != "answer"
    }
    text = build(Frame("quick", tmp_path, records), ASKED, CAPTIONS)
    assert "No number on this page is evidence" in text and 'class="verdict"' not in text
    assert "--profile quick" in text and "No number on this page is evidence" not in page()
    assert page_path(tmp_path, "quick") == tmp_path / "quick" / "report" / "index.html"
    assert page_path(tmp_path, "paper") == tmp_path / "report" / "index.html"


def test_a_stale_page_is_found(results, capsys, monkeypatch):
    options = ["--profile", "paper", "--results", results]
    assert command(capsys, monkeypatch, "tables", *options)[0] == 0
    assert command(capsys, monkeypatch, "tables", "--check", *options)[0] == 0, "there is no page"
    code, out, _ = command(capsys, monkeypatch, "report", *options)
    path = results / "report" / "index.html"
    assert code == 0 and out == f"wrote {path}\n"
    assert command(capsys, monkeypatch, "tables", "--check", *options)[0] == 0
    path.write_text(path.read_text(encoding="utf-8").replace("1 records", "2 records"), encoding="utf-8")
    code, _, err = command(capsys, monkeypatch, "tables", "--check", *options)
    assert code == 2 and err == (
        f"repro: stale: {path}; `repro report --profile paper --results {results}` writes it again\n"
    )


def test_it_is_opened_where_that_is_asked(results, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert command(capsys, monkeypatch, "report", "--results", results)[0] == 0 and not opened
    assert command(capsys, monkeypatch, "report", "--results", results, "--open")[0] == 0
    assert opened == [(results / "report" / "index.html").as_uri()]


def test_without_records_there_is_no_page(tmp_path, capsys, monkeypatch):
    code, _, err = command(capsys, monkeypatch, "report", "--results", tmp_path)
    assert code == 2 and err.startswith(f"repro: no records below {tmp_path}/paper: `repro run ")
    assert err.count("\n") == 1 and not list(tmp_path.iterdir())
