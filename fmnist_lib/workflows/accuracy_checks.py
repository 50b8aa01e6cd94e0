"""Check the test accuracy against doubtful images and other test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.accuracy_check import AccuracyCheck
from fmnist_lib.common.statistics import Estimate, wilson
from fmnist_lib.label_audit.suspects import rank_suspects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmnist_lib.common.out_of_fold import OutOfFold
    from fmnist_lib.config.training import Settings
    from fmnist_lib.data.audit_result import DataAudit


def check_accuracy(
    labels: np.ndarray,
    probabilities: np.ndarray,
    audit: DataAudit,
    out_of_fold: OutOfFold | None,
    settings: Settings,
) -> tuple[AccuracyCheck, ...]:
    """Return the accuracy without doubtful test images, and on other test sets.

    Nothing is predicted: the test answers are those that the accuracy was measured with.

    Parameters
    ----------
    labels : ndarray of int, shape (n_test,)
    probabilities : ndarray, shape (n_test, n_classes)
        The winner's.
    audit : DataAudit
        Its near-duplicates of test images.
    out_of_fold : OutOfFold or None
        Without it there are no other test sets.
    settings : Settings
        ``evaluation.confidence``.
    """
    confidence = settings.evaluation.confidence
    correct = probabilities.argmax(axis=1) == labels
    leaked = np.array(audit.leaked, dtype=np.intp)
    checks = [
        _without(
            leaked,
            correct,
            "without near-duplicates",
            "of training images, which the winner may have remembered",
            confidence,
        ),
        _without(
            rank_suspects(labels, probabilities),
            correct,
            "without contested labels",
            "an upper bound: only labels that the winner contradicts can be contested",
            confidence,
        ),
        _on_other_test_sets(correct, labels, out_of_fold, confidence),
    ]
    return tuple(check for check in checks if check is not None)


def _without(
    rows: NDArray[np.intp],
    correct: NDArray[np.bool_],
    name: str,
    meaning: str,
    confidence: float,
) -> AccuracyCheck | None:
    """Return the accuracy without some test images, if there are any others."""
    rest = np.delete(correct, rows)
    if not len(rest):
        return None
    accuracy = wilson(int(rest.sum()), len(rest), confidence)
    return AccuracyCheck(name, accuracy, len(rest), len(rows), meaning)


def _on_other_test_sets(
    correct: NDArray[np.bool_],
    labels: NDArray[np.uint8],
    out_of_fold: OutOfFold | None,
    confidence: float,
) -> AccuracyCheck | None:
    """Return the accuracy on stratified test sets of the same size, drawn from all images.

    Every image has an answer by a fit without it: the test images by the winner, the others out of
    fold, by fits that saw fewer images than the winner. So nothing is fitted again. The interval
    holds this share of all such test sets; the number of correct answers in one is
    hypergeometric in every class (normal approximation of their sum). None if only a sample was
    predicted out of fold.
    """
    if out_of_fold is None or len(out_of_fold.labels) < out_of_fold.n_available:
        return None
    from scipy.stats import norm

    everywhere = np.concatenate([correct, out_of_fold.correct])
    classes = np.concatenate([labels, out_of_fold.labels])
    counts = np.bincount(classes)
    shares = np.bincount(classes, weights=everywhere) / np.maximum(counts, 1)
    drawn = len(correct) / len(everywhere)
    variance = (1 - drawn) * (drawn * counts * shares * (1 - shares)).sum() / len(correct) ** 2
    mean, margin = float(everywhere.mean()), float(norm.ppf((1 + confidence) / 2) * variance**0.5)
    fitted = out_of_fold.n_available * (out_of_fold.n_folds - 1) // out_of_fold.n_folds
    return AccuracyCheck(
        "on other test sets",
        Estimate(mean, max(mean - margin, 0.0), min(mean + margin, 1.0), confidence),
        len(correct),
        0,
        f"stratified, from all images, most answered by fits on {fitted:,}: the test images "
        "are like the others",
    )
