"""What the runs of one `conduct` have in common: pretraining done once, and data that may be absent."""

import io
import itertools
from dataclasses import dataclass, fields, replace

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from rich.console import Console
from tiny import MNIST, QUIET, tiny

import repro.conduct
import repro.data
from repro.arms import PROGRAMS, Arm, Outcome, PrincipalComponents
from repro.conduct import Experiment, Order, conduct
from repro.data.dataset import Cases, Dataset
from repro.errors import DataUnavailableError, RecordsMissingError, UserError
from repro.models.rbm import RBM
from repro.models.stack import stack_units
from repro.monitor import Watch
from repro.records import load_arrays, load_record
from repro.training.contrastive import Contrastive
from repro.training.fit import Fitted, Monitor
from repro.training.greedy import Pretraining, pretrain

pytestmark = pytest.mark.usefixtures("single_precision")

# --- which work is the same --------------------------------------------------------------------------


class Names(Monitor):
    """Keeps the names that work is shared under, and has all of it done already: nothing is trained."""

    def __init__(self, n_epochs):
        self.n_epochs, self.names = n_epochs, []

    def sharing(self, work):
        self.names.append(work)
        return self

    def restore(self, phase, start):
        return start._replace(seconds=np.full(max(self.n_epochs), 2.0), compile_seconds=0.5)


def keys(*seeds):
    return jax.vmap(jr.key)(np.array(seeds, np.uint32))


SMALL = Pretraining(n_epochs=2, batch_size=4)


def names(
    config=SMALL,
    sizes=(6, 5, 4, 3),
    n_cases=8,
    seeds=(0,),
    start_seeds=None,
    start_scale=0.1,
    visible="binary",
    altered=None,
):
    """What the three layers of a small stack are called when they are shared.

    What was done before counts with the seconds it took.
    """
    draw = [np.random.default_rng(seed).normal for seed in start_seeds or seeds]
    shapes = [((n_in, n_out), n_in, n_out) for n_in, n_out in itertools.pairwise(sizes)]
    stack = tuple(
        RBM(*(jnp.asarray(np.stack([one(scale=start_scale, size=part) for one in draw])) for part in layer))
        for layer in shapes
    )
    if altered:
        depth, part = altered
        layer = stack[depth]._replace(**{part: getattr(stack[depth], part).at[..., -1].add(1e-6)})
        stack = (*stack[:depth], layer, *stack[depth + 1 :])
    seen = Names([config.n_epochs, config.first_n_epochs or 0])
    inputs = jnp.ones((n_cases, sizes[0]))
    with jax.disable_jit():  # one operation at a time: there is nothing to compile for each change anew
        trained = pretrain(keys(*seeds), config, stack_units(3, visible), stack, inputs, seen)
    assert (trained.seconds, trained.compile_seconds) == (3 * 2.0 * max(seen.n_epochs), 3 * 0.5)
    return seen.names


def pretraining(**changed):
    return {"config": replace(SMALL, **changed)}


OF_ALL_LAYERS = {
    "k": 2,
    "persistent": True,
    "mean_field": False,
    "learning_rate": 0.2,
    "weight_decay": 0.0,
    "momentum": (0.5, 0.8),
    "momentum_epoch": 4,
}
CHANGES = {  # name: (what is changed, the lowest layer that it changes)
    **{
        name: (pretraining(contrastive=Contrastive(**{name: value})), 0)
        for name, value in OF_ALL_LAYERS.items()
    },
    "n_epochs": (pretraining(n_epochs=3), 0),
    "batch_size": (pretraining(batch_size=5), 0),
    "first_learning_rate": (pretraining(first_learning_rate=0.01), 0),
    "first_n_epochs": (pretraining(first_n_epochs=3), 0),
    "n_epochs of all but the first": (pretraining(n_epochs=3, first_n_epochs=2), 1),
    "learning_rate of all but the first": (
        pretraining(contrastive=Contrastive(learning_rate=0.2), first_learning_rate=0.1),
        1,
    ),
    "top_learning_rate": (pretraining(top_learning_rate=0.01), 2),
    "seed": ({"seeds": (1,)}, 0),
    "seed of the start alone": ({"start_seeds": (1,)}, 0),
    "seed of pretraining alone": ({"seeds": (1,), "start_seeds": (0,)}, 0),
    "seeds side by side": ({"seeds": (0, 1)}, 0),
    "start_scale": ({"start_scale": 0.2}, 0),
    "number of cases": ({"n_cases": 9}, 0),
    "kind of data": ({"visible": "real"}, 0),
    "width of the second layer": ({"sizes": (6, 5, 7, 3)}, 1),
    "width of the code": ({"sizes": (6, 5, 4, 2)}, 2),
    "one weight of the second layer": ({"altered": (1, "weights")}, 1),
    "one visible bias of the second layer": ({"altered": (1, "visible_bias")}, 1),
    "one hidden bias of the code": ({"altered": (2, "hidden_bias")}, 2),
}


def test_every_choice_of_pretraining_is_among_the_changes():
    assert {field.name for field in fields(Contrastive)} <= set(CHANGES)
    assert {field.name for field in fields(Pretraining)} - {"contrastive"} <= set(CHANGES)


@pytest.fixture(scope="module")
def unchanged():
    with jax.enable_x64(False):
        return names()


def test_the_same_work_has_the_same_name_and_every_layer_its_own(unchanged):
    assert names() == unchanged and len(set(unchanged)) == 3
    assert names(**pretraining(first_learning_rate=0.1, first_n_epochs=2)) == unchanged, "as it is anyway"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_layer_is_another_name_of_it_and_of_all_above(unchanged, change):
    changed, lowest = CHANGES[change]
    found = names(**changed)
    assert found[:lowest] == unchanged[:lowest]
    assert not set(found[lowest:]) & set(unchanged)


# --- one conduct of the tiny mnist experiment --------------------------------------------------------

PAIR = ("pretrained-cg", "pretrained-cg-2d")


def made_up(name, seed=0, n_pixels=16):
    """A hundred pictures to learn from, as many as the other tests take of the embedded digits."""
    draw = np.random.default_rng(seed)

    def cases(n):
        pixels = draw.random((n, 3)) @ draw.random((3, n_pixels))
        return Cases((pixels / pixels.max()).astype(np.float32), np.arange(n, dtype=np.int32) % 10)

    return Dataset(name, "embedded", "binary", f"{seed:08}", cases(100), cases(20), cases(20))


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


# --- what Watch and conduct keep apart ---------------------------------------------------------------


@dataclass(frozen=True)
class Shares:
    """One epoch of work that runs may share, and one of its own."""

    work: str


def share(config, data, keys, monitor):
    start = Fitted({"x": jnp.zeros((len(keys), 1))}, {}, np.zeros(0))
    for phase, watch in (("layer1", monitor.sharing(config.work)), ("fine-tuning", monitor)):
        if not watch.restore(phase, start).n_epochs:
            watch.epoch_done(phase, start._replace(seconds=np.ones(1)), 1)
    return Outcome({"test_squared_error": np.zeros(len(keys))}, {}, {})


@pytest.fixture
def loads(monkeypatch):
    """Data sets "here", "there" and more; "absent" cannot be had. The names that were asked for."""
    monkeypatch.setitem(PROGRAMS, Shares, share)
    asked = []

    def load(name, **_):
        asked.append(name)
        if name == "absent":
            raise DataUnavailableError("the absent sample is in a package that is not installed")
        if name == "malformed":
            raise UserError("malformed.gz, line 7: no number")
        return made_up(name, seed=len(name))

    monkeypatch.setattr(repro.data, "load", load)
    return asked


def experiment(data, **variants):
    """An experiment whose variants are called `<data set>/<letter>`, given as `<data set>_<letter>`."""
    variants = {name.replace("_", "/"): config for name, config in variants.items()}
    return Experiment("several", "", "", data, variants, quick=lambda config: config, expected={})


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
        monkeypatch.setattr(repro.conduct, "code_digest", lambda: "0badc0de")
    if changed == "platform":
        origin = repro.conduct.provenance
        monkeypatch.setattr(
            repro.conduct, "provenance", lambda *args, **more: origin(*args, **more) | {"platform": "tpu"}
        )
    if changed == "data":
        monkeypatch.setattr(repro.data, "load", lambda name, **_: made_up(name, seed=99))
    if changed == "experiment":
        several = replace(several, name="other")
    if changed == "profile":
        order = replace(order, profile="paper", seeds=1)
    _, trained = watched(several, order)
    assert [phase for _, phase in trained] == ["layer1"] * (changed != "nothing") + ["fine-tuning"]


# --- several data sets, one of which cannot be had ---------------------------------------------------

PCA = PrincipalComponents(1)
ADAM = Arm(widths=(2,), start="glorot", optimiser="adam", rates=(0.01,), rate_epochs=1, n_epochs=1)
SEVERAL = experiment("", absent_a=ADAM, here_a=PCA, absent_b=PCA, there_a=PCA, absent_c=PCA)


def conducted(several, order):
    """Variants recorded, and what was printed as the command line prints it."""
    console = Console(file=io.StringIO(), highlight=False, soft_wrap=True)
    paths = conduct(several, order, console)
    return [load_record(path).variant for path in paths], console.file.getvalue().splitlines()


def test_an_experiment_goes_on_without_data_that_cannot_be_had_and_says_so_once(loads, tmp_path):
    recorded, lines = conducted(SEVERAL, Order(results=tmp_path))
    assert recorded == ["here/a", "there/a"] and loads == ["absent", "here", "there"]
    [line] = [line for line in lines if "absent" in line]
    assert line == "several goes on without absent: the absent sample is in a package that is not installed"


def test_the_remedy_is_printed_word_for_word(loads, monkeypatch, tmp_path):
    remedy = "pip install 'repro[embedded]'"

    def load(name, **_):
        if name == "absent":
            raise DataUnavailableError(remedy)
        return made_up(name)

    monkeypatch.setattr(repro.data, "load", load)
    _, lines = conducted(SEVERAL, Order(results=tmp_path))
    assert f"several goes on without absent: {remedy}" in lines


def test_data_asked_for_by_name_must_be_had(loads, tmp_path):
    for only in (("absent/b",), ("here/a", "absent/b"), ("absent/a",)):
        with pytest.raises(DataUnavailableError, match="the absent sample"):
            conduct(SEVERAL, Order(results=tmp_path, only=only), QUIET)
    assert conducted(SEVERAL, Order(results=tmp_path, only=("there/a",)))[0] == ["there/a"]


def test_an_experiment_with_one_data_set_of_its_own_must_have_it(loads, tmp_path):
    with pytest.raises(DataUnavailableError, match="the absent sample"):
        conduct(experiment("absent", here_a=PCA, there_a=PCA), Order(results=tmp_path), QUIET)


def test_at_full_scale_something_must_be_left_to_learn_from(loads, tmp_path):
    nothing = experiment("", absent_a=PCA, absent_b=PCA)
    assert conducted(nothing, Order("quick", results=tmp_path))[0] == []
    with pytest.raises(DataUnavailableError, match="several has nothing to learn from"):
        conduct(nothing, Order("paper", results=tmp_path), QUIET)


def test_other_errors_are_never_swallowed(loads, monkeypatch, tmp_path):
    several = experiment("", absent_a=PCA, malformed_a=PCA, here_a=PCA)
    with pytest.raises(UserError, match=r"malformed\.gz, line 7: no number"):
        conduct(several, Order(results=tmp_path), QUIET)
    assert loads == ["absent", "malformed"]

    def missing(*_):
        raise RecordsMissingError("no records")

    monkeypatch.setitem(PROGRAMS, PrincipalComponents, missing)
    with pytest.raises(RecordsMissingError):
        conduct(experiment("", here_a=PCA), Order(results=tmp_path), QUIET)
