"""Collect the evidence for a verdict: one-sided tests, effect size and loss of accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fmnist_lib.common.statistics import Estimate
    from fmnist_lib.drift.accuracy import AccuracyEstimate
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.calibration import Calibration
    from fmnist_lib.drift.two_sample.result import TwoSampleResult

#: Share of the reference that counts as outliers, half in each tail of a column.
_OUTLIER_SHARE = 0.01


@dataclass(frozen=True)
class Evidence:
    """Evidence for a verdict.

    Attributes
    ----------
    p_values : dict of str to float
        By test, each already corrected for its own columns.
    effect_size : float in [0, 1]
        Largest KS statistic of any column.
    drop : float
        Loss of accuracy, estimated or realised, as a share: 0.05 is five percentage points.
    realised : bool
        Whether the drop was measured with labels.
    reliable : bool
        Whether the drop was measured, or its estimate is reliable.
    """

    p_values: dict[str, float]
    effect_size: float
    drop: float
    realised: bool
    reliable: bool

    @property
    def p_value(self) -> float:
        """Smallest p-value, corrected for the number of tests (Bonferroni)."""
        return min(1.0, len(self.p_values) * min(self.p_values.values()))

    @property
    def decisive(self) -> str:
        """The test with the smallest p-value."""
        return min(self.p_values, key=self.p_values.__getitem__)


def gather_evidence(  # noqa: PLR0917 (the parts of the evidence)
    reference: Batch,
    current: Batch,
    calibration: Calibration,
    default: TwoSampleResult,
    estimate: AccuracyEstimate,
    realised: Estimate | None,
) -> Evidence:
    """Test whether the batch differs, and measure effect size and loss of accuracy.

    Parameters
    ----------
    reference, current : Batch
    calibration : Calibration
    default : TwoSampleResult
        Of ``ks-default``.
    estimate : AccuracyEstimate
    realised : Estimate or None
        Replaces the estimate.
    """
    p_values = {
        f"KS of {default.strongest}": default.p_value,
        "outliers": outliers_p_value(reference.columns, current.columns),
        "lower confidence": confidence_p_value(
            calibration.confidence(reference.probabilities),
            calibration.confidence(current.probabilities),
        ),
    }
    if realised is not None:
        p_values["lower accuracy by labels"] = accuracy_p_value(reference, current)
    accuracy = float(reference.correct.mean())
    return Evidence(
        p_values=p_values,
        effect_size=default.effect_size,
        drop=accuracy - (estimate.value if realised is None else realised.value),
        realised=realised is not None,
        reliable=realised is not None or estimate.reliable,
    )


def outliers_p_value(reference: np.ndarray, current: np.ndarray) -> float:
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


def confidence_p_value(reference: np.ndarray, current: np.ndarray) -> float:
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


def accuracy_p_value(reference: Batch, current: Batch) -> float:
    """P-value of the hypothesis that accuracy has not fallen (Fisher's exact test)."""
    from scipy import stats

    correct = [int(batch.correct.sum()) for batch in (reference, current)]
    wrong = [len(batch) - count for batch, count in zip((reference, current), correct, strict=True)]
    table = [[correct[1], wrong[1]], [correct[0], wrong[0]]]
    return float(stats.fisher_exact(table, alternative="less").pvalue)
