"""Chi-square test of the predicted classes (BBSDh)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.drift.two_sample.result import TwoSampleResult

if TYPE_CHECKING:
    from fmnist_lib.config.drift import DriftConfig
    from fmnist_lib.drift.batch import Batch

#: Smallest expected count for which the chi-square approximation is acceptable.
_MIN_EXPECTED = 5


def chi2_classes(
    method: str,
    reference: Batch,
    current: Batch,
    config: DriftConfig,
    seed: int,  # noqa: ARG001 (one signature for every test)
) -> TwoSampleResult:
    """Test of homogeneity of the predicted classes; see `two_sample_test`.

    Classes with an expected count below 5 are pooled, and classes absent on both sides are
    dropped. If one class remains, the p-value is 1.

    References
    ----------
    Rabanser, Günnemann, Lipton, "Failing Loudly", NeurIPS 2019 (BBSDh); Cochran, "Some methods
    for strengthening the common chi-square tests", Biometrics 1954.
    """
    counts = np.stack(
        [np.bincount(batch.classes, minlength=N_CLASSES) for batch in (reference, current)]
    )
    statistic, p_value = homogeneity(counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return TwoSampleResult(
        method=method,
        columns=("predicted class",),
        statistic=np.array([statistic]),
        p_values=np.array([p_value]),
        adjusted_p_values=np.array([p_value]),
        alpha=config.alpha,
        effect_size=float(np.abs(shares[0] - shares[1]).sum() / 2),
        effect="total variation distance of class shares",
        n_reference=len(reference),
        n_current=len(current),
    )


def homogeneity(counts: np.ndarray) -> tuple[float, float]:
    """Statistic and p-value for counts of shape (2, n_classes); see `chi2_classes`."""
    from scipy import stats

    table = _pooled(counts)
    if table.shape[1] == 1:
        return 0.0, 1.0
    statistic, p_value, *_ = stats.chi2_contingency(table, correction=False)
    return float(statistic), float(p_value)


def _pooled(counts: np.ndarray) -> np.ndarray:
    """Drop empty classes and pool the rarest ones until no expected count is too small."""
    table = counts[:, counts.sum(axis=0) > 0]
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    smaller = counts.sum(axis=1).min() / counts.sum()
    while table.shape[1] > 1 and table[:, 0].sum() * smaller < _MIN_EXPECTED:
        joined = table[:, :1] + table[:, 1:2]
        table = np.concatenate([joined, table[:, 2:]], axis=1)
        table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    return table
