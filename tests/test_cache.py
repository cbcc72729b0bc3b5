"""The cache of compiled programs, and `repro cache`."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache.compilation_cache import reset_cache
from rich.console import Console
from test_cli import command

from repro.runs import compiler
from repro.runs.compiler import compiled_once, folder, programs_dir

ONCE = "/jax/compilation_cache/cache_hits"


@pytest.fixture
def no_cache_of_the_session(cache):
    """Compiled programs go where `compiled_once` puts them."""
    names = ("dir", "max_size")
    before = {
        f"jax_compilation_cache_{name}": jax.config.values[f"jax_compilation_cache_{name}"] for name in names
    }
    reset_cache()
    jax.config.update("jax_compilation_cache_dir", None)
    yield cache
    for name, value in before.items():
        jax.config.update(name, value)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    reset_cache()


@pytest.fixture
def hits():
    """How often a program was taken from the cache."""
    found = []
    jax.monitoring.register_event_listener(listener := lambda name, **_: name == ONCE and found.append(name))
    yield found
    jax.monitoring.unregister_event_listener(listener)


@pytest.fixture
def console():
    return Console(record=True, width=300, file=io.StringIO())


def anew(x):
    """A program that this process has to compile, or take from the cache."""
    return np.asarray(jax.jit(lambda x: jnp.tanh(x @ x.T).sum())(x))


def test_a_program_is_compiled_once_and_then_taken_from_the_users_cache(
    no_cache_of_the_session, hits, console, monkeypatch
):
    monkeypatch.setattr(compiler, "WORTH_KEEPING", 0.0)
    x = jnp.linspace(0.0, 1.0, 12).reshape(3, 4)
    found = []
    for _ in range(2):
        with compiled_once(console):
            assert jax.config.values["jax_compilation_cache_max_size"] == compiler.PROGRAM_BYTES
            found.append((anew(x), len(hits)))
        assert jax.config.values["jax_compilation_cache_dir"] is None
    assert found[0] == (*found[1][:1], 0) and found[1][1] == 1
    assert list(folder().glob("*-cache")) and folder().parent == no_cache_of_the_session / "programs"
    assert console.export_text() == ""


def test_a_program_that_is_damaged_is_compiled_again_without_a_word(
    no_cache_of_the_session, console, monkeypatch
):
    monkeypatch.setattr(compiler, "WORTH_KEEPING", 0.0)
    found = []
    for _ in range(2):
        with compiled_once(console):
            found.append(anew(jnp.linspace(0.0, 1.0, 12).reshape(3, 4)))
        for program in folder().glob("*-cache"):
            program.write_bytes(program.read_bytes()[:20])
    assert found[0] == found[1] and console.export_text() == ""


def test_programs_are_kept_apart_by_versions_and_device(cache, monkeypatch):
    here = folder()
    assert jax.__version__ in here.name
    monkeypatch.setattr(compiler, "version", lambda name: "99.9.9")
    assert folder() != here and folder().name.startswith("99.9.9-99.9.9-")
    monkeypatch.setattr(compiler, "processor", lambda: "abacus, two rows")
    assert folder().name == "99.9.9-99.9.9-abacus-two-rows"


def test_a_cache_that_cannot_be_written_is_one_line_and_programs_are_kept_for_the_command(
    no_cache_of_the_session, hits, console, monkeypatch
):
    no_cache_of_the_session.write_text("a file")
    monkeypatch.setattr(compiler, "WORTH_KEEPING", 0.0)
    with compiled_once(console):
        anew(jnp.ones((2, 3)))
        anew(jnp.ones((2, 3)))
    assert len(hits) == 1
    said = console.export_text()
    assert (
        said.startswith(f"the cache {no_cache_of_the_session} cannot be written (") and said.count("\n") == 1
    )
    assert "REPRO_CACHE_DIR" in said


def test_a_cache_that_the_user_names_is_left_alone(cache, console):
    before = jax.config.values["jax_compilation_cache_dir"]  # that of the session
    with compiled_once(console):
        assert jax.config.values["jax_compilation_cache_dir"] == before
    assert not cache.exists()


def test_what_was_half_written_goes_and_so_do_programs_of_old_versions_beyond_the_limit(
    no_cache_of_the_session, console, monkeypatch
):
    folder().mkdir(parents=True)
    for name in ("half-cache", "whole-cache", "whole-atime"):
        (folder() / name).write_bytes(b"12345678")
    old = programs_dir() / "0.1-0.1-abacus"
    old.mkdir()
    (old / "program-cache").write_bytes(b"1234")
    with compiled_once(console):
        assert not (folder() / "half-cache").exists() and (folder() / "whole-cache").exists() and old.exists()
    monkeypatch.setattr(compiler, "PROGRAM_BYTES", 18)
    with compiled_once(console):
        assert (folder() / "whole-cache").exists() and not old.exists()


@pytest.fixture
def kept(cache):
    """Compiled programs of one device, a prepared data set, and something of somebody else's."""
    for path, n in (
        ("programs/0-0-abacus/a-cache", 2_000_000),
        ("mnist-1.0.0/x.npy", 1_500_000),
        ("else/x", 7),
    ):
        (cache / path).parent.mkdir(parents=True)
        (cache / path).write_bytes(b"0" * n)
    (cache / "mnist-1.0.0" / "manifest.json").write_text("{}")
    return cache


def test_the_cache_is_listed_with_sizes_and_places(kept, capsys, monkeypatch):
    code, out, _ = command(capsys, monkeypatch, "cache", "list")
    programs, data = out.splitlines()
    assert code == 0
    assert programs.split() == ["programs", "2.0", "MB", "in", f"{kept}/programs/0-0-abacus"]
    assert data.split() == ["data", "1.5", "MB", "in", f"{kept}/mnist-1.0.0"]


def test_an_empty_cache_is_listed(cache, capsys, monkeypatch):
    _, out, _ = command(capsys, monkeypatch, "cache", "list")
    assert [line.split() for line in out.splitlines()] == [["programs", "none"], ["data", "none"]]


@pytest.mark.parametrize(
    ("asked", "says", "left"),
    [
        (["--programs"], "programs: 2.0 MB freed\n", {"else", "mnist-1.0.0", "programs"}),
        (["--data"], "data: 1.5 MB freed\n", {"else", "programs"}),
        (["--programs", "--data"], "programs: 2.0 MB freed\ndata: 1.5 MB freed\n", {"else", "programs"}),
    ],
)
def test_what_is_named_is_cleared_and_nothing_else(kept, capsys, monkeypatch, asked, says, left):
    _, out, _ = command(capsys, monkeypatch, "cache", "clear", *asked)
    assert out == says and {path.name for path in kept.iterdir()} == left
    assert (kept / "programs" / "0-0-abacus").exists() == ("--programs" not in asked)


def test_clearing_asks_for_what(kept, capsys, monkeypatch):
    code, _, err = command(capsys, monkeypatch, "cache", "clear")
    assert (code, err) == (2, "repro: say what to clear: --programs, --data, or both\n")
    assert len(list(kept.iterdir())) == 3
