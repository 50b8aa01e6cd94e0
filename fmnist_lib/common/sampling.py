"""Stratified samples."""

from __future__ import annotations

import numpy as np


def stratified_rows(labels: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows without replacement so that every class keeps its share.

    Parameters
    ----------
    labels : ndarray of shape (n,)
    rows : int
        With `n` or more, every row is returned.
    rng : Generator

    Returns
    -------
    ndarray of shape (min(n, rows),)
        Sorted positions.
    """
    by_class = np.lexsort((rng.random(len(labels)), labels))
    every = np.linspace(0, len(labels), min(rows, len(labels)), endpoint=False)
    return np.sort(by_class[every.astype(np.int64)])
