"""Which precision is enough, and what the compiler of an accelerator is asked for."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pandas as pd
import pytest
from made_frames import frame, runs

from repro.report.precision import compared, page
from repro.runs.config import SUFFICIENT, Precision, from_json
from repro.runs.provenance import ROOT, provenance
from repro.runs.record import identity
from repro.training import compiling
from repro.typed import as_json

HALF = Precision("tensorfloat32", "highest")
LOWER = Precision("tensorfloat32", "TF32_TF32_F32_X3")
ALIKE = [1.0, 1.1, 1.2, 1.3, 1.4]
ABOUT = [1.001, 1.099, 1.202, 1.298, 1.4]


def made(precision, errors, seconds, *, failed=0.0, variant="pretrained-cg", together=5, rate=None, **how):
    """Five seeds of curves side by side on a GPU; some fields of the configuration may be others."""
    for one in runs(
        "curves",
        variant,
        seeds=len(errors),
        test_squared_error=errors,
        curve={} if failed is None else {"failed_searches": [failed]},
        device="difference engine",
    ):
        config = replace(from_json(one.config), precision=precision, **how)
        if rate:
            config = replace(config, optimiser=replace(config.optimiser, learning_rate=rate))
        metrics = one.metrics | {"pretraining_seconds": seconds, "finetuning_seconds": seconds}
        yield one._replace(
            config=as_json(config),
            identity=identity(config, "0", "gpu"),
            metrics=metrics,
            provenance=one.provenance | {"platform": "gpu", "seeds_side_by_side": together},
        )


def judged(*some):
    return compared(frame(*some)).set_index("phase").enough.to_dict()


def test_runs_are_compared_that_differ_in_one_phase_from_float32():
    found = compared(frame(made(Precision(), ALIKE, 3.0), made(HALF, ABOUT, 2.0), made(LOWER, ABOUT, 1.0)))
    pairs = {(row.phase, row.precision, row.against) for row in found.itertuples()}
    assert pairs == {
        ("pretraining", "TF32 + float32", "float32"),
        ("finetuning", "TF32 + 3 x TF32", "TF32 + float32"),
    }
    assert found.n.tolist() == [5, 5] and found.enough.tolist() == ["yes", "yes"]
    assert found.ratio.tolist() == pytest.approx([1.0, 1.0], abs=2e-3)
    assert "curves: pretrained-cg" in page(found) and "| 2 / 3 " in page(found)


@pytest.mark.parametrize(
    ("lower", "why"),
    [
        ({"errors": ABOUT, "seconds": 3.5}, "no: not faster"),
        ({"errors": ABOUT, "seconds": 2.0, "failed": 0.1}, "no: more line searches fail"),
        ({"errors": ABOUT[:4], "seconds": 2.0}, "open: 5 seeds are needed"),
        ({"errors": [2 * error for error in ABOUT], "seconds": 2.0}, "no: the errors differ"),
        ({"errors": [1.3, 0.9, 1.5, 1.0, 1.9], "seconds": 2.0}, "open: the interval is too wide"),
        ({"errors": ABOUT, "seconds": 2.0, "failed": None}, "open: failed line searches were not counted"),
        ({"errors": [*ABOUT[:4], float("nan")], "seconds": 2.0}, "no: a seed diverged"),
        (
            {"errors": ABOUT, "seconds": 2.0, "together": 1},
            "open: other numbers of seeds together have other seconds",
        ),
    ],
)
def test_a_lower_precision_is_enough_only_if_it_is_faster_and_as_good(lower, why):
    assert judged(made(Precision(), ALIKE, 3.0), made(HALF, **lower)) == {"pretraining": why}


def test_rates_that_each_precision_chose_for_itself_are_no_comparison_of_precisions():
    adam = {"variant": "glorot-adam", "errors": ABOUT}
    float32 = list(made(Precision(), seconds=3.0, rate=0.01, **adam))
    tf32 = Precision("highest", "tensorfloat32")
    assert judged(float32, made(tf32, seconds=2.0, rate=0.01, **adam)) == {"finetuning": "yes"}
    other = made(tf32, seconds=2.0, rate=0.03, **adam)
    assert judged(float32, other) == {"finetuning": "open: another rate was chosen"}


@pytest.mark.parametrize("how", [{"l2": 0.5}, {"batch_size": 7}, {"learns_from": "train"}])
def test_runs_that_differ_in_more_than_precision_are_not_compared(how):
    assert judged(made(Precision(), ALIKE, 3.0), made(HALF, ABOUT, 2.0, **how)) == {}


def test_runs_that_differ_in_what_the_compiler_was_asked_for_are_not_compared():
    asked = [
        one._replace(provenance=one.provenance | {"compiler": {"xla_gpu_autotune_level": 0}})
        for one in made(HALF, ABOUT, 2.0)
    ]
    assert judged(made(Precision(), ALIKE, 3.0), asked) == {}


def test_nothing_is_compared_yet():
    other_seeds = [one._replace(seed=one.seed + 9) for one in made(HALF, ABOUT, 2.0)]
    found = compared(frame(made(Precision(), ALIKE, 3.0), other_seeds))
    assert found.empty and "Nothing yet." in page(found)


def test_what_accelerators_take_is_enough_by_the_committed_table():
    table = pd.read_csv(ROOT / "results" / "tables" / "precision.csv")
    pretraining = table[(table.phase == "pretraining") & (table.precision == "TF32 + float32")]
    assert Precision("tensorfloat32", "highest") == SUFFICIENT
    assert {*pretraining.data} == {"curves", "mnist"} and {*pretraining.enough} == {"yes"}


# --- the compiler -------------------------------------------------------------------------------------------


def test_a_gpus_compiler_is_asked_for_what_this_one_is_not(monkeypatch):
    assert compiling.options() == {}
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiling.options() == compiling.ON_GPUS
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        monkeypatch.setattr(compiling, "ON_GPUS", {"no_such_option": True})
        compiling.jitted(lambda x: x + 1)(jnp.ones(2))


def test_the_quick_profile_is_compiled_soon_where_the_compiler_knows_how(monkeypatch):
    with compiling.soon():
        assert compiling.options() == compiling.SOON_ON_CPUS
        assert compiling.jitted(lambda x: x + 1)(1) == 2
        with compiling.soon(False):
            assert compiling.options() == {}
    assert compiling.options() == {}
    monkeypatch.setattr(compiling, "SOON_ON_CPUS", {"no_such_option": True})
    with compiling.soon():
        assert compiling.options() == {}


def test_what_is_compiled_ahead_has_the_options_too(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(compiling, "ON_GPUS", {"no_such_option": True})
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        compiling.compile_ahead(lambda x: x + 1, jnp.ones(2))


def test_what_the_compiler_was_asked_for_is_in_the_provenance(monkeypatch):
    assert provenance("", "", seeds_side_by_side=1)["compiler"] == {}
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert provenance("", "", seeds_side_by_side=1)["compiler"] == compiling.ON_GPUS


def test_every_option_for_gpus_is_one_that_the_compiler_knows(monkeypatch):
    """Also where there is no GPU: it refuses names that it does not know."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiling.jitted(lambda x: x + 1)(jnp.ones(2)).tolist() == [2, 2]
