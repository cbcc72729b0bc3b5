"""What the runs of one `conduct` have in common is done once, and by no other run taken over."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from several import experiment, made_up
from tiny import MNIST, QUIET, tiny

import repro.data
import repro.runs.run
from repro.runs import PROGRAMS, Outcome
from repro.runs.progress import Watch
from repro.runs.record import load_arrays, load_record
from repro.runs.run import Order, conduct
from repro.training.fit import Fitted

pytestmark = pytest.mark.usefixtures("single_precision")

PAIR = ("pretrained-cg", "pretrained-cg-2d")


@pytest.fixture
def small_data(monkeypatch):
    monkeypatch.setattr(repro.data, "load", lambda name, **_: made_up(name, n_pixels=784))


def watched(experiment, order, stop=None):
    """Records of a conduct and the epochs trained, as (variant, phase); raises at the epoch `stop`."""
    trained, epoch_done = [], Watch.epoch_done

    def count(self, phase, fitted, n_epochs):
        trained.append((self.title.partition("/")[2], phase))
        if trained[-1] == stop:
            raise KeyboardInterrupt
        epoch_done(self, phase, fitted, n_epochs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "epoch_done", count)
        try:
            return conduct(experiment, order, QUIET), trained
        except KeyboardInterrupt:
            return None, trained


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Both variants in one conduct: paths of the records, epochs trained, folder.

    Pictures as large as digits, because the other tests have compiled the programs for those.
    """
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", lambda name, **_: made_up(name, n_pixels=784))
        folder = tmp_path_factory.mktemp("together")
        return *watched(tiny(MNIST), Order(only=PAIR, results=folder)), folder


def test_layers_below_the_code_are_trained_once_for_both_variants(together):
    _, trained, _ = together
    phases = ["layer1", "layer2", "layer3", "fine-tuning"]
    assert trained == [*[(PAIR[0], phase) for phase in phases], *[(PAIR[1], phase) for phase in phases[2:]]]


def test_nothing_is_left_when_all_is_recorded(together):
    *_, folder = together
    assert not list(folder.rglob(".checkpoints/*"))


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
    [alone], trained = watched(tiny(MNIST), Order(only=PAIR[1:], results=tmp_path))
    assert [phase for _, phase in trained] == ["layer1", "layer2", "layer3", "fine-tuning"]
    [_, shared], *_ = together
    assert said(shared) == said(alone)
    ours, theirs = load_record(shared), load_record(alone)
    assert ours.metrics.keys() == theirs.metrics.keys() and ours.curves.keys() == theirs.curves.keys()


def test_an_interrupted_conduct_leaves_the_shared_work_and_takes_it_over(together, small_data, tmp_path):
    order = Order(only=PAIR, results=tmp_path)
    stopped, trained = watched(tiny(MNIST), order, stop=(PAIR[0], "layer3"))
    assert stopped is None and [phase for _, phase in trained] == ["layer1", "layer2", "layer3"]
    kept = [path for path in tmp_path.rglob(".checkpoints/**/*") if path.is_file()]
    assert sorted(path.name for path in kept) == ["layer1.npz", "layer2.npz"]
    paths, trained = watched(tiny(MNIST), order)
    assert trained == [(variant, phase) for variant in PAIR for phase in ("layer3", "fine-tuning")]
    assert [said(path) for path in paths] == [said(path) for path in together[0]]
    assert not list(tmp_path.rglob(".checkpoints/*"))


@dataclass(frozen=True)
class Shares:
    """One epoch of work that runs may share, and one of its own."""

    work: str


def share(config, data, keys, monitor):
    start = Fitted({"x": jnp.zeros((len(keys), 1))}, {}, np.zeros(0), np.zeros(0))
    for phase, watch in (("layer1", monitor.sharing(config.work)), ("fine-tuning", monitor)):
        if not watch.restore(phase, start).n_epochs:
            watch.epoch_done(phase, start._replace(seconds=np.ones(1), epochs=np.ones(1)), 1)
    return Outcome({"test_squared_error": np.zeros(len(keys))}, {}, {})


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    monkeypatch.setitem(PROGRAMS, Shares, share)


def test_runs_share_what_has_one_name_on_one_data_set_and_nothing_else(loads, tmp_path):
    several = experiment(
        "",
        here_a=Shares("x"),
        here_b=Shares("x"),
        here_c=Shares("y"),
        there_a=Shares("x"),
        here_d=Shares("x"),
    )
    _, trained = watched(several, Order(results=tmp_path))
    assert [variant for variant, phase in trained if phase == "layer1"] == ["here/a", "here/c", "there/a"]
    assert [variant for variant, phase in trained if phase == "fine-tuning"] == list(several.variants)
    assert not list(tmp_path.rglob(".checkpoints/*"))


@pytest.mark.parametrize("changed", ["code", "platform", "data", "experiment", "profile", "nothing"])
def test_shared_work_of_other_code_data_or_devices_is_not_taken_over(loads, monkeypatch, tmp_path, changed):
    several, order = experiment("here", here_a=Shares("x")), Order(results=tmp_path)
    watched(several, order, stop=("here/a", "fine-tuning"))
    if changed == "code":
        monkeypatch.setattr(repro.runs.run, "code_digest", lambda: "0badc0de")
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
        order = replace(order, profile="paper", seeds=1)
    _, trained = watched(several, order)
    assert [phase for _, phase in trained] == ["layer1"] * (changed != "nothing") + ["fine-tuning"]
