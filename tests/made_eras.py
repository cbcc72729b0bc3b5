"""Made-up records of arms that were trained and of machines that were timed."""

import itertools
from dataclasses import replace

from experiments import all_experiments
from repro.runs import Arm
from repro.runs.record import Record, as_config, record_path, save_records
from repro.timing.rates import machine
from repro.timing.subject import MNIST, NETWORK, RAINA, Subject
from repro.training.flops import backprop_flops, stack_flops

EXPERIMENTS = {name: all_experiments()[name] for name in ("curves", "faces", "mnist")}
CASES = {"curves": 20_000, "mnist": 60_000, "faces": 124_200}
PIXELS = {"curves": 784, "mnist": 784, "faces": 625}


def arm(data, variant, errors, *, seed=0, epochs=None, evaluations=None, stacked=0, waited=0.0, load=1.0):
    """A run whose reports are a second apart; its operations are those of the library's count."""
    known = EXPERIMENTS[data].variants
    config = known.get(variant) or replace(known["pretrained-cg"], start=variant.partition("-")[0])
    assert isinstance(config, Arm)
    evaluations = evaluations or [1.0] * len(errors)
    done = epochs or [*range(1, len(errors) + 1)]
    sizes = (PIXELS[data], *config.widths)
    total = sum(e * (b - a) for e, a, b in zip(evaluations, [0, *done], done, strict=False))
    flops = total * backprop_flops((*sizes, *sizes[-2::-1]), CASES[data])
    flops += stack_flops(sizes, CASES[data], (stacked,) * len(config.widths)) if stacked else 0.0
    metrics = {"flops": flops, "pretraining_seconds": waited, "test_squared_error_before": 200.0}
    metrics |= {"test_squared_error": errors[-1]}
    curves = {"seconds": [float(i + 1) for i in range(len(errors))], "test_squared_error": errors}
    curves |= {"evaluations": evaluations} | ({"epochs": epochs} if epochs else {})
    layers = range(1, len(config.widths) + 1) if stacked else ()
    curves |= {f"reconstruction_error_layer{i}": [0.0] * stacked for i in layers}
    origin = {"device": "abacus", "data_sha256": "0", "load_average": load, "cores": 2, "platform": "cpu"}
    return Record(data, variant, "paper", seed, as_config(config), metrics, curves, None, origin)


def machine_of(host, gpu=None):
    """Provenance of what is timed on a machine, or on its GPU."""
    origin = {"platform": "gpu" if gpu else "cpu", "device": gpu or host, "host": host, "cores": 4}
    return origin | {"cores_used": 4, "load_average": 0.5, "data_sha256": ""}


def rates_of(origin, gains=None):
    """Rates of all programs, each three calls of 3, 4 and 6 "seconds", a GPU's shorter by the gains, which
    are given by workload for the smallest and the largest of Raina's sizes.
    """
    gpu = origin["platform"] != "cpu"
    singles = [(sizes, workload) for sizes in (*MNIST, *RAINA) for workload in ("cd1", "backprop")]
    cells = itertools.product(("gpu",) if gpu else ("1core", "cpu"), [*singles, (NETWORK, "backprop")])
    for part, (sizes, workload) in cells:
        plain = Subject("jax", workload, sizes, 192 if sizes in RAINA else 100, part=part)
        gain = (gains or {}).get(workload, (1, 1))[0 if sizes in RAINA[:2] else 1]
        yield rate(plain, origin, 1 / gain)
        if not gpu:
            yield rate(replace(plain, program="program2006", precision="float64"), origin, 2.0)
        if part == "cpu" and (sizes, workload) == (MNIST[0], "cd1"):
            yield rate(replace(plain, program="sklearn"), origin, 3.0)


def rate(subject, origin, slower):
    """A subject whose minibatch takes 4 / 600 seconds at factor 1, as an epoch of MNIST would take 4."""
    calls = [factor * slower * subject.n_batches / 600 for factor in (6.0, 3.0, 4.0)]
    metrics = {"seconds_per_update": slower * 4 / 600, "seconds_per_million_cases": slower * 4 / 0.06}
    metrics |= {"seconds_per_epoch": slower * 4.0, "gflops": 100.0 / slower, "fraction_of_matmul": 0.8}
    metrics |= {"fraction_of_best_matmul": 0.5, "flops_floor_seconds_per_million_cases": 1.0}
    metrics |= {"bytes_floor_seconds_per_million_cases": 2.0, "compile_seconds": 0.7}
    origin = origin | ({"cores_used": 1} if subject.part == "1core" else {})
    about = as_config(subject), metrics, {"call_seconds": calls}, None, origin
    return Record("eras", subject.variant, "paper", 0, *about)


def write(folder, record):
    """Where the library would have put it."""
    place = folder / "paper" / record.experiment
    if record.experiment == "eras":
        path = record_path(
            place, record.variant, 0, Subject("jax", "cd1", (1, 1)), machine(record.provenance)
        )
    else:
        path = place / f"{record.variant}.seed{record.seed}.{len(record.curves['seconds'])}.json"
    save_records({path: (record, {})})
