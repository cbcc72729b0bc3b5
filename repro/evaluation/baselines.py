"""What needs no network: principal components, and their like for documents; locally linear embedding.

Logistic PCA needs no code of its own: it is the autoencoder with no hidden layers but the code.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.manifold import LocallyLinearEmbedding
from sklearn.preprocessing import normalize

from repro.errors import UserError


def fit_pca(train: Float[np.ndarray, "N V"], n_components: int) -> PCA:
    """Exact principal components of the centred training data, computed in float64.

    Raises:
        UserError: if there are not so many.
    """
    if n_components > min(train.shape):
        cases = f"{len(train)} cases of {train.shape[1]} pixels"
        raise UserError(
            f"n_components {n_components} is more than {cases} have: name up to {min(train.shape)}"
        )
    return PCA(n_components, svd_solver="covariance_eigh").fit(train.astype(np.float64))


def fit_lsa(train: Float[csr_array, "N V"], n_components: int) -> TruncatedSVD:
    """Latent semantic analysis: the leading singular vectors of log(1 + count), which is not centred."""
    return TruncatedSVD(n_components, algorithm="arpack", random_state=0).fit(log_counts(train))


def log_counts(counts: Float[csr_array, "N V"]) -> Float[csr_array, "N V"]:
    """log(1 + count)."""
    return csr_array((np.log1p(counts.data), counts.indices, counts.indptr), counts.shape)


def fit_lle(train: Float[csr_array, "N V"], n_components: int, n_neighbors: int) -> LocallyLinearEmbedding:
    """Locally linear embedding of log(1 + count) scaled to length 1, so that the nearest documents are those
    with the largest cosine   [roweis2000nonlinear].

    Its `transform` places a new document, prepared by `unit_log_counts`, by the weights that best make it of
    its nearest training documents.
    """
    lle = LocallyLinearEmbedding(n_neighbors=n_neighbors, n_components=n_components, eigen_solver="dense")
    return lle.fit(unit_log_counts(train))


def unit_log_counts(counts: Float[csr_array, "N V"]) -> Float[np.ndarray, "N V"]:
    """log(1 + count), each document scaled to length 1; dense, as scikit-learn's embedding needs it."""
    return np.asarray(normalize(log_counts(counts).toarray().astype(np.float64)))
