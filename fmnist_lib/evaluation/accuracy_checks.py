"""The test accuracy without doubtful images, and on other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.accuracy_check import AccuracyCheck
from fmnist_lib.common.statistics import Estimate, wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fmnist_lib.common.out_of_fold import OutOfFold

N_SPLITS = 20


def without(
    correct: NDArray[np.bool_], rows: NDArray[np.intp], name: str, meaning: str, confidence: float
) -> Iterator[AccuracyCheck]:
    """Yield the accuracy without some test images, if there are any others.

    Parameters
    ----------
    correct : ndarray of bool, shape (n_test,)
    rows : ndarray of int
        Images to leave out.
    name, meaning : str
    confidence : float in (0, 1)
    """
    rest = np.delete(correct, rows)
    if len(rest):
        accuracy = wilson(int(rest.sum()), len(rest), confidence)
        yield AccuracyCheck(name, accuracy, len(rest), len(rows), meaning)


def other_splits(
    correct: NDArray[np.bool_],
    labels: NDArray[np.uint8],
    out_of_fold: OutOfFold,
    confidence: float,
    seed: int,
) -> Iterator[AccuracyCheck]:
    """Yield the accuracy on fresh stratified test sets, drawn from all images.

    Every image has an answer by a fit without it: the test images by the winner, the others out of
    fold. So other test sets of the same size can be drawn without fitting anything again; the fits
    out of fold saw fewer images than the winner. Nothing is yielded if only a sample was predicted
    out of fold.

    Parameters
    ----------
    correct : ndarray of bool, shape (n_test,)
    labels : ndarray of int, shape (n_test,)
    out_of_fold : OutOfFold
    confidence : float in (0, 1)
        The interval holds this share of such test sets (normal approximation).
    seed : int
        Of the splits.
    """
    from scipy.stats import norm
    from sklearn.model_selection import StratifiedShuffleSplit

    if len(out_of_fold.labels) < out_of_fold.n_available:
        return
    everywhere = np.concatenate([correct, out_of_fold.correct])
    classes = np.concatenate([labels, out_of_fold.labels])
    splits = StratifiedShuffleSplit(N_SPLITS, test_size=len(correct), random_state=seed)
    values = [everywhere[rows].mean() for _, rows in splits.split(classes, classes)]
    mean, margin = float(np.mean(values)), float(norm.ppf((1 + confidence) / 2) * np.std(values))
    fitted = out_of_fold.n_available * (out_of_fold.n_folds - 1) // out_of_fold.n_folds
    yield AccuracyCheck(
        f"on {N_SPLITS} other test sets",
        Estimate(mean, max(mean - margin, 0.0), min(mean + margin, 1.0), confidence),
        len(correct),
        0,
        f"stratified, from all images, most answered by fits on {fitted:,}: the test images "
        "are like the others",
    )
