"""Made-up records of arms that were trained and of machines that were timed."""

import itertools
from dataclasses import replace

from experiments import curves, faces, mnist
from repro.runs.config import Glorot
from repro.runs.record import Record, identity, save_records
from repro.timing.rates import identity_on
from repro.timing.subject import MNIST, NETWORK, RAINA, Subject
from repro.training.flops import backprop_flops, stack_flops
from repro.typed import as_json

EXPERIMENTS = {module.EXPERIMENT.name: module.EXPERIMENT for module in (curves, faces, mnist)}
CASES = {"curves": 20_000, "mnist": 60_000, "faces": 124_200}
PIXELS = {"curves": 784, "mnist": 784, "faces": 625}
OTHERS = {"glorot-cg": Glorot(), "glorot-adam": Glorot()}  # where an experiment lacks them
ORIGIN = {"commit": "0" * 40, "data_sha256": "", "seeds_side_by_side": 1, "wall_seconds": 1.0}
ORIGIN |= {"finished": "2026-11-26T12:00:00Z"}


def arm(data, variant, errors, *, seed=0, epochs=None, evaluations=None, stacked=0, waited=0.0, load=1.0):
    """A run whose reports are a second apart; its operations are those of the library's count. A variant
    that the experiment does not have is its pretrained one from another start.
    """
    known = EXPERIMENTS[data].variants
    config = known.get(variant) or replace(known["pretrained-cg"], start=OTHERS[variant])
    widths = config.network.widths
    evaluations = evaluations or [1.0] * len(errors)
    done = epochs or [*range(1, len(errors) + 1)]
    sizes = (PIXELS[data], *widths)
    total = sum(e * (b - a) for e, a, b in zip(evaluations, [0, *done], done, strict=False))
    flops = total * backprop_flops((*sizes, *sizes[-2::-1]), CASES[data])
    flops += stack_flops(sizes, CASES[data], (stacked,) * len(widths)) if stacked else 0.0
    metrics = {"flops": flops, "pretraining_seconds": waited, "test_squared_error_before": 200.0}
    metrics |= {"test_squared_error": errors[-1]}
    reports = {"seconds": [float(i + 1) for i in range(len(errors))], "test_squared_error": errors}
    reports |= {"evaluations": evaluations} | ({"epochs": epochs} if epochs else {})
    layers = range(1, len(widths) + 1) if stacked else ()
    reports |= {f"reconstruction_error_layer{i}": [0.0] * stacked for i in layers}
    origin = ORIGIN | {"device": "abacus", "load_average": load, "cores": 2, "platform": "cpu"}
    of = identity(config, "", "cpu")
    return Record(data, variant, "paper", seed, of, as_json(config), metrics, reports, None, origin)


def machine_of(host, gpu=None, load=0.5):
    """Provenance of what is timed on a machine, or on its GPU."""
    origin = ORIGIN | {"platform": "gpu" if gpu else "cpu", "device": gpu or host, "host": host, "cores": 4}
    return origin | {"cores_used": 4, "load_average": load}


def rates_of(origin, gains=None):
    """Rates of all programs, each three calls of 3, 4 and 6 "seconds", a GPU's shorter by the gains, which
    are given by workload for each of Raina's sizes, or for the smaller two and the larger two.
    """
    gpu = origin["platform"] != "cpu"
    singles = [(sizes, workload) for sizes in (*MNIST, *RAINA) for workload in ("cd1", "backprop")]
    cells = itertools.product(("gpu",) if gpu else ("1core", "cpu"), [*singles, (NETWORK, "backprop")])
    for part, (sizes, workload) in cells:
        plain = Subject("jax", workload, sizes, 192 if sizes in RAINA else 100, part=part)
        yield rate(plain, origin, 1 / gain_at(sizes, (gains or {}).get(workload, (1, 1))))
        if not gpu:
            yield rate(replace(plain, program="program2006", precision="float64"), origin, 2.0)
        if part == "cpu" and (sizes, workload) == (MNIST[0], "cd1"):
            yield rate(replace(plain, program="sklearn"), origin, 3.0)


def gain_at(sizes, gains):
    """Of one of Raina's sizes; that of the largest for other networks."""
    each = gains if len(gains) == len(RAINA) else (gains[0], gains[0], gains[1], gains[1])
    return each[RAINA.index(sizes)] if sizes in RAINA else each[-1]


def rate(subject, origin, slower):
    """A subject whose minibatch takes 4 / 600 seconds at factor 1, as an epoch of MNIST would take 4."""
    calls = [factor * slower * subject.n_batches / 600 for factor in (6.0, 3.0, 4.0)]
    metrics = {"seconds_per_update": slower * 4 / 600, "seconds_per_million_cases": slower * 4 / 0.06}
    metrics |= {"seconds_per_epoch": slower * 4.0, "gflops": 100.0 / slower, "fraction_of_matmul": 0.8}
    metrics |= {"fraction_of_best_matmul": 0.5, "flops_floor_seconds_per_million_cases": 1.0}
    metrics |= {"bytes_floor_seconds_per_million_cases": 2.0, "compile_seconds": 0.7}
    origin = origin | ({"cores_used": 1} if subject.part == "1core" else {})
    of, timed = identity_on(subject, origin), {"call_seconds": calls}
    return Record("eras", subject.variant, "paper", 0, of, as_json(subject), metrics, timed, None, origin)


def write(folder, record):
    """Where the library would have put it."""
    save_records(folder / "paper", [(record, {})])
