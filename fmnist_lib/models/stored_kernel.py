"""Kernel matrices in memory, as 16-bit fixed-point numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import gen_batches

from fmnist_lib.features.chunks import in_threads
from fmnist_lib.models.gaussian import ONE, gaussian

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fmnist_lib.models.gaussian import Points

    Vectors = NDArray[np.float32]

#: Rows per block; the blocks of the whole kernel are square.
_BLOCK = 1024
#: Rows of a block converted to float32 at once, so that they stay in the CPU cache.
_STRIP = 64
#: Partial sums of the blocks, each computed by one thread. Fixed, so that the order of additions
#: does not depend on the number of threads.
_SUMS = 16
#: Blocks computed before the number of available threads is checked again.
_PART = 128


class SymmetricKernel:
    """Kernel of a set of rows with itself, stored as one triangle of blocks.

    Parameters
    ----------
    points : Points
    """

    def __init__(self, points: Points) -> None:
        slices = list(gen_batches(len(points), _BLOCK))
        self._places = [(slices[i], slices[j]) for i in range(len(slices)) for j in range(i + 1)]

        def block(place: tuple[slice, slice]) -> NDArray[np.uint16]:
            return gaussian(points[place[0]], points[place[1]], np.uint16)

        # In parts, because more cores may become available.
        parts = range(0, len(self._places), _PART)
        self._blocks = [
            found
            for start in parts
            for found in in_threads(block, self._places[start : start + _PART])
        ]

    @staticmethod
    def gibibytes(n: int) -> float:
        """Return the memory of the kernel of n rows, GiB."""
        return n * (n + _BLOCK) / 2**30

    def __matmul__(self, vectors: Vectors) -> Vectors:
        """Multiply with vectors of shape (n, k)."""

        def part(first: int) -> Vectors:
            output = np.zeros_like(vectors)
            for index in range(first, len(self._blocks), _SUMS):
                rows, columns = self._places[index]
                below, above = _products(self._blocks[index], vectors[columns], vectors[rows])
                output[rows] += below
                if rows != columns:
                    output[columns] += above
            return output

        return _total(in_threads(part, range(min(_SUMS, len(self._blocks))))) / np.float32(ONE)


class LandmarkKernel:
    """Kernel of many rows with a few landmarks.

    Parameters
    ----------
    points, landmarks : Points
        n and m rows.
    """

    def __init__(self, points: Points, landmarks: Points) -> None:
        self._rows = list(gen_batches(len(points), _BLOCK))
        self._blocks = in_threads(lambda rows: _wide_block(points[rows], landmarks), self._rows)

    @staticmethod
    def most_landmarks(n: int, gibibytes: float) -> int:
        """Return the most landmarks, at least 1, whose kernel and two factors fit in memory."""
        # 2 n m bytes for the kernel, 8 m^2 for each factor.
        return max(1, int((np.sqrt(n * n + 16 * gibibytes * 2**30) - n) / 16))

    def normal_product(self, vectors: Vectors) -> Vectors:
        """Return K' K v for vectors of shape (m, k)."""

        def part(first: int) -> Vectors:
            output = np.zeros_like(vectors.T)
            for block in self._blocks[first::_SUMS]:
                for _, strip in _strips(block):
                    output += (strip @ vectors).T @ strip
            return output.T

        return _total(in_threads(part, range(min(_SUMS, len(self._blocks))))) / np.float32(ONE) ** 2

    def transposed_product(self, vectors: Vectors) -> Vectors:
        """Return K' v for vectors of shape (n, k)."""

        def part(first: int) -> Vectors:
            output = np.zeros((vectors.shape[1], self._blocks[0].shape[1]), dtype=np.float32)
            for index in range(first, len(self._blocks), _SUMS):
                own = vectors[self._rows[index]]
                for rows, strip in _strips(self._blocks[index]):
                    output += own[rows].T @ strip
            return output.T

        return _total(in_threads(part, range(min(_SUMS, len(self._blocks))))) / np.float32(ONE)


def _wide_block(points: Points, landmarks: Points) -> NDArray[np.uint16]:
    parts = [
        gaussian(points, landmarks[columns], np.uint16)
        for columns in gen_batches(len(landmarks), _BLOCK)
    ]
    return np.hstack(parts)


def _total(parts: list[Vectors]) -> Vectors:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def _strips(block: NDArray[np.uint16]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield strips of a block as float32; all of them share one buffer."""
    buffer = np.empty((min(_STRIP, len(block)), block.shape[1]), dtype=np.float32)
    for start in range(0, len(block), _STRIP):
        rows = slice(start, start + _STRIP)
        strip = buffer[: len(block[rows])]
        strip[:] = block[rows]
        yield rows, strip


def _products(block: NDArray[np.uint16], left: Vectors, right: Vectors) -> tuple[Vectors, Vectors]:
    """Return block times ``left``, and transposed block times ``right``."""
    below = np.empty((block.shape[0], left.shape[1]), dtype=np.float32)
    above = np.zeros((left.shape[1], block.shape[1]), dtype=np.float32)
    for rows, strip in _strips(block):
        below[rows] = strip @ left
        above += right[rows].T @ strip
    return below, above.T
