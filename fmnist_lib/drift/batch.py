"""Images and what the champion says about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmnist_lib.errors import DataError
from fmnist_lib.labels import IMAGE_SHAPE, N_CLASSES


@dataclass(frozen=True)
class Batch:
    """Images that no model was fitted on, with the champion's outputs.

    Attributes
    ----------
    images : ndarray of shape (n, 28, 28), uint8
    probabilities : ndarray of shape (n, 10)
    labels : ndarray of shape (n,), uint8, or None
        True classes, when they are known.

    Raises
    ------
    DataError
        The shapes are others, the numbers of rows differ, or there are none.
    """

    images: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows = len(self.images)
        if (
            rows == 0
            or self.images.shape != (rows, *IMAGE_SHAPE)
            or self.images.dtype != np.uint8
            or self.probabilities.shape != (rows, N_CLASSES)
        ):
            raise DataError(
                "batch: expected uint8 images (n, 28, 28) and probabilities (n, 10) with n > 0, "
                f"got {self.images.dtype} {self.images.shape} and {self.probabilities.shape}. "
                "Score the images with the champion's predict_proba."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> np.ndarray:
        """Predicted class of every image."""
        return self.probabilities.argmax(axis=1)


def halves(
    images: np.ndarray, probabilities: np.ndarray, seed: int, labels: np.ndarray | None = None
) -> tuple[Batch, Batch]:
    """Split held-out images at random into a reference and a batch held back.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
    probabilities : ndarray of shape (n, 10)
    seed : int
    labels : ndarray of shape (n,), uint8, optional
    """
    order = np.random.default_rng(seed).permutation(len(images))
    parts = np.split(order, [len(order) // 2])
    reference, held_back = (
        Batch(images[part], probabilities[part], None if labels is None else labels[part])
        for part in parts
    )
    return reference, held_back
