"""The figures of the classifiers, from made-up records: every arm in its place, with its own numbers."""

import re
from itertools import chain

import numpy as np
import pytest
from made_figures import EXPERIMENTS, ORIGIN, frame_of
from matplotlib.lines import Line2D
from matplotlib.text import Text

from paper_figures import all_figures
from paper_figures.style import arms, house
from paper_figures.style.house import save
from repro.errors import RecordsMissingError
from repro.evaluation.intervals import interval
from repro.report.tables import read_published
from repro.runs.config import Classifying, tuning_of, with_choice
from repro.runs.record import Record, identity
from repro.typed import as_json

FIGURES = {name: all_figures()[name] for name in ("fig_classifier", "fig_few_labels", "fig_deep_classifier")}
ERROR = "test_error_percent"
ARMS = {
    "classifier": {"pretrained-sd": 1.25, "pretrained-cg": 1.3, "gaussian-sd": 1.9, "relu-dropout-adam": 1.1},
    "deep_classifier": {"glorot": 1.8, "relu": 1.6, "rbm-stack": 1.3, "supervised-layers": 1.7},
}
FEW = {  # errors with rate and epoch chosen on the validation digits, and within the labels
    "100/rbm": (18.0, 20.0),
    "100/dbn": (17.0, 23.0),
    "100/shallow-glorot": (25.0, 24.0),
    "100/deep-relu": (22.0, 29.0),
    "1000/rbm": (6.0, 6.5),
    "1000/shallow-glorot": (10.0, 11.5),
}
ALL = {"60000/rbm": 1.3, "60000/shallow-glorot": 1.5}
PUBLISHED = read_published().query("metric == @ERROR").set_index(["experiment", "variant"]).value


ENDS = ("", "_within")  # of the metrics of each way to choose


def made(experiment, variant, config, metrics, seed=0, n_epochs=0):
    clock = {"epochs": [*range(1, n_epochs + 1)], "seconds": [1.0] * n_epochs}
    about = as_json(config), metrics | {"flops": 1e12}, clock, None, ORIGIN
    return Record(experiment, variant, "paper", seed, identity(config, "a", "cpu"), *about), {}


def around(mean):
    """Errors of three seeds."""
    return [mean - 0.01, mean + 0.03, mean - 0.02]


def asked(experiment, variant):
    config = EXPERIMENTS[experiment].variants[variant]
    assert isinstance(config, Classifying)
    return config


def classified(experiment, variant, errors, best=1, valid=5.0):
    """One run with these errors and the choice of its rate: the `best` of its candidates."""
    run = asked(experiment, variant)
    losses = np.abs(np.arange(len(run.rates)) - best) + valid
    metrics = {f"valid_error_percent_rate_{r:g}": loss for r, loss in zip(run.rates, losses, strict=True)}
    metrics |= {
        "stop_at": 0.01,
        "epochs_trained": 4.0,
        "valid_error_percent": valid,
        "valid_error_percent_mean": 90.0,
    }
    metrics |= {"learning_rate": run.rates[best]} if run.rates else {}
    yield made(experiment, variant, tuning_of(run), metrics)
    for seed, error in enumerate(errors):
        yield made(experiment, variant, with_choice(run, metrics), {ERROR: error}, seed, 4)


def few(variant, error, within):
    """Two draws."""
    for seed, more in enumerate((0.0, 1.0)):
        metrics = {ERROR: error + more, f"{ERROR}_within": within + 2 * more}
        metrics |= {"valid_error_percent": error, "held_out_error_percent": within}
        metrics |= {f"{name}{end}": 0.001 for name in ("learning_rate", "epochs_trained") for end in ENDS}
        config = EXPERIMENTS["few_labels"].variants[variant]
        yield made("few_labels", variant, config, metrics, seed, 30)


MADE = [
    record
    for name, means in ARMS.items()
    for variant, mean in means.items()
    for record in classified(name, variant, around(mean))
]
MADE += [record for variant, errors in FEW.items() for record in few(variant, *errors)]
MADE += [record for v, mean in ALL.items() for record in classified("few_labels", v, [mean, mean + 0.1])]


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return frame_of(tmp_path_factory.mktemp("results"), MADE, "paper")


@pytest.fixture(scope="module")
def drawn(frame):
    return {name: module.draw(frame) for name, module in FIGURES.items()}


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def lines_of(axes, variant):
    return [line for line in axes.findobj(Line2D) if line.get_gid() == variant]


@pytest.mark.parametrize("name", ["fig_few_labels", "fig_deep_classifier"])
def test_redrawing_gives_the_same_bytes(name, frame, drawn, tmp_path, monkeypatch):
    for day, figure in enumerate([drawn[name], FIGURES[name].draw(frame)]):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(day * 86_400))
        paths = save(figure, tmp_path / str(day), name)
    assert all((tmp_path / "0" / path.name).read_bytes() == path.read_bytes() for path in paths)


@pytest.mark.parametrize("name", FIGURES)
def test_without_records_there_is_one_line_with_the_remedy(name, tmp_path):
    experiment = name.removeprefix("fig_")
    others = [record for record in MADE if record[0].experiment != experiment]
    remedy = rf"run `repro run {experiment} --profile paper --results \S+`$"
    with pytest.raises(RecordsMissingError, match=rf"has no records of .* of {experiment}: {remedy}"):
        FIGURES[name].draw(frame_of(tmp_path, others, "paper"))


@pytest.mark.parametrize("name", FIGURES)
def test_the_line_above_says_what_is_drawn_and_that_quick_is_no_evidence(name, drawn, tmp_path):
    line = drawn[name].get_suptitle()
    assert line.startswith("MNIST · 4") and "95 % interval over" in line and "abacus" in line
    assert "published" in line and house.QUICK not in line
    assert ("? not looked up in its source" in line) == (name == "fig_deep_classifier")
    assert FIGURES[name].draw(frame_of(tmp_path, MADE, "quick")).get_suptitle().startswith(house.QUICK)


@pytest.mark.parametrize("experiment", ARMS)
def test_direct_arms_come_first_and_of_each_kind_the_best(experiment, drawn):
    means, panels = ARMS[experiment], drawn[f"fig_{experiment}"].axes
    orders = [[label.get_gid() for label in axes.get_yticklabels()] for axes in panels]
    learnt = {"pretrained-sd", "pretrained-cg", "rbm-stack", "supervised-layers"}
    assert [set(order) <= learnt for order in orders] == [False, True]
    assert [*chain(*orders)] == sorted(means, key=lambda variant: (variant in learnt, means[variant]))


@pytest.mark.parametrize("experiment", ARMS)
def test_a_row_has_the_errors_of_its_arm(experiment, drawn):
    for axes in drawn[f"fig_{experiment}"].axes:
        written = [text for text in axes.texts if text.get_text()]
        for y, label in enumerate(axes.get_yticklabels()):
            variant = label.get_gid()
            errors, theirs = around(ARMS[experiment][variant]), PUBLISHED.get((experiment, variant), np.nan)
            seeds, bar, mean, tick = lines_of(axes, variant)
            np.testing.assert_allclose(seeds.get_xdata(), errors)
            np.testing.assert_allclose(bar.get_xdata(), interval(np.array(errors)))
            np.testing.assert_allclose(mean.get_xdata(), [np.mean(errors)])
            np.testing.assert_allclose(tick.get_xdata(), [theirs])
            row = [text.get_text() for text in written if text.xy[1] == y]
            unsure = "?" * (variant in ("rbm-stack", "supervised-layers"))
            in_print = [f"({theirs:.2f}{unsure})"] if theirs == theirs else []
            assert row == [f"{np.mean(errors):.2f}", *in_print, "3"]
            colour = arms.COLOURS[asked(experiment, variant).start.kind]
            assert label.get_color() == mean.get_color() == colour
            low, high = axes.get_xlim()
            assert low < min(errors) and max(errors) < high


def test_dropout_is_named(drawn):
    assert "He, ReLU, Adam, dropout" in texts(drawn["fig_classifier"])
    assert "He, ReLU, Adam" in texts(drawn["fig_deep_classifier"])


def test_what_the_claim_asks_of_a_deep_network_is_dotted(drawn):
    for axes in drawn["fig_deep_classifier"].axes:
        [dotted] = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        assert [*dotted.get_xdata()] == [1.5, 1.5]
    assert "dotted: 1.5 %" in drawn["fig_deep_classifier"].get_suptitle()


def test_a_rate_at_the_edge_of_its_grid_has_a_star_that_is_explained(drawn, tmp_path):
    assert "*" not in texts(drawn["fig_classifier"])
    made = [*classified("classifier", "glorot-adam", around(1.7), best=0)]
    figure = FIGURES["fig_classifier"].draw(frame_of(tmp_path, MADE + made, "paper"))
    [star] = [text for text in figure.findobj(Text) if text.get_text() == "*"]
    order = [label.get_gid() for label in figure.axes[0].get_yticklabels()]
    assert star.xy[1] == order.index("glorot-adam")
    assert "*: the rate was not chosen as fairness asks" in figure.get_suptitle()


def test_errors_against_labels_are_means_over_draws_with_the_published_beside(drawn):
    axes = drawn["fig_few_labels"].axes[0]
    expected = {"100/rbm": [18.5, 6.5, 1.35], "100/shallow-glorot": [25.5, 10.5, 1.55], "100/dbn": [17.5]}
    expected |= {"100/deep-relu": [22.5]}
    ours = {line.get_gid(): line for line in axes.get_lines() if line.get_gid()}
    assert set(ours) == set(expected)
    for variant, line in ours.items():
        x, y = np.array(line.get_data(), float)
        np.testing.assert_allclose(y, expected[variant])
        np.testing.assert_allclose(x, [100, 1000, 60_000][: len(x)], rtol=0.1)
    _, _, ends = bars(axes)["pretrained  1024"]
    np.testing.assert_allclose(ends[1], interval(np.array([6.0, 7.0])))
    names = [text.get_text() for text in drawn["fig_few_labels"].legends[0].get_texts()]
    assert names == [
        "Glorot  1024",
        "He, ReLU, dropout  500-500-2000",
        "pretrained  1024",
        "pretrained  500-500-2000",
    ]
    assert ours["100/rbm"].get_color() == ours["100/dbn"].get_color() == arms.COLOURS["pretrained"]
    hollow = {tuple(line.get_ydata()) for line in axes.get_lines() if line.get_markerfacecolor() == "white"}
    theirs = {
        tuple(PUBLISHED["few_labels", f"{n}/{name}"] for n in (100, 1000, 60_000))
        for name in ("rbm", "shallow-glorot")
    }
    assert theirs <= hollow


def bars(axes):
    """What is drawn with bars, by name: x, y, and the ends of the bars."""
    found = {}
    for container in axes.containers:
        line, _, collections = container
        ends = [[*segment[:, 1]] for some in collections for segment in some.get_segments()]
        found[container.get_label()] = (*np.array(line.get_data(), float), ends)
    return found


def test_gains_are_of_the_networks_that_each_way_of_choosing_takes(drawn):
    found = bars(drawn["fig_few_labels"].axes[1])
    x, y, ends = found["chosen on the validation digits"]
    np.testing.assert_allclose(x, np.array([100, 1000, 60_000]) / 1.06)
    np.testing.assert_allclose(y, [22 - 17, 10 - 6, 1.5 - 1.3])
    _, within, _ = found["chosen within the labels"]
    np.testing.assert_allclose(within, [24 - 20, 11.5 - 6.5, 1.5 - 1.3])
    _, theirs, _ = found["published"]
    np.testing.assert_allclose(theirs, [23.98 - 18.30, 11.29 - 6.35, 1.80 - 1.27])
    np.testing.assert_allclose(ends[0], [5, 5], atol=1e-9)  # both arms differ as much between draws


def test_the_gain_that_the_claim_asks_for_is_dotted(drawn):
    lines = drawn["fig_few_labels"].axes[1].get_lines()
    [dotted] = [line for line in lines if line.get_linestyle() == ":" and line.get_color() == house.GREY]
    assert [*dotted.get_xdata()] == [100, 1000] and [*dotted.get_ydata()] == [4, 4]


def test_one_kind_of_start_has_no_gain(tmp_path):
    made = [*few("100/rbm", 18.0, 20.0)]
    figure = FIGURES["fig_few_labels"].draw(frame_of(tmp_path, made, "paper"))
    assert "no gain without both kinds of start" in texts(figure)
    assert not re.search("chosen within", " ".join(texts(figure)))
