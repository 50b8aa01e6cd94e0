"""Two-dimensional t-SNE embedding of the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_COMPONENTS = 50
_PERPLEXITY = 30
#: Half of scikit-learn's default: further iterations only tighten the clusters.
_ITERATIONS = 500


@dataclass(frozen=True)
class Embedding:
    """Images as points in the plane.

    Attributes
    ----------
    points : ndarray of shape (n, 2)
        float32.
    labels : ndarray of shape (n,)
    method : str
        Description of the method, for captions.
    agreement : float in [0, 1]
        Mean share of an image's ten nearest neighbours in the embedding that have its class.
    mixed_pair : tuple of (int, int) or None
        The two classes that are neighbours most often; None if no classes mix.
    """

    points: np.ndarray
    labels: np.ndarray
    method: str
    agreement: float
    mixed_pair: tuple[int, int] | None


def embed(images: np.ndarray, labels: np.ndarray, seed: int) -> Embedding:
    """Embed images in the plane with t-SNE on their leading principal components.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28)
        uint8, at least 8 images. 3,000 images take about five seconds on one core.
    labels : ndarray of shape (n,)
        Only used to evaluate the embedding.
    seed : int

    References
    ----------
    van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008.
    """
    points, method = _map(images, seed)
    agreement, mixed_pair = _neighbourhood(points, labels)
    return Embedding(points, labels, method, agreement, mixed_pair)


def _map(images: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Return the points and a description of the method."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if (images == images[0]).all():
        # With zero variance t-SNE divides by zero, and its compiled part crashes.
        return np.zeros((len(images), 2), dtype=np.float32), "one point for all images"
    n_components = min(_COMPONENTS, len(images) - 1)
    pixels = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    pca = PCA(n_components, svd_solver="randomized", random_state=seed)
    tsne = TSNE(
        perplexity=min(_PERPLEXITY, (len(images) - 1) / 3),
        init="pca",
        max_iter=_ITERATIONS,
        random_state=seed,
    )
    # One thread: on shared cores, several threads lose more time on synchronisation.
    with threadpool_limits(1):
        points = tsne.fit_transform(pca.fit_transform(pixels))
    return (
        points,
        f"t-SNE of the first {n_components} principal components of {len(images):,} images",
    )


def _neighbourhood(points: np.ndarray, labels: np.ndarray) -> tuple[float, tuple[int, int] | None]:
    """Return the agreement of neighbours and the pair of classes that mix most."""
    from sklearn.neighbors import NearestNeighbors

    n_neighbors = min(10, len(points) - 1)
    neighbours = NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors()[1]
    own, near = np.repeat(labels, n_neighbors), labels[neighbours].ravel()
    n_classes = int(labels.max()) + 1
    met = np.bincount(own.astype(np.int64) * n_classes + near, minlength=n_classes**2)
    met = met.reshape(n_classes, n_classes)
    mixed = np.triu(met + met.T, k=1)
    first, second = (int(i) for i in np.unravel_index(mixed.argmax(), mixed.shape))
    pair = (first, second) if mixed.max() > 0 else None
    return float((own == near).mean()), pair
