"""Rank the images of a batch by Mahalanobis distance from the reference."""

from __future__ import annotations

import numpy as np

_MIN_STD = 1e-6


def rank_outliers(reference: np.ndarray, current: np.ndarray, most: int = 16) -> np.ndarray:
    """Rows with the largest Mahalanobis distance from the reference, largest first.

    Parameters
    ----------
    reference, current : ndarray of shape (n, n_columns), (m, n_columns)
        Output of `fmnist_lib.drift.columns.tested_columns`.
    most : int
        Maximum number of rows returned.

    Returns
    -------
    ndarray of shape (at most `most`,), int
    """
    from sklearn.covariance import LedoitWolf

    mean, std = reference.mean(axis=0), reference.std(axis=0) + _MIN_STD
    model = LedoitWolf(assume_centered=True).fit((reference - mean) / std)
    distance = model.mahalanobis((current - mean) / std)
    return np.argsort(-distance, kind="stable")[:most]
