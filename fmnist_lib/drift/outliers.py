"""Whether more images than expected lie outside of the reference's range."""

from __future__ import annotations

import numpy as np

#: Share of the reference that counts as outlying, half of it at each end of a column.
_OUTLYING = 0.01


def more_outliers(reference: np.ndarray, current: np.ndarray) -> float:
    """P-value of the hypothesis that no column has more outliers than the reference.

    A few images that are utterly different move a cumulative distribution little, but the share
    of images beyond the reference's 0.5 % and 99.5 % points much. Both shares are compared in
    every column (Fisher's exact test, one-sided), corrected for the number of columns.

    Parameters
    ----------
    reference, current : ndarray of shape (n, n_columns), (m, n_columns)
    """
    from scipy import stats

    low, high = np.quantile(reference, [_OUTLYING / 2, 1 - _OUTLYING / 2], axis=0)
    before, now = (((one < low) | (one > high)).sum(axis=0) for one in (reference, current))
    total = len(reference) + len(current)
    p_values = stats.hypergeom.sf(now - 1, total, before + now, len(current))
    return float(min(1.0, len(p_values) * p_values.min()))
