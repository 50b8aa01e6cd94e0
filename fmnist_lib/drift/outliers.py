"""Test for more outliers than in the reference."""

from __future__ import annotations

import numpy as np

#: Share of the reference that counts as outliers, half in each tail of a column.
_OUTLIER_SHARE = 0.01


def more_outliers(reference: np.ndarray, current: np.ndarray) -> float:
    """P-value of the hypothesis that no column has more outliers than the reference.

    A few extreme images hardly change a cumulative distribution, but clearly change the share of
    images beyond the reference's 0.5 % and 99.5 % quantiles. The shares are compared in every
    column (Fisher's exact test, one-sided), Bonferroni-corrected.

    Parameters
    ----------
    reference, current : ndarray of shape (n, n_columns), (m, n_columns)
    """
    from scipy import stats

    low, high = np.quantile(reference, [_OUTLIER_SHARE / 2, 1 - _OUTLIER_SHARE / 2], axis=0)
    before, now = (((one < low) | (one > high)).sum(axis=0) for one in (reference, current))
    total = len(reference) + len(current)
    p_values = stats.hypergeom.sf(now - 1, total, before + now, len(current))
    return float(min(1.0, len(p_values) * p_values.min()))
