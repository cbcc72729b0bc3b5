"""Linear support vector machines on given features: each class against the rest, with squared hinges."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from pydantic import Field

from repro.training.compiling import jitted
from repro.typed import Count, Positive, check_rising, choice

MEMORY = 10  # pairs of steps and slopes that the curvature is known from
ALONG = 8  # Newton steps along a line: the objective there is a chain of parabolas


@choice
class SupportVectors:
    """How features are judged: by linear machines that have learnt from so many labels, as many of each
    class. The penalty is chosen by the errors on the validation cases; where these are to be learnt from too,
    they are once it is chosen.
    """

    n_labels: Annotated[tuple[Count, ...], Field(min_length=1)] = (1000, 2000, 3000, 5000)
    all_labels: bool = True  # and from all training cases
    # C of scikit-learn, to choose from: the larger, the weaker the penalty
    inverse_penalties: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 3, 10, 30, 100)
    close: Positive = 1e-4  # share of the slope at the start that may be left when a machine has learnt
    n_iterations: Count = 1000  # at most

    def __post_init__(self) -> None:
        """Refuse numbers of labels, and penalties to choose from, that do not rise.

        Raises:
            ValueError: naming the field.
        """
        check_rising(self, "n_labels", "inverse_penalties")


class Plane(NamedTuple):
    """What a machine decides by: the sign of features times weights, plus bias."""

    weights: Float[Array, "*more C"]
    bias: Float[Array, "*more"]


class Search(NamedTuple):
    """Where the solver is."""

    plane: Plane
    outputs: Float[Array, " N"]
    slope: Plane
    state: optax.OptState
    n: Int[Array, ""]


def separate(
    features: Float[Array, "N C"],
    signs: Float[Array, " N"],
    costs: Float[Array, " N"],
    n_iterations: int,
    close: float,
) -> Plane:
    """The plane with the lowest ½ (w·w + b²) + ∑ₙ costₙ max(0, 1 - signₙ (xₙ·w + b))²   [fan2008liblinear,
    its L2-loss], by L-BFGS with exact steps, each of which goes through the features twice.
    """
    towards = optax.scale_by_lbfgs(MEMORY)

    def slope_of(plane, outputs):
        pull = -2 * costs * signs * jnp.maximum(1 - signs * outputs, 0)
        return Plane(plane.weights + pull @ features, plane.bias + pull.sum())

    def step(at):
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats; we do not
            uphill, state = towards.update(at.slope, at.state, at.plane)
        way = jax.tree.map(jnp.negative, uphill)
        across = features @ way.weights + way.bias
        t = _along(at, way, across, signs, costs)
        plane = jax.tree.map(lambda x, d: x + t * d, at.plane, way)
        outputs = at.outputs + t * across
        return Search(plane, outputs, slope_of(plane, outputs), state, at.n + 1)

    start = Plane(jnp.zeros_like(features[0]), jnp.zeros_like(features[0, 0]))
    outputs = jnp.zeros_like(signs)
    slope = slope_of(start, outputs)
    enough = close * _length(slope)
    begun = Search(start, outputs, slope, towards.init(start), jnp.int32(0))
    found = jax.lax.while_loop(lambda at: (_length(at.slope) > enough) & (at.n < n_iterations), step, begun)
    return found.plane


def _length(slope: Plane) -> Float[Array, ""]:
    return jnp.sqrt(slope.weights @ slope.weights + slope.bias**2)


def _along(at: Search, way: Plane, across: Float[Array, " N"], signs, costs) -> Float[Array, ""]:
    """How far to go: where the objective rises no more nor falls."""
    here = at.plane.weights @ way.weights + at.plane.bias * way.bias
    curvature = way.weights @ way.weights + way.bias**2

    def newton(_, t):
        short = jnp.maximum(1 - signs * (at.outputs + t * across), 0)
        slope = here + t * curvature - 2 * (costs * signs * short) @ across
        return t - slope / (curvature + 2 * jnp.where(short > 0, costs, 0) @ across**2)

    return jax.lax.fori_loop(0, ALONG, newton, jnp.ones_like(here))


def one_against_rest(
    features: Float[Array, "N C"],
    labels: Int[Array, " N"],
    costs: Float[Array, " N"],
    n_classes: int,
    n_iterations: int,
    close: float,
) -> Plane:
    """A machine for each class, with leading axis O."""
    classes = jnp.arange(n_classes, dtype=labels.dtype)
    signs = jnp.where(classes[:, None] == labels[None], 1.0, -1.0).astype(features.dtype)
    alone = partial(separate, features, costs=costs, n_iterations=n_iterations, close=close)
    return jax.vmap(alone)(signs)


def error_percent(planes: Plane, features: Float[Array, "M C"], labels: Int[Array, " M"]) -> Float[Array, ""]:
    """Per cent of cases that another machine than that of their class claims most."""
    outputs = features @ planes.weights.T + planes.bias[None]
    found = jnp.argmax(outputs, axis=1).astype(labels.dtype)
    return jnp.mean(jnp.where(found == labels, 0.0, 100.0))


class Coded(NamedTuple):
    """Features of some cases, with their classes."""

    values: Float[Array, "N C"]
    labels: Int[Array, " N"]


def scaled(features: Float[Array, "N C"], n_train: int) -> tuple[Float[Array, "T C"], Float[Array, "M C"]]:
    """Features of the first so many cases, which are learnt from, and of the rest, moved and scaled by one
    number, so that the former have mean zero and a mean squared length of 1: then a penalty means about the
    same for whatever features.
    """
    train, test = features[:n_train], features[n_train:]
    mean = train.mean(axis=0)
    length = jnp.sqrt(((train - mean[None]) ** 2).sum(axis=1).mean())
    length = jnp.where(length == 0, jnp.ones_like(length), length)
    return (train - mean[None]) / length, (test - mean[None]) / length


def learn(
    how: SupportVectors, cases: Coded, n: Int[Array, ""], penalties: Float[Array, " P"], n_classes: int
) -> Plane:
    """Machines that have learnt from the first n cases, for each inverse penalty and class: one program for
    every n.
    """
    seen = (jnp.arange(len(cases.labels), dtype=n.dtype) < n).astype(penalties.dtype)
    search = {"n_iterations": how.n_iterations, "close": how.close}
    of_penalty = partial(one_against_rest, *cases, n_classes=n_classes, **search)
    return jax.vmap(of_penalty)(penalties[:, None] * seen[None])


def errors(planes: Plane, cases: Coded) -> Float[Array, " P"]:
    """Per cent misclassified, for each penalty."""
    return jax.vmap(error_percent, (0, None, None))(planes, *cases)


class Programs(NamedTuple):
    """What is compiled once for the features of all seeds."""

    scaled: Callable  # features
    learn: Callable  # cases, n, penalties
    errors: Callable  # planes, cases


@lru_cache(maxsize=1)
def programs(how: SupportVectors, n_train: int, n_classes: int) -> Programs:
    """Of features of which the first so many are learnt from."""
    fit = jitted(partial(learn, how, n_classes=n_classes))
    return Programs(jitted(partial(scaled, n_train=n_train)), fit, jitted(errors))


def assess(
    how: SupportVectors,
    features: Float[Array, "N C"],
    labels: Int[np.ndarray, " T"],
    n_valid: int,
    test_labels: Int[np.ndarray, " M"],
    drawn: Int[np.ndarray, " n"],
) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Errors by name and what was chosen, and the errors of all that it was chosen from; NaN if a feature is
    not a number. Features are those of the training cases, of which the last so many are for validation,
    then those of the test cases. Of those drawn the labels may be seen: of the first so many of them, as
    often as another number is asked for.
    """
    run = programs(how, len(labels), int(labels.max()) + 1)
    values, test_values = run.scaled(features)
    train, test = Coded(values, jnp.asarray(labels)), Coded(test_values, jnp.asarray(test_labels))
    right = 0.0 if bool(jnp.isfinite(values).all()) else np.nan
    seen = Coded(values[drawn], train.labels[drawn])
    valid = Coded(values[-n_valid:], train.labels[-n_valid:])
    found, tried = {}, {}
    asked = [(f"{n}_labels", seen, n, n) for n in how.n_labels]
    asked += [("all_labels", train, len(labels) - n_valid, len(labels))] * how.all_labels
    for name, cases, n, n_in_all in asked:
        planes = run.learn(cases, jnp.int32(n), jnp.asarray(how.inverse_penalties, values.dtype))
        of_valid = right + np.asarray(run.errors(planes, valid))
        best = int(of_valid.argmin())  # of equals the strongest penalty
        chosen = how.inverse_penalties[best]
        if n_in_all > n:
            planes = run.learn(cases, jnp.int32(n_in_all), jnp.asarray([chosen], values.dtype))
        of_test = np.resize(run.errors(planes, test), len(of_valid))
        found[f"test_error_percent_{name}"] = right + float(of_test[best])
        found |= {f"valid_error_percent_{name}": float(of_valid[best]), f"inverse_penalty_{name}": chosen}
        tried[f"valid_error_percent_{name}"] = of_valid.tolist()
    return found, tried
