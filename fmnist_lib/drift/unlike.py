"""The images of a batch that look least like the reference."""

from __future__ import annotations

import numpy as np

_SMALLEST_SPREAD = 1e-6


def least_like(reference: np.ndarray, current: np.ndarray, most: int = 16) -> np.ndarray:
    """Rows farthest from the reference, the farthest first (Mahalanobis distance).

    Parameters
    ----------
    reference, current : ndarray of shape (n, n_columns), (m, n_columns)
        As `fmnist_lib.drift.columns.tested_columns` gives them.
    most : int
        Rows returned at most.

    Returns
    -------
    ndarray of shape (at most `most`,), int
    """
    from sklearn.covariance import LedoitWolf

    centre, spread = reference.mean(axis=0), reference.std(axis=0) + _SMALLEST_SPREAD
    model = LedoitWolf(assume_centered=True).fit((reference - centre) / spread)
    distance = model.mahalanobis((current - centre) / spread)
    return np.argsort(-distance, kind="stable")[:most]
