"""The Gaussian kernel, mirror-invariant or not, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Rows of a strip: strip and temporaries stay in the processor's cache.
STRIP = 256


@dataclass(frozen=True, eq=False)
class Points:
    """Rows in the form that the kernel takes.

    They are scaled so that the kernel of two rows is exp(x z - (x x + z z) / 2).

    Attributes
    ----------
    kept : ndarray of float32, shape (n, n_symmetric)
        Columns that mirroring an image leaves as they are; all of them for the plain kernel.
    flipped : ndarray of float32, shape (n, n_antisymmetric)
        Columns that change sign.
    half_norms : ndarray of float32, shape (n,)
        Half the squared length of every row.
    """

    kept: NDArray[np.float32]
    flipped: NDArray[np.float32]
    half_norms: NDArray[np.float32]

    @classmethod
    def from_rows(cls, rows: np.ndarray, antisymmetric: np.ndarray) -> Points:
        """Split scaled rows by the parity of their columns.

        Parameters
        ----------
        rows : ndarray of float16 or float32, shape (n, n_columns)
        antisymmetric : ndarray of bool, shape (n_columns,)
        """
        rows = rows.astype(np.float32, copy=False)
        return cls(
            np.ascontiguousarray(rows[:, ~antisymmetric]),
            np.ascontiguousarray(rows[:, antisymmetric]),
            np.einsum("ij,ij->i", rows, rows) / np.float32(2),
        )

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.half_norms)

    def __getitem__(self, rows: slice | np.ndarray) -> Points:
        """Return some of the rows."""
        return Points(self.kept[rows], self.flipped[rows], self.half_norms[rows])


def gaussian(a: Points, b: Points, scale: float = 1.0) -> NDArray[np.float32]:
    """Kernel of every row of one set with every row of another, times a factor.

    With columns that change sign it is the mean of k(x, z) and k(x, mirror image of z): both come
    from the same two matrix products, since mirroring turns the sign of the second one only.

    Parameters
    ----------
    a, b : Points
        Of n and m rows.
    scale : float
        Largest value.

    Returns
    -------
    ndarray of float32, shape (n, m)
        Within 0..scale.
    """
    exponent = a.kept @ b.kept.T
    exponent -= a.half_norms[:, None]
    invariant = a.flipped.shape[1] > 0
    exponent += np.float32(np.log(scale / 2 if invariant else scale)) - b.half_norms
    if not invariant:
        return np.exp(exponent, out=exponent)
    odd = a.flipped @ b.flipped.T
    mirrored = exponent - odd
    exponent += odd
    np.exp(exponent, out=exponent)
    np.exp(mirrored, out=mirrored)
    exponent += mirrored
    return exponent
