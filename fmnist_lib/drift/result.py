"""What every two-sample test answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TestResult:
    """One two-sample test, of one or many columns.

    Attributes
    ----------
    method : str
        As in `fmnist_lib.config.TestMethod`.
    columns : tuple of str
        What was tested: one or more columns.
    statistic : ndarray of shape (n_columns,)
    p_values, adjusted : ndarray of shape (n_columns,)
        Before and after the correction for the number of columns.
    alpha : float
        Rate of false alarms over all columns together.
    effect_size : float in [0, 1]
        0 without a difference, in the unit of the method: the largest distance of cumulative
        distributions (KS), half the sum of the differences of class shares (chi-square), twice
        the accuracy above chance of the domain classifier, the share of MMD beyond its noise.
    effect : str
        What the effect size is, in words.
    n_reference, n_current : int
        Images compared.
    """

    __test__ = False  # its name looks like one of pytest's

    method: str
    columns: tuple[str, ...]
    statistic: np.ndarray
    p_values: np.ndarray
    adjusted: np.ndarray
    alpha: float
    effect_size: float
    effect: str
    n_reference: int
    n_current: int

    @property
    def drifted(self) -> bool:
        """Whether any column differs."""
        return self.p_value <= self.alpha

    @property
    def p_value(self) -> float:
        """The smallest one after the correction: that of the whole test."""
        return float(self.adjusted.min())

    @property
    def by_effect(self) -> np.ndarray:
        """Column numbers, the largest statistic first."""
        return np.argsort(-self.statistic, kind="stable")

    @property
    def strongest(self) -> str:
        """Name of the column with the largest statistic."""
        return self.columns[int(self.by_effect[0])]
