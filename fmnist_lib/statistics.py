"""Interval estimates that every report shares."""

from __future__ import annotations

from dataclasses import dataclass


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
