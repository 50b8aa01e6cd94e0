"""Histograms of oriented gradients of a whole batch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fmnist_lib.features.images import as_images

_SIDE = 28
#: Images worked on at once: the float32 temporaries of one chunk stay in the processor's cache.
_CHUNK = 128


class OrientedGradients(TransformerMixin, BaseEstimator):
    """Histograms of oriented gradients (HOG), signed, with overlapping normalised blocks.

    Parameters
    ----------
    cells : int, default=7
        Cells along each side of the image; a pixel counts for its nearest cells by a
        triangular weight.
    orientations : int, default=8
        Bins over the full circle; a gradient counts for its two nearest bins.
    clip : float, default=0.2
        Bound of the L2-Hys normalisation of every block of 2 x 2 cells.

    References
    ----------
    Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.
    """

    def __init__(self, cells: int = 7, orientations: int = 8, clip: float = 0.2) -> None:
        self.cells = cells
        self.orientations = orientations
        self.clip = clip

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Check the images; nothing is learnt."""
        as_images(X)
        self.n_features_out_ = (self.cells - 1) ** 2 * 4 * self.orientations
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 columns of shape (n, (cells - 1)**2 * 4 * orientations)."""
        images = as_images(X)
        n_blocks = (self.cells - 1) ** 2
        output = np.empty((len(images), n_blocks * 4 * self.orientations), dtype=np.float32)
        pooling = _triangular_pooling(self.cells)
        for start in range(0, len(images), _CHUNK):
            chunk = images[start : start + _CHUNK].astype(np.float32)
            histograms = self._histograms(chunk, pooling)
            output[start : start + _CHUNK] = self._blocks(histograms)
        return output

    def _histograms(self, images: np.ndarray, pooling: np.ndarray) -> np.ndarray:
        """Pooled gradient magnitudes, shape (orientations, n, cells, cells)."""
        vertical, horizontal = np.zeros_like(images), np.zeros_like(images)
        vertical[:, 1:-1] = images[:, 2:] - images[:, :-2]
        horizontal[:, :, 1:-1] = images[:, :, 2:] - images[:, :, :-2]
        magnitude = np.hypot(vertical, horizontal)
        position = np.arctan2(vertical, horizontal)
        position *= np.float32(self.orientations / (2 * np.pi))
        position %= np.float32(self.orientations)
        histograms = []
        for orientation in range(self.orientations):
            distance = np.abs(position - np.float32(orientation))
            np.minimum(distance, np.float32(self.orientations) - distance, out=distance)
            weight = np.maximum(np.float32(1) - distance, np.float32(0), out=distance)
            weight *= magnitude
            histograms.append(pooling @ weight @ pooling.T)
        return np.stack(histograms)

    def _blocks(self, histograms: np.ndarray) -> np.ndarray:
        """Overlapping 2 x 2 blocks, L2-Hys normalised, one row an image."""
        cells = np.moveaxis(histograms, 0, -1)
        blocks = np.concatenate(
            [cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:]], axis=-1
        )
        _normalise(blocks)
        np.minimum(blocks, np.float32(self.clip), out=blocks)
        _normalise(blocks)
        return blocks.reshape(len(blocks), -1)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def _triangular_pooling(cells: int) -> np.ndarray:
    """Weights of every pixel row for every cell, shape (cells, 28)."""
    width = _SIDE / cells
    centres = (np.arange(cells) + 0.5) * width
    distance = np.abs(np.arange(_SIDE) + 0.5 - centres[:, None])
    return np.maximum(1 - distance / width, 0).astype(np.float32)


def _normalise(blocks: np.ndarray) -> None:
    """Divide by the Euclidean length, in place; an empty block stays zero."""
    length = np.sqrt(np.einsum("...i,...i->...", blocks, blocks)[..., None])
    # Gradients of one grey level are as good as none: they must not be blown up to length 1.
    blocks /= np.maximum(length, np.float32(1e-2))
