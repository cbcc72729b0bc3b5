"""Other people's programs as calls to be timed: scikit-learn's RBM, and CD-1 in plain PyTorch.

PyTorch is the optional extra `peers`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import distributions

import numpy as np

from repro.timing.numpy_calls import MOMENTUM, cases
from repro.timing.program2006 import RATE, TOP_RATE, WEIGHT_COST, WEIGHT_SCALE
from repro.timing.subject import Subject

PACKAGES = {"sklearn": "scikit-learn", "torch": "torch"}


def installed() -> dict[str, bool]:
    """Each peer, and whether it can be timed here."""
    present = {distribution.name.lower() for distribution in distributions()}
    return {name: package in present for name, package in PACKAGES.items()}


def on_gpu() -> list[str]:
    """The peers that can be timed on a GPU of this machine."""
    if not installed()["torch"]:
        return []
    import torch

    return ["torch"] if torch.cuda.is_available() else []


def prepare(subject: Subject) -> Callable[[], object]:
    """The call; each continues where the last one stopped."""
    return {"sklearn": of_sklearn, "torch": of_torch}[subject.program](subject)


def of_sklearn(subject: Subject) -> Callable[[], object]:
    """BernoulliRBM, minibatch by minibatch.

    Its negative phase continues persistent chains and samples the visible units too; the matrix products are
    as many as CD-1's.
    """
    from sklearn.neural_network import BernoulliRBM

    n_visible, n_hidden = subject.sizes
    inputs = cases(subject).astype(np.float32)
    batches = inputs.reshape(subject.n_batches, subject.batch_size, n_visible)
    rbm = BernoulliRBM(n_hidden, learning_rate=RATE, batch_size=subject.batch_size, random_state=0)

    def call():
        for data in batches:
            rbm.partial_fit(data)

    return call


def of_torch(subject: Subject) -> Callable[[], object]:
    """CD-1 as one would write it: matrix products, `sigmoid`, `bernoulli`, in float32; on a GPU a kernel at a
    time.
    """
    import torch

    device = "cuda" if subject.part == "gpu" else "cpu"
    generator = torch.Generator(device).manual_seed(0)
    drawn = {"generator": generator, "device": device}
    shape = subject.sizes
    weights = WEIGHT_SCALE * torch.randn(shape, **drawn)
    rbm = (weights, torch.zeros(shape[0], device=device), torch.zeros(shape[1], device=device))
    change = tuple(torch.zeros_like(parameter) for parameter in rbm)
    inputs = torch.tensor(cases(subject), dtype=torch.float32, device=device)

    def states(means):
        if subject.linear:
            return means + torch.randn(means.shape, **drawn)
        return torch.bernoulli(means, generator=generator)

    def call():
        order = torch.randperm(len(inputs), **drawn)
        for members in order.reshape(subject.n_batches, subject.batch_size):
            torch_learn(rbm, change, inputs[members], states, subject.linear)
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def torch_learn(rbm, change, data, states: Callable, linear: bool) -> None:
    """One minibatch of CD-1 with momentum and weight decay, in place; the arrays are PyTorch's."""
    W, b, c = rbm
    rate = TOP_RATE if linear else RATE

    def up(visible):
        x = visible @ W + c
        return x if linear else x.sigmoid()

    hidden = up(data)
    again = (states(hidden) @ W.T + b).sigmoid()
    hidden_again = up(again)
    slope = (data.T @ hidden - again.T @ hidden_again) / len(data) - WEIGHT_COST * W
    slopes = (slope, (data - again).mean(0), (hidden - hidden_again).mean(0))
    for parameter, step, slope in zip(rbm, change, slopes, strict=True):
        step.mul_(MOMENTUM).add_(slope, alpha=rate)
        parameter.add_(step)
