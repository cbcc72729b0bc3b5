"""The library's own trainers, and matrix products alone, as calls to be timed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Float

from repro.models.autoencoder import Architecture, loss, network, unroll
from repro.models.rbm import Units
from repro.models.stack import random_stack
from repro.timing.numpy_calls import MOMENTUM, RATE, cases
from repro.timing.subject import Precision, Subject
from repro.training.backprop import backprop_trainer
from repro.training.compiling import compile_ahead, jitted
from repro.training.contrastive import contrastive_trainer
from repro.training.convolutional import (
    ConvolutionalLayer,
    ConvolutionalPretraining,
    convolutional_trainer,
    random_rbm,
)
from repro.training.fit import NO_EPOCH, Trainer, minibatches, one_epoch, over_seeds
from repro.training.greedy import Pretraining

PRECISIONS: dict[Precision, str] = {  # jax_default_matmul_precision; "bfloat16" would be TF32 on a GPU
    "float32": "highest",
    "tf32": "tensorfloat32",
    "bfloat16": "BF16_BF16_F32",
}


def prepare(subject: Subject) -> tuple[Callable[[], object], float]:
    """The call, and the seconds that compiling took; each call continues where the last one stopped."""
    with jax.default_matmul_precision(PRECISIONS[subject.precision]):
        return {"matmul": products, "copy": copy}.get(subject.workload, training)(subject)


def training(subject: Subject) -> tuple[Callable[[], object], float]:
    """Epochs of `fit`, one a call, on random cases; gives the state."""
    inputs, trainer = jnp.asarray(cases(subject)), trainer_of(subject)
    keys = jax.vmap(jr.key)(jnp.arange(subject.n_seeds))
    keys_init = jax.vmap(jr.fold_in, (0, None))(keys, NO_EPOCH)
    params = jitted(jax.vmap(partial(start, subject)))(keys)
    state = jitted(over_seeds(trainer.init, (0, 0, None)))(keys_init, params, inputs)
    draw = partial(minibatches, keys, n_cases=len(inputs), batch_size=subject.batch_size)
    epoch = over_seeds(partial(one_epoch, trainer), (0, None, 0, None))
    i = jnp.int32(0)
    epoch, compile_seconds = compile_ahead(epoch, state, inputs, draw(i)[0], i)

    def call():
        nonlocal state, i
        drawn, following = draw(i)
        state, _ = jax.block_until_ready(epoch(state, inputs, drawn, i))
        i = following
        return state

    return call, compile_seconds


def trainer_of(subject: Subject) -> Trainer:
    """CD-1 as in pretraining, of an RBM or a convolutional one, or backprop with momentum through the
    unrolled network.
    """
    if subject.workload == "convolution":
        layer = ConvolutionalLayer(*subject.bases)
        return convolutional_trainer(layer.units(), layer.learning, subject.image)
    if subject.workload == "backprop":
        return backprop_trainer(partial(_mean_loss, Architecture(subject.sizes)), optax.sgd(RATE, MOMENTUM))
    units = Units(hidden="real" if subject.linear else "binary", bias_per_word=False)
    config, _ = Pretraining().layer(1, units)
    return contrastive_trainer(
        units, config, batch_size=subject.batch_size, steps_per_epoch=subject.n_batches
    )


def start(subject: Subject, key):
    """Random parameters of the RBM, or of the network that the RBMs are unrolled into."""
    if subject.workload == "convolution":
        n_bases, side, _ = subject.bases
        return random_rbm(key, (n_bases, subject.image[0], side, side), ConvolutionalPretraining().scale)
    stack = random_stack(key, subject.sizes, 0.1)
    return unroll(stack) if subject.workload == "backprop" else stack[0]


def _mean_loss(architecture: Architecture, params, batch: Float[Array, "B V"]) -> Float[Array, ""]:
    outputs = network(architecture, params)(batch)
    return jax.vmap(partial(loss, "binary"))(outputs, batch).mean()


def products(subject: Subject) -> tuple[Callable[[], object], float]:
    """The five matrix products of a CD-1 update for each pair of layers, minibatch after minibatch."""
    pairs, key = list(itertools.pairwise(subject.sizes)), jr.key(0)
    weights = [jr.uniform(jr.fold_in(key, i), pair) for i, pair in enumerate(pairs)]
    batches = [
        jr.uniform(jr.fold_in(key, len(pairs) + i), (subject.batch_size, below))
        for i, (below, _) in enumerate(pairs)
    ]

    def of_batch(total, scale):
        found = []
        for x, W in zip(batches, weights, strict=True):
            x = scale * x  # so that nothing can be computed once for all minibatches
            hidden = x @ W
            again = hidden @ W.T
            found += [x.T @ hidden, again.T @ (again @ W)]
        found = jax.lax.optimization_barrier(found)  # all of each product, and not the one number used
        return total + sum(product[0, 0] for product in found), None

    def of_call(scales):
        return jax.lax.scan(of_batch, jnp.zeros((), scales.dtype), scales)[0]

    scales = jnp.linspace(0.5, 1.0, subject.n_batches)
    compiled, compile_seconds = compile_ahead(of_call, scales)
    return lambda: jax.block_until_ready(compiled(scales)), compile_seconds


def copy(subject: Subject) -> tuple[Callable[[], object], float]:
    """Reads numbers from memory and writes as many."""
    numbers = jnp.zeros(subject.sizes)
    compiled, compile_seconds = compile_ahead(lambda x: x + 1, numbers)
    return lambda: jax.block_until_ready(compiled(numbers)), compile_seconds
