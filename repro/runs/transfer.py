"""Transfer: features learnt without labels from some classes tell others apart from a few cases of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key
from sklearn.utils.parallel import Parallel, delayed

from repro.data.dataset import Cases, Dataset
from repro.errors import UserError
from repro.evaluation.baselines import fit_pca
from repro.evaluation.few_shot import Encoded, assess
from repro.runs.autoencoding import (
    Length,
    architecture_of,
    codes_and_reconstructions,
    costs,
    finetune,
    in_order,
    pretraining_flops,
    start,
)
from repro.runs.config import (
    AsStarted,
    Autoencoding,
    Epochs,
    Features,
    Pixels,
    Precision,
    PrincipalComponents,
    Transfer,
)
from repro.runs.outcome import Outcome, for_each, on_device
from repro.runs.provenance import n_cores
from repro.training.fit import UNWATCHED, Fitted, Monitor

EPISODES = 3  # which stream of a seed's keys draws them, after `streams` of a run


class Learnt(NamedTuple):
    """Features, and what it took to learn them."""

    encode: Callable  # inputs [N V] -> [S N C]
    metrics: dict[str, np.ndarray]  # [S]
    curves: dict[str, np.ndarray]  # [S, epochs]


def transfer(
    config: Transfer, data: Dataset, keys: Key[Array, " S"], monitor: Monitor = UNWATCHED
) -> Outcome:
    """Learn features from the training cases of `classes`, then classify test cases of the others in episodes
    that are the same for whatever features, by seed.

    Metrics are `error_percent_mean_<k>_shot` and `error_percent_logistic_<k>_shot`, the latter with the
    penalty, `inverse_penalty_<k>_shot`, that was best in episodes of validation cases of `classes`; the
    curves `valid_error_percent_logistic_<k>_shot` have an entry for each that was tried.

    Raises:
        UserError: if the cases are no images, or not of these classes and two others.
    """
    if data.kind == "count":
        raise UserError(f"transfer learns from images: {data.name} are documents")
    data = divided(data, config.classes)
    learnt = learn(config.features, data, keys, OfClasses(monitor, config.classes))
    sets = data.train, data.valid, data.test
    ends = np.cumsum([len(cases.labels) for cases in sets])[:-1]
    codes = np.asarray(learnt.encode(np.concatenate([np.asarray(cases.inputs) for cases in sets])))
    seeds = np.asarray(jr.key_data(jax.vmap(jr.fold_in, (0, None))(keys, EPISODES))).tolist()
    judged = []
    for seed, of_seed in zip(seeds, codes, strict=True):
        train, valid, test = np.split(of_seed, ends)
        others = Encoded(valid, data.valid.labels), Encoded(test, data.test.labels)
        judged.append(delayed(assess)(config.few_shot, seed, train, *others))
    found = Parallel(n_jobs=min(len(judged), n_cores()))(judged)  # one seed alone in this process
    metrics, curves = (
        {name: np.array([each[name] for each in some]) for name in some[0]}
        for some in zip(*found, strict=True)
    )
    return Outcome(metrics | learnt.metrics, curves | learnt.curves, {})


def divided(data: Dataset, classes: tuple[int, ...]) -> Dataset:
    """The training and validation cases of these classes, and the test cases of all others.

    Raises:
        UserError: if a class has none, or there are not two others.
    """
    others = {*data.test.labels.tolist()} - {*classes}
    train, valid = (of_classes(cases, classes) for cases in (data.train, data.valid))
    if any({*cases.labels.tolist()} != {*classes} for cases in (train, valid)) or len(others) < 2:
        raise UserError(f"classes: {data.name} has not all of {classes}, and two others: name those it has")
    return replace(data, train=train, valid=valid, test=of_classes(data.test, others))


def of_classes(cases: Cases, classes: Iterable[int]) -> Cases:
    """Those of some classes."""
    among = np.isin(cases.labels, [*classes])
    return Cases(cases.inputs[among], cases.labels[among])


def learn(features: Features, data: Dataset, keys, monitor: Monitor) -> Learnt:
    """Learn from the training cases."""
    match features:
        case Pixels():
            return Learnt(lambda x: np.broadcast_to(x, (len(keys), *x.shape)), {}, {})
        case PrincipalComponents():
            began = time.perf_counter()
            pca = fit_pca(np.asarray(data.train.inputs), features.n_components)
            seconds = for_each(keys, time.perf_counter() - began)
            return Learnt(lambda x: for_each(keys, pca.transform(x)), {"finetuning_seconds": seconds}, {})
    return learn_network(features, data, keys, monitor)


def learn_network(features: Autoencoding | AsStarted, data: Dataset, keys, monitor: Monitor) -> Learnt:
    """Start a network, and fine-tune it where that is asked for; its codes are the features."""
    run = features if isinstance(features, Autoencoding) else run_of(features)
    architecture = architecture_of(run, data)
    train = on_device(in_order(run, data.train).inputs)
    began = start(run, architecture, keys, train, monitor)
    params, curves = began.params, began.curves
    metrics = {"flops": for_each(keys, pretraining_flops(run, architecture, len(train)))}
    seconds = {"pretraining": began.seconds, "finetuning": 0.0, "compile": began.compile_seconds}
    if isinstance(features, Autoencoding):
        assert isinstance(features.budget, Epochs)
        length = Length(features.budget.n, None)
        fitted = finetune(run, architecture, keys, params, train, length, monitor=monitor)
        params, cost = fitted.state.params, costs(run, architecture, fitted, len(train))
        metrics["flops"] = cost["flops"][:, -1]
        if (fitted.diverged >= 0).any():
            metrics["diverged_epoch"] = np.where(fitted.diverged >= 0, fitted.diverged, np.nan)
        seconds["finetuning"] = fitted.seconds.sum()
        seconds["compile"] += fitted.compile_seconds
        clock = {"seconds": np.cumsum(fitted.seconds), "epochs": fitted.epochs}
        curves = curves | fitted.curves | cost | {name: for_each(keys, x) for name, x in clock.items()}
    metrics |= {f"{name}_seconds": for_each(keys, value) for name, value in seconds.items()}
    return Learnt(codes_and_reconstructions(architecture, params)[0], metrics, curves)


def run_of(features: AsStarted) -> Autoencoding:
    """A run that starts so; how it would go on means nothing."""
    products = Precision(pretraining=features.precision)
    return Autoencoding(features.data, features.network, features.start, precision=products)


class OfClasses(Monitor):
    """Watches as another does, but what is learnt from some classes is shared with those runs alone that
    learn from the same.
    """

    def __init__(self, monitor: Monitor, classes: tuple[int, ...]):
        self.monitor, self.classes = monitor, classes

    def restore(self, phase: str, start: Fitted) -> Fitted:
        """As the other."""
        return self.monitor.restore(phase, start)

    def epoch_done(self, phase: str, fitted: Fitted, n_epochs: int) -> None:
        """As the other."""
        self.monitor.epoch_done(phase, fitted, n_epochs)

    def sharing(self, work: str) -> Monitor:
        """As the other, of work that the classes are a part of."""
        return self.monitor.sharing(f"{work}.of.{'-'.join(map(str, sorted(self.classes)))}")
