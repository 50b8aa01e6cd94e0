"""Nearest training images, as evidence for or against a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 256


def nearest_rows(
    columns: NDArray[np.float32], rows: NDArray[np.intp], n_neighbours: int
) -> NDArray[np.intp]:
    """Return the nearest other rows of some rows, nearest first; exact.

    Parameters
    ----------
    columns : ndarray of float32, shape (n, n_columns)
        Features of all images.
    rows : ndarray of int, shape (n_rows,)
    n_neighbours : int
        Fewer are returned if there are fewer other rows.

    Returns
    -------
    ndarray of int, shape (n_rows, n_neighbours)
    """
    n_neighbours = min(n_neighbours, len(columns) - 1)
    squares = np.einsum("ij,ij->i", columns, columns)
    found = np.empty((len(rows), n_neighbours), dtype=np.intp)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        # The square of the own length is the same for all others.
        distance = squares - 2 * columns[block] @ columns.T
        distance[np.arange(len(block)), block] = np.inf
        nearest = np.argpartition(distance, n_neighbours - 1, axis=1)[:, :n_neighbours]
        order = np.take_along_axis(distance, nearest, axis=1).argsort(axis=1, kind="stable")
        found[start : start + _BLOCK] = np.take_along_axis(nearest, order, axis=1)
    return found


def near_duplicates(
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    neighbours: NDArray[np.intp],
    distance: float,
) -> NDArray[np.bool_]:
    """Find the neighbours that are nearly the same image.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
    rows, neighbours
        See `nearest_rows`.
    distance : float
        Largest root-mean-square difference of the pixels, 0-255.

    Returns
    -------
    ndarray of bool, shape (n_rows, n_neighbours)
    """
    flat = images.reshape(len(images), -1)
    found = np.empty(neighbours.shape, dtype=bool)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        difference = flat[neighbours[part]].astype(np.float32) - flat[rows[part], None]
        found[part] = np.square(difference).sum(axis=2) <= distance**2 * N_PIXELS
    return found
