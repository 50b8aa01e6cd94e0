"""Prediction sets from out-of-fold probabilities: no test image calibrates them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.conformal import sorted_by_class
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.common.prediction_sets import Answered, ClassSets, LevelSets, PredictionSets
from fmnist_lib.common.statistics import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fmnist_lib.common.conformal import ConformalCalibration
    from fmnist_lib.common.out_of_fold import OutOfFold

LEVELS = (0.90, 0.95, 0.99)
#: Shares of the predictions that the abstention curve accepts: 50, 55, ... 100 %.
_SHARES = tuple(step / 20 for step in range(10, 21))


def calibrate(out_of_fold: OutOfFold) -> ConformalCalibration:
    """Calibrate prediction sets on images that the predicting fit has not seen.

    The winner is fitted on all images, each fit of the folds on fewer, so their probabilities are
    not exchangeable and there is no guarantee of coverage; `evaluate_sets` measures it.

    Parameters
    ----------
    out_of_fold : OutOfFold

    Raises
    ------
    DataError
        Probabilities and labels do not belong together, or one is not finite.

    References
    ----------
    Vovk, "Cross-conformal predictors", Annals of Mathematics and Artificial Intelligence 2015.
    Here one threshold per class comes from the scores of all folds, and the winner, refitted on all
    images, is the only model that predicts.
    """
    _check(out_of_fold.probabilities, out_of_fold.labels)
    return sorted_by_class(out_of_fold.probabilities, out_of_fold.labels)


def evaluate_sets(
    calibration: ConformalCalibration,
    test_probabilities: NDArray[np.floating],
    test_labels: NDArray[np.integer],
    confidence: float = 0.95,
    levels: Sequence[float] = LEVELS,
) -> PredictionSets:
    """Measure coverage and size of prediction sets, and what abstention gains.

    Parameters
    ----------
    calibration : ConformalCalibration
    test_probabilities : ndarray of float, shape (n, 10)
        Of the winner, ``n > 0``.
    test_labels : ndarray of int, shape (n,)
    confidence : float in (0, 1), default=0.95
        Of the Wilson intervals.
    levels : sequence of float in (0, 1)

    Raises
    ------
    DataError
        Probabilities and labels do not belong together, or one is not finite.
    """
    _check(test_probabilities, test_labels)
    return PredictionSets(
        n_calibration=int(calibration.counts.sum()),
        n_images=len(test_labels),
        levels=tuple(
            _at_level(calibration, test_probabilities, test_labels, level, confidence)
            for level in sorted(levels)
        ),
        abstention=tuple(_abstention(test_probabilities, test_labels, confidence)),
    )


def _check(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> None:
    if not len(labels) or probabilities.shape != (len(labels), N_CLASSES):
        raise DataError(
            f"prediction sets: expected {N_CLASSES} probabilities for each of at least one "
            f"labelled image, got shape {probabilities.shape} and {len(labels)} labels. Pass "
            "predict_proba of the labelled images."
        )
    if not np.isfinite(probabilities).all():
        raise DataError(
            "prediction sets: expected finite probabilities, got NaN or infinity. Check the model."
        )


def _at_level(
    calibration: ConformalCalibration,
    probabilities: NDArray[np.floating],
    labels: NDArray[np.integer],
    level: float,
    confidence: float,
) -> LevelSets:
    sets = calibration.sets(probabilities, level)
    covered = sets[np.arange(len(labels)), labels]
    size = sets.sum(axis=1)
    is_single = size == 1
    n_single = int(is_single.sum())
    n_correct = int((covered & is_single).sum())
    return LevelSets(
        level=level,
        coverage=wilson(int(covered.sum()), len(labels), confidence),
        mean_size=float(size.mean()),
        sizes=tuple(np.bincount(size, minlength=N_CLASSES + 1).tolist()),
        single=wilson(n_single, len(labels), confidence),
        single_accuracy=wilson(n_correct, n_single, confidence) if n_single else None,
        classes=tuple(_by_class(calibration, sets, labels, level, confidence)),
    )


def _by_class(
    calibration: ConformalCalibration,
    sets: NDArray[np.bool_],
    labels: NDArray[np.integer],
    level: float,
    confidence: float,
) -> Iterator[ClassSets]:
    thresholds, out_of_reach = calibration.thresholds(level), calibration.out_of_reach(level)
    for label in range(N_CLASSES):
        rows = labels == label
        own, n = sets[rows], int(rows.sum())
        yield ClassSets(
            label=label,
            n_images=n,
            n_calibration=int(calibration.counts[label]),
            threshold=float(thresholds[label]),
            out_of_reach=label in out_of_reach,
            coverage=wilson(int(own[:, label].sum()), n, confidence) if n else None,
            mean_size=float(own.sum(axis=1).mean()) if n else None,
        )


def _abstention(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], confidence: float
) -> Iterator[Answered]:
    """Yield the accuracy of the most confident predictions, by their share."""
    highest = probabilities.max(axis=1)
    order = np.argsort(-highest, kind="stable")
    n_correct = np.cumsum(probabilities.argmax(axis=1)[order] == labels[order])
    total = len(labels)
    for n in sorted({max(1, round(share * total)) for share in _SHARES}):
        yield Answered(
            share=n / total,
            n_images=n,
            lowest=float(highest[order[n - 1]]),
            accuracy=wilson(int(n_correct[n - 1]), n, confidence),
        )
