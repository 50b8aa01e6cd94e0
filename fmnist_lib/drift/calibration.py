"""Calibrate confidences by temperature scaling or isotonic regression, if it helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fmnist_lib.common.calibration import (
    expected_calibration_error,
    fit_temperature,
    isotonic_accuracy,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.drift.batch import Batch

_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Calibration:
    """Maps the champion's outputs to the probability that its prediction is correct.

    Attributes
    ----------
    method : {"none", "temperature", "isotonic"}
    confidence : callable
        Probabilities of shape (n, 10) to confidences of shape (n,).
    """

    method: Literal["none", "temperature", "isotonic"]
    confidence: Callable[[np.ndarray], np.ndarray]


def calibrate(reference: Batch, seed: int) -> Calibration:
    """Choose the calibration with the lowest cross-fitted calibration error.

    Parameters
    ----------
    reference : Batch
        Held-out images with labels.
    seed : int
        Of the folds.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017;
    Zadrozny, Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability
    Estimates", KDD 2002.
    """
    assert reference.labels is not None  # noqa: S101 (checked by `assess_batch`)
    correct = reference.correct
    before = expected_calibration_error(reference.confidence, correct)
    errors = {
        method: expected_calibration_error(_cross_fitted(fit, reference, correct, seed), correct)
        for method, fit in _METHODS.items()
    }
    best = min(errors, key=errors.__getitem__)
    if errors[best] >= before:
        return Calibration("none", _plain)
    return Calibration(best, _METHODS[best](reference, correct, np.arange(len(reference))))


def _cross_fitted(
    fit: Callable[..., Callable[[np.ndarray], np.ndarray]],
    reference: Batch,
    correct: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Confidence of every image by a calibration fitted on the other folds."""
    folds = np.random.default_rng(seed).permutation(len(correct)) % _FOLDS
    confidence = np.empty(len(correct))
    for fold in range(_FOLDS):
        inside = folds == fold
        others = np.flatnonzero(~inside)
        confidence[inside] = fit(reference, correct, others)(reference.probabilities[inside])
    return confidence


def _plain(probabilities: np.ndarray) -> np.ndarray:
    return probabilities.max(axis=1).astype(np.float64)


def _temperature(
    reference: Batch,
    correct: np.ndarray,  # noqa: ARG001 (one signature for every method)
    rows: np.ndarray,
) -> Callable[[np.ndarray], np.ndarray]:
    """Temperature scaling of log probabilities, fitted by log loss."""
    assert reference.labels is not None  # noqa: S101 (as above)
    scores = _log_probabilities(reference.probabilities[rows])
    temperature = fit_temperature(scores, reference.labels[rows])

    def confidence(probabilities: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        return softmax(_log_probabilities(probabilities) / temperature, axis=1).max(axis=1)

    return confidence


def _log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), 1e-12))


def _isotonic(
    reference: Batch, correct: np.ndarray, rows: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Isotonic regression of accuracy on confidence, as stored with the model."""
    knots = isotonic_accuracy(_plain(reference.probabilities[rows]), correct[rows])
    return lambda probabilities: np.interp(_plain(probabilities), *knots)


_METHODS: dict[
    Literal["temperature", "isotonic"], Callable[..., Callable[[np.ndarray], np.ndarray]]
]
_METHODS = {"temperature": _temperature, "isotonic": _isotonic}
