"""Curves: the recipe, its small sample, and the pen that draws them."""

from repro.data.curves.recipe import RECIPE, SAMPLE

__all__ = ["RECIPE", "SAMPLE"]
