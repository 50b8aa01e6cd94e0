"""Out-of-fold probabilities of the training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Probabilities of training images, each by a pipeline that was not fitted on the image.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (n, n_classes)
    labels : ndarray of uint8, shape (n,)
        As given.
    numbers : ndarray of int, shape (n,)
        Position of each image in the training file, counted from 0, ascending.
    fold : ndarray of uint8, shape (n,)
    n_folds : int
    n_available : int
        Training images that there are; ``n`` may be a sample of them.
    seconds : float
        Wall time of all fits and predictions.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]
    numbers: NDArray[np.intp]
    fold: NDArray[np.uint8]
    n_folds: int
    n_available: int
    seconds: float

    @property
    def correct(self) -> NDArray[np.bool_]:
        """True where the most probable class is the given label, shape (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1) == self.labels)
