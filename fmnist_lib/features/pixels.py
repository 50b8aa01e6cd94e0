"""Raw pixels as scaled float32 columns."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS
from fmnist_lib.features.images import as_images


class Pixels(TransformerMixin, BaseEstimator):
    """Flatten images and scale their pixels.

    Parameters
    ----------
    normalise : {"none", "contrast", "length"}, default="none"
        "none" divides by 255; "contrast" then gives every image mean 0 and standard deviation 1;
        "length" gives every image the Euclidean length 1.
    """

    def __init__(self, normalise: Literal["none", "contrast", "length"] = "none") -> None:
        self.normalise = normalise

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Check the images; nothing is learnt."""
        as_images(X)
        self.n_features_out_ = N_PIXELS
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 columns of shape (n, 784)."""
        pixels = as_images(X).reshape(-1, N_PIXELS) * np.float32(1 / 255)
        if self.normalise == "contrast":
            pixels -= pixels.mean(axis=1, keepdims=True)
            pixels /= np.maximum(pixels.std(axis=1, keepdims=True), 1e-3)
        elif self.normalise == "length":
            pixels /= np.maximum(np.linalg.norm(pixels, axis=1, keepdims=True), 1e-3)
        return pixels

    def mirror_columns(self) -> np.ndarray:
        """Return the column permutation that corresponds to mirroring an image left to right.

        Returns
        -------
        ndarray of intp, shape (784,)
            ``transform(images[:, :, ::-1])`` equals ``transform(images)[:, mirror_columns()]`` up
            to rounding.
        """
        return np.arange(N_PIXELS).reshape(IMAGE_SHAPE)[:, ::-1].ravel()

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Return the names ``pixel_ROW_COLUMN``."""
        return np.array([f"pixel_{i // 28}_{i % 28}" for i in range(N_PIXELS)], dtype=object)
