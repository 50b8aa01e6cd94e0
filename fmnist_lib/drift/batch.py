"""Images with the model's outputs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import IMAGE_SHAPE, N_CLASSES
from fmnist_lib.drift.columns import tested_columns


@dataclass(frozen=True)
class Batch:
    """Images that no model was fitted on, with the model's outputs.

    Attributes
    ----------
    images : ndarray of shape (n, 28, 28), uint8
    probabilities : ndarray of shape (n, 10)
    labels : ndarray of shape (n,), uint8, or None
        True classes, when they are known.

    Raises
    ------
    DataError
        Wrong shapes, differing numbers of rows, no rows, or a label that is not a class.
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
                "Score the images with the model's predict_proba."
            )
        if self.labels is not None and (
            self.labels.shape != (rows,) or int(self.labels.max(initial=0)) >= N_CLASSES
        ):
            raise DataError(
                f"batch: expected {rows} labels of 0 to {N_CLASSES - 1}, one per image, "
                f"got shape {self.labels.shape} and values up to {self.labels.max(initial=0)}. "
                "Give the labels of these images, in their order."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def correct(self) -> np.ndarray:
        """Bool per image: the model's class is its label, which must be known."""
        return np.asarray(self.classes == self.labels)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields alone: a stored batch does not depend on what was computed from it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def classes(self) -> np.ndarray:
        """Predicted class of every image."""
        return self.probabilities.argmax(axis=1)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the predicted class of every image."""
        return self.probabilities.max(axis=1)

    @cached_property
    def columns(self) -> np.ndarray:
        """Columns of the default test, float32, shape (n, 33); computed lazily and cached."""
        return tested_columns(self.images, self.probabilities)

    def rows(self, rows: np.ndarray) -> Batch:
        """Return a subset of the images, with their outputs and labels."""
        labels = None if self.labels is None else self.labels[rows]
        subset = Batch(self.images[rows], self.probabilities[rows], labels)
        if "columns" in self.__dict__:
            subset.__dict__["columns"] = self.columns[rows]
        return subset


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
    whole = Batch(images, probabilities, labels)
    reference, held_back = (whole.rows(part) for part in parts)
    return reference, held_back
