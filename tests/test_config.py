"""Configurations: what is no choice is refused when made, and whatever moves a number is in the identity."""

import json
import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
from pydantic import ValidationError
from tiny import EXPERIMENTS

import experiments
from repro.errors import UserError
from repro.runs.config import (
    Autoencoding,
    Epochs,
    FanIn,
    Gaussian,
    Glorot,
    He,
    Network,
    Pretrained,
    Rates,
    Sparse,
    from_json,
    tuning_of,
)
from repro.runs.record import identity, load_record
from repro.timing.rates import identity_on
from repro.timing.subject import Subject
from repro.training.optimisers import KFAC, Adam, ConjugateGradient, HessianFree, WolfePowell
from repro.typed import as_json, choice, distinctive, in_one_line

COMMITTED = Path(__file__).parents[1] / "results" / "paper"

PLAIN = {"data": "mnist", "network": Network((3, 2))}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"start": "xavier"}, "start: .*'pretrained', 'gaussian', 'fan-in', 'glorot', 'sparse', 'he'"),
        ({"optimiser": "adamw"}, "optimiser: .*'cg', 'sgd', 'nag', 'adam', 'muon', 'kfac', 'hf', 'lbfgs'"),
        ({"optimiser": {"kind": "kfac", "decay": "much"}}, "optimiser.kfac.decay: .*valid number"),
        ({"budget": Epochs(3), "epochs": 3}, "epochs: unexpected keyword argument"),
        ({"batch_size": 0}, "batch_size: .*greater than or equal to 1, not 0"),
        ({"optimiser": "adam"}, "adam needs a learning_rate, or tuning to choose it"),
        ({"tuning": Rates((0.1,), (1,))}, "tuning has rates, but cg chooses its own steps"),
        ({"optimiser": {"kind": "adam", "learning_rate": 0}}, "adam.learning_rate: .*greater than 0, not 0"),
        ({"optimiser": {"kind": "sgd", "learning_rate": float("nan")}}, "learning_rate: .*finite number"),
        ({"start": {"kind": "gaussian", "scale": -1}}, "start.gaussian.scale: .*greater than 0, not -1"),
        ({"l2": -0.1}, "l2: .*greater than or equal to 0"),
        ({"learns_from": "test"}, "learns_from: input should be 'all' or 'train', not 'test'"),
    ],
    ids=str,
)
def test_a_word_that_is_no_choice_is_refused_with_the_choices(words, says):
    with pytest.raises(ValidationError) as refused:
        Autoencoding(**PLAIN, **words)
    line = in_one_line(refused.value)
    assert "\n" not in line
    assert re.search(says, line)
    with pytest.raises(UserError, match=says):
        from_json(as_json(Autoencoding(**PLAIN)) | _plain(words))


def _plain(words):
    return {name: as_json(x) if is_dataclass(x) else x for name, x in words.items()}


def test_other_slips_are_refused_too():
    for slip in (lambda: Network((3, 2), "tanhh"), lambda: Network((3, 0)), lambda: Epochs(0)):
        with pytest.raises(ValidationError):
            slip()
    with pytest.raises(ValidationError):
        replace(Autoencoding(**PLAIN), start=KFAC())


def test_a_slip_in_an_experiment_file_is_one_line_that_names_the_file(monkeypatch):
    def slip(name):
        return Autoencoding(**PLAIN, start="xavier")

    monkeypatch.setattr(experiments.importlib, "import_module", slip)
    with pytest.raises(UserError, match=r"^experiments/\w+\.py: start: .*'glorot'") as refused:
        experiments.all_experiments()
    assert "\n" not in str(refused.value)


def every_config():
    for experiment in EXPERIMENTS.values():
        for config in experiment.variants.values():
            yield config
            if isinstance(config, Autoencoding) and config.tuning:
                yield tuning_of(config)


def test_every_configuration_goes_to_json_and_back():
    for config in every_config():
        assert from_json(json.loads(json.dumps(as_json(config)))) == config


def leaves(value, path=()):
    """Every number or word of a configuration, with the way to it."""
    if is_dataclass(value):
        for field in fields(value):
            yield from leaves(getattr(value, field.name), (*path, field.name))
    elif path[-1] != "kind":
        yield path, value


def changed(value, path):
    """The configuration with one leaf changed."""
    name, *rest = path
    x = getattr(value, name)
    if rest:
        return replace(value, **{name: changed(x, rest)})
    words = {
        "highest": "tensorfloat32",
        "logistic": "relu",
        "all": "train",
        "constant": "cosine",
        "mnist": "x",
        "trained": "in flight",
        "drawn anew": "formed once",
        "means": "states",
    }
    if isinstance(x, tuple):
        return replace(value, **{name: x[::-1]})
    if isinstance(x, str | bool):
        return replace(value, **{name: words[x] if isinstance(x, str) else not x})
    return replace(value, **{name: 7 if x is None else 2 * x + 1})


@pytest.mark.parametrize("how", [ConjugateGradient(), KFAC(), HessianFree(), Adam(0.1)], ids=lambda x: x.kind)
def test_whatever_can_move_a_number_is_in_the_identity(how):
    for start in (Pretrained(), Gaussian()):
        config = Autoencoding(**PLAIN, start=start, optimiser=how)
        known = {identity(config, "data", "cpu")}
        for path, _ in leaves(config):
            if path == ("tuning",):
                continue
            known.add(identity(changed(config, path), "data", "cpu"))
        n = sum(path != ("tuning",) for path, _ in leaves(config))
        assert len(known) == n + 1
    assert (
        identity(config, "data", "gpu") != identity(config, "data", "cpu") != identity(config, "other", "cpu")
    )


def test_constants_of_the_line_search_and_of_damping_are_choices():
    names = {path[-1] for path, _ in leaves(Autoencoding(**PLAIN))} | {f.name for f in fields(KFAC)}
    assert {f.name for f in fields(WolfePowell)} < names and {"damping", "decay", "period"} < names


def test_how_long_a_run_is_does_not_matter_to_the_choice_of_its_rate():
    run = Autoencoding(**PLAIN, optimiser=Adam(), tuning=Rates((0.1, 0.2), (3,)))
    assert tuning_of(run) == tuning_of(replace(run, budget=Epochs(7)))


def test_a_field_that_is_added_changes_no_identity_but_a_kind_is_always_told():
    @choice
    class Before:
        kind: Literal["x"] = "x"
        a: int = 1

    @choice
    class After:
        kind: Literal["x"] = "x"
        a: int = 1
        added: Before = Before()

    assert distinctive(Before(a=2)) == distinctive(After(a=2)) == {"kind": "x", "a": 2}
    assert distinctive(After(added=Before(a=3))) == {"kind": "x", "added": {"kind": "x", "a": 3}}
    starts = [Glorot(), Sparse(), He(), FanIn(), Gaussian()]
    assert len({identity(Autoencoding(**PLAIN, start=start), "", "cpu") for start in starts}) == len(starts)


@pytest.mark.parametrize("path", sorted(COMMITTED.rglob("*.seed*.json")), ids=lambda path: path.stem)
def test_a_committed_record_lies_where_todays_code_would_write_it(path):
    """If a default has changed since, or data and device are told otherwise, it does not."""
    record = load_record(path, COMMITTED)
    origin = record.provenance
    if record.config["kind"] == "timing":
        subject = Subject(**{**record.config, "sizes": tuple(record.config["sizes"])})
        assert record.identity == identity_on(subject, origin)
    else:
        of = identity(from_json(record.config), origin["data_sha256"], origin["platform"])
        assert record.identity == of
