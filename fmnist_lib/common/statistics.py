"""Interval estimates and paired tests shared by all reports."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fmnist_lib.common.errors import DataError

#: Smaller p-values are shown as below this value.
SMALLEST_P_VALUE = 1e-4
#: p-value below which two models count as different, of candidates and of runs.
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval.

    Attributes
    ----------
    value, low, high : float
        Point estimate and the ends of the interval.
    confidence : float in (0, 1)
    """

    value: float
    low: float
    high: float
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """Wilson score interval of a proportion.

    Parameters
    ----------
    successes, trials : int
        ``0 <= successes <= trials`` and ``trials > 0``.
    confidence : float in (0, 1), default=0.95

    References
    ----------
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Examples
    --------
    >>> str(wilson(9_000, 10_000))
    '0.9000 [0.8940, 0.9057]'
    """
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Estimate(successes / trials, float(interval.low), float(interval.high), confidence)


def t_interval(values: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Mean of values, such as paired differences, with its t interval.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        ``n > 1``.
    confidence : float in (0, 1), default=0.95

    Examples
    --------
    >>> str(t_interval(np.array([0.25, 0.5, 0.0])))
    '0.2500 [-0.3710, 0.8710]'
    """
    from scipy import stats

    mean = float(values.mean())
    margin = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * stats.sem(values))
    return Estimate(mean, mean - margin, mean + margin, confidence)


@dataclass(frozen=True)
class PairedComparison:
    """Comparison of two models on the same images.

    Attributes
    ----------
    only_first, only_second : int
        Images that only the first or only the second model classified correctly.
    difference : float
        Accuracy of the first minus accuracy of the second.
    p_value : float
        Of the null hypothesis that both are equally accurate, two-sided.
    """

    only_first: int
    only_second: int
    difference: float
    p_value: float


def mcnemar(first_correct: np.ndarray, second_correct: np.ndarray) -> PairedComparison:
    """Exact McNemar test of two models' predictions on the same images.

    Parameters
    ----------
    first_correct, second_correct : ndarray of bool, shape (n,)

    Raises
    ------
    DataError
        The shapes differ.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 1947.

    Examples
    --------
    >>> first = np.array([True] * 90 + [False] * 10)
    >>> second = np.array([True] * 80 + [False] * 20)
    >>> mcnemar(first, second).p_value < 0.01
    True
    """
    from scipy.stats import binomtest

    if first_correct.shape != second_correct.shape:
        raise DataError(
            "paired comparison: expected predictions on the same images, got "
            f"{first_correct.shape} and {second_correct.shape}. Score both on the same images."
        )
    only_first = int(np.sum(first_correct & ~second_correct))
    only_second = int(np.sum(second_correct & ~first_correct))
    discordant = only_first + only_second
    p_value = binomtest(only_first, discordant).pvalue if discordant else 1.0
    difference = (only_first - only_second) / len(first_correct)
    return PairedComparison(only_first, only_second, difference, float(p_value))


def paired_difference(
    first_correct: np.ndarray, second_correct: np.ndarray, confidence: float = 0.95
) -> Estimate:
    """Difference of two accuracies on the same images, with its adjusted Wald interval.

    Parameters
    ----------
    first_correct, second_correct : ndarray of bool, shape (n,)
        ``n > 0``.
    confidence : float in (0, 1), default=0.95

    Returns
    -------
    Estimate
        Accuracy of the first minus accuracy of the second, in [-1, 1].

    References
    ----------
    Agresti and Min, "Simple improved confidence intervals for comparing matched proportions",
    Statistics in Medicine 2005: half an image is added to each of the four outcomes.
    """
    from scipy.stats import norm

    comparison = mcnemar(first_correct, second_correct)
    only_first, only_second = comparison.only_first + 0.5, comparison.only_second + 0.5
    n = len(first_correct) + 2
    centre = (only_first - only_second) / n
    spread = math.sqrt(only_first + only_second - (only_first - only_second) ** 2 / n) / n
    half = float(norm.ppf(0.5 + confidence / 2) * spread)
    low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    return Estimate(comparison.difference, low, high, confidence)


def independent_difference(first: Estimate, second: Estimate) -> Estimate:
    """Difference of two accuracies on different images, by Newcombe's hybrid score interval.

    Parameters
    ----------
    first, second : Estimate
        Wilson intervals of the same confidence.

    References
    ----------
    Newcombe, "Interval estimation for the difference between independent proportions: comparison
    of eleven methods", Statistics in Medicine 1998, method 10.
    """
    difference = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Estimate(difference, difference - below, difference + above, first.confidence)
