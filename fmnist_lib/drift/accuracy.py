"""The champion's accuracy on a batch: estimated without labels, or realised with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.formatting import percent
from fmnist_lib.common.statistics import Estimate, wilson

if TYPE_CHECKING:
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.calibration import Calibration
    from fmnist_lib.drift.two_sample.result import TwoSampleResult

_CONFIDENCE = 0.95
#: Effect size of the domain classifier at or above which the estimate is unreliable.
SEPARATED = 0.2


@dataclass(frozen=True)
class AccuracyEstimate:
    """Accuracy estimated without labels.

    Attributes
    ----------
    value, low, high : float
        Estimate, and its 95 % interval for the accuracy on this batch.
    reliable : bool
        False if the batch is out-of-distribution for the calibration.
    method : str
    reason : str
        Why the estimate is or is not reliable.
    """

    value: float
    low: float
    high: float
    reliable: bool
    method: str
    reason: str

    @property
    def estimate(self) -> Estimate:
        """Value and interval alone."""
        return Estimate(self.value, self.low, self.high, _CONFIDENCE)


def estimate_accuracy(
    reference: Batch, current: Batch, calibration: Calibration, domain: TwoSampleResult
) -> AccuracyEstimate:
    """Estimate the accuracy on a batch without its labels.

    Average confidence is unbiased if confidences are calibrated for this distribution. Average
    thresholded confidence (ATC) is the share of images above the threshold at which the same
    share on the reference equals its accuracy. The value is the mean of both, and their
    disagreement widens the interval.

    Parameters
    ----------
    reference : Batch
        Held-out images with labels.
    current : Batch
    calibration : Calibration
        Of the reference.
    domain : TwoSampleResult
        Of the domain classifier.

    References
    ----------
    Garg, Balakrishnan, Lipton, Neyshabur, Sedghi, "Leveraging Unlabeled Data to Predict
    Out-of-Distribution Performance", ICLR 2022.
    """
    reference_confidence = calibration.confidence(reference.probabilities)
    confidence = calibration.confidence(current.probabilities)
    accuracy = float(reference.correct.mean())
    # Subtract the bias that calibration leaves on the reference.
    average = float(confidence.mean() - reference_confidence.mean() + accuracy)
    above = _share_above(reference_confidence, confidence, accuracy)
    value = float(np.clip((average + above) / 2, 0, 1))
    half = 1.96 * _standard_error(confidence, accuracy, len(reference)) + abs(average - above) / 2
    separated = domain.drifted and domain.effect_size >= SEPARATED
    return AccuracyEstimate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        reliable=not separated,
        method=f"average confidence and ATC, calibration: {calibration.method}",
        reason=_reason(domain, separated=separated),
    )


def realised_accuracy(batch: Batch) -> Estimate | None:
    """Accuracy by the labels with its Wilson interval; None without labels."""
    if batch.labels is None:
        return None
    return wilson(int(batch.correct.sum()), len(batch), _CONFIDENCE)


def _share_above(
    reference_confidence: np.ndarray, confidence: np.ndarray, accuracy: float
) -> float:
    """ATC; ties at the threshold are weighted so that the reference gives its own accuracy."""
    threshold = float(np.quantile(reference_confidence, 1 - accuracy, method="inverted_cdf"))
    above, at = (
        (reference_confidence > threshold).mean(),
        (reference_confidence == threshold).mean(),
    )
    part = (accuracy - above) / at if at > 0 else 0.0
    return float((confidence > threshold).mean() + part * (confidence == threshold).mean())


def _standard_error(confidence: np.ndarray, accuracy: float, n_reference: int) -> float:
    """Sampling error of the batch and of the reference accuracy combined."""
    batch_variance = float((confidence * (1 - confidence)).mean()) / len(confidence)
    return float(np.sqrt(batch_variance + accuracy * (1 - accuracy) / n_reference))


def _reason(domain: TwoSampleResult, *, separated: bool) -> str:
    evidence = f"effect size of the domain classifier {percent(domain.effect_size, 0)}"
    if separated:
        return f"the batch is out-of-distribution for the calibration: {evidence}"
    return f"the batch is in-distribution for the calibration: {evidence}"
