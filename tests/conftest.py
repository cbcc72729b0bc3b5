"""The strict switches of every test, and the small asymmetric RBMs they share."""

import os
import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from several import made_up
from tiny import MNIST, QUIET, SOON, cut, tiny

import repro.data
from repro.errors import DataUnavailableError, UserError
from repro.models.rbm import RBM
from repro.runs.memory import give_back, peak_memory, share_pools
from repro.runs.run import Request, run

MANY, MEMORY = 1_000_000_000, 1.5e9  # bytes that a worker keeps from test to test, and that it may take

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    cores = sorted(os.sched_getaffinity(0))  # one for each worker: two JAX programs on the same cores crawl
    os.sched_setaffinity(0, {cores[int(os.environ["PYTEST_XDIST_WORKER"][2:]) % len(cores)]})

share_pools()
with pytest.MonkeyPatch.context() as patch:  # for this process alone: XLA looks once
    patch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} {SOON}")
    jax.devices()
jax.config.update("jax_enable_x64", True)  # tests only; experiments run in float32
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_debug_key_reuse", True)


LONGEST = ["quick_run", "tour", "cli", "cluster", "compare", "estimators", "vae", "figures", "classifying"]
LONGEST += ["second_order", "sharing", "scaling", "queue", "page", "wheel", "tuning", "directed", "densities"]
LONGEST += ["convolution"]


def pytest_collection_modifyitems(items):
    """What takes longest is begun first, so that no worker is left alone with it."""
    last = len(LONGEST)
    places = {f"test_{name}.py": i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, last))


@pytest.fixture(scope="session", autouse=True)
def compile_each_program_once(tmp_path_factory):
    """Programs that recur are taken from a cache of this session, which all its workers share."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    jax.config.update("jax_compilation_cache_dir", str(shared / "programs"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(autouse=True)
def little_memory():
    """What tests leave is given back. No test may take more than MEMORY."""
    before = peak_memory()
    yield
    give_back(above=MANY)
    on_cpu = jax.default_backend() == "cpu"  # the libraries of a GPU take more than all of ours
    assert peak_memory() <= MEMORY or before > MEMORY or not on_cpu, (
        f"{peak_memory() / 1e9:.2f} GB of memory were taken"
    )


@pytest.fixture
def rbm():
    """Four visible and three hidden units, nothing zero, nothing symmetric."""
    draw = np.random.default_rng(7).normal
    return RBM(*(jnp.asarray(draw(size=shape)) for shape in [(4, 3), 4, 3]))


@pytest.fixture
def data_prob():
    """A distribution over the sixteen visible states that no small RBM has."""
    p = np.random.default_rng(8).random(16) ** 3
    return p / p.sum()


@pytest.fixture
def single_precision():
    """As experiments compute."""
    with jax.enable_x64(False):
        yield


def load_few(name, load=repro.data.load, **asked):
    """A data set shrunk to a hundred real cases."""
    data = load(name, **asked | {"embedded": True})
    return replace(data, train=cut(data.train, 100), valid=cut(data.valid, 20), test=cut(data.test, 20))


@pytest.fixture
def few_cases(monkeypatch, single_precision):
    """Every data set shrunk to a hundred real cases."""
    monkeypatch.setattr(repro.data, "load", load_few)


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory):
    """Three seeds of two variants; not to be changed."""
    folder = tmp_path_factory.mktemp("recorded")
    with jax.enable_x64(False), pytest.MonkeyPatch.context() as patch:
        patch.setattr(repro.data, "load", load_few)
        run(tiny(MNIST), Request(seeds=3, only=("glorot-cg", "pca"), results=folder), QUIET)
    return folder


@pytest.fixture
def recorded(recorded_once, few_cases, tmp_path):
    """The same, for a test that reads or changes them."""
    return shutil.copytree(recorded_once, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, no data folder, no proxy."""
    for name in ("REPRO_DATA_DIR", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPRO_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def loads(monkeypatch):
    """Data sets "here", "there" and more; "absent" cannot be had. The names that were asked for."""
    asked = []

    def load(name, **_):
        asked.append(name)
        if name.startswith("absent"):
            raise DataUnavailableError("the absent sample is in a package that is not installed")
        if name == "malformed":
            raise UserError("malformed.gz, line 7: no number")
        return made_up(name, seed=len(name))

    monkeypatch.setattr(repro.data, "load", load)
    monkeypatch.setattr(repro.data, "checksum", lambda name, **_: "")
    return asked
