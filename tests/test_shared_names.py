"""Which pretraining is the same work, to be done once: the names that layers are shared under."""

import itertools
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from repro.models.rbm import RBM
from repro.models.stack import stack_units
from repro.training.contrastive import Contrastive
from repro.training.fit import Monitor
from repro.training.greedy import Pretraining, pretrain

pytestmark = pytest.mark.usefixtures("single_precision")


class Names(Monitor):
    """Keeps the names that work is shared under, and has all of it done already: nothing is trained."""

    def __init__(self, n_epochs):
        self.n_epochs, self.names = n_epochs, []

    def sharing(self, work):
        self.names.append(work)
        return self

    def restore(self, phase, start):
        n = max(self.n_epochs)
        return start._replace(seconds=np.full(n, 2.0), epochs=np.arange(1, n + 1), compile_seconds=0.5)


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
    shuffle=True,
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
        units = stack_units(3, visible)
        trained = pretrain(keys(*seeds), config, units, stack, inputs, seen, shuffle=shuffle)
    assert (trained.seconds, trained.compile_seconds) == (3 * 2.0 * max(seen.n_epochs), 3 * 0.5)
    return seen.names


def pretraining(**changed):
    return {"config": replace(SMALL, **changed)}


OF_ALL_LAYERS = {
    "k": 2,
    "rate_falls": True,
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
    "climb": (pretraining(climb="in flight"), 0),
    "seen": (pretraining(seen="states"), 0),
    "shuffle": ({"shuffle": False}, 0),
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
