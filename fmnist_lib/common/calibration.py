"""Calibration of predicted probabilities: error, temperature scaling, isotonic regression."""

from __future__ import annotations

import numpy as np

#: Bounds of the logarithm of a temperature: 0.001 to 1,000.
_MAX_LOG_TEMPERATURE = 6.9
#: Minimum images per group of similar probability, and maximum number of groups.
_MIN_GROUP_SIZE, _MAX_GROUPS = 50, 20


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, in [0, 1].

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Probability of the predicted class, in [0, 1].
    correct : ndarray of bool, shape (n,)
    bins : int, default=15

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> error = expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False]))
    >>> round(error, 6)
    0.4
    """
    position = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(position, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(correct))


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the lowest log loss of softmax(scores / temperature).

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Scores or log probabilities of rows that the model was not fitted on.
    labels : ndarray of int, shape (n,)
        Column indices of the true classes.

    Returns
    -------
    float
        Within 0.001..1000.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(scores * np.exp(-log_temperature), axis=1)[rows, labels].mean())

    bounds = -_MAX_LOG_TEMPERATURE, _MAX_LOG_TEMPERATURE
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def isotonic_accuracy(highest: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the accuracy by highest probability, in groups of equal size, made monotone.

    Interpolate between the groups (`numpy.interp`) to get the confidence of a prediction.

    Parameters
    ----------
    highest : ndarray of float, shape (n,)
        Probability of the predicted class of held-out images.
    correct : ndarray of bool, shape (n,)

    Returns
    -------
    probabilities, accuracies : ndarray of float64, shape (n_groups,)
        Mean highest probability and accuracy of each group, both ascending.

    References
    ----------
    Zadrozny and Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability
    Estimates", KDD 2002.
    """
    from sklearn.isotonic import isotonic_regression

    order = np.argsort(highest, kind="stable")
    n_groups = int(np.clip(len(order) // _MIN_GROUP_SIZE, 1, _MAX_GROUPS))
    groups = np.array_split(order, n_groups)
    probabilities = np.array([highest[group].mean(dtype=np.float64) for group in groups])
    # Laplace's rule of succession: avoids accuracies of exactly 0 or 1 in small groups.
    shares = np.array([(correct[group].sum() + 1) / (len(group) + 2) for group in groups])
    return probabilities, np.asarray(isotonic_regression(shares), dtype=np.float64)
