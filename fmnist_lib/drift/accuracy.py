"""The champion's accuracy on a batch: estimated without labels, or realised with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.statistics import Estimate, wilson

if TYPE_CHECKING:
    from fmnist_lib.drift.batch import Batch
    from fmnist_lib.drift.calibration import Calibration
    from fmnist_lib.drift.result import TestResult

_CONFIDENCE = 0.95
#: Share of images that the domain classifier tells apart from which the estimate is unreliable.
SEPARATED = 0.2


@dataclass(frozen=True)
class AccuracyEstimate:
    """Accuracy without labels.

    Attributes
    ----------
    value, low, high : float
        Estimate, and its 95 % interval for the accuracy on these very images.
    reliable : bool
        False where the batch lies outside of what the confidences were calibrated on.
    method : str
    reason : str
        Why it can or cannot be relied on.
    average_confidence, threshold_share : float
        The two estimates behind the value: mean calibrated confidence, and the share of images
        above the threshold of ATC.
    """

    value: float
    low: float
    high: float
    reliable: bool
    method: str
    reason: str
    average_confidence: float
    threshold_share: float

    @property
    def estimate(self) -> Estimate:
        """Value and interval alone."""
        return Estimate(self.value, self.low, self.high, _CONFIDENCE)


def estimate_accuracy(
    reference: Batch, current: Batch, calibration: Calibration, domain: TestResult
) -> AccuracyEstimate:
    """Estimate the accuracy on a batch without its labels.

    Average confidence is right when confidences are calibrated on images like these; average
    thresholded confidence (ATC) counts the images above the confidence that as many reference
    images exceed as were answered rightly. The value is the mean of both, and their disagreement
    widens the interval.

    Parameters
    ----------
    reference : Batch
        Held-out images with labels.
    current : Batch
    calibration : Calibration
        Of the reference.
    domain : TestResult
        Of the domain classifier.

    References
    ----------
    Garg, Balakrishnan, Lipton, Neyshabur, Sedghi, "Leveraging Unlabeled Data to Predict
    Out-of-Distribution Performance", ICLR 2022.
    """
    known = calibration.confidence(reference.probabilities)
    confidence = calibration.confidence(current.probabilities)
    accuracy = float((reference.classes == reference.labels).mean())
    # Calibration leaves a small bias on the reference itself, which is known and taken away.
    average = float(confidence.mean() - known.mean() + accuracy)
    above = _share_above(known, confidence, accuracy)
    value = float(np.clip((average + above) / 2, 0, 1))
    half = 1.96 * _standard_error(confidence, accuracy, len(reference)) + abs(average - above) / 2
    apart = domain.drifted and domain.effect_size >= SEPARATED
    return AccuracyEstimate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        reliable=not apart,
        method=f"average confidence and ATC, calibration: {calibration.method}",
        reason=_reason(domain, apart=apart),
        average_confidence=average,
        threshold_share=above,
    )


def realised_accuracy(batch: Batch) -> Estimate | None:
    """Accuracy by the labels with its Wilson interval; None without labels."""
    if batch.labels is None:
        return None
    return wilson(int((batch.classes == batch.labels).sum()), len(batch), _CONFIDENCE)


def _share_above(known: np.ndarray, confidence: np.ndarray, accuracy: float) -> float:
    """ATC; images exactly at the threshold count for the part that the reference needs of them."""
    threshold = float(np.quantile(known, 1 - accuracy, method="inverted_cdf"))
    above, at = (known > threshold).mean(), (known == threshold).mean()
    part = (accuracy - above) / at if at > 0 else 0.0
    return float((confidence > threshold).mean() + part * (confidence == threshold).mean())


def _standard_error(confidence: np.ndarray, accuracy: float, n_reference: int) -> float:
    """Chance of the answers to these images, and of the reference's accuracy."""
    of_batch = float((confidence * (1 - confidence)).mean()) / len(confidence)
    return float(np.sqrt(of_batch + accuracy * (1 - accuracy) / n_reference))


def _reason(domain: TestResult, *, apart: bool) -> str:
    told = f"a classifier tells {domain.effect_size:.0%} of its images from the reference's"
    if apart:
        return f"the batch is unlike the images that confidences were calibrated on: {told}"
    return f"the batch is like the images that confidences were calibrated on: {told}"
