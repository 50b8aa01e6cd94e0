"""Calibrate confidences by temperature scaling or isotonic regression, if it helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from fmnist_lib.drift.batch import Batch

_FOLDS, _BINS = 5, 15
#: Bounds of the temperature search.
_MIN_TEMPERATURE, _MAX_TEMPERATURE = 0.05, 20.0


@dataclass(frozen=True, eq=False)
class Calibration:
    """Maps the champion's outputs to the probability that its prediction is correct.

    Attributes
    ----------
    method : {"none", "temperature", "isotonic"}
    ece_before, ece_after : float
        Expected calibration error on held-out images, before and with the method
        (cross-fitted).
    confidence : callable
        Probabilities of shape (n, 10) to confidences of shape (n,).
    """

    method: Literal["none", "temperature", "isotonic"]
    ece_before: float
    ece_after: float
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
    correct = reference.classes == reference.labels
    before = calibration_error(reference.confidence, correct)
    errors = {
        method: calibration_error(_cross_fitted(fit, reference, correct, seed), correct)
        for method, fit in _METHODS.items()
    }
    best = min(errors, key=errors.__getitem__)
    if errors[best] >= before:
        return Calibration("none", before, before, _plain)
    fitted = _METHODS[best](reference, correct, np.arange(len(reference)))
    return Calibration(best, before, errors[best], fitted)


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = _BINS) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, in [0, 1].

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """
    bin_index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_index, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(correct))


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
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    assert reference.labels is not None  # noqa: S101 (as above)
    scores, labels = _log_probabilities(reference.probabilities[rows]), reference.labels[rows]

    def loss(exponent: float) -> float:
        logs = log_softmax(scores / np.exp(exponent), axis=1)
        return -float(logs[np.arange(len(labels)), labels].mean())

    bounds = np.log(_MIN_TEMPERATURE), np.log(_MAX_TEMPERATURE)
    found = minimize_scalar(loss, bounds=bounds, method="bounded")
    return _Temperature(float(np.exp(found.x)))


@dataclass(frozen=True)
class _Temperature:
    temperature: float

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        return softmax(_log_probabilities(probabilities) / self.temperature, axis=1).max(axis=1)


def _log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), 1e-12))


def _isotonic(
    reference: Batch, correct: np.ndarray, rows: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Isotonic regression of accuracy on confidence."""
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    return _Isotonic(model.fit(reference.confidence[rows].astype(np.float64), correct[rows]))


@dataclass(frozen=True)
class _Isotonic:
    model: object

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        return self.model.predict(_plain(probabilities))  # type: ignore[attr-defined]


_METHODS: dict[
    Literal["temperature", "isotonic"], Callable[..., Callable[[np.ndarray], np.ndarray]]
]
_METHODS = {"temperature": _temperature, "isotonic": _isotonic}
