"""Histograms of oriented gradients (HOG) of a batch."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from fmnist_lib.features.chunks import in_chunks
from fmnist_lib.features.images import as_images
from fmnist_lib.features.pooling import triangular_pooling

#: Images per chunk: larger chunks exceed the CPU cache, and with smaller ones the threads contend
#: for the GIL.
_CHUNK = 128
#: Lower bound of the length a block is divided by: gradients of one grey level stay small.
_MIN_LENGTH = np.float32(1e-2)


class OrientedGradients(TransformerMixin, BaseEstimator):
    """Histograms of oriented gradients (HOG) with overlapping, normalised blocks of 2 x 2 cells.

    Bins cover 0 to 360 degrees, bin 0 centred on the direction from left to right. A gradient
    counts for its two nearest bins and for its nearest cells, by triangular weights.

    Parameters
    ----------
    cells : int or tuple of int, default=7
        Cells along each side of the image. With several numbers the histograms of these scales
        are concatenated in the order given.
    orientations : int, default=8
        Bins over the circle; even, so that mirroring an image only permutes the columns.
    clip : float, default=0.2
        Bound of the L2-Hys normalisation of every block.

    References
    ----------
    Dalal and Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005.
    """

    def __init__(
        self,
        cells: int | tuple[int, ...] = 7,
        orientations: int = 8,
        clip: float = 0.2,
    ) -> None:
        self.cells = cells
        self.orientations = orientations
        self.clip = clip

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Check the images; nothing is learnt."""
        as_images(X)
        self.n_features_out_ = self._n_columns()
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return float32 columns of shape (n, n_features_out_).

        Each scale has (cells - 1)**2 * 4 * orientations columns, ordered by block, then by cell
        within the block, row by row.
        """
        return in_chunks(self._columns, as_images(X), self._n_columns(), _CHUNK)

    def mirror_columns(self) -> np.ndarray:
        """Return the column permutation that corresponds to mirroring an image left to right.

        Returns
        -------
        ndarray of intp, shape (n_features_out_,)
            ``transform(images[:, :, ::-1])`` equals ``transform(images)[:, mirror_columns()]`` up
            to rounding.

        Raises
        ------
        ValueError
            The number of orientations is odd: mirroring does not map bins to bins.
        """
        if self.orientations % 2:
            raise ValueError(
                "OrientedGradients: a mirror image only reorders the columns with an even number "
                f"of orientations, got {self.orientations}."
            )
        half_turn = self.orientations // 2
        mirrored_bins = (half_turn - np.arange(self.orientations)) % self.orientations
        orders = []
        start = 0
        for cells in self._scales():
            stop = start + self._block_columns(cells)
            order = np.arange(start, stop).reshape(cells - 1, cells - 1, 2, 2, -1)
            orders.append(order[:, ::-1, :, ::-1][..., mirrored_bins].ravel())
            start = stop
        return np.concatenate(orders)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _scales(self) -> list[int]:
        return np.atleast_1d(self.cells).tolist()

    def _block_columns(self, cells: int) -> int:
        return (cells - 1) ** 2 * 4 * self.orientations

    def _n_columns(self) -> int:
        return sum(self._block_columns(cells) for cells in self._scales())

    def _columns(self, images: np.ndarray) -> np.ndarray:
        """Return the columns of one chunk."""
        # Images along the last axis: every step then works on contiguous memory, and pooling is
        # one large matrix product.
        pixels = np.ascontiguousarray(np.moveaxis(images, 0, -1)).astype(np.float32)
        vertical, horizontal = np.zeros_like(pixels), np.zeros_like(pixels)
        np.subtract(pixels[2:], pixels[:-2], out=vertical[1:-1])
        np.subtract(pixels[:, 2:], pixels[:, :-2], out=horizontal[:, 1:-1])
        position = self._positions(vertical, horizontal)
        vertical *= vertical
        horizontal *= horizontal
        vertical += horizontal
        histograms = self._histograms(np.sqrt(vertical, out=vertical), position)
        blocks = [_normalised_blocks(scale, np.float32(self.clip)) for scale in histograms]
        return np.concatenate(blocks).T

    def _positions(self, vertical: np.ndarray, horizontal: np.ndarray) -> np.ndarray:
        """Return directions in bins, float32 in 0..orientations."""
        position = np.arctan2(vertical, horizontal)
        # Converted to degrees first: borders such as 45 degrees stay exact.
        position *= 180 / np.pi
        position /= 360 / self.orientations
        # As `%=`, which takes several times as long.
        position -= np.floor(position / self.orientations) * self.orientations
        return position

    def _histograms(self, magnitude: np.ndarray, position: np.ndarray) -> list[np.ndarray]:
        """Return pooled magnitudes, one array (orientations, cells, cells, n) per scale."""
        poolings = [triangular_pooling(cells) for cells in self._scales()]
        above = [
            np.empty((self.orientations + 1, len(p), len(p), magnitude.shape[2]), dtype=np.float32)
            for p in poolings
        ]
        # Let the share of a gradient above bin b be clip(position - b, 0, 1). The triangular weight
        # of bin b is the share above b - 1 less the share above b. Pooling before this difference
        # leaves three cheap operations per pixel and bin.
        passed = np.empty_like(magnitude)
        _pool(magnitude, poolings, [scale[0] for scale in above])
        for orientation in range(self.orientations):
            np.subtract(position, np.float32(orientation), out=passed)
            np.clip(passed, np.float32(0), np.float32(1), out=passed)
            passed *= magnitude
            _pool(passed, poolings, [scale[orientation + 1] for scale in above])
        for scale in above:
            scale[:-1] -= scale[1:]
            # Circular: the last bin's other neighbour is the first one.
            scale[0] += scale[-1]
        return [scale[:-1] for scale in above]


def _pool(weights: np.ndarray, poolings: list[np.ndarray], outputs: list[np.ndarray]) -> None:
    """Sum weights (28, 28, n) over the cells of every scale, into arrays (cells, cells, n)."""
    rows = np.concatenate(poolings) @ weights.reshape(len(weights), -1)
    rows = rows.reshape(len(rows), *weights.shape[1:])
    start = 0
    for pooling, output in zip(poolings, outputs, strict=True):
        np.matmul(pooling, rows[start : start + len(pooling)], out=output)
        start += len(pooling)


def _normalised_blocks(histograms: np.ndarray, clip: np.float32) -> np.ndarray:
    """Return overlapping 2 x 2 blocks, L2-Hys normalised, shape (n_columns, n)."""
    bins, cells, _, n = histograms.shape
    side = cells - 1
    by_cell = np.moveaxis(histograms, 0, 2)
    blocks = np.empty((side, side, 2, 2, bins, n), dtype=np.float32)
    for row in (0, 1):
        for column in (0, 1):
            blocks[:, :, row, column] = by_cell[row : row + side, column : column + side]
    blocks = blocks.reshape(side, side, 4 * bins, n)
    _normalise(blocks)
    np.minimum(blocks, clip, out=blocks)
    _normalise(blocks)
    return blocks.reshape(-1, n)


def _normalise(blocks: np.ndarray) -> None:
    """Divide by the Euclidean length along axis 2, in place; an empty block stays zero."""
    length = np.sqrt(np.einsum("yxin,yxin->yxn", blocks, blocks))
    blocks *= (1 / np.maximum(length, _MIN_LENGTH))[:, :, None]
