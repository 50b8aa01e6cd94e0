"""Classification metrics on held-out images, with confidence intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.calibration import expected_calibration_error
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.evaluation_result import ConfusedPair, Evaluation
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.statistics import Estimate, wilson

if TYPE_CHECKING:
    import pandas as pd

    from fmnist_lib.config.training import EvaluationConfig


def evaluate(
    labels: np.ndarray, probabilities: np.ndarray, config: EvaluationConfig, seed: int
) -> Evaluation:
    """Compare predicted probabilities with the labels.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        In 0..9.
    probabilities : ndarray of float, shape (n, 10)
        Rows add up to 1.
    config : EvaluationConfig
    seed : int
        Of the bootstrap.

    Raises
    ------
    DataError
        Shapes differ or a probability is not finite.
    """
    _check(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(labels, predicted)
    correct = int(np.trace(confusion))
    return Evaluation(
        n_images=len(labels),
        accuracy=wilson(correct, len(labels), config.confidence),
        macro_f1=_bootstrap_macro_f1(confusion, config, seed),
        log_loss=log_loss(labels, probabilities),
        calibration_error=expected_calibration_error(
            probabilities.max(axis=1), predicted == labels
        ),
        majority_share=float(confusion.sum(axis=1).max() / len(labels)),
        per_class=_per_class(confusion, config.confidence),
        confusion=confusion,
        confused_pairs=_confused_pairs(labels, probabilities, confusion, config.confused_pairs),
    )


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts of shape (10, 10): actual classes in rows, predicted ones in columns."""
    cells = labels.astype(np.int64) * N_CLASSES + predicted
    return np.bincount(cells, minlength=N_CLASSES**2).reshape(N_CLASSES, N_CLASSES)


def _check(labels: np.ndarray, probabilities: np.ndarray) -> None:
    if probabilities.shape != (len(labels), N_CLASSES):
        raise DataError(
            f"probabilities: expected shape ({len(labels)}, {N_CLASSES}), "
            f"got {probabilities.shape}. Pass predict_proba of the labelled images."
        )
    if not np.isfinite(probabilities).all():
        raise DataError(
            "probabilities: expected finite numbers, got NaN or infinity. Check the model."
        )


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean of -log of the labels' probabilities.

    Clipped at the smallest float32, so that one probability of 0 does not make it infinite.
    ``sklearn.metrics.log_loss`` clips at the precision of the data type, so that the same
    probabilities in float32 and in float64 have different losses.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray of float, shape (n, n_classes)
    """
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(own, np.finfo(np.float32).tiny)).mean())


def _macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 of the classes that occur among labels or predictions, as in scikit-learn."""
    total = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return _f1(confusion).sum(axis=-1) / (total > 0).sum(axis=-1)


def _f1(confusion: np.ndarray) -> np.ndarray:
    """F1 per class; the last two axes are the confusion matrix."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return 2 * hits / np.maximum(total, 1)


def _bootstrap_macro_f1(confusion: np.ndarray, config: EvaluationConfig, seed: int) -> Estimate:
    """Percentile bootstrap: resampling images is a multinomial draw of the confusion cells."""
    rng = np.random.default_rng(seed)
    n = int(confusion.sum())
    draws = rng.multinomial(n, confusion.ravel() / n, size=config.bootstrap_samples)
    scores = _macro_f1(draws.reshape(-1, N_CLASSES, N_CLASSES))
    tail = (1 - config.confidence) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return Estimate(float(_macro_f1(confusion)), float(low), float(high), config.confidence)


def _per_class(confusion: np.ndarray, confidence: float) -> pd.DataFrame:
    import pandas as pd

    hits, actual, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = [
        wilson(int(hit), int(n), confidence) if n else Estimate(np.nan, np.nan, np.nan, confidence)
        for hit, n in zip(hits, actual, strict=True)
    ]
    return pd.DataFrame(
        {
            "class": CLASS_NAMES,
            "images": actual,
            "precision": hits / np.maximum(predicted, 1),
            "recall": [estimate.value for estimate in recall],
            "recall_low": [estimate.low for estimate in recall],
            "recall_high": [estimate.high for estimate in recall],
            "f1": _f1(confusion),
        }
    )


def _confused_pairs(
    labels: np.ndarray, probabilities: np.ndarray, confusion: np.ndarray, n_pairs: int
) -> tuple[ConfusedPair, ...]:
    mistakes = confusion * (1 - np.eye(N_CLASSES, dtype=int))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:n_pairs]
    predicted = probabilities.argmax(axis=1)
    pairs = []
    for actual, wrong_class in zip(*np.unravel_index(order, mistakes.shape), strict=True):
        count = int(mistakes[actual, wrong_class])
        if count == 0:
            break
        rows = np.flatnonzero((labels == actual) & (predicted == wrong_class))
        most_confident = rows[np.argsort(-probabilities[rows, wrong_class], kind="stable")]
        share = count / int(confusion[actual].sum())
        pairs.append(ConfusedPair(int(actual), int(wrong_class), count, share, most_confident[:8]))
    return tuple(pairs)
