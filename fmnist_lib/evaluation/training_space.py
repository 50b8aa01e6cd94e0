"""Distances to the training images in a small principal-component space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_CLASSES

if TYPE_CHECKING:
    from sklearn.decomposition import PCA


class TrainingSpace:
    """The training images in the space of their first principal components.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        Training images.
    labels : ndarray of int, shape (n,)
    components : int
        Fewer than the number of images.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8)
    >>> space = TrainingSpace(images, np.arange(50) % 10, components=4)
    >>> float(space.nearest(images).max())
    0.0
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, components: int) -> None:
        from sklearn.decomposition import PCA

        flat = _flat(images)
        self._pca: PCA = PCA(components, svd_solver="covariance_eigh").fit(flat)
        self._points, self._labels = self._pca.transform(flat), labels

    def nearest(self, images: np.ndarray) -> np.ndarray:
        """Return the distance of every image to the nearest training image, shape (n,).

        Euclidean, of pixels scaled to [0, 1].
        """
        return _kth_distance(self._points, self._pca.transform(_flat(images)), 1)

    def clearest(
        self, images: np.ndarray, labels: np.ndarray, n_per_class: int, neighbours: int = 10
    ) -> np.ndarray:
        """Return the rows of the images that lie deepest among training images of their class.

        Ranked by the distance to the nearest training image of another class, divided by the
        distance to the tenth nearest of the own class: near-duplicates do not decide. The rule
        uses no model.

        Parameters
        ----------
        images : ndarray of shape (n, 28, 28), uint8
        labels : ndarray of int, shape (n,)
        n_per_class : int
            At most so many per class; a class without training images has none.
        neighbours : int, default=10

        Returns
        -------
        ndarray of int
        """
        points, chosen = self._pca.transform(_flat(images)), []
        for label in range(N_CLASSES):
            own = self._labels == label
            rows = np.flatnonzero(labels == label)
            if not len(rows) or not own.any() or own.all():
                continue
            near = _kth_distance(self._points[own], points[rows], min(neighbours, int(own.sum())))
            far = _kth_distance(self._points[~own], points[rows], 1)
            order = np.argsort(-far / np.maximum(near, np.finfo(near.dtype).tiny), kind="stable")
            chosen.append(rows[order[:n_per_class]])
        return np.concatenate(chosen) if chosen else np.zeros(0, dtype=int)


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def _kth_distance(points: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    found, _ = NearestNeighbors(n_neighbors=k, algorithm="kd_tree").fit(points).kneighbors(queries)
    return found[:, -1]
