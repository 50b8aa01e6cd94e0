"""Calibration of predicted probabilities: error, temperature and matrix scaling, isotonic."""

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


def fit_matrix_scaling(
    scores: np.ndarray, labels: np.ndarray, precision: float = 20.0
) -> np.ndarray:
    """Return the matrix scaling with the highest posterior density.

    The probabilities are softmax(scores @ M[:-1] + M[-1]). Unlike a temperature it knows which
    classes are confused with each other. With few rows it stays near temperature scaling, the mean
    of its prior.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Scores or log probabilities of rows that the model was not fitted on.
    labels : ndarray of int, shape (n,)
        Column indices of the true classes.
    precision : float, default=20.0
        Of the prior. A tenth costs accuracy if there are few rows, ten times as much costs log
        loss if there are many: docs/statistics.md, "Calibration".

    Returns
    -------
    ndarray of float64, shape (n_classes + 1, n_classes)
        M: weights, and a last row of offsets.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017 (matrix
    scaling); Kull, Perello-Nieto, Kaengsepp, Silva Filho, Song and Flach, "Beyond temperature
    scaling: Obtaining well-calibrated multiclass probabilities with Dirichlet calibration",
    NeurIPS 2019 (its regularisation).
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax
    from threadpoolctl import threadpool_limits

    temperature = fit_temperature(scores, labels)
    scaled = np.column_stack([scores / temperature, np.ones(len(scores))])
    n_classes = scores.shape[1]
    mean, targets = np.eye(n_classes + 1, n_classes), np.eye(n_classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        matrix = flat.reshape(mean.shape)
        logs, shift = log_softmax(scaled @ matrix, axis=1), matrix - mean
        gradient = scaled.T @ (np.exp(logs) - targets) + precision * shift
        value = -(logs * targets).sum() + precision / 2 * np.square(shift).sum()
        return value / len(labels), gradient.ravel() / len(labels)

    # With several BLAS threads the last bit would depend on their number.
    with threadpool_limits(1, user_api="blas"):
        found = minimize(loss, mean.ravel(), jac=True, method="L-BFGS-B").x.reshape(mean.shape)
    found[:-1] /= temperature
    return found


def scaled_out_of_fold(scores: np.ndarray, labels: np.ndarray, n_folds: int = 5) -> np.ndarray:
    """Return the probabilities of rows by the matrix scaling of the other folds.

    Parameters
    ----------
    scores, labels : ndarray
        As `fit_matrix_scaling` takes them, in random order.
    n_folds : int, default=5

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
    """
    from scipy.special import softmax

    logits = np.empty(scores.shape, dtype=np.float64)
    fold = np.arange(len(scores)) % n_folds
    for number in range(n_folds):
        held_out = fold == number
        matrix = fit_matrix_scaling(scores[~held_out], labels[~held_out])
        logits[held_out] = scores[held_out] @ matrix[:-1] + matrix[-1]
    return np.asarray(softmax(logits, axis=1))


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
