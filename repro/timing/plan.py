"""Which subjects are timed together, and how long each of them runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from math import prod

from repro.timing.subject import (
    CONVOLUTIONAL,
    MNIST,
    MNIST_CASES,
    NETWORK,
    RAINA,
    RAINA_BATCH,
    SQUARE,
    Part,
    Subject,
)

LARGE_BATCH = 4096
N_SEEDS = 5  # side by side on a GPU
COPIED = 2**26  # numbers, far more than a cache holds
CURVE = (7_500, 15_000, 30_000, 60_000)  # cases, to see whether cost is linear in them
DEPTHS = (1, 2, 4)  # layers of 1000 units up to the code, likewise


@dataclass(frozen=True)
class Length:
    """How long the subjects of a profile run."""

    repeats: int  # timed calls of a subject, after one to warm up
    flops: float  # of a timed call on a CPU, at least two minibatches
    large: bool  # all sizes, the curve of cost against cases, all precisions of a GPU


LENGTHS = {"quick": Length(2, 5e9, False), "paper": Length(3, 15e9, True)}
GPU_FLOPS = 5e11  # about an epoch of the lowest MNIST layer


def groups(
    length: Length, parts: Collection[Part], peers: Collection[str], on_gpu: Collection[str] = ()
) -> Iterator[list[Subject]]:
    """Subjects that are timed in turn, and so under the same conditions: those of the machine, then those of
    one size together.
    """
    yield list(_machine(parts))
    for sizes in (*MNIST, *RAINA) if length.large else (*MNIST[:2], RAINA[0]):
        yield [_lasting(subject, length) for subject in _of_size(sizes, parts, peers, on_gpu, length)]
    yield [_lasting(subject, length) for subject in _of_size(NETWORK, parts, (), (), length)]
    for sizes in CONVOLUTIONAL if length.large else CONVOLUTIONAL[:1]:
        yield [_lasting(Subject("jax", "convolution", sizes, part=part), length) for part in parts]
    if length.large and "cpu" in parts:
        yield [Subject("jax", "cd1", MNIST[0], n_batches=n // 100, of_curve=True) for n in CURVE]
        deep = [(1000,) * (depth + 1) for depth in DEPTHS]
        yield [Subject("jax", "backprop", sizes, n_batches=20, of_curve=True) for sizes in deep]


def _machine(parts: Collection[Part]) -> Iterator[Subject]:
    """What the parts of the machine can do: copying, and products of square matrices."""
    for part in parts:
        yield Subject("jax", "copy", (COPIED,), part=part)
        square = Subject("jax", "matmul", SQUARE, batch_size=1024, part=part)
        if part == "gpu":
            many = replace(square, sizes=(8192, 8192), batch_size=8192)
            yield from (replace(many, precision=p) for p in ("float32", "tf32", "bfloat16"))
        else:
            yield from (square, replace(square, program="numpy"))
            yield replace(square, program="numpy", precision="float64")


def _of_size(
    sizes, parts: Collection[Part], peers: Collection[str], on_gpu: Collection[str], length: Length
) -> Iterator[Subject]:
    for part in parts:
        batch_size = RAINA_BATCH if sizes in RAINA else 100
        plain = Subject("jax", "cd1", sizes, batch_size, part=part)
        workloads = ("cd1", "backprop") if len(sizes) == 2 else ("backprop",)
        if part == "gpu":
            yield from _on_gpu(plain, workloads, length)
            yield from (replace(plain, program=peer) for peer in on_gpu)
            continue
        double = replace(plain, program="program2006", precision="float64")
        for workload in workloads:
            yield replace(double, workload=workload)
            yield replace(plain, workload=workload)
        if part == "cpu":
            yield from (
                replace(plain, program=peer) for peer in peers if peer != "sklearn" or not plain.linear
            )
        for program in ("jax", "numpy") if prod(sizes) < 1e7 else ("jax",):
            yield replace(plain, workload="matmul", program=program)
        yield replace(double, workload="matmul", program="numpy")


def _on_gpu(plain: Subject, workloads: Collection, length: Length) -> Iterator[Subject]:
    """Every precision, and a large minibatch beside the papers'; several seeds in one program."""
    precisions = ("float32", "tf32", "bfloat16") if length.large else ("float32",)
    batches = (plain.batch_size, LARGE_BATCH) if length.large else (plain.batch_size,)
    for precision in precisions:
        for batch_size in batches:
            one = replace(plain, precision=precision, batch_size=batch_size)
            yield from (replace(one, workload=workload) for workload in (*workloads, "matmul"))
    if plain.sizes not in RAINA:
        yield from (replace(plain, workload=workload, n_seeds=N_SEEDS) for workload in workloads)


def _lasting(subject: Subject, length: Length) -> Subject:
    """The subject with as many minibatches in a call as the profile gives it, at least two."""
    flops = GPU_FLOPS if subject.part == "gpu" else length.flops
    most = max(2, MNIST_CASES // subject.batch_size)
    return replace(subject, n_batches=min(max(round(flops / subject.flops), 2), most))
