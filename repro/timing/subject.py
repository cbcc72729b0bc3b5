"""What is timed: a program, its workload, the sizes of its layers, and the part of the machine it may use."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

from repro.training.flops import (
    backprop_flops,
    contrastive_flops,
    convolutional_stack_flops,
    multiply_adds,
)
from repro.typed import choice

Program = Literal["program2006", "jax", "sklearn", "torch", "numpy"]
Workload = Literal["cd1", "backprop", "convolution", "matmul", "copy"]
Part = Literal["1core", "cpu", "gpu"]
PARTS: tuple[Part, ...] = get_args(Part)
Precision = Literal["float64", "float32", "tf32", "bfloat16"]

MNIST_CASES = 60_000  # an epoch of MNIST
MNIST_BATCH, RAINA_BATCH = 100, 192
ITEMSIZE = {"float64": 8, "float32": 4, "tf32": 4, "bfloat16": 4}  # what is stored; products may round more
CODE_SIZE = 30  # of the MNIST autoencoder; these hidden units are linear


def named(sizes: Sequence[int]) -> str:
    """Sizes in a word, such as `784x1000`."""
    return "x".join(map(str, sizes))


@choice
class Subject:
    """One thing to time; a timed call learns from `n_batches` minibatches for every seed.

    The workloads: "cd1" and "backprop" are an epoch of training, backprop through the unrolled layers with a
    momentum step after each minibatch; "convolution" is an epoch of CD-1 of a convolutional RBM, whose sizes
    are those of `image` and `bases`; "matmul" is nothing but the five matrix products of one CD-1 update
    for each pair of layers, which are also those of backprop; "copy" reads and writes an array.
    """

    program: Program
    workload: Workload
    sizes: tuple[int, ...]  # of the layers, inputs first; of "copy", the numbers that are copied
    batch_size: int = MNIST_BATCH
    n_batches: int = 1
    part: Part = "cpu"  # one core, all cores, or the GPU
    precision: Precision = "float32"  # of the matrix products; 64 bits throughout for "float64"
    n_seeds: int = 1  # side by side in one program
    of_curve: bool = False  # one of several lengths at which cost against cases is measured
    kind: Literal["timing"] = "timing"

    @property
    def variant(self) -> str:
        """Its name, such as `jax-cd1-784x1000` or `program2006-cd1-784x1000-1core`."""
        usual = RAINA_BATCH if self.sizes in RAINA else MNIST_BATCH
        of_program = "float64" if self.program == "program2006" else "float32"
        words = [self.program, self.workload, named(self.sizes)]
        words += [self.precision] if self.precision != of_program else []
        words += [f"batch{self.batch_size}"] if self.batch_size != usual and self.workload != "copy" else []
        words += [f"{self.n_seeds}seeds"] if self.n_seeds > 1 else []
        words += [f"{self.n_cases}cases"] if self.of_curve else []
        words += ["1core"] if self.part == "1core" else []
        return "-".join(words)

    @property
    def linear(self) -> bool:
        """Whether the topmost hidden units are linear, as those of a code are."""
        return self.sizes[-1] == CODE_SIZE

    @property
    def n_cases(self) -> int:
        """Cases that one timed call learns from."""
        return self.n_batches * self.batch_size

    @property
    def image(self) -> tuple[int, int, int]:
        """Channels, rows and columns of what a convolutional RBM learns from."""
        n_channels, n_rows, n_columns, *_ = self.sizes
        return n_channels, n_rows, n_columns

    @property
    def bases(self) -> tuple[int, int, int]:
        """How many a convolutional RBM has, and the sides of their filters and of the blocks it pools."""
        *_, n_bases, side, block = self.sizes
        return n_bases, side, block

    @property
    def n_visible(self) -> int:
        """Numbers of a case."""
        return prod(self.image) if self.workload == "convolution" else self.sizes[0]

    @property
    def n_weights(self) -> list[int]:
        """Of each layer."""
        if self.workload == "convolution":
            n_bases, side, _ = self.bases
            return [n_bases * self.image[0] * side**2]
        return [a * b for a, b in itertools.pairwise(self.sizes)]

    @property
    def layers(self) -> tuple[int, ...]:
        """Of the network that backprop goes through, inputs to outputs."""
        return (*self.sizes, *self.sizes[-2::-1])

    @property
    def flops(self) -> float:
        """Operations of the matrix products or convolutions of one timed call, all seeds together."""
        pairs = itertools.pairwise(self.sizes)
        if self.workload == "backprop":
            of_seed = backprop_flops(self.layers, self.n_cases)
        elif self.workload == "convolution":
            each = multiply_adds(self.image, [self.bases])
            of_seed = convolutional_stack_flops(each, self.n_cases, n_epochs=[1])
        else:
            of_seed = sum(contrastive_flops(*pair, self.n_cases) for pair in pairs)
        return float(self.n_seeds * of_seed)

    @property
    def bytes_moved(self) -> float:
        """Bytes that a timed call moves at least: the cases once, and for each minibatch the weights once in
        each pass between layers, weights and momentum once more to be changed, and both written back.

        Passes between layers: three of CD-1; forward and back in backprop, but not back through the lowest.
        """
        itemsize = ITEMSIZE[self.precision]
        if self.workload == "copy":
            return 2.0 * itemsize * self.sizes[0] * self.n_batches
        weights = self.n_weights
        reads = 3 * sum(weights) if self.workload != "backprop" else 4 * sum(weights) - weights[0]
        changes = {"cd1": 4, "convolution": 4, "backprop": 8, "matmul": 2}
        of_batch = reads + changes[self.workload] * sum(weights) + self.batch_size * self.n_visible
        return float(itemsize * self.n_seeds * self.n_batches * of_batch)


MNIST = ((784, 1000), (1000, 500), (500, 250), (250, 30))  # the RBMs of hinton2006science, fig. 2B
NETWORK = (784, 1000, 500, 250, 30)  # and the autoencoder that they are unrolled into
CONVOLUTIONAL = ((1, 28, 28, 40, 12, 2), (40, 8, 8, 40, 6, 2))  # of experiments/convolution.py on MNIST
RAINA = ((576, 1024), (1024, 4096), (2304, 16000), (4096, 11008))  # the RBMs of raina2009large
SQUARE = (1024, 1024)  # a shape at which matrix products are fast
