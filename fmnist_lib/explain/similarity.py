"""Agreement of two maps of the same image, and the concentration of a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation of pairs of maps.

    Attributes
    ----------
    mean : float or None
        Mean over the pairs; None if there is none in which both maps vary.
    lowest : float or None
    n_pairs : int
        Pairs in which both maps vary: the correlation with a constant map is undefined.
    """

    mean: float | None
    lowest: float | None
    n_pairs: int


def rank_correlation(first: np.ndarray, second: np.ndarray) -> Agreement:
    """Spearman's correlation of the pixels of each pair of maps.

    Parameters
    ----------
    first, second : ndarray of shape (n, 28, 28)

    Examples
    --------
    >>> maps = np.arange(784.0).reshape(1, 28, 28)
    >>> rank_correlation(maps, maps**3).mean
    1.0
    >>> rank_correlation(maps, np.zeros((1, 28, 28))).mean is None
    True
    """
    from scipy.stats import rankdata

    values = []
    for pair in zip(first, second, strict=True):
        if all(np.ptp(one) > 0 for one in pair):
            ranks = [rankdata(one.ravel()) for one in pair]
            values.append(float(np.corrcoef(*ranks)[0, 1]))
    if not values:
        return Agreement(None, None, 0)
    return Agreement(round(float(np.mean(values)), 12), min(values), len(values))


def gini_index(maps: np.ndarray) -> float | None:
    """Mean Gini index of the absolute values of each map; None if all maps are zero.

    0: every pixel has the same effect; 1 - 1/784: a single pixel has all of it. Normally
    distributed noise has 0.41.

    Parameters
    ----------
    maps : ndarray of shape (n, 28, 28)

    References
    ----------
    Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training",
    ICML 2020.

    Examples
    --------
    >>> gini_index(np.ones((1, 28, 28)))
    0.0
    """
    ordered = np.sort(np.abs(maps).reshape(len(maps), -1), axis=1)
    ordered = ordered[ordered.sum(axis=1) > 0].astype(np.float64)
    if not len(ordered):
        return None
    n = ordered.shape[1]
    weights = 2 * np.arange(1, n + 1) - n - 1
    return round(float(((ordered @ weights) / (n * ordered.sum(axis=1))).mean()), 12)
