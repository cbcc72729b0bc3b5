"""MNIST: the recipe, the idx files it reads, and the tensorflow-datasets builder it drives."""

from repro.data.mnist.recipe import RECIPE

__all__ = ["RECIPE"]
