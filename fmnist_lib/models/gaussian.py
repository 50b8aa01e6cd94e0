"""Gaussian kernel between two sets of rows, optionally mirror-invariant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A kernel value of 1 in fixed point. The error of eight bits would be as large as the effect of
#: the ridge, and NumPy converts float16 ten times slower. Rounding in the exponent may give values
#: slightly above 1, which must still fit 16 bits.
ONE = 65000
#: Rows processed at once after the matrix products, so that they stay in the CPU cache.
_STRIP = 64


@dataclass(frozen=True, eq=False)
class Points:
    """Rows prepared for the kernel.

    Scaled so that the kernel of two rows is exp(-|x - z|^2 / 2).

    Attributes
    ----------
    kept : ndarray of float32, shape (n, n_symmetric)
        Columns that mirroring an image leaves unchanged; all of them for the plain kernel.
    flipped : ndarray of float32, shape (n, n_antisymmetric)
        Columns that change sign.
    half_norms : ndarray of float32, shape (n,)
        Half the squared length of every row.
    """

    kept: NDArray[np.float32]
    flipped: NDArray[np.float32]
    half_norms: NDArray[np.float32]

    @classmethod
    def from_rows(
        cls, rows: np.ndarray, antisymmetric: np.ndarray, steps: np.ndarray | None = None
    ) -> Points:
        """Split scaled rows by the parity of their columns.

        Parameters
        ----------
        rows : ndarray of float32 or int8, shape (n, n_columns)
        antisymmetric : ndarray of bool, shape (n_columns,)
        steps : ndarray of float32, shape (n_columns,), optional
            Quantisation step of every column; default: 1.
        """
        even = rows[:, ~antisymmetric].astype(np.float32)
        odd = rows[:, antisymmetric].astype(np.float32)
        if steps is not None:
            even *= steps[~antisymmetric]
            odd *= steps[antisymmetric]
        squares = np.einsum("ij,ij->i", even, even) + np.einsum("ij,ij->i", odd, odd)
        return cls(np.ascontiguousarray(even), np.ascontiguousarray(odd), squares / np.float32(2))

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.half_norms)

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Points:
        """Return some of the rows; a slice does not copy."""
        return Points(self.kept[rows], self.flipped[rows], self.half_norms[rows])

    def diagonal(self) -> NDArray[np.float32]:
        """Return the kernel of every row with itself, shape (n,)."""
        if not self.flipped.shape[1]:
            return np.ones(len(self), dtype=np.float32)
        squares = np.einsum("ij,ij->i", self.flipped, self.flipped)
        return np.asarray((1 + np.exp(-2 * squares)) / 2)


def gaussian(
    a: Points, b: Points, dtype: type[np.float32 | np.uint16] = np.float32
) -> NDArray[Any]:
    """Return the kernel matrix of two sets of rows.

    With columns that change sign it is the mean of k(x, z) and k(x, mirror image of z). Both come
    from the same two matrix products, because mirroring only changes the sign of the second. The
    mean is positive definite because k is invariant under mirroring, an orthogonal map.

    Parameters
    ----------
    a, b : Points
        n and m rows.
    dtype : {numpy.float32, numpy.uint16}
        uint16 is rounded fixed point, with `ONE` for 1.

    Returns
    -------
    ndarray of shape (n, m)
        Within 0..1, or 0..`ONE`.
    """
    exponent = a.kept @ b.kept.T
    mirror = a.flipped.shape[1] > 0
    odd = a.flipped @ b.flipped.T if mirror else None
    fixed = dtype is np.uint16
    # Factors are moved into the exponent, which saves a pass over the values.
    factor = (ONE if fixed else 1.0) / (2 if mirror else 1)
    shift = np.float32(np.log(factor)) - b.half_norms
    output = np.empty(exponent.shape, dtype=np.uint16) if fixed else exponent
    for start in range(0, len(a), _STRIP):
        strip = slice(start, start + _STRIP)
        values = exponent[strip]
        values -= a.half_norms[strip, None]
        values += shift
        if odd is None:
            np.exp(values, out=values)
        else:
            mirrored = values - odd[strip]
            values += odd[strip]
            np.exp(values, out=values)
            values += np.exp(mirrored, out=mirrored)
        if fixed:
            values += np.float32(0.5)
            output[strip] = values
    return output
