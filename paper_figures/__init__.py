"""The pictures: one module per figure, each with one `draw(frame)`; they read the frame of records only."""

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

FIRST = "fig_answer"  # the reader's question


def figure_names() -> list[str]:
    """Of every figure, such as `fig_2b`; nothing is imported."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("fig_")]
    return sorted(names, key=lambda name: (name != FIRST, name))


def captions() -> dict[str, str]:
    """What every figure shows, by name; nothing is imported."""
    sources = {
        name: (Path(__path__[0]) / f"{name}.py").read_text(encoding="utf-8") for name in figure_names()
    }
    return {name: ast.get_docstring(ast.parse(source)) or "" for name, source in sources.items()}


def all_figures() -> dict[str, ModuleType]:
    """Every figure's module by name."""
    return {name: figure(name) for name in figure_names()}


def figure(name: str) -> ModuleType:
    """The module of a figure."""
    return importlib.import_module(f"paper_figures.{name}")
