"""The kinds of damaged input: each function draws a case of its kind, and prepares its folder."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace

from repro.runs.record import digest
from tests.chaos import damage
from tests.chaos.command import CG, FIGURES, PCA, ROOT, TABLES, run
from tests.chaos.inputs import Case, Place

TABLE, PICTURE = "quick/tables/*", "quick/figures/*"
NOBODY = 65534


def reading(place: Place) -> Case:
    """A command that reads all records, and what is right about it."""
    return place.draw.choice(
        [
            Case("", ("list",), says=place.base.listed),
            Case("", TABLES, outputs=(TABLE,)),
            Case("", FIGURES, outputs=(PICTURE,)),
            Case("", (*TABLES, "--check")),
        ]
    )


def record(place: Place) -> Case:
    """A record is damaged."""
    path = place.draw.choice(place.records())
    variant = path.name.partition(".seed")[0]
    case = reading(place) if place.draw.random() < 0.7 else Case("", run(variant))
    missing = path.with_suffix(".npz").name
    what = place.damage(path)
    if not path.exists():
        return replace(case, what=what, words=run(PCA), names=(path.name,), free=True)
    return replace(case, what=what, names=(path.name, missing))


def forged_record(place: Place) -> Case:
    """A record vouches for what no record has: written by another version, or by hand."""
    path = place.draw.choice(place.records())
    content = json.loads(path.read_text())
    del content["sha256"]
    if place.draw.random() < 0.25:
        content["provenance"]["packages"]["jax"], what = "0.4.1", "made by JAX 0.4.1"
        case = reading(place)
        case.outputs = ()
    else:
        what, content = damage.forged(place.draw, content)
        case = reading(place) if place.draw.random() < 0.7 else Case("", run(path.name.partition(".seed")[0]))
        case.free, case.codes, case.says, case.outputs = True, (0, 2, 3), None, ()
    content["sha256"] = digest(content)
    path.write_text(json.dumps(content))
    return replace(
        case, what=f"{path.name}: {what}", names=(path.name, content.get("variant") or "?", "curves/")
    )


def arrays(place: Place) -> Case:
    """The arrays of a record are damaged."""
    place.records()
    path = place.draw.choice(sorted(place.results.rglob("*.npz")))
    case = reading(place)
    return replace(case, what=place.damage(path), names=(path.name,))


def checkpoint(place: Place) -> Case:
    """What an interrupted run left is damaged."""
    shutil.copytree(place.base.begun, place.results)
    kept = [p for p in place.results.rglob("*") if p.is_file() and p.name != ".lock"]
    logs = [p for p in kept if p.parent.name == "processes"]
    path = place.draw.choice(sorted(logs if place.draw.random() < 0.2 else kept))
    place.damage(path)
    return Case(
        f"{path.relative_to(place.results)} of an interrupted run damaged",
        run(CG),
        (".checkpoints", ".artefacts", path.name),
        (f"quick/curves/{CG}*",),
    )


def artefact(place: Place) -> Case:
    """Layers trained before are damaged."""
    place.records()
    place.without(f"{CG}.*", "*.png", "*.pdf")
    kept = [p for p in (place.results / "quick" / ".artefacts").rglob("*") if p.is_file()]
    made = [p for p in kept if p.name == "made"]
    path = place.draw.choice(sorted(made if place.draw.random() < 0.2 else kept))
    place.damage(path)
    return Case(
        f"{path.relative_to(place.results)} damaged",
        run(CG),
        (".artefacts", path.name),
        (f"quick/curves/{CG}*",),
    )


def programs(place: Place) -> Case:
    """Compiled programs are damaged."""
    for path in place.draw.sample(sorted(place.cache.glob("programs/*/*-cache")), 3):
        place.damage(path)
    place.records()
    place.without(f"{CG}.*")
    return Case("three compiled programs damaged", run(CG), outputs=(f"quick/curves/{CG}*",))


def prepared(place: Place) -> Case:
    """A data set that was prepared is damaged."""
    [folder] = place.base.prepared.glob("curves-*")
    target = shutil.copytree(folder, place.cache / folder.name)
    path = place.draw.choice(sorted(target.iterdir()))
    if place.draw.random() < 0.3 and path.name == "manifest.json":
        what, content = damage.forged(place.draw, json.loads(path.read_text()))
        path.write_text(json.dumps(content))
    else:
        what = place.damage(path)
    words = place.draw.choice(
        [
            (("data", "verify", "curves"), False),
            (("data", "prepare", "curves"), False),
            (("run", "curves", "--profile", "paper", "--only", "pca-6"), True),
            (("run", "curves", "--profile", "paper", "--only", "pca-6", "--plan"), True),
        ]
    )
    return Case(f"{folder.name}/{path.name}: {what}", words[0], (folder.name,), free=True, results=words[1])


RAW = {
    "mnist": (
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ),
    "faces": ("olivettifaces.mat", "olivetti_py3.pkz", "olivetti_faces.npy"),
    "reuters21578": ("reuters21578.tar.gz", "reut2-000.sgm"),
    "rcv1": ("lyrl2004_tokens_train.dat", "rcv1-v2.topics.qrels", "lyrl2004_tokens_train.dat.gz"),
}
FOLDERS = {"faces": "olivetti"}


def raw(place: Place) -> Case:
    """Raw files that are not what they should be: made up, for the real ones are not everywhere."""
    name = place.draw.choice(sorted(RAW))
    folder = place.data / FOLDERS.get(name, name)
    folder.mkdir(parents=True)
    files = RAW[name] if name == "mnist" else (place.draw.choice(RAW[name]),)
    for file in files:
        _, content = damage.damaged(place.draw, bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(40))
        way = place.draw.choice(["file", "file", "file", "folder", "link"])
        if way == "folder":
            (folder / file).mkdir()
        elif way == "link":
            (folder / file).symlink_to(folder / file)
        else:
            (folder / file).write_bytes(content)
    return Case(
        f"raw files of {name}: {', '.join(files)}",
        ("data", "prepare", name, "--data-dir", str(place.data)),
        (str(folder), name),
        must_refuse=True,
        results=False,
    )


def archive(place: Place) -> Case:
    """An archive whose members would lie elsewhere, or are no files."""
    folder = place.data / "reuters21578"
    folder.mkdir(parents=True)
    path = folder / "reuters21578.tar.gz"
    hostile = place.draw.choice(
        [
            "../../escaped",
            str(place.folder / "escaped"),
            "reut2-000.sgm",
            "a/../../x",
            "C:\\x",
            "\udcff",
            "x" * 5000,
        ]
    )
    kind = place.draw.choice(
        [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
    )
    with tarfile.open(path, place.draw.choice(["w:gz", "w", "w:bz2"])) as made:
        member = tarfile.TarInfo(hostile)
        member.type, member.linkname = kind, "/etc/passwd"
        member.size = 5 if kind == tarfile.REGTYPE else 0
        made.addfile(member, io.BytesIO(b"hello") if member.size else None)
    if place.draw.random() < 0.2:
        path.write_bytes(damage.truncated(place.draw, path.read_bytes()))
    return Case(
        f"an archive with {hostile[:40]!r} of type {kind!r}",
        ("data", "prepare", "reuters21578", "--data-dir", str(place.data)),
        (path.name,),
        must_refuse=True,
        results=False,
    )


def reference(place: Place) -> Case:
    """The tables of published numbers are damaged."""
    checkout = place.checkout()
    path = checkout / "results" / place.draw.choice(["published.csv", "machines.csv", "published_speeds.csv"])
    lines = path.read_text().splitlines()
    way = place.draw.choice(["bytes", "column", "word", "row", "twice"])
    if way == "bytes":
        what = place.damage(path)
    else:
        cells = [line.split(",") for line in lines]
        row, column = place.draw.randrange(1, len(lines)), place.draw.randrange(len(cells[0]))
        if way == "column":
            cells[0][column] = "stranger"
        elif way == "word":
            cells[row] = [
                *cells[row][:column],
                place.draw.choice(["many", "", "nan", "-1e999", '"']),
                *cells[row][column + 1 :],
            ]
        elif way == "row":
            cells[row] = (
                cells[row][:column] if place.draw.random() < 0.5 else cells[row] + ["more", "yet more"]
            )
        else:
            cells.append(cells[row])
        path.write_text("\n".join(",".join(row) for row in cells) + "\n")
        what = f"{path.name} {way} {row} {column}"
    place.records()
    case = place.draw.choice([Case("", TABLES), Case("", FIGURES), Case("", ("list",))])
    case.how = {"cold": True}
    return replace(case, what=what, names=(path.name,), free=True, env={"PYTHONPATH": str(checkout)})


GOOD = (ROOT / "experiments" / "curves.py").read_text(encoding="utf-8")
ERRORS = {  # what is wrong: what stands in the place of what
    "a syntax error": ("def quick(config):", "def quick(config:"),
    "an unknown module": ("from dataclasses import", "from nowhere import"),
    "an unknown name in a module": ("import Adam", "import Eve"),
    "an unknown name": ("SHALLOW = ", "nobody\nSHALLOW = "),
    "a division by zero": ("SHALLOW = ", "1 / 0\nSHALLOW = "),
    "an exit": ("SHALLOW = ", "raise SystemExit(7)\nSHALLOW = "),
    "a field of another type": ("Network((532, 6))", "Network('wide')"),
    "a negative width": ("Network((532, 6))", "Network((532, -6))"),
    "an unknown field": ("budget=Epochs(500)", "budgets=Epochs(500)"),
    "an unknown data set": ('data="curves"', 'data="nowhere"'),
    "no experiment": ("EXPERIMENT = Experiment(", "EXPERIMENT = dict("),
    "variants in a list": ("variants=VARIANTS", "variants=list(VARIANTS)"),
    "a variant that is no configuration": ("def quick", "VARIANTS['x'] = 'adam'\ndef quick"),
    "a quick that fails": ("def quick(config):", "def quick(config):\n    1 / 0"),
    "a quick that answers nonsense": ("def quick(config):", "def quick(config):\n    return 7"),
    "another's name": ('name="mine"', 'name="mnist"'),
    "a name that is a path": ('name="mine"', 'name="../../mine"'),
    "a missing argument": ("    expected=", "    unexpected="),
    "a rate that is no number": ("3e-4, 1e-3", "float('nan'), 1e-3"),
    "a batch larger than the data": ("batch_size=250", "batch_size=10**7"),
    "seeds that are words": ("variants=VARIANTS", "seeds={'quick': 'many'}, variants=VARIANTS"),
}


def experiment(place: Place) -> Case:
    """A user's experiment file with an error in it."""
    checkout = place.checkout()
    content = GOOD.replace('name="curves"', 'name="mine"')
    what = place.draw.choice([*ERRORS, "bytes", "bytes"])
    if what == "bytes":
        what, content = damage.damaged(place.draw, content.encode())
    else:
        assert ERRORS[what][0] in content, f"experiments/curves.py no longer has {ERRORS[what][0]}"
        content = content.replace(*ERRORS[what]).encode()
    (checkout / "experiments" / "mine.py").write_bytes(content)
    place.records()
    words = place.draw.choice(
        [
            ("list",),
            ("run", "mine", *run(PCA)[2:]),
            ("run", "mine", *run("pretrained-cg-shallow")[2:]),
            run(PCA),
            TABLES,
        ]
    )
    return Case(
        f"experiments/mine.py with {what}",
        words,
        ("mine",),
        free=True,
        env={"PYTHONPATH": str(checkout)},
        how={"cold": True},
    )


VALUES = ["", "-1", "0", "nan", "inf", "1e9", "9" * 20, "x", "ü", "☃" * 50, "a b", "--", "../..", "/", "\t"]
VALUES += ["1,2", "None", "'", "$HOME", "x" * 3000]
OPTIONS = {
    "run": [
        "--profile",
        "--seeds",
        "--only",
        "--epochs",
        "--pretraining-epochs",
        "--precision",
        "--data-dir",
    ],
    "tables": ["--profile"],
    "figures": ["--profile"],
    "list": [],
    "time": ["--profile", "--lane", "--only", "--for"],
    "data": [],
    "cache": [],
}


def arguments(place: Place) -> Case:
    """Words that mean nothing."""
    draw, verb = place.draw, place.draw.choice(sorted(OPTIONS))
    value = draw.choice(VALUES)
    place.records()
    words = {
        "run": ["run", draw.choice(["curves", value]), "--only", PCA, *["--plan"] * draw.randint(0, 1)],
        "tables": ["tables", "--check"],
        "figures": ["figures", draw.choice(["fig_2a", value])],
        "list": ["list", value],
        "time": ["time", "--lane", draw.choice(["nowhere", value or "x"])],
        "data": ["data", draw.choice(["prepare", "verify", "list", value]), value],
        "cache": ["cache", draw.choice(["list", "clear", value]), value],
    }[verb]
    if draw.random() < 0.8:
        words += [draw.choice([*OPTIONS[verb], "--nothing"]), value]
    return Case("arguments", tuple(words), free=True, results=verb not in ("data", "cache"))


def environment(place: Place) -> Case:
    """Surroundings that are strange."""
    draw = place.draw
    place.records()
    case = reading(place) if draw.random() < 0.4 else Case("", run(PCA), outputs=(f"quick/curves/{PCA}*",))
    if case.words[0] == "run":
        place.without(f"{PCA}.*")
    blocked = place.folder / "blocked"
    blocked.write_text("a file")
    what, env = draw.choice(
        [
            ("an ISO-8859-1 locale", {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"}),
            ("the C locale without UTF-8", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
            ("ASCII output", {"PYTHONIOENCODING": "ascii"}),
            ("a home that is a file", {"HOME": str(blocked), "REPRO_CACHE_DIR": ""}),
            ("no home", {"HOME": "", "REPRO_CACHE_DIR": "", "XDG_CACHE_HOME": str(place.folder / "xdg")}),
            ("a home that cannot be written", {"HOME": "/proc/1", "REPRO_CACHE_DIR": ""}),
            ("a cache folder that is a file", {"REPRO_CACHE_DIR": str(blocked)}),
            ("a cache folder below a file", {"REPRO_CACHE_DIR": str(blocked / "cache")}),
            ("a cache folder that cannot be made", {"REPRO_CACHE_DIR": "/proc/nowhere"}),
            ("a cache folder with a strange name", {"REPRO_CACHE_DIR": str(place.folder / "ü ☃\n")}),
            ("a cache folder of another user", {"REPRO_CACHE_DIR": "~nobody-at-all/cache"}),
            ("a data folder that is a file", {"REPRO_DATA_DIR": str(blocked)}),
            ("a data folder that is not there", {"REPRO_DATA_DIR": str(place.folder / "nowhere")}),
            ("no such device", {"JAX_PLATFORMS": "cuda"}),
            ("a device that nobody knows", {"JAX_PLATFORMS": "nonsense"}),
            ("flags that the compiler does not know", {"XLA_FLAGS": "--xla_nonsense=1"}),
            ("no temporary folder", {"TMPDIR": str(blocked)}),
            ("columns that are no number", {"COLUMNS": "many"}),
            ("four columns", {"COLUMNS": "4"}),
            ("a terminal of another kind", {"TERM": "dumb", "FORCE_COLOR": "1"}),
            ("an empty path", {"PATH": "/nowhere"}),
            ("a look of Matplotlib's own", {"MPLCONFIGDIR": str(blocked), "MPLBACKEND": "nonsense"}),
            ("a compiler's cache that is a file", {"JAX_COMPILATION_CACHE_DIR": str(blocked)}),
        ]
    )  # fmt: skip
    case.says = None  # in other letters, or narrower
    case.names = (*env, *(value for value in env.values() if value))
    return replace(case, what=what, env=env, how={"cold": True})


def full_disk(place: Place) -> Case:
    """There is room for little: a file may grow to some size and no further."""
    draw = place.draw
    place.records()
    where = draw.choice(["records", "run", "tables", "figures", "prepared"])
    size = draw.choice([2000, 4000, 16000, 60000, 200000])  # the shortest holds what is said
    if where == "prepared":
        return Case(
            f"files of {size} bytes at most",
            ("data", "prepare", "curves"),
            ("cannot be written",),
            results=False,
            how={"file_bytes": size},
        )
    if where in ("records", "run"):
        variant = PCA if where == "records" else CG
        place.without(f"{variant}.*")
        shutil.rmtree(place.results / "quick" / ".artefacts") if draw.random() < 0.7 else None
        case = Case("", run(variant), outputs=(f"quick/curves/{variant}*",))
    else:
        shutil.rmtree(place.results / "quick" / where)
        case = Case("", TABLES if where == "tables" else FIGURES, outputs=(f"quick/{where}/*",))
    return replace(
        case,
        what=f"files of {size} bytes at most",
        names=(str(place.results), str(place.cache)),
        how={"file_bytes": size},
    )


def small_disk(place: Place) -> Case:
    """The results lie on a disk that is nearly full, as root may make one; else as `full_disk`."""
    place.results.mkdir()
    size = place.draw.choice([8, 40, 100, 200, 400, 800])
    if not place.mount("-t", "tmpfs", "-o", f"size={size}k", "chaos"):
        place.results.rmdir()
        return full_disk(place)
    variant = place.draw.choice([PCA, CG])
    return Case(f"a disk of {size} kB", run(variant), (str(place.results),), (f"quick/curves/{variant}*",))


def no_permission(place: Place) -> Case:
    """The results may only be read; as root, who heeds no permissions, because they are mounted so;
    where that cannot be, as `no_folder`.
    """
    words = _writing(place)
    if os.getuid():
        for each in (place.results, *(path for path in place.results.rglob("*") if path.is_dir())):
            each.chmod(0o555)
    elif not (place.mount("--bind", str(place.results)) and place.mount("-o", "remount,bind,ro")):
        return _no_folder(place, words)
    return Case("the results may only be read", words, (str(place.results),))


def no_folder(place: Place) -> Case:
    """A file, or a link that leads nowhere, is where a folder should be."""
    return _no_folder(place, _writing(place))


def _no_folder(place: Place, words: tuple[str, ...]) -> Case:
    inside = ["quick/curves", "quick/tables", "quick/figures", "quick/.artefacts", "quick/.checkpoints"]
    blocked = place.draw.choice(
        ["cache", "results", "results/quick", *(f"results/{name}" for name in inside)]
    )
    path = place.folder / blocked
    shutil.rmtree(path, ignore_errors=True)
    if place.draw.random() < 0.5:
        path.write_text("a file")
    else:
        path.symlink_to("/proc/nowhere")
    return Case(f"{blocked} is no folder", words, (str(path), str(place.results), "--results"), free=True)


def _writing(place: Place) -> tuple[str, ...]:
    """A command that has something to write into a copy of the results."""
    place.records()
    words = place.draw.choice([run(PCA), run(CG), TABLES, FIGURES])
    made = {"tables": "*.csv", "figures": "*.png"}
    place.without(made.get(words[0]) or f"{words[3]}.*")
    return words


def at_once(place: Place) -> Case:
    """Two commands at the same time in one results folder."""
    place.records()
    first = place.draw.choice([run(PCA), run(CG)])
    place.without(f"{first[3]}.*")
    if place.draw.random() < 0.5:
        shutil.rmtree(place.results / "quick" / ".artefacts")
    second = place.draw.choice([first, first, ("list",), TABLES])
    return Case(
        "two commands at once",
        first,
        ("another command trains in",),
        (f"quick/curves/{first[3]}*",),
        beside=second,
        free=second == TABLES,
    )


KINDS: tuple[Callable[[Place], Case], ...]
KINDS = (record, forged_record, arrays, checkpoint, artefact, programs, prepared, raw, archive, reference)
KINDS += (experiment, arguments, environment, full_disk, small_disk, no_permission, no_folder, at_once)
KINDS += (arguments, environment, experiment, record)  # of which there are many kinds
SMALL = (record, arguments, arrays, raw, archive, forged_record)  # that need nothing trained
