"""A trainer's updates one by one."""

import jax
import jax.numpy as jnp

from repro.training.optimisers.conjugate_gradient import ConjugateGradient, conjugate_gradient_trainer


def one_step(trainer, key, state, batch, n_before=0):
    """The update on one minibatch, after so many; the infos are scalars."""
    members = jnp.arange(len(batch))[None]
    state, infos = trainer.epoch(key, state, batch, members, jnp.int32(n_before))
    return state, jax.tree.map(lambda x: x[0], infos)


def line_searches(f, x, n_line_searches):
    """Where so many line searches of conjugate gradients on f from x end, and the evaluations they took."""
    how = ConjugateGradient(n_line_searches=n_line_searches)
    trainer, nothing = conjugate_gradient_trainer(lambda x, _: f(x), how), jnp.zeros((1, 1))
    key = jax.random.key(0)
    state, info = one_step(trainer, key, trainer.init(key, x, nothing), nothing)
    return state.params, info["evaluations"]
