"""Principal components: what a linear code of the same size achieves.

Logistic PCA needs no code of its own: it is the autoencoder with no hidden layers but the code.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA


def fit_pca(train: Float[np.ndarray, "N V"], n_components: int) -> PCA:
    """Exact principal components of the centred training data, computed in float64."""
    return PCA(n_components, svd_solver="covariance_eigh").fit(train.astype(np.float64))
