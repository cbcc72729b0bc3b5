"""Faces: the recipe, its small sample, the files they read, and the cutting of patches."""

from repro.data.faces.recipe import RECIPE, SAMPLE

__all__ = ["RECIPE", "SAMPLE"]
