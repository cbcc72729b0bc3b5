"""The pictures: one module per figure, each with one `draw(frame)`; they read the frame of records only."""

import importlib
import pkgutil
from types import ModuleType

from paper_figures.style.house import figures_folder, save

__all__ = ["all_figures", "figures_folder", "save"]
FIRST = "fig_answer"


def all_figures() -> dict[str, ModuleType]:
    """Every figure's module by name, such as `fig_2b`; the one that answers the reader's question first."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name.startswith("fig_")]
    names.sort(key=lambda name: (name != FIRST, name))
    return {name: importlib.import_module(f"paper_figures.{name}") for name in names}
