"""Quality of a model's predictions on held-out images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fmnist_lib.common.statistics import Estimate


@dataclass(frozen=True)
class ConfusedPair:
    """A class predicted as another.

    Attributes
    ----------
    actual, predicted : int
        Labels.
    count : int
        Images of the class ``actual`` that were predicted as ``predicted``.
    share : float
        Of all images of the class ``actual``.
    examples : ndarray of int
        Indices of the most confident mistakes, most confident first.
    """

    actual: int
    predicted: int
    count: int
    share: float
    examples: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """Quality of one set of predictions.

    Attributes
    ----------
    n_images : int
    accuracy : Estimate
        Wilson interval.
    macro_f1 : Estimate
        Percentile bootstrap over images.
    log_loss : float
        Mean negative log probability of the true class, in nats.
    calibration_error : float
        Expected calibration error over fifteen bins of equal width, in [0, 1].
    majority_share : float
        Accuracy of always predicting the most frequent class.
    per_class : DataFrame
        ``class``, ``images``, ``precision``, ``recall``, ``recall_low``, ``recall_high``, ``f1``.
    confusion : ndarray of int, shape (10, 10)
        Rows are the actual classes, columns the predicted ones.
    confused_pairs : tuple of ConfusedPair
        Most frequent first.
    """

    n_images: int
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: float
    calibration_error: float
    majority_share: float
    per_class: pd.DataFrame
    confusion: np.ndarray
    confused_pairs: tuple[ConfusedPair, ...]

    def as_metrics(self) -> dict[str, float]:
        """Return the numbers as a flat dict, for tracking and comparison."""
        return {
            "accuracy": self.accuracy.value,
            "accuracy_low": self.accuracy.low,
            "accuracy_high": self.accuracy.high,
            "macro_f1": self.macro_f1.value,
            "macro_f1_low": self.macro_f1.low,
            "macro_f1_high": self.macro_f1.high,
            "log_loss": self.log_loss,
            "calibration_error": self.calibration_error,
            "n_images": float(self.n_images),
        }
