"""One-sided tests for lower confidence or lower accuracy of the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fmnist_lib.drift.batch import Batch


def less_confident(reference: np.ndarray, current: np.ndarray) -> float:
    """P-value of the hypothesis that the mean confidence has not fallen (Welch's test).

    Parameters
    ----------
    reference, current : ndarray of shape (n,), (m,)
        Calibrated confidences.
    """
    from scipy import stats

    if np.ptp(reference) == 0 and np.ptp(current) == 0:
        return float(current.mean() >= reference.mean())
    return float(stats.ttest_ind(current, reference, equal_var=False, alternative="less").pvalue)


def less_accurate(reference: Batch, current: Batch) -> float:
    """P-value of the hypothesis that accuracy has not fallen (Fisher's exact test)."""
    from scipy import stats

    correct = [int((batch.classes == batch.labels).sum()) for batch in (reference, current)]
    wrong = [len(batch) - count for batch, count in zip((reference, current), correct, strict=True)]
    table = [[correct[1], wrong[1]], [correct[0], wrong[0]]]
    return float(stats.fisher_exact(table, alternative="less").pvalue)
