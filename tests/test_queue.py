"""The queue: what is missing, in which order, what it will take, and that it ends in time."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
import typer
from made_frames import EXPERIMENTS, arms, frame, runs
from tiny import MNIST, QUIET, tiny

import repro.runs.queue
import repro.runs.run
from repro.cli.options import duration
from repro.errors import DataUnavailableError, DeviceMemoryError, DivergedError, OutOfTimeError
from repro.report.cost import SAMPLES, Costs, Estimate
from repro.report.plan import Question, ordered, questions
from repro.report.verdicts import Evidence
from repro.runs.config import Autoencoding, Precision
from repro.runs.progress import Watch
from repro.runs.provenance import Device
from repro.runs.queue import Planned, Queue, plan, work_off
from repro.runs.record import load_record
from repro.runs.run import Request, Session, Work, loader, missing, records, run
from repro.training.flops import backprop_flops

HERE = Device("abacus", "cpu")
TINY = tiny(MNIST)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("8m", 480), ("1.5h", 5400), ("1h30m", 5400)])
def test_a_time_is_read(text, seconds):
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "8", "m", "0s", "-3m", "8 m", "3m1h", "8m!"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(typer.BadParameter, match="is not a time: write it as 90s, 8m, 1h or 1h30m"):
        duration(text)


# --- which program is due -----------------------------------------------------------------------------------


def planned(name, first=1.0, spent=0.0, data="mnist", **parts):
    """A program of an experiment, of that name."""
    config = replace(EXPERIMENTS["mnist"].variants["gaussian-cg"], data=data)
    work = Work(replace(MNIST, name="some"), name, config, (0,), spent)
    return Planned(work, (), parts or {name: 10.0}, first)


def names(due):
    return [(each.planned.work.variant, each.seconds, each.fits) for each in due]


def test_the_first_that_fits_is_done_and_what_is_left_is_begun_if_it_leaves_a_checkpoint():
    queue = Queue(
        [planned("long", a=100.0, first=30.0), planned("short"), planned("slow", b=50.0, first=2.0)]
    )
    assert names(plan(queue, 35.0)) == [("short", 10.0, True), ("slow", 50.0, False)]
    assert [p.work.variant for p in queue.waiting] == ["long", "slow"]


def test_nothing_is_begun_that_leaves_no_checkpoint():
    queue = Queue([planned("long", a=100.0, first=30.0)])
    assert queue.next(29.0) is None and queue.next(0.0) is None
    assert queue.next(31.0).fits is False and queue.next(100.0).fits is True


def test_what_programs_share_is_paid_for_once():
    queue = Queue([planned("a", stack=50.0, own=5.0), planned("b", stack=50.0, other=7.0)])
    assert queue.all_seconds() == 62.0
    assert names(plan(queue, math.inf)) == [("a", 55.0, True), ("b", 7.0, True)]


def test_what_earlier_processes_have_done_is_not_due_again():
    assert Queue([planned("a", spent=6.0)]).next(5.0).seconds == 4.0
    assert Queue([planned("a", spent=60.0)]).next(5.0).seconds == 1.0  # it still goes on from a checkpoint


def test_without_a_known_time_a_program_comes_after_those_that_fit():
    unknown = planned("unknown", first=math.nan, x=math.nan)
    due = plan(Queue([unknown, planned("short")]), 20.0)
    assert [(name, fits) for name, _, fits in names(due)] == [("short", True), ("unknown", False)]
    assert [name for name, *_ in names(plan(Queue([unknown, planned("short")]), math.inf))] == [
        "unknown",
        "short",
    ]


# --- working it off -----------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    """A clock that work advances; what each program takes, or the error it ends with, by variant."""
    now, takes = [0.0], {}

    def worked(session, variant, config, seeds):
        taken, *error = np.atleast_1d(takes[variant]).tolist()
        now[0] += float(taken)
        if error:
            raise error[0]
        return [f"{variant}.json"]

    monkeypatch.setattr(repro.runs.queue.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(repro.runs.queue, "records", worked)
    monkeypatch.setattr(repro.runs.queue, "chosen", lambda session, variant, config: config)
    return takes


def done(queue, until):
    return [paths[0].removesuffix(".json") for _, paths in work_off(queue, Request(), QUIET, until)]


def test_a_machine_slower_than_estimated_starts_less(clock):
    clock |= {"a": 30.0, "b": 30.0, "c": 30.0}
    queue = Queue([planned("a", first=11.0), planned("b", first=11.0), planned("c", first=11.0)])
    assert done(queue, until=75.0) == ["a", "b"]  # 15 s are left, three times ten are needed
    assert [p.work.variant for p in queue.waiting] == ["c"]


def test_what_the_end_of_the_time_stops_is_left_and_says_what_was_spent(clock):
    clock |= {"long": (np.array(20.0), OutOfTimeError()), "short": 5.0}
    queue = Queue([planned("long", a=90.0), planned("short", b=40.0)])
    assert done(queue, until=30.0) == ["short"]  # begun in the ten seconds that were left, and done in five
    assert [(p.work.variant, p.work.spent) for p in queue.waiting] == [("long", 20.0)]


def test_the_queue_goes_on_without_what_cannot_be_had(clock):
    clock |= {"a": (0.0, DataUnavailableError("no faces")), "c": (0.0, DivergedError("all")), "d": 1.0}
    clock["e"] = 0.0, DeviceMemoryError("too large")
    waiting = [
        planned("a", data="faces"),
        planned("b", data="faces"),
        planned("c"),
        planned("c"),
        planned("e"),
        planned("d"),
    ]
    queue = Queue(waiting)
    assert done(queue, until=100.0) == ["d"] and not queue.waiting


# --- what is missing ----------------------------------------------------------------------------------------


def test_what_is_recorded_is_not_missing_and_nothing_is_loaded(recorded, monkeypatch):
    monkeypatch.setattr(repro.data, "load", lambda *_, **__: pytest.fail("loaded"))
    request = Request(seeds=5, only=("glorot-cg", "pca", "glorot-adam"), results=recorded)
    found = [(work.variant, work.seeds) for work in missing(TINY, request)]
    assert found == [("glorot-cg", (3,)), ("glorot-cg", (4,)), *[("glorot-adam", (n,)) for n in range(5)]]


def test_an_accelerator_trains_the_missing_seeds_as_one_program(recorded, monkeypatch):
    monkeypatch.setattr(repro.runs.run, "side_by_side", lambda _: True)
    request = Request(seeds=5, only=("glorot-cg",), precision=Precision(), results=recorded)
    [work] = missing(TINY, request)
    assert work.seeds == (3, 4)


def test_an_accelerators_products_are_as_precise_as_each_phase_needs(recorded, monkeypatch):
    """Those of a CPU are float32, and so are those of a phase that there is not."""
    request = Request(seeds=1, only=("glorot-adam", "pretrained-cg"), results=recorded / "none")
    asked = Precision("BF16_BF16_F32", "BF16_BF16_F32_X6")

    def found(request):
        return {work.variant: work.config.precision for work in missing(TINY, request)}

    assert set(found(request).values()) == {Precision()}
    monkeypatch.setattr(repro.runs.run, "side_by_side", lambda _: True)
    assert found(request) == {"pretrained-cg": Precision("tensorfloat32"), "glorot-adam": Precision()}
    assert found(replace(request, precision=asked)) == {
        "pretrained-cg": asked,
        "glorot-adam": Precision("highest", "BF16_BF16_F32_X6"),
    }


def test_a_recorded_choice_of_a_rate_is_taken(few_cases, tmp_path):
    request = Request(only=("glorot-adam",), results=tmp_path)
    [before] = missing(TINY, request)
    [path] = run(TINY, request, QUIET)
    rate = load_record(path).config["optimiser"]["learning_rate"]
    path.unlink()
    [after] = missing(TINY, request)
    assert (before.config.optimiser.learning_rate, after.config.optimiser.learning_rate) == (None, rate)


# --- ending in time -----------------------------------------------------------------------------------------


def test_training_ends_at_the_last_report_in_time_and_goes_on_bit_for_bit(few_cases, tmp_path, monkeypatch):
    whole, parts = (
        Request(only=("glorot-cg",), epochs=4, results=tmp_path / name) for name in ("whole", "parts")
    )
    [path] = run(TINY, whole, QUIET)
    config = repro.runs.run.configurations(TINY, parts)["glorot-cg"]
    session = Session(TINY, parts, loader(parts), QUIET, until=time.monotonic() + 1000.0)
    seen, epoch_done = [], Watch.epoch_done

    def slow(self, phase, fitted, n_epochs):
        seen.append(fitted.n_epochs)
        late = 1e6 if fitted.n_epochs == 2 else 1e-9
        epoch_done(self, phase, fitted._replace(seconds=np.append(fitted.seconds[:-1], late)), n_epochs)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "epoch_done", slow)
        with pytest.raises(OutOfTimeError):
            records(session, "glorot-cg", config, [0])
    assert seen == [1, 2]
    [work] = missing(TINY, parts)
    assert work.spent > 0
    monkeypatch.setattr(
        Watch,
        "epoch_done",
        lambda self, phase, f, n: (seen.append(f.n_epochs), epoch_done(self, phase, f, n)),
    )
    [resumed] = records(session, "glorot-cg", config, [0])
    assert seen == [1, 2, 3, 4]
    ours, theirs = load_record(resumed).metrics, load_record(path).metrics
    assert {k: v for k, v in ours.items() if "seconds" not in k} == {
        k: v for k, v in theirs.items() if "seconds" not in k
    }


def test_no_phase_is_begun_when_the_time_is_over(few_cases, tmp_path):
    request = Request(only=("glorot-cg",), results=tmp_path)
    session = Session(TINY, request, loader(request), QUIET, until=time.monotonic() - 1.0)
    with pytest.raises(OutOfTimeError):
        records(session, "glorot-cg", repro.runs.run.configurations(TINY, request)["glorot-cg"], [0])


# --- what it takes ------------------------------------------------------------------------------------------


def work(experiment, variant, seeds=(0,)):
    return Work(EXPERIMENTS[experiment], variant, EXPERIMENTS[experiment].variants[variant], seeds)


def made(**more):
    """Two recorded runs on this device: 1e13 operations in 10 s."""
    return frame(
        *runs("mnist", "gaussian-cg", seeds=2, test_squared_error=1.0, curve={"flops": [1e13]}, **more)
    )


def test_a_run_takes_its_operations_at_the_recorded_rate_and_what_compiling_took():
    costs = Costs(made(compile_seconds=[7.0, 3.0]))
    estimate = costs.estimate(work("mnist", "gaussian-cg"), HERE)
    operations = costs.operations(EXPERIMENTS["mnist"].variants["gaussian-cg"])
    besides = 60.0 - 10.0 - 5.0  # of wall_seconds, neither training nor compiling: the median
    assert sum(estimate.parts.values()) == pytest.approx(operations / 1e12 + 7.0 + besides, rel=1e-6)
    assert 7.0 < estimate.first < sum(estimate.parts.values()) / 10
    assert estimate.devices == {"abacus"}


def test_seeds_side_by_side_are_compiled_once_and_trained_one_as_long_as_another():
    costs = Costs(made(compile_seconds=7.0))
    one, five = (costs.estimate(work("mnist", "gaussian-cg", seeds), HERE) for seeds in ((0,), range(5)))
    alone = sum(one.parts.values()) - 7.0 - 43.0
    assert sum(five.parts.values()) == pytest.approx(5 * alone + 7.0 + 43.0, rel=1e-3)


def test_a_choice_of_a_rate_counts_once_for_all_seeds():
    costs = Costs(made())
    first, second = (costs.estimate(work("mnist", "glorot-adam", (n,)), HERE).parts for n in (0, 1))
    tuning = EXPERIMENTS["mnist"].variants["glorot-adam"].tuning
    [choice] = [part for part in first if part[0] == "choice"]
    assert first[choice] == pytest.approx(costs.choice(EXPERIMENTS["mnist"].variants["glorot-adam"]) / 1e12)
    assert choice in second and tuning is not None


@pytest.mark.parametrize(
    ("device", "taken"),
    [
        (Device("abacus", "cpu"), "abacus"),
        (Device("slide rule", "cpu"), "slide rule"),
        (Device("an unknown one", "gpu"), "abacus"),
    ],
)
def test_rates_are_those_of_the_nearest_device(device, taken):
    both = [*runs("mnist", "gaussian-cg", seeds=3, test_squared_error=1.0)]
    both += runs("mnist", "gaussian-cg", seeds=1, test_squared_error=1.0, device="slide rule")
    curves = {"evaluations": [1.0]}
    both = [record._replace(curves=record.curves | curves) for record in both]
    assert Costs(frame(*both)).estimate(work("mnist", "gaussian-cg"), device).devices == {taken}


def test_a_classifier_takes_its_operations_at_the_rate_of_its_kind_and_pretraining_and_choice_count_once():
    name = "pretrained-adam"
    config = EXPERIMENTS["classifier"].variants[name]
    slow = runs("classifier", name, seeds=1, flops=6e13, test_error_percent=1.0)
    fast = runs("classifier", name, seeds=1, flops=6e15, test_error_percent=1.0, device="another")
    costs = Costs(frame(*slow, *fast))
    first, second = (costs.estimate(work("classifier", name, (n,)), HERE) for n in (0, 1))
    [shared] = [seconds for part, seconds in first.parts.items() if part[0] == "pretraining"]
    assert shared == pytest.approx(costs.pretraining(config) / 1e12)
    assert first.parts["choice", "classifier", name] == pytest.approx(costs.choosing(config) / 1e12)
    of_epoch = backprop_flops((784, 500, 500, 2000, 10), 60_000)
    assert costs.choosing(config) == pytest.approx(5 * 100 * of_epoch)
    assert sum(first.parts.values()) == pytest.approx(costs.operations(config) / 1e12)
    assert sum((first.parts | second.parts).values()) == pytest.approx(
        (costs.choosing(config) + 2 * (100 * of_epoch + costs.pretraining(config))) / 1e12
    ), "the choice starts from what seed 0 has pretrained"
    assert first.devices == {"abacus"} and first.first == pytest.approx(shared)


def test_a_classifier_that_was_never_run_on_such_a_device_takes_what_another_kind_took_there():
    fast = [
        record._replace(provenance=record.provenance | {"platform": "gpu"})
        for record in runs("few_labels", "1000/dbn", flops=6e15, test_error_percent=1.0, device="another")
    ]
    slow = runs("classifier", "glorot-adam", seeds=1, flops=6e13, test_error_percent=1.0, device="slide rule")
    costs = Costs(frame(*fast, *slow))
    assert costs.estimate(work("few_labels", "1000/dbn"), HERE).devices == {"slide rule"}
    assert costs.estimate(work("few_labels", "1000/dbn"), Device("third", "gpu")).devices == {"another"}
    assert costs.of_runs("few_labels", EXPERIMENTS["few_labels"].variants["1000/dbn"], 1).device == "another"


def test_what_is_not_counted_takes_as_long_as_its_like_took_here():
    took = {"abacus": 12.0, "another": 879.0}
    of_each = [
        record._replace(provenance=record.provenance | {"wall_seconds": took[device]})
        for device in took
        for record in runs("by_hand", "mnist", test_error_percent=1.0, device=device)
    ]
    costs = Costs(frame(*of_each))
    assert sum(costs.estimate(work("by_hand", "mnist", (0, 1)), HERE).parts.values()) == 2 * 12.0
    cost = costs.of_runs("by_hand", EXPERIMENTS["by_hand"].variants["mnist"], 3)
    assert (cost.seconds, cost.device) == (3 * 879.0, "another"), (
        "where it takes longest, as nowhere is named"
    )


def test_without_records_no_time_is_known():
    estimate = Costs(frame()).estimate(work("mnist", "pretrained-cg"), HERE)
    assert np.isnan(sum(estimate.parts.values())) and estimate.devices == frozenset()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sizes_of_the_samples_are_theirs(name):
    try:
        data = repro.data.load(name, embedded=True)
    except DataUnavailableError as absent:
        pytest.skip(str(absent))
    assert data.full_train.inputs.shape == SAMPLES[name][::-1]


# --- in which order -----------------------------------------------------------------------------------------


def test_what_settles_most_for_its_time_comes_first_and_seeds_take_turns():
    costs = Costs(made())
    works = [
        work("mnist", name, (n,)) for name in ("gaussian-cg", "glorot-cg", "pretrained-cg") for n in (0, 1)
    ]
    asked = [
        Question("dear", frozenset({"mnist gaussian-cg", "mnist glorot-cg", "mnist pretrained-cg"})),
        Question("cheap", frozenset({"mnist gaussian-cg", "mnist glorot-cg"})),
    ]
    order, devices = ordered(works, asked, costs, HERE)
    assert [(p.work.variant, *p.work.seeds) for p in order] == [
        ("gaussian-cg", 0),
        ("glorot-cg", 0),
        ("gaussian-cg", 1),
        ("glorot-cg", 1),
        ("pretrained-cg", 0),
        ("pretrained-cg", 1),
    ]
    assert order[0].settles == ("dear", "cheap") and order[-1].settles == ("dear",) and devices == {"abacus"}


def test_a_question_that_needs_little_comes_before_one_that_needs_much_even_if_its_runs_are_longer(
    monkeypatch,
):
    takes = {"gaussian-cg": 40.0, "glorot-cg": 90.0, "pretrained-cg": 50.0}
    estimated = {name: Estimate({name: seconds}, 1.0, frozenset()) for name, seconds in takes.items()}
    monkeypatch.setattr(Costs, "estimate", lambda self, work, here: estimated[work.variant])
    asked = [Question("dear", frozenset({"mnist gaussian-cg", "mnist glorot-cg"}))]
    asked += [Question("cheap", frozenset({"mnist pretrained-cg"}))]
    order, _ = ordered([work("mnist", name) for name in takes], asked, Costs(frame()), HERE)
    assert [planned.work.variant for planned in order] == ["pretrained-cg", "gaussian-cg", "glorot-cg"]


def test_arms_that_only_other_rates_would_help_are_not_run_again():
    """The choice between today's rates was refused: the best lay at the edge."""
    made = arms("curves", "tenth", "pretrained", "nag", 1.0, losses=(1, 2, 3, 4, 5))
    asked = questions([], Evidence(frame(made), EXPERIMENTS))
    variants = frozenset().union(*(question.variants for question in asked))
    assert "answer tenth/curves/pretrained-nag" not in variants
    assert "answer tenth/curves/sparse-nag" in variants


def test_open_claims_and_cells_of_the_answer_table_are_the_questions():
    from experiments import all_claims

    found = list(questions(all_claims(), Evidence(frame(), EXPERIMENTS)))
    cells = [question.variants for question in found if question.name == "answer"]
    assert {"C1", "C2a", "C11"} <= {question.name for question in found}
    assert len(cells) == len(
        {(v.data, v.optimiser.kind, v.budget) for v in EXPERIMENTS["answer"].variants.values()}
    )
    assert {f"answer tenth/mnist/{start}-adam" for start in ("pretrained", "sparse", "glorot")} in cells
    assert all(isinstance(v, Autoencoding) for v in EXPERIMENTS["answer"].variants.values())


def test_work_that_leaves_no_checkpoint_takes_as_long_as_it_ever_took():
    made = frame(runs("documents", "reuters21578/lle-10", test_precision_at_7=0.7))
    [path] = made.records
    made.records[path].provenance["wall_seconds"] = 879.0
    config = EXPERIMENTS["documents"].variants["rcv1/lle-10"]
    work = Work(EXPERIMENTS["documents"], "rcv1/lle-10", config, (0,))
    estimate = Costs(made).estimate(work, HERE)
    assert sum(estimate.parts.values()) == estimate.first == 879.0
