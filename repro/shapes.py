"""Axis letters and unit conventions, stated once for the whole library.

Axis letters in shape annotations
    N   cases (images, documents) of a data set
    B   cases of one minibatch
    V   visible units of an RBM, or inputs of a network
    H   hidden units
    C   units of the code layer
    K   Markov chains
    S   seeds run side by side; always the leading axis

Conventions
    Binary units take the values 0 and 1, never -1 and +1.
    Pixels lie in [0, 1].
    Energies, free energies and cross-entropies are in nats.
    A loss, gradient or score is a *mean over cases* of a *sum over units*, so learning rates are
    per case and do not change with the size of the minibatch.
    Squared error is the sum over pixels of (x - x_hat)^2, averaged over images, not clipped.
"""

from typing import Literal

VisibleKind = Literal["binary", "real", "count"]  # pixels in [0, 1]; unit variance; words of a document
