"""C1, C1b, C2, C11 and C13 on made-up records: what upholds, what refutes, what leaves them open."""

import numpy as np
import pytest
from tiny import EXPERIMENTS, ROOT

from experiments import spread, untrainable
from experiments.claims import CLAIMS
from experiments.claims.direct import DIRECT
from experiments.claims.quantities import RECIPE_OF_2006
from repro.models.autoencoder import Architecture
from repro.report.verdicts import Evidence, markdown, verdict
from repro.runs.record import Record, as_config, save_records
from repro.training.flops import backprop_flops

CLAIM = {claim.key: claim for claim in CLAIMS}
ERRORS = ("train_squared_error", "test_squared_error")


def record(folder, experiment, variant, errors, flops=1.0, seeds=5, epochs=None):
    """Records whose errors fall from the first to the last, as evenly as their flops grow."""
    config = EXPERIMENTS[experiment].variants[variant]
    epochs = getattr(config, "n_epochs", 0) if epochs is None else epochs
    errors = np.atleast_1d(errors)
    for seed in range(1 if getattr(config, "deterministic", False) else seeds):
        values = errors * (1 + 0.001 * seed)
        curves = {"seconds": [0.0] * len(errors), "epochs": np.linspace(0, epochs, len(errors) + 1)[1:]}
        curves |= {"flops": np.linspace(0, flops, len(errors) + 1)[1:], **dict.fromkeys(ERRORS, values)}
        curves |= {"reconstruction_error_layer1": [0.0] * 50}
        metrics = {"flops": flops, "train_cross_entropy": values[-1], **dict.fromkeys(ERRORS, values[-1])}
        about = Record(
            experiment, variant, "paper", seed, as_config(config), metrics, curves if epochs else {}, None,
            {"device": "abacus", "data_sha256": "0"},
        )  # fmt: skip
        save_records({folder / experiment / f"{variant}.seed{seed}.{epochs}.json": (about, {})})


def ruling(key, folder):
    return verdict(CLAIM[key], Evidence(folder, EXPERIMENTS))


def yardsticks(folder):
    record(folder, "curves", "pretrained-cg", 1.5, flops=10.0)
    record(folder, "curves", "pca-18", 5.8, epochs=0)
    record(folder, "curves", "mean-image", 16.0, epochs=0)


@pytest.mark.parametrize(("best", "expected"), [(15.9, "UPHELD"), (12.0, "OPEN"), (2.9, "REFUTED")])
def test_c1_looks_at_the_best_of_all_small_starts(tmp_path, best, expected):
    yardsticks(tmp_path)
    for variant in untrainable.VARIANTS:
        error = best if variant == "gaussian.01-momentum-0.005" else 16.0
        record(tmp_path, "untrainable", variant, 0.5 if variant.startswith(("fan-in", "sparse")) else error)
    assert ruling("C1", tmp_path) == expected


def test_c1_is_open_while_one_arm_is_missing_or_short(tmp_path):
    yardsticks(tmp_path)
    variants = [v for v in untrainable.VARIANTS if v.startswith("gaussian") and v != untrainable.LONG]
    for variant in variants[1:]:
        record(tmp_path, "untrainable", variant, 16.0)
    assert ruling("C1", tmp_path) == "OPEN"
    record(tmp_path, "untrainable", variants[0], 16.0, epochs=499)
    page = markdown([CLAIM["C1"]], Evidence(tmp_path, EXPERIMENTS))
    assert f"- untrainable {variants[0]}: 499 of 500 epochs\n" in page


@pytest.mark.parametrize(
    ("errors", "flops", "expected"),
    [
        ([9.0, 1.5], 100.0, "UPHELD"),
        ([9.0, 1.4], 100.0, "REFUTED"),
        ([9.0, 1.4], 101.0, "UPHELD"),
        ([9.0], 99.0, "OPEN"),
        ([9.0, 1.4, 9.0], 90.0, "REFUTED"),
    ],
)
def test_c1b_counts_what_came_within_ten_times_the_flops_of_2006(tmp_path, errors, flops, expected):
    yardsticks(tmp_path)
    for variant in untrainable.VARIANTS:
        later = variant.startswith(("glorot", "sparse"))
        record(tmp_path, "untrainable", variant, 0.1 if later else errors, flops=flops)
    assert ruling("C1b", tmp_path) == expected


@pytest.mark.parametrize(
    ("errors", "flops", "expected"),
    [
        ([1.4], 10_000.0, "UPHELD"),
        ([1.4], 9_000.0, "OPEN"),
        ([15.9, 1.4], 20_000.0, "REFUTED"),
        ([9.0], 10_000.0, "OPEN"),
    ],
)
def test_c13_asks_how_far_a_thousandfold_of_compute_goes(tmp_path, errors, flops, expected):
    yardsticks(tmp_path)
    record(tmp_path, "untrainable", untrainable.LONG, errors, flops=flops)
    assert ruling("C13", tmp_path) == expected


def test_full_lengths_are_those_that_the_verdicts_ask_for():
    """By the flops of the committed run of the 2006 recipe, which is of full length on curves alone."""
    recipe = Evidence(ROOT / "results" / "paper", EXPERIMENTS).score("curves", "pretrained-cg", "flops")
    layers = Architecture((784, *untrainable.EVERY.widths)).layers
    long = untrainable.VARIANTS[untrainable.LONG].n_epochs
    assert 1000 < long * backprop_flops(layers, 20_000) / recipe.values[0] < 1050
    assert 10 < 12_200 * backprop_flops(layers, 20_000) / recipe.values[0] < 10.5


def recipes(folder, errors):
    for data, recipe in RECIPE_OF_2006.items():
        record(folder, *recipe, 1.0, flops=10.0)
        for arm in DIRECT:
            end = errors[data] if arm == "sparse-hf" else 5.0
            record(folder, "direct", f"{data}/{arm}", [9.0, end, 0.1], flops=30.0 * (1 - 1e-9) / 2)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ({"curves": 1.0, "mnist": 1.0, "faces": 1.04, "reuters21578": 3.0}, "UPHELD"),
        ({"curves": 1.0, "mnist": 1.08, "faces": 1.08, "reuters21578": 1.0}, "OPEN"),
        ({"curves": 1.0, "mnist": 1.0, "faces": 1.2, "reuters21578": 1.2}, "REFUTED"),
    ],
)
def test_c2_compares_at_the_flops_of_2006_and_not_at_the_end(tmp_path, errors, expected):
    """The last error, 0.1 everywhere, comes too late to count."""
    recipes(tmp_path, errors)
    assert ruling("C2", tmp_path) == expected


@pytest.mark.parametrize(
    ("worst", "seeds", "expected"),
    [(1.1, 20, "UPHELD"), (1.4, 20, "OPEN"), (1.1, 19, "OPEN"), (30.0, 20, "REFUTED")],
)
def test_c11_needs_twenty_starts(tmp_path, worst, seeds, expected):
    for variant, config in spread.VARIANTS.items():
        record(tmp_path, "spread", variant, 1.0, seeds=seeds)
        losses = np.append(np.ones(seeds - 1), worst)
        for seed, loss in enumerate(losses):
            metrics = {"train_cross_entropy": loss}
            curves = {
                "seconds": [0.0],
                "epochs": [config.n_epochs],
                "reconstruction_error_layer1": [0.0] * 50,
            }
            about = Record("spread", variant, "paper", seed, as_config(config), metrics, curves, None,
                           {"device": "abacus", "data_sha256": "0"})  # fmt: skip
            save_records({tmp_path / "spread" / f"{variant}.seed{seed}.{config.n_epochs}.json": (about, {})})
    assert ruling("C11", tmp_path) == expected
