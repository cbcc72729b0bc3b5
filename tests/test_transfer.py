"""Transfer: what is learnt from, what is judged, by whom the penalty is chosen; records and their figure."""

import re
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from joblib import parallel_config
from made_figures import ORIGIN, frame_of
from matplotlib.text import Text
from pydantic import ValidationError
from refusal import refused
from several import experiment, made_up
from tiny import EXPERIMENTS, QUIET

import repro.data
from experiments.transfer import VARIANTS
from paper_figures import fig_transfer
from paper_figures.style import arms
from paper_figures.style.house import save
from repro.data.dataset import Cases
from repro.errors import RecordsMissingError
from repro.evaluation.baselines import fit_pca
from repro.evaluation.few_shot import FewShot
from repro.report.frame import facts
from repro.report.origins import Origins
from repro.runs import transfer as program
from repro.runs.config import (
    AsStarted,
    Autoencoding,
    Epochs,
    Gaussian,
    Glorot,
    Network,
    Pixels,
    Precision,
    Pretrained,
    PrincipalComponents,
    Rates,
    Transfer,
)
from repro.runs.record import Record, identity, load_record
from repro.runs.run import Request, requested, run
from repro.runs.transfer import transfer
from repro.training.greedy import Pretraining
from repro.training.optimisers import Adam
from repro.typed import as_json

pytestmark = pytest.mark.usefixtures("single_precision")

NETWORK = Network((5, 3))
START = Pretrained(Pretraining(n_epochs=2, batch_size=10))
ADAM = Autoencoding("x", NETWORK, START, Adam(0.01), Epochs(2), batch_size=10, learns_from="train")
FEATURES = {
    "stack": AsStarted("x", NETWORK, START),
    "fine-tuned": ADAM,
    "random": AsStarted("x", NETWORK, Glorot()),
    "pca": PrincipalComponents("x", 2),  # of pictures that three span
    "pixels": Pixels("x"),
}
FEW = FewShot(shots=(1, 2), n_queries=2, n_episodes=6, inverse_penalties=(0.01, 1, 100), n_to_choose=4)
CONFIG = Transfer(FEATURES["pixels"], few_shot=FEW)


@pytest.fixture(scope="module")
def data():
    """Four test and validation cases of each of ten classes."""
    whole = made_up("x")
    cut = [Cases(whole.train.inputs[i : i + 40], whole.train.labels[i : i + 40]) for i in (0, 20)]
    return replace(whole, valid=cut[0], test=cut[1])


def outcome(config, data, *seeds):
    return transfer(config, data, jax.vmap(jax.random.key)(np.array(seeds or (0,), np.uint32)))


def with_features(name):
    return replace(CONFIG, features=FEATURES[name])


def noise(cases, classes):
    """The cases with other pictures of these classes."""
    others = np.random.default_rng(6).random(cases.inputs.shape, np.float32)
    return Cases(np.where(np.isin(cases.labels, classes)[:, None], others, cases.inputs), cases.labels)


OLD, NEW = range(5), range(5, 10)


def scores(found):
    """Everything but seconds."""
    return {name: x.tolist() for name, x in found.metrics.items() if not name.endswith("_seconds")}


def shuffled(cases, classes):
    """The cases with their labels dealt out anew among these classes."""
    labels, among = cases.labels.copy(), np.isin(cases.labels, classes)
    labels[among] = np.random.default_rng(3).permutation(labels[among])
    return Cases(cases.inputs, labels)


@pytest.fixture(
    scope="module", params=[name for name in FEATURES if name != "stack"]
)  # it is fine-tuned, too
def features(request):
    return request.param


@pytest.fixture(scope="module")
def found(features, data):
    with jax.enable_x64(False):
        return outcome(with_features(features), data)


def test_of_other_classes_nothing_is_learnt_and_none_is_judged_and_no_label_teaches(features, found, data):
    config = with_features(features)
    train, valid = noise(shuffled(data.train, OLD), NEW), noise(data.valid, NEW)
    again = outcome(config, replace(data, train=train, valid=valid, test=noise(data.test, OLD)))
    assert scores(found) == scores(again)
    if features != "pixels":
        changed = outcome(config, replace(data, train=noise(data.train, OLD)))
        assert scores(found) != scores(changed), "but from these it is learnt"


def test_no_test_label_chooses_a_penalty(features, found, data):
    of_test = outcome(with_features(features), replace(data, test=shuffled(data.test, NEW)))
    for part in (0, 1):
        for metric, value in found[part].items():
            if re.match("inverse_penalty|valid|reconstruction|flops|loss", metric):
                np.testing.assert_array_equal(of_test[part][metric], value, metric)
    assert scores(found) != scores(of_test)


def test_every_arm_is_judged_in_the_episodes_of_its_seed(data, monkeypatch):
    seen, assess = [], program.assess
    monkeypatch.setattr(
        program, "assess", lambda how, seed, *rest: seen.append(seed) or assess(how, seed, *rest)
    )
    for name, seed in (("random", 0), ("pca", 0), ("pixels", 0), ("pixels", 1)):
        outcome(with_features(name), data, seed)
    assert seen[0] == seen[1] == seen[2] != seen[3]


def test_seeds_side_by_side_are_as_each_alone(data):
    config = with_features("random")
    with parallel_config(backend="threading"):  # processes take seconds to begin
        both = outcome(config, data, 3, 4)
    alone = [outcome(config, data, seed) for seed in (3, 4)]
    for name, values in scores(both).items():
        assert values == [scores(one)[name][0] for one in alone], name
    assert both.curves["valid_error_percent_logistic_2_shot"].shape == (2, 3)


def test_a_network_that_diverges_has_no_errors(data):
    wild = replace(ADAM, optimiser=Adam(1e38), start=Glorot())
    found = outcome(replace(CONFIG, features=wild), data).metrics
    assert np.isnan(found["error_percent_mean_1_shot"]) and np.isnan(found["error_percent_logistic_2_shot"])
    assert found["diverged_epoch"] >= 1


def test_classes_that_there_are_not_are_refused(data):
    for classes in ((0, 11), tuple(range(9))):
        refused(
            r"^classes: x has not all of \(.*two others: name",
            outcome,
            replace(CONFIG, classes=classes),
            data,
        )
    refused("^transfer learns from images: x are documents", outcome, CONFIG, replace(data, kind="count"))


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (replace(ADAM, learns_from="all"), "must learn from 'train'"),
        (replace(ADAM, budget={"kind": "flops", "total": 1e9}), "need a budget of epochs"),
        (replace(ADAM, tuning=Rates((0.1, 0.2), (3,))), "no tuning"),
    ],
)
def test_what_would_choose_by_other_means_is_refused(features, says):
    with pytest.raises(ValidationError, match=says):
        Transfer(features)
    with pytest.raises(ValidationError, match="classes must differ"):
        replace(CONFIG, classes=(1, 1, 2))


def test_a_request_is_of_the_network_within():
    def features(name, accelerator=True, **asked):
        return requested(VARIANTS[name], Request("paper", **asked), accelerator).features

    assert features("pretrained").precision == "tensorfloat32" != features("glorot").precision
    assert features("pretrained-adam").precision == Precision("tensorfloat32")
    assert features("glorot-adam").precision == Precision()
    assert features("glorot", precision=Precision(finetuning="tensorfloat32")).precision == "highest"
    assert features("pretrained", accelerator=False, pretraining_epochs=3).start.pretraining.n_epochs == 3
    assert features("glorot-adam", accelerator=False, epochs=3).budget == Epochs(3)
    for name in ("pca", "pixels", "glorot"):
        assert features(name, accelerator=False, epochs=3, pretraining_epochs=3) == VARIANTS[name].features


def test_a_small_run_is_recorded_and_stacks_are_shared_by_those_who_learn_from_the_same(
    data, tmp_path, monkeypatch
):
    monkeypatch.setattr(repro.data, "load", lambda *_, **__: data)
    monkeypatch.setattr(repro.data, "checksum", lambda *_, **__: "")
    of = {"a": FEATURES["stack"], "b": FEATURES["fine-tuned"], "c": FEATURES["stack"]}
    configs = {
        f"x_{name}": partial(lambda found, _: replace(CONFIG, features=found), found)
        for name, found in of.items()
    }
    asked = experiment(**configs)
    variants = {**asked.variants, "x/c": replace(asked.variants["x/c"], classes=(5, 6, 7, 8, 9))}
    paths = run(replace(asked, variants=variants), Request(results=tmp_path), QUIET)
    stack, tuned, other = map(load_record, paths)
    assert [len(record.provenance["artefacts"]) for record in (stack, tuned, other)] == [0, 2, 0]
    assert stack.metrics["error_percent_mean_1_shot"] != other.metrics["error_percent_mean_1_shot"]
    assert 0 <= tuned.metrics["error_percent_logistic_2_shot"] <= 100
    assert tuned.metrics["flops"] > stack.metrics["flops"] > 0
    about = facts(tuned) | {"seconds": len(tuned.curves["seconds"])}
    expected = {"kind": "transfer", "features": "autoencoding", "start": "pretrained", "optimiser": "adam"}
    expected |= {"epochs": 2, "pretraining_epochs": 4, "pretraining": "2", "code_size": 3, "seconds": 2}
    assert {name: about[name] for name in expected} == expected
    about = facts(stack)
    assert (about["features"], about["epochs"], about["pretraining_epochs"]) == ("as started", 0, 4)
    assert "optimiser" not in about


SHOTS = (1, 5, 20)


def recorded(variant, seed):
    """A record with errors that differ."""
    draw, config = np.random.default_rng([seed, *variant.encode()]), VARIANTS[variant]
    metrics = {
        f"error_percent_{by}_{k}_shot": draw.uniform(5, 60) for by in ("mean", "logistic") for k in SHOTS
    }
    metrics |= {"inverse_penalty_1_shot": 1.0}
    curves = {"epochs": [50], "seconds": [1.0]} if isinstance(config.features, Autoencoding) else {}
    about = "transfer", variant, "paper", seed, identity(config, "0", "cpu"), as_json(config)
    return Record(*about, metrics, curves, None, ORIGIN), {}


@pytest.fixture(scope="module")
def made():
    return [recorded(variant, seed) for variant in VARIANTS for seed in (0, 1)]


def test_the_command_makes_the_records_again(made, frame, tmp_path):
    """Of every variant; as asked for on a CPU, or on an accelerator with fewer epochs."""
    found = {run.variant: run for run in Origins(frame, EXPERIMENTS).runs}
    assert set(found) == set(VARIANTS) and all(run.today for run in found.values())
    assert found["pixels"].about == "abacus" and found["glorot-adam"].about == "50 epochs, float32, abacus"
    said = "repro run transfer --profile paper --only"
    assert found["pca"].command == f"{said} pca --seeds 2"
    asked = Request("paper", epochs=7, pretraining_epochs=3, precision=Precision(finetuning="tensorfloat32"))
    gpu = [
        record._replace(config=as_json(config), identity=identity(config, "0", "gpu"))
        for record, _ in made
        for config in [requested(VARIANTS[record.variant], asked, True)]
    ]
    gpu = [(record._replace(provenance=ORIGIN | {"platform": "gpu"}), {}) for record in gpu]
    found = {run.variant: run for run in Origins(frame_of(tmp_path, gpu, "paper"), EXPERIMENTS).runs}
    assert all(run.today for run in found.values())
    products = "--precision highest,tensorfloat32"
    both = f"{said} pretrained-adam --epochs 7 --pretraining-epochs 3 {products} --seeds 2"
    assert found["pretrained-adam"].command == both
    assert found["pixels"].command == f"{said} pixels --seeds 2"


def lines_of(axes):
    return {line.get_gid(): line for line in axes.get_lines()}


@pytest.fixture(scope="module")
def frame(made, tmp_path_factory):
    return frame_of(tmp_path_factory.mktemp("results"), made, "paper")


@pytest.fixture(scope="module")
def figure(frame):
    return fig_transfer.draw(frame)


def test_the_figure_has_a_line_for_each_kind_of_features(made, figure):
    values = {(record.variant, record.seed): record.metrics for record, _ in made}
    for axes, by in zip(figure.axes, ("mean", "logistic"), strict=True):
        assert set(lines_of(axes)) == set(VARIANTS)
        for variant, line in lines_of(axes).items():
            expected = [
                np.mean([values[variant, seed][f"error_percent_{by}_{k}_shot"] for seed in (0, 1)])
                for k in SHOTS
            ]
            np.testing.assert_array_equal(line.get_xdata(), SHOTS)
            np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-6)
    looks = {(line.get_color(), line.get_linestyle()) for line in lines_of(figure.axes[0]).values()}
    assert len(looks) == len(VARIANTS) and (arms.COLOURS["pretrained"], "--") in looks
    line = figure.get_suptitle()
    assert "MNIST · 50 epochs of fine-tuning · n 2 · abacus" in line and "bands: 95 % interval" in line


def test_redrawing_gives_the_same_bytes_and_a_name_is_for_people(made, frame, figure, tmp_path):
    renamed = [(record._replace(variant=f"v{record.variant}"), {}) for record, _ in made]
    of_renamed = fig_transfer.draw(frame_of(tmp_path, renamed, "paper"))
    written = [sorted(text.get_text() for text in some.findobj(Text)) for some in (figure, of_renamed)]
    assert written[0] == written[1]
    paths = [save(some, tmp_path / f"{i}", "x") for i, some in enumerate([figure, fig_transfer.draw(frame)])]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*paths, strict=True))


def test_without_records_there_is_one_line_with_the_remedy(tmp_path):
    with pytest.raises(
        RecordsMissingError, match=r"of transfer: run `repro run transfer --profile paper --res"
    ):
        fig_transfer.draw(frame_of(tmp_path, [], "paper"))


def test_the_experiment_compares_networks_that_differ_in_one_thing_each():
    configs = EXPERIMENTS["transfer"].variants
    assert len({(config.classes, config.few_shot) for config in configs.values()}) == 1
    fine_tuned, direct = configs["pretrained-adam"].features, configs["glorot-adam"].features
    assert direct == replace(fine_tuned, start=Glorot())
    stack, random = configs["pretrained"].features, configs["glorot"].features
    assert random == replace(stack, start=Glorot()) and stack.start == fine_tuned.start != Gaussian()


def test_more_components_than_there_are_are_one_line():
    says = "^n_components 17 is more than 30 cases of 16 pixels have: name up to 16$"
    refused(says, fit_pca, np.zeros((30, 16)), 17)
