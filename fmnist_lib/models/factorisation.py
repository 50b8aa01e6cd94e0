"""Multi-threaded tiled Cholesky factorisation of large matrices.

The tiles do not depend on the number of threads, so the result is bitwise reproducible, which
LAPACK's own threads do not guarantee.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.blas import dtrsm
from sklearn.utils import gen_batches

from fmnist_lib.features.chunks import in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_TILE = 1024


def factorise(matrix: Matrix) -> None:
    """Replace the lower triangle of a positive definite matrix by its Cholesky factor.

    Parameters
    ----------
    matrix : ndarray of float64, shape (m, m)
        Only the tiles of the lower triangle are read and written.

    Raises
    ------
    numpy.linalg.LinAlgError
        The matrix is not positive definite to working precision.
    """
    tiles = list(gen_batches(len(matrix), _TILE))
    for position, tile in enumerate(tiles):
        corner = cholesky(matrix[tile, tile], lower=True, check_finite=False)
        matrix[tile, tile] = corner
        below = tiles[position + 1 :]

        def divide(rows: slice, tile: slice = tile, corner: Matrix = corner) -> None:
            strip = matrix[rows, tile].T
            matrix[rows, tile] = solve_triangular(corner, strip, lower=True, check_finite=False).T

        def subtract(place: tuple[slice, slice], tile: slice = tile) -> None:
            rows, columns = place
            matrix[place] -= matrix[rows, tile] @ matrix[columns, tile].T

        in_threads(divide, below)
        in_threads(subtract, _lower(below))


def reversed_product(factor: Matrix) -> Matrix:
    """Return the lower triangle of L' L for a lower factor L."""
    tiles = list(gen_batches(len(factor), _TILE))
    product = np.empty_like(factor)

    def add_up(place: tuple[slice, slice]) -> None:
        rows, columns = place
        corner = np.tril(factor[rows, rows]).T
        product[place] = corner @ (np.tril(factor[place]) if rows == columns else factor[place])
        below = slice(rows.stop, None)
        product[place] += factor[below, rows].T @ factor[below, columns]

    in_threads(add_up, _lower(tiles))
    return product


def solve_lower(factor: Matrix, vectors: Matrix, *, transposed: bool = False) -> Matrix:
    """Solve L x = vectors, or L' x = vectors, with the lower triangle of a matrix."""
    # BLAS is column-major: our lower triangle is its upper one, without a copy.
    return np.asarray(dtrsm(1.0, factor.T, vectors, lower=0, trans_a=not transposed))


def _lower(tiles: list[slice]) -> list[tuple[slice, slice]]:
    """Return the positions of the lower triangle's tiles, by rows."""
    return [(rows, columns) for i, rows in enumerate(tiles) for columns in tiles[: i + 1]]
