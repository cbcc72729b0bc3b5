"""Floating-point operations of the matrix products, counted: 2 per multiply-add, the rest left out."""

from __future__ import annotations

import itertools


def contrastive_flops(n_visible: int, n_hidden: int, n_cases: int, k: int = 1) -> float:
    """CD-k on n_cases: 2k + 1 passes between the layers and one outer product per phase."""
    return 2.0 * (2 * k + 3) * n_visible * n_hidden * n_cases


def stack_flops(sizes: tuple[int, ...], n_cases: int, n_epochs: tuple[int, ...], k: int = 1) -> float:
    """Pretraining every RBM between layers of these sizes, the climb to the next layer included.

    `n_epochs` has one entry per RBM.
    """
    pairs = list(itertools.pairwise(sizes))
    learning = sum(n * contrastive_flops(*pair, n_cases, k) for n, pair in zip(n_epochs, pairs, strict=True))
    return learning + sum(2.0 * a * b * n_cases for a, b in pairs[:-1])


def doubled_flops(sizes: tuple[int, ...], n_cases: int, n_gibbs: tuple[tuple[int, ...], ...]) -> float:
    """The same for a deep Boltzmann machine, of whose copied units one is computed; `n_gibbs` has for each
    RBM the Gibbs steps of every epoch.
    """
    pairs = list(itertools.pairwise(sizes))
    each = zip(pairs, n_gibbs, strict=True)
    learning = sum(contrastive_flops(*pair, n_cases, k) for pair, steps in each for k in steps)
    return learning + sum(2.0 * a * b * n_cases for a, b in pairs[:-1])


def deep_boltzmann_flops(
    sizes: tuple[int, ...], batch_size: int, n_mean_field: int, n_chains: int, n_gibbs: int
) -> float:
    """One update of a deep Boltzmann machine.

    For each case: up from the pixels and down to them once, twice through the other weights at each update of
    mean field, and an outer product; for each chain: twice through all weights at each step, once more to
    the means of its odd layers, and an outer product.
    """
    weights = [a * b for a, b in itertools.pairwise(sizes)]
    of_case = 2 * weights[0] + 2 * n_mean_field * sum(weights[1:]) + sum(weights)
    of_chain = (2 * n_gibbs + 2) * sum(weights)
    return 2.0 * (batch_size * of_case + n_chains * of_chain)


def backprop_flops(layers: tuple[int, ...], n_cases: int) -> float:
    """One loss with its gradient on n_cases through a network with these layers, inputs to outputs.

    Forward, weight gradients, and back through every layer but the lowest.
    """
    weights = [a * b for a, b in itertools.pairwise(layers)]
    return 2.0 * n_cases * (3 * sum(weights) - weights[0])


def orthogonalisation_flops(layers: tuple[int, ...], n_iterations: int) -> float:
    """Muon's Newton-Schulz iterations on every weight matrix, m by M with m ≤ M: X Xᵀ, its square, and their
    product with X; whatever the number of cases.
    """
    pairs = [sorted(pair) for pair in itertools.pairwise(layers)]
    return n_iterations * sum(4.0 * m * m * n + 2.0 * m**3 for m, n in pairs)


def direct_flops(layers: tuple[int, ...], n_updates: int, batch_size: int) -> float:
    """So many updates with one loss and gradient each, from random weights."""
    return n_updates * backprop_flops(layers, batch_size)


def variational_flops(steps: list[tuple[int, int, int]], estimator: str, n_cases: int) -> float:
    """The bound of n_cases with an estimate of its gradient, from one draw of the latent units of each, by
    networks between so many units: the `steps` of a variational autoencoder.

    Forward, weight gradients, and back through all but the lowest layers: reparameterised, gradients pass
    from network to network through what was drawn, and end at the pixels alone; by the score function they
    end at the lowest layer of each network.
    """
    up = [(below * hidden, hidden * hidden + 2 * hidden * latent) for below, hidden, latent in steps]
    down = [(latent * hidden, hidden * hidden + 2 * hidden * below) for below, hidden, latent in steps[1:]]
    n_visible, hidden, latent = steps[0]
    networks = [*up, *down, (latent * hidden, hidden * hidden + hidden * n_visible)]
    ends = [n_visible * hidden] if estimator == "reparameterised" else [lowest for lowest, _ in networks]
    return 2.0 * n_cases * (3 * sum(map(sum, networks)) - sum(ends))


def mixture_flops(n_components: int, n_visible: int, n_cases: int) -> float:
    """Expectation maximisation on n_cases: one pass to the components, and one back with what they are
    responsible for.
    """
    return 4.0 * n_components * n_visible * n_cases


def langevin_flops(layers: tuple[int, ...], batch_size: int, n_chains: int, n_steps: int) -> float:
    """One update of a deep energy-based model with these layers: for each step of each chain an energy with
    its slope, forward and back to the states; then the gradient on cases and chains.
    """
    weights = sum(a * b for a, b in itertools.pairwise(layers))
    of_chains = 4.0 * n_chains * (n_steps + 1) * weights
    return of_chains + backprop_flops(layers, batch_size + n_chains)


def adversarial_flops(generator: tuple[int, ...], discriminator: tuple[int, ...], batch_size: int) -> float:
    """One update of both networks on as many cases as minibatch and latent units have: the discriminator's on
    data and generated images, then the generator's, back through the discriminator as it is.
    """
    made, judged = (
        sum(a * b for a, b in itertools.pairwise(layers)) for layers in (generator, discriminator)
    )
    of_judge = 2.0 * batch_size * made + backprop_flops(discriminator, 2 * batch_size)
    return of_judge + backprop_flops(generator, batch_size) + 4.0 * batch_size * judged


def multiply_adds(image: tuple[int, int, int], layers: list[tuple[int, int, int]]) -> list[int]:
    """Of each layer of convolutions once, bases, side of the square filters and side of the blocks that are
    pooled given, above an image of this shape, channels first: a filter at each place that is in a block.
    """
    found, (n_channels, *sides) = [], image
    for n_bases, side, block in layers:
        pooled = [(n - side + 1) // block for n in sides]
        places = pooled[0] * pooled[1] * block**2
        found.append(n_bases * n_channels * side**2 * places)
        n_channels, sides = n_bases, pooled
    return found


def convolutional_stack_flops(each: list[int], n_cases: int, n_epochs: list[int], k: int = 1) -> float:
    """Training convolutional RBMs with so many multiply-adds by CD-k on n_cases, one after another, each for
    so many epochs, the climb to the next included: 2k + 1 passes and an outer product per phase.
    """
    learning = sum(n * (2 * k + 3) * one for n, one in zip(n_epochs, each, strict=True))
    return 2.0 * n_cases * (learning + sum(each[:-1]))


def convolutional_backprop_flops(each: list[int], n_outputs: int, n_cases: int) -> float:
    """One loss with its gradient on n_cases, through layers of so many multiply-adds and the weights of the
    outputs: forward, weight gradients, and back through all but the lowest.
    """
    return 2.0 * n_cases * (3 * (sum(each) + n_outputs) - each[0])
