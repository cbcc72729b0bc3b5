"""Both arms as scikit-learn estimators: `DeepAutoencoder`, and `StackedRBM`, which is not fine-tuned.

An estimator is saved as one .npz file of its weights and parameters, and loaded without unpickling anything.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from functools import lru_cache, partial
from numbers import Integral
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import jax
import numpy as np
from flax import nnx
from pydantic import TypeAdapter, ValidationError
from scipy.sparse import csr_array, issparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from repro.atomic import write_atomically
from repro.data.own.files import sizes
from repro.data.own.scaling import Scaling, propose
from repro.errors import UserError, known
from repro.evaluation.reconstruction import scores
from repro.models.autoencoder import (
    Activation,
    Architecture,
    from_layers,
    mean,
    network,
    to_layers,
)
from repro.runs.autoencoding import finetune, length_of, start
from repro.runs.compare import OPTIMISERS, SEARCHING, STARTS, batch_sizes, pretraining
from repro.runs.config import BY_KIND, Autoencoding, Epochs, Network, Pretrained, Start, from_json
from repro.runs.outcome import ENCODED, on_device, weights
from repro.runs.record import Record, n_epochs
from repro.shapes import VisibleKind
from repro.training.compiling import jitted
from repro.training.contrastive import Contrastive
from repro.training.optimisers import Adam, Muon, Nesterov, Optimiser
from repro.typed import as_json, in_one_line

# of those that need a rate, where they are asked for by name
RATED: dict[str, Optimiser] = {"adam": Adam(1e-3), "nag": Nesterov(1e-2), "muon": Muon(1e-2)}
TYPED: dict[str, Any] = {"start": Annotated[Start, *BY_KIND], "optimiser": Annotated[Optimiser, *BY_KIND]}
TYPED |= {"contrastive": Contrastive}


class _Reconstructing(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A network from cases to codes and back, however it is trained. Parameters are looked at when it is
    fitted, as scikit-learn asks.

    Fitted, it has `layers_`, weights [I O] and biases [O] of each layer from inputs to outputs; `scaling_`,
    what was made of the cases, in words in `scaling_.said`; `curves_`, what training showed, by name, one
    number for each epoch; and `seed_`.
    """

    kind: Any
    random_state: Any
    layers_: list[Any]
    curves_: dict[str, np.ndarray]

    def fit(self, X, y=None):
        """Learn from cases [N V]; `y` is not looked at.

        Raises:
            ValueError: if the cases are not of this kind, or a parameter is of no use.
        """
        cases = _plain(validate_data(self, X, accept_sparse="csr", dtype="numeric"))
        _check_kind(self.kind)
        try:
            self.scaling_ = propose(cases, None if self.kind == "auto" else self.kind)
            config = self._config(sizes(cases)[0])
        except UserError as error:
            raise ValueError(str(error)) from error
        except ValidationError as error:
            raise ValueError(in_one_line(error)) from error
        inputs = on_device(self.scaling_.apply(cases))
        self.seed_ = int(check_random_state(self.random_state).randint(2**31))
        self.architecture_ = Architecture(
            (sizes(cases)[1], *config.network.widths), self.scaling_.kind, config.network.activation
        )
        params, curves = self._train(config, jax.vmap(jax.random.key)(np.array([self.seed_])), inputs)
        layers = [(np.asarray(w[0]), np.asarray(b[0])) for w, b in to_layers(self.architecture_, params)]
        self.layers_, self.curves_ = layers, {name: curve[0] for name, curve in curves.items()}
        return self

    def transform(self, X):
        """The codes [N C] of cases [N V], float32."""
        inputs, params, blocks = self._inputs(X), self._params, []
        for i in range(0, sizes(inputs)[0], ENCODED):
            some = inputs[i : i + ENCODED]
            dense = some.toarray() if isinstance(some, csr_array) else some
            blocks.append(np.asarray(self._program.encode(params, dense)))
        return np.concatenate(blocks)

    def inverse_transform(self, X):
        """What codes [N C] stand for [N V], in the units of the cases; of counts the words' probabilities.

        Raises:
            ValueError: if the codes are of another length.
        """
        check_is_fitted(self)
        codes, n = np.asarray(X, np.float32), self._n_features_out
        if codes.ndim != 2 or codes.shape[1] != n:
            raise ValueError(f"codes must be [N, {n}], not {list(codes.shape)}")
        return self.scaling_.undo(np.asarray(self._program.decode(self._params, codes)))

    def score(self, X, y=None) -> float:
        """Minus the squared error of the reconstructions of cases [N V]: sum over units, mean over cases, in
        the units that are learnt from (counts: of word frequencies).
        """
        found = self._program.scores(self._params, on_device(self._inputs(X)))
        return -float(found["squared_error"])

    def save(self, path: str | Path) -> None:
        """Write parameters and weights into one .npz file, whole or not at all.

        Raises:
            UserError: if it cannot be written.
        """
        check_is_fitted(self)
        about = {
            "estimator": type(self).__name__,
            "parameters": {name: _as_json(value) for name, value in self.get_params(deep=False).items()},
            "seed": self.seed_,
            "kind": self.scaling_.kind,
            "said": self.scaling_.said,
            "activation": self.architecture_.activation,
            "columns": [str(name) for name in getattr(self, "feature_names_in_", ())],
        }
        arrays = {"offset": self.scaling_.offset, "unit": self.scaling_.unit}
        arrays |= {f"curve_{name}": curve for name, curve in self.curves_.items()}
        arrays |= weights([(w[None], b[None]) for w, b in self.layers_], 0)
        content = io.BytesIO()
        np.savez(
            content,
            allow_pickle=False,
            about=np.array(json.dumps(about, default=lambda value: value.tolist())),
            **arrays,
        )
        write_atomically(Path(path), content.getvalue())

    @property
    def _n_features_out(self) -> int:
        return self.architecture_.sizes[-1]

    @property
    def _params(self) -> nnx.State:
        return from_layers(self.layers_)

    @property
    def _program(self) -> _Program:
        return _program(self.architecture_)

    def _inputs(self, X):
        """Cases in the units that are learnt from.

        Raises:
            ValueError: if they are no counts, where counts were learnt from.
        """
        check_is_fitted(self)
        how = {"accept_sparse": "csr", "dtype": "numeric", "reset": False}
        cases = _plain(validate_data(self, X, **how))
        if self.scaling_.kind == "count":
            try:
                self.scaling_.check(cases)
            except UserError as error:
                raise ValueError(str(error)) from error
        return self.scaling_.apply(cases)

    def _config(self, n_cases: int) -> Autoencoding:
        """What is trained, on so many cases."""
        raise NotImplementedError

    def _train(self, config: Autoencoding, keys, inputs) -> tuple[nnx.State, dict[str, np.ndarray]]:
        """The trained network, leading axis 1, and what training showed [1, epochs]."""
        began = start(config, self.architecture_, keys, inputs)
        return began.params, began.curves

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class DeepAutoencoder(_Reconstructing):
    """A deep autoencoder, from a pretrained stack or from random weights   [hinton2006science].

    Args:
        widths: hidden layers of the encoder, the code last; the decoder mirrors them.
        kind: of the visible units, "binary", "real" or "count", or "auto": proposed from the cases, and said
            in `scaling_.said`. Real values are standardised; others are divided by a number, if they are
            above 1, and counts are as they are.
        start: "pretrained", "gaussian", "fan-in", "glorot", "sparse", "he", or a typed start of
            `repro.runs.config`.
        optimiser: "cg", "adam", "nag", "muon", "kfac", "hf", or a typed one of `repro.training.optimisers`,
            such as `Adam(learning_rate=3e-4)`.
        activation: "logistic", "relu" or "gelu", of the hidden units but for the code, which is linear.
        n_epochs: of fine-tuning.
        pretraining_epochs: of each RBM, if the start is "pretrained" and not typed.
        batch_size: cases in a minibatch of fine-tuning; None: 1000 for optimisers that search, 100 for
            others, and fewer of few cases.
        l2: half of it times the squared weights is added to the loss.
        random_state: an integer gives the same network again on the same device.

    """

    def __init__(
        self,
        widths=(1000, 500, 250, 30),
        *,
        kind="auto",
        start: Any = "pretrained",
        optimiser: Any = "cg",
        activation: Any = "logistic",
        n_epochs=50,
        pretraining_epochs=20,
        batch_size=None,
        l2=0.0,
        random_state=None,
    ):
        self.widths = widths
        self.kind = kind
        self.start = start
        self.optimiser = optimiser
        self.activation = activation
        self.n_epochs = n_epochs
        self.pretraining_epochs = pretraining_epochs
        self.batch_size = batch_size
        self.l2 = l2
        self.random_state = random_state

    def _config(self, n_cases: int) -> Autoencoding:
        begins, how = (
            _named("start", self.start, STARTS),
            _named("optimiser", self.optimiser, OPTIMISERS | RATED),
        )
        large, small = batch_sizes(n_cases)
        if isinstance(self.start, str) and self.start == "pretrained":
            n_epochs = _positive("pretraining_epochs", self.pretraining_epochs)
            begins = Pretrained(pretraining(self.scaling_.kind, small, n_epochs))
        usual = n_cases if how.kind == "hf" else large if how.kind in SEARCHING else small
        return Autoencoding(
            data="cases",
            network=Network(widths=_widths(self.widths), activation=self.activation),
            start=begins,
            optimiser=how,
            budget=Epochs(_positive("n_epochs", self.n_epochs)),
            batch_size=min(_size(self.batch_size, usual), n_cases),
            l2=self.l2,
        )

    def _train(self, config: Autoencoding, keys, inputs) -> tuple[nnx.State, dict[str, np.ndarray]]:
        params, curves = super()._train(config, keys, inputs)
        length = length_of(config, self.architecture_, len(inputs), len(inputs))
        fitted = finetune(config, self.architecture_, keys, params, inputs, length)
        return fitted.state.params, {**curves, **fitted.curves}


class StackedRBM(_Reconstructing):
    """A stack of restricted Boltzmann machines, trained one after another; codes are the means of the highest
    hidden units, which are linear, and reconstructions come down through the same weights.

    Args:
        widths: hidden units of each RBM, lowest first.
        kind: as of `DeepAutoencoder`.
        n_epochs: of each RBM.
        batch_size: cases in a minibatch; None: 100, and fewer of few cases.
        contrastive: how an RBM is trained; None: as in the program of 2006 [hinton2006code].
        random_state: an integer gives the same stack again on the same device.

    """

    def __init__(
        self,
        widths=(1000, 500, 250, 30),
        *,
        kind="auto",
        n_epochs=20,
        batch_size=None,
        contrastive=None,
        random_state=None,
    ):
        self.widths = widths
        self.kind = kind
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.contrastive = contrastive
        self.random_state = random_state

    def _config(self, n_cases: int) -> Autoencoding:
        size = min(_size(self.batch_size, batch_sizes(n_cases)[1]), n_cases)
        n_epochs = _positive("n_epochs", self.n_epochs)
        schedule = pretraining(self.scaling_.kind, size, n_epochs, self.contrastive)
        return Autoencoding(
            data="cases", network=Network(widths=_widths(self.widths)), start=Pretrained(schedule)
        )


def of_run(record: Record, arrays: Mapping[str, np.ndarray], scaling: Scaling) -> DeepAutoencoder:
    """The network of a recorded run, whose `weights` are among its arrays, as an estimator."""
    config = from_json(record.config)
    assert isinstance(config, Autoencoding)
    made = DeepAutoencoder(
        config.network.widths,
        kind=scaling.kind,
        start=config.start,
        optimiser=config.optimiser,
        activation=config.network.activation,
        n_epochs=n_epochs(record),
        batch_size=config.batch_size,
        l2=config.l2,
        random_state=record.seed,
    )
    _fill(made, arrays, scaling, config.network.activation, record.seed)
    return made


def load(path: str | Path) -> DeepAutoencoder | StackedRBM:
    """The estimator that was saved in a file; nothing is unpickled.

    Raises:
        UserError: if it is none.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about, found = json.loads(str(arrays["about"])), dict(arrays)
        parameters = {name: _from_json(name, value) for name, value in about["parameters"].items()}
        made = {kind.__name__: kind for kind in (DeepAutoencoder, StackedRBM)}[about["estimator"]](
            **parameters
        )
        scaling = Scaling(about["kind"], found["offset"], found["unit"], about["said"])
        _fill(made, found, scaling, about["activation"], about["seed"])
        if about["columns"]:
            vars(made).update(feature_names_in_=np.array(about["columns"], object))
    except (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, zipfile.BadZipFile) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is no saved estimator ({said}): save one with its method `save`") from error
    return made


def _fill(
    made: _Reconstructing, arrays: Mapping[str, np.ndarray], scaling: Scaling, units: Activation, seed: int
) -> None:
    """What fitting would have given it, from its weights."""
    n_layers = sum(name.startswith("weights_") for name in arrays)
    made.layers_ = [(arrays[f"weights_{i}"], arrays[f"biases_{i}"]) for i in range(n_layers)]
    widths = tuple(len(w) for w, _ in made.layers_[: n_layers // 2 + 1])
    made.architecture_ = Architecture(widths, scaling.kind, units)
    made.curves_ = {name[6:]: curve for name, curve in arrays.items() if name.startswith("curve_")}
    made.scaling_ = scaling
    vars(made).update(seed_=seed, n_features_in_=widths[0])


ESTIMATORS = {kind.__name__: kind for kind in (DeepAutoencoder, StackedRBM)}


class _Program(NamedTuple):
    """What is compiled of an architecture: functions of parameters and cases or codes."""

    encode: Callable
    decode: Callable
    scores: Callable


@lru_cache(maxsize=64)
def _program(architecture: Architecture) -> _Program:
    def exact(function):
        compiled = jitted(function)

        def call(*args):
            with jax.default_matmul_precision("highest"):
                return compiled(*args)

        return call

    return _Program(
        exact(lambda params, x: network(architecture, params).encode(x)),
        exact(lambda params, code: mean(architecture.visible, network(architecture, params).decode(code))),
        exact(partial(scores, architecture)),
    )


def _check_kind(kind: Any) -> None:
    """See that there is such a kind.

    Raises:
        ValueError: if not.
    """
    kinds = ("auto", *get_args(VisibleKind))
    if kind not in kinds:
        raise ValueError(f"kind={kind!r}: {known(str(kind), kinds)}")


def _positive(name: str, value: Any) -> int:
    """A number of things, of which there must be some.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r}: it must be a whole number, at least 1")
    return int(value)


def _size(batch_size: Any, usual: int) -> int:
    """Cases in a minibatch."""
    return usual if batch_size is None else _positive("batch_size", batch_size)


def _widths(value: Any) -> tuple[int, ...]:
    """Numbers of units, one for each layer.

    Raises:
        ValueError: if they are none.
    """
    if not isinstance(value, Iterable) or not (widths := tuple(value)):
        raise ValueError(f"widths={value!r}: it must be a list of layers, such as (500, 30)")
    return tuple(_positive("widths", width) for width in widths)


def _plain(X) -> np.ndarray | csr_array:
    return csr_array(X) if issparse(X) else X


def _named(name: str, value: Any, names: dict[str, Any]) -> Any:
    """A typed value, or the one of this name.

    Raises:
        ValueError: if it is neither.
    """
    if is_dataclass(value):
        return value
    if value not in names:
        raise ValueError(f"{name}={value!r}: {known(str(value), names)}")
    return names[value]


def _as_json(value: Any) -> Any:
    """A parameter as plain JSON; of a random state nothing, for the seed is kept."""
    if is_dataclass(value):
        return as_json(value)
    return None if isinstance(value, np.random.RandomState) else value


def _from_json(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        try:
            return TypeAdapter(TYPED[name]).validate_python(value)
        except ValidationError as error:
            raise ValueError(f"{name} is not one of today's") from error
    return tuple(value) if isinstance(value, list) else value
