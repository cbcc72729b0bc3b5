"""Principal components, and their like for documents: what a linear code of the same size achieves.

Logistic PCA needs no code of its own: it is the autoencoder with no hidden layers but the code.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from sklearn.decomposition import PCA, TruncatedSVD


def fit_pca(train: Float[np.ndarray, "N V"], n_components: int) -> PCA:
    """Exact principal components of the centred training data, computed in float64."""
    return PCA(n_components, svd_solver="covariance_eigh").fit(train.astype(np.float64))


def fit_lsa(train: Float[csr_array, "N V"], n_components: int) -> TruncatedSVD:
    """Latent semantic analysis: the leading singular vectors of log(1 + count), which is not centred."""
    return TruncatedSVD(n_components, algorithm="arpack", random_state=0).fit(log_counts(train))


def log_counts(counts: Float[csr_array, "N V"]) -> Float[csr_array, "N V"]:
    """log(1 + count)."""
    return csr_array((np.log1p(counts.data), counts.indices, counts.indptr), counts.shape)
