"""Experiments over several data sets, one of which cannot be had."""

import io
from functools import partial

import pytest
from rich.console import Console
from several import experiment, made_up
from tiny import QUIET

import repro.data
from repro.errors import DataUnavailableError, RecordsMissingError, UserError, pip_install
from repro.runs.config import Autoencoding, Epochs, Glorot, Network, PrincipalComponents, Rates
from repro.runs.programs import PROGRAMS
from repro.runs.record import load_record
from repro.runs.run import Request, Tally, missing, run
from repro.training.optimisers import Adam

pytestmark = pytest.mark.usefixtures("single_precision")


def pca(data):
    return PrincipalComponents(data, 1)


def adam(data, **more):
    how = {"start": Glorot(), "optimiser": Adam(), "tuning": Rates((0.01,), (1,)), "budget": Epochs(1)}
    return Autoencoding(data=data, network=Network((2,)), **how | more)


SEVERAL = experiment(absent_a=adam, here_a=pca, absent_b=pca, there_a=pca, absent_c=pca)


def conducted(several, request):
    """Variants recorded, and what was printed as the command line prints it."""
    console = Console(file=io.StringIO(), highlight=False, soft_wrap=True)
    paths = run(several, request, console)
    return [load_record(path).variant for path in paths], console.file.getvalue().splitlines()


def test_an_experiment_goes_on_without_data_that_cannot_be_had_and_says_so_once(loads, tmp_path):
    recorded, lines = conducted(SEVERAL, Request(results=tmp_path))
    assert recorded == ["here/a", "there/a"] and loads == ["absent", "here", "there"]
    [line] = [line for line in lines if "absent" in line]
    assert line == "several goes on without absent: the absent sample is in a package that is not installed"


def test_progress_says_the_seed_and_how_many_of_how_many(loads, tmp_path):
    several = experiment(here_a=pca, here_b=partial(adam, batch_size=20))
    console, request = Console(file=io.StringIO(), soft_wrap=True), Request(seeds=2, results=tmp_path)
    tally = Tally(sum(1 for _ in missing(several, request)))
    run(several, request, console, tally)
    said = [
        line.partition(": fine-tuning")[0] for line in console.file.getvalue().splitlines() if "epoch" in line
    ]
    assert said == [
        "several/here/b, choice of the rate, seed 0",
        "several/here/b, seed 0, 2 of 3",
        "several/here/b, seed 1, 3 of 3",
    ]


def test_the_remedy_is_printed_word_for_word(loads, monkeypatch, tmp_path):
    remedy = pip_install("embedded")

    def load(name, **_):
        if name == "absent":
            raise DataUnavailableError(remedy)
        return made_up(name)

    monkeypatch.setattr(repro.data, "load", load)
    _, lines = conducted(SEVERAL, Request(results=tmp_path))
    assert f"several goes on without absent: {remedy}" in lines


def test_data_asked_for_by_name_must_be_had(loads, tmp_path):
    for only in (("absent/b",), ("here/a", "absent/b"), ("absent/a",)):
        with pytest.raises(DataUnavailableError, match="the absent sample"):
            run(SEVERAL, Request(results=tmp_path, only=only), QUIET)
    assert conducted(SEVERAL, Request(results=tmp_path, only=("there/a",)))[0] == ["there/a"]


def test_an_experiment_with_one_data_set_of_its_own_must_have_it(loads, tmp_path):
    with pytest.raises(DataUnavailableError, match="the absent sample"):
        run(experiment(absent_a=pca, absent_b=pca), Request(results=tmp_path), QUIET)


def test_at_full_scale_something_must_be_left_to_learn_from(loads, tmp_path):
    nothing = experiment(absent_a=pca, absent2_b=pca)
    assert conducted(nothing, Request("quick", results=tmp_path))[0] == []
    with pytest.raises(DataUnavailableError, match="several has nothing to learn from"):
        run(nothing, Request("paper", results=tmp_path), QUIET)


def test_other_errors_are_never_swallowed(loads, monkeypatch, tmp_path):
    several = experiment(absent_a=pca, malformed_a=pca, here_a=pca)
    with pytest.raises(UserError, match=r"malformed\.gz, line 7: no number"):
        run(several, Request(results=tmp_path), QUIET)
    assert loads == ["absent", "malformed"]

    def missing(*_):
        raise RecordsMissingError("no records")

    monkeypatch.setitem(PROGRAMS, PrincipalComponents, missing)
    with pytest.raises(RecordsMissingError):
        run(experiment(here_a=pca), Request(results=tmp_path), QUIET)
