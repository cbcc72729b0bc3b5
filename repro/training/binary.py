"""Training on binary images that are drawn anew every time they are shown."""

from __future__ import annotations

import jax.random as jr

from repro.training.fit import Trainer


def drawn_anew(trainer: Trainer) -> Trainer:
    """The same, on cases that are pixels in [0, 1]: every epoch draws all binary ones anew, each with its
    value as the probability   [burda2015importance, section 5.1].
    """

    def binary(key, inputs):
        return jr.bernoulli(key, inputs).astype(inputs.dtype)

    def init(key, params, inputs):
        key_pixels, key_init = jr.split(key)
        return trainer.init(key_init, params, binary(key_pixels, inputs))

    def epoch(key, state, inputs, order, n_before):
        key_pixels, key_epoch = jr.split(key)
        return trainer.epoch(key_epoch, state, binary(key_pixels, inputs), order, n_before)

    return Trainer(init, epoch)
