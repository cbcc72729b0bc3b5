"""What runs of one results folder have in common is done once, and nothing else is taken over."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from several import experiment, made_up
from tiny import EXPERIMENTS, MNIST, QUIET, tiny

import repro.data
import repro.runs.run
from repro.runs.config import PrincipalComponents
from repro.runs.outcome import Outcome
from repro.runs.programs import PROGRAMS
from repro.runs.progress import Watch
from repro.runs.record import load_arrays, load_record
from repro.runs.run import Request, run
from repro.training.fit import Fitted

pytestmark = pytest.mark.usefixtures("single_precision")

PAIR = ("pretrained-cg", "pretrained-cg-2d")


@pytest.fixture
def small_data(monkeypatch):
    monkeypatch.setattr(repro.data, "load", lambda name, **_: made_up(name, n_pixels=784))
    monkeypatch.setattr(repro.data, "checksum", lambda name, **_: "")


def watched(experiment, request, stop=None):
    """Records of a call and the epochs trained, as (variant, phase); raises at the epoch `stop`."""
    trained, epoch_done = [], Watch.epoch_done

    def count(self, phase, fitted, n_epochs):
        trained.append((self.title.partition("/")[2].partition(", seed")[0], phase))
        if trained[-1] == stop:
            raise KeyboardInterrupt
        epoch_done(self, phase, fitted, n_epochs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "epoch_done", count)
        try:
            return run(experiment, request, QUIET), trained
        except KeyboardInterrupt:
            return None, trained


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Both variants in one call: paths of the records, epochs trained, folder.

    Pictures as large as digits, because the other tests have compiled the programs for those.
    """
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", lambda name, **_: made_up(name, n_pixels=784))
        patch.setattr(repro.data, "checksum", lambda name, **_: "")
        folder = tmp_path_factory.mktemp("together")
        return *watched(tiny(MNIST), Request(only=PAIR, results=folder)), folder


def test_layers_below_the_code_are_trained_once_for_both_variants(together):
    _, trained, _ = together
    phases = ["layer1", "layer2", "layer3", "fine-tuning"]
    assert trained == [*[(PAIR[0], phase) for phase in phases], *[(PAIR[1], phase) for phase in phases[2:]]]


def artefacts(folder):
    """Folders of all layers, finished or not, and of what each holds."""
    return [sorted(path.name for path in layer.iterdir()) for layer in folder.glob("*/.artefacts/*/*")]


def test_when_all_is_recorded_the_layers_are_left_and_no_checkpoint(together):
    *_, folder = together
    assert not list(folder.rglob(".checkpoints/*"))
    assert artefacts(folder) == [["finished"]] * 4


def test_a_record_names_the_layers_it_took_and_counts_what_they_cost(together):
    [first, second], *_ = together
    assert load_record(first).provenance["artefacts"] == []
    record = load_record(second)
    taken = record.provenance["artefacts"]
    assert [layer["phase"] for layer in taken] == ["layer1", "layer2"]
    [made] = load_record(first).provenance["processes"]
    assert all(layer["made"] | {"seconds": 0} == made | {"seconds": 0} for layer in taken)
    cost, alone = (load_record(path).metrics["pretraining_seconds"] for path in (second, first))
    assert cost > 0 and alone > 0


def said(path):
    """Everything that a record says but for seconds and where it comes from."""
    record = load_record(path)
    metrics, curves = (
        {name: x for name, x in part.items() if "seconds" not in name}
        for part in (record.metrics, record.curves)
    )
    arrays = {name: x.tolist() for name, x in load_arrays(path, record).items()}
    return metrics, curves, record.config, record.variant, record.seed, arrays


def test_the_record_is_that_of_a_run_which_trained_every_layer_itself(together, small_data, tmp_path):
    [alone], trained = watched(tiny(MNIST), Request(only=PAIR[1:], results=tmp_path))
    assert [phase for _, phase in trained] == ["layer1", "layer2", "layer3", "fine-tuning"]
    [_, shared], *_ = together
    assert said(shared) == said(alone)
    ours, theirs = load_record(shared), load_record(alone)
    assert ours.metrics.keys() == theirs.metrics.keys() and ours.curves.keys() == theirs.curves.keys()


def test_an_interrupted_call_leaves_the_shared_work_and_takes_it_over(together, small_data, tmp_path):
    request = Request(only=PAIR, results=tmp_path)
    stopped, trained = watched(tiny(MNIST), request, stop=(PAIR[0], "layer3"))
    assert stopped is None and [phase for _, phase in trained] == ["layer1", "layer2", "layer3"]
    assert sorted(artefacts(tmp_path)) == [["finished"], ["finished"], ["layer3"]]
    paths, trained = watched(tiny(MNIST), request)
    assert trained == [(variant, phase) for variant in PAIR for phase in ("layer3", "fine-tuning")]
    assert [said(path) for path in paths] == [said(path) for path in together[0]]
    assert not list(tmp_path.rglob(".checkpoints/*"))


@pytest.mark.parametrize("between", ["pca", "code_size"])
def test_no_other_run_deletes_the_layers_of_an_interrupted_one(together, small_data, tmp_path, between):
    watched(tiny(MNIST), Request(only=PAIR[:1], results=tmp_path), stop=(PAIR[0], "layer3"))
    other, only = (MNIST, "pca") if between == "pca" else (EXPERIMENTS["code_size"], "mnist/pca-6")
    assert watched(tiny(other), Request(only=(only,), results=tmp_path))[0]
    _, trained = watched(tiny(MNIST), Request(only=PAIR[:1], results=tmp_path))
    assert [phase for _, phase in trained] == ["layer3", "fine-tuning"]


WORK = {"x": 1, "y": 2}


def shares(work):
    """One epoch of work that runs may share, and one of its own; its program is `share`."""
    return lambda data: PrincipalComponents(data, WORK[work])


class State(NamedTuple):
    params: jax.Array


def share(config, data, keys, monitor):
    start = Fitted(State(jnp.zeros((len(keys), 1))), {}, np.zeros(0), np.zeros(0), 0.0, -np.ones(1, int))
    for phase, watch in (("layer1", monitor.sharing(str(config.n_components))), ("fine-tuning", monitor)):
        if not watch.restore(phase, start).n_epochs:
            watch.epoch_done(phase, start._replace(seconds=np.ones(1), epochs=np.ones(1)), 1)
    return Outcome({"test_squared_error": np.zeros(len(keys))}, {}, {})


@pytest.fixture
def sharing_programs(monkeypatch):
    monkeypatch.setitem(PROGRAMS, PrincipalComponents, share)


def test_runs_share_what_has_one_name_on_one_data_set_and_nothing_else(sharing_programs, loads, tmp_path):
    several = experiment(
        here_a=shares("x"),
        here_b=shares("x"),
        here_c=shares("y"),
        there_a=shares("x"),
        here_d=shares("x"),
    )
    _, trained = watched(several, Request(results=tmp_path))
    assert [variant for variant, phase in trained if phase == "layer1"] == ["here/a", "here/c", "there/a"]
    assert [variant for variant, phase in trained if phase == "fine-tuning"] == list(several.variants)
    assert not list(tmp_path.rglob(".checkpoints/*"))


@pytest.mark.parametrize("changed", ["format", "platform", "data", "profile", "experiment", "nothing"])
def test_layers_of_other_data_devices_or_profiles_are_not_taken_over(
    sharing_programs, loads, monkeypatch, tmp_path, changed
):
    several, request = experiment(here_a=shares("x")), Request(results=tmp_path)
    watched(several, request, stop=("here/a", "fine-tuning"))
    if changed == "format":
        monkeypatch.setattr(repro.runs.run, "FORMAT_VERSION", 0)
    if changed == "platform":
        origin = repro.runs.run.provenance
        monkeypatch.setattr(
            repro.runs.run, "provenance", lambda *args, **more: origin(*args, **more) | {"platform": "tpu"}
        )
    if changed == "data":
        monkeypatch.setattr(repro.data, "load", lambda name, **_: made_up(name, seed=99))
    if changed == "experiment":
        several = replace(several, name="other")
    if changed == "profile":
        request = replace(request, profile="paper", seeds=1)
    _, trained = watched(several, request)
    anew = changed not in {"experiment", "nothing"}
    assert [phase for _, phase in trained] == ["layer1"] * anew + ["fine-tuning"]
