"""Which precision is enough, and what the compiler of an accelerator is asked for."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from made_frames import frame, runs

from repro.report.precision import compared, page
from repro.runs.config import Precision, from_json
from repro.runs.record import identity
from repro.training import compiling
from repro.typed import as_json

HALF = Precision("tensorfloat32", "highest")
LOWER = Precision("tensorfloat32", "TF32_TF32_F32_X3")
ALIKE = [1.0, 1.1, 1.2, 1.3, 1.4]
ABOUT = [1.001, 1.099, 1.202, 1.298, 1.4]


def made(precision, errors, seconds, *, failed=0.0, variant="pretrained-cg", together=5, rate=None):
    """Five seeds of curves side by side on a GPU."""
    for one in runs(
        "curves",
        variant,
        seeds=len(errors),
        test_squared_error=errors,
        curve={"failed_searches": [failed]},
        device="difference engine",
    ):
        config = replace(from_json(one.config), precision=precision)
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


def test_other_numbers_of_seeds_side_by_side_have_other_seconds():
    assert judged(made(Precision(), ALIKE, 3.0), made(HALF, ABOUT, 2.0, together=2)) == {}
    assert "Nothing yet." in page(compared(frame(made(Precision(), ALIKE, 3.0))))


# --- the compiler -------------------------------------------------------------------------------------------


def test_a_gpus_compiler_is_asked_for_what_this_one_is_not(monkeypatch):
    assert compiling.options() == {}
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiling.options() == compiling.ON_GPUS
    with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
        monkeypatch.setattr(compiling, "ON_GPUS", {"no_such_option": True})
        compiling.jitted(lambda x: x + 1)(jnp.ones(2))


def test_every_option_for_gpus_is_one_that_the_compiler_knows(monkeypatch):
    """Also where there is no GPU: it refuses names that it does not know."""
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert compiling.jitted(lambda x: x + 1)(jnp.ones(2)).tolist() == [2, 2]
