"""Kernel matrices in memory, as 16-bit fixed point numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.features.chunks import in_threads
from fmnist_lib.models.gaussian import STRIP, gaussian

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fmnist_lib.models.gaussian import Points

#: Rows and columns of a block.
_BLOCK = 2048
#: A kernel value of 1. Eight bits would disturb the solution as much as the ridge does, and NumPy
#: converts float16 ten times slower.
_ONE = 65535


class SymmetricKernel:
    """The kernel of a set of rows with itself: one triangle of blocks.

    Parameters
    ----------
    points : Points
    """

    def __init__(self, points: Points) -> None:
        self._starts = range(0, len(points), _BLOCK)
        n = len(self._starts)
        self._pairs = [(i, j) for i in range(n) for j in range(i + 1)]
        parts = [points[start : start + _BLOCK] for start in self._starts]
        self._blocks = in_threads(lambda pair: _stored(parts[pair[0]], parts[pair[1]]), self._pairs)
        self._n = len(points)

    @staticmethod
    def gibibytes(n: int) -> float:
        """Memory of the kernel of n rows."""
        return (n * n + n * _BLOCK) / 2**30

    def __matmul__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply with vectors of shape (n, k)."""

        def product(index: int) -> tuple[np.ndarray, np.ndarray]:
            row, column = (self._starts[i] for i in self._pairs[index])
            left, right = vectors[column : column + _BLOCK], vectors[row : row + _BLOCK]
            return _products(self._blocks[index], left, right)

        output = np.zeros((self._n, vectors.shape[1]), dtype=np.float32)
        # Added up in the order of the blocks, whichever thread was first.
        for (i, j), (below, above) in zip(
            self._pairs, in_threads(product, range(len(self._pairs))), strict=True
        ):
            row, column = self._starts[i], self._starts[j]
            output[row : row + _BLOCK] += below
            if i != j:
                output[column : column + _BLOCK] += above
        output /= _ONE
        return output


class LandmarkKernel:
    """The kernel of many rows with a few landmarks.

    Parameters
    ----------
    points, landmarks : Points
        Of n and m rows.
    """

    def __init__(self, points: Points, landmarks: Points) -> None:
        self._starts = range(0, len(points), _BLOCK)
        self._blocks = in_threads(
            lambda start: _stored(points[start : start + _BLOCK], landmarks), self._starts
        )

    @staticmethod
    def gibibytes(n: int, m: int) -> float:
        """Memory of the kernel of n rows with m landmarks, and of the landmarks' own matrices."""
        return (2 * n * m + 12 * m * m) / 2**30

    def normal_product(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply vectors of shape (m, k) with the kernel, and the result with its transpose."""

        def product(block: np.ndarray) -> np.ndarray:
            total = np.zeros_like(vectors)
            for strip in _strips(block):
                total += strip.T @ (strip @ vectors)
            return total

        return _sum(in_threads(product, self._blocks), _ONE**2)

    def transposed_product(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply vectors of shape (n, k) with the transposed kernel."""

        def product(index: int) -> np.ndarray:
            start = self._starts[index]
            total = np.zeros((self._blocks[index].shape[1], vectors.shape[1]), dtype=np.float32)
            for strip in _strips(self._blocks[index]):
                total += strip.T @ vectors[start : start + len(strip)]
                start += len(strip)
            return total

        return _sum(in_threads(product, range(len(self._blocks))), _ONE)


def _sum(parts: list[NDArray[np.float32]], divisor: float) -> NDArray[np.float32]:
    """Add up in the order of the parts, into the first one."""
    total = parts[0]
    for part in parts[1:]:
        total += part
    total /= np.float32(divisor)
    return total


def _stored(a: Points, b: Points) -> NDArray[np.uint16]:
    """Compute a block strip by strip."""
    block = np.empty((len(a), len(b)), dtype=np.uint16)
    for start in range(0, len(a), STRIP):
        for column in range(0, len(b), _BLOCK):
            values = gaussian(a[start : start + STRIP], b[column : column + _BLOCK], _ONE)
            values += np.float32(0.5)
            # Rounding in the exponent may lift a value over 1 by a trifle.
            np.minimum(values, _ONE, out=values)
            block[start : start + STRIP, column : column + _BLOCK] = values
    return block


def _strips(block: NDArray[np.uint16]) -> Iterator[NDArray[np.float32]]:
    """Split a block into float32 strips, one at a time."""
    return (block[i : i + STRIP].astype(np.float32) for i in range(0, len(block), STRIP))


def _products(
    block: NDArray[np.uint16], left: np.ndarray, right: np.ndarray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Block times ``left``, and transposed block times ``right``."""
    below = np.empty((block.shape[0], left.shape[1]), dtype=np.float32)
    above = np.zeros((block.shape[1], left.shape[1]), dtype=np.float32)
    start = 0
    for strip in _strips(block):
        stop = start + len(strip)
        below[start:stop] = strip @ left
        above += strip.T @ right[start:stop]
        start = stop
    return below, above
