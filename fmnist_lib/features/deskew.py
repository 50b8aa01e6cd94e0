"""Deskewing of images."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS
from fmnist_lib.features.chunks import in_chunks
from fmnist_lib.features.images import as_images

#: Images per chunk: with smaller chunks the threads contend for the GIL.
_CHUNK = 256
#: Vertical variance (squared pixels) below which the ink is one row, whose slant is undefined.
_SINGLE_ROW = 1e-2


class Deskew(TransformerMixin, BaseEstimator):
    """Shear every image so that its principal axis is vertical.

    Each row is shifted sideways by slant * (row - centre), where the slant is the covariance of
    the ink's rows and columns over the variance of its rows, and the centre is the ink's mean
    row. Shifts are interpolated linearly; pixels shifted out are lost, and gaps are filled with
    background. Blank images and those with ink in a single row are unchanged.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition",
    Proceedings of the IEEE 1998, section III.A ("deslanting"). As in OpenCV's tutorial "OCR of
    Hand-written Data using SVM", pixels weigh in the moments by their brightness.
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Check the images; nothing is learnt."""
        as_images(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return uint8 images of shape (n, 28, 28)."""
        images = as_images(X)
        return in_chunks(_shear, images, N_PIXELS, _CHUNK, np.uint8).reshape(images.shape)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _shear(images: np.ndarray) -> np.ndarray:
    """Return the sheared images, one row of 784 pixels per image."""
    height, width = IMAGE_SHAPE
    pixels = images.astype(np.float32)
    shift = _shifts(pixels)
    whole = np.floor(shift)
    fraction = (shift - whole)[:, :, None].astype(np.float32)
    # One column of background on either side, read for all positions outside the image.
    padded = np.zeros((len(images), height, width + 2), dtype=np.float32)
    padded[:, :, 1:-1] = pixels
    left = whole[:, :, None].astype(np.int64) + np.arange(width)
    first = np.arange(len(images) * height).reshape(-1, height, 1) * (width + 2)
    sheared = padded.take(first + np.clip(left + 1, 0, width + 1))
    sheared *= 1 - fraction
    sheared += fraction * padded.take(first + np.clip(left + 2, 0, width + 1))
    return np.rint(sheared).astype(np.uint8).reshape(len(images), -1)


def _shifts(pixels: np.ndarray) -> np.ndarray:
    """Return the horizontal read offset of each row, float64 of shape (n, 28)."""
    rows, columns = (np.arange(side, dtype=np.float64) for side in IMAGE_SHAPE)
    # Integer sums, exact in float32: 28 columns of up to 255 * 27.
    ink = pixels.sum(axis=2, dtype=np.float32).astype(np.float64)
    weighted = (pixels @ columns.astype(np.float32)).astype(np.float64)
    total = np.maximum(ink.sum(axis=1, keepdims=True), 1)
    centre = (ink @ rows)[:, None] / total
    distance = rows - centre
    variance = (ink * distance**2).sum(axis=1, keepdims=True) / total
    # The column's own mean drops out, as the distances sum to 0.
    covariance = (weighted * distance).sum(axis=1, keepdims=True) / total
    defined = variance > _SINGLE_ROW
    slant = np.where(defined, covariance / np.where(defined, variance, 1), 0)
    return slant * distance
