"""Result type of all two-sample tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Correction = Literal["bonferroni", "benjamini-hochberg"]


@dataclass(frozen=True, eq=False)
class TwoSampleResult:
    """One two-sample test, of one or many columns.

    Attributes
    ----------
    method : str
        As in `fmnist_lib.config.drift.TestMethod`.
    columns : tuple of str
        Names of the tested columns.
    statistic : ndarray of shape (n_columns,)
    p_values, adjusted_p_values : ndarray of shape (n_columns,)
        Before and after the correction for the number of columns.
    alpha : float
        Family-wise false-alarm rate over all columns.
    effect_size : float in [0, 1]
        0 without a difference. By method: largest KS statistic, total variation distance of the
        class shares (chi-square), twice the accuracy above chance of the domain classifier,
        squared MMD over the mean similarity of reference images.
    effect : str
        Description of the effect size.
    n_reference, n_current : int
        Images compared.
    correction : {"bonferroni", "benjamini-hochberg"} or None
        Of the p-values for the number of columns; None for a test of one column.
    """

    method: str
    columns: tuple[str, ...]
    statistic: np.ndarray
    p_values: np.ndarray
    adjusted_p_values: np.ndarray
    alpha: float
    effect_size: float
    effect: str
    n_reference: int
    n_current: int
    correction: Correction | None = None

    @property
    def rejected(self) -> np.ndarray:
        """Columns whose adjusted p-value is at most `alpha`, bool."""
        return self.adjusted_p_values <= self.alpha

    @property
    def drifted(self) -> bool:
        """True if any column differs."""
        return self.p_value <= self.alpha

    @property
    def p_value(self) -> float:
        """Smallest adjusted p-value: the p-value of the whole test."""
        return float(self.adjusted_p_values.min())

    @property
    def by_effect(self) -> np.ndarray:
        """Column indices, largest statistic first."""
        return np.argsort(-self.statistic, kind="stable")

    @property
    def strongest(self) -> str:
        """Name of the column with the largest statistic."""
        return self.columns[int(self.by_effect[0])]
