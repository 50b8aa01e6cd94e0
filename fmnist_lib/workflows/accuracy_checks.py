"""Check the test accuracy against doubtful images and other test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.evaluation.accuracy_checks import other_splits, without
from fmnist_lib.label_audit.suspects import rank_suspects

if TYPE_CHECKING:
    from fmnist_lib.common.accuracy_check import AccuracyCheck
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
        ``evaluation.confidence`` and ``seed``.
    """
    confidence = settings.evaluation.confidence
    correct = probabilities.argmax(axis=1) == labels
    checks = [
        *without(
            correct,
            np.array(audit.leaked, dtype=np.intp),
            "without near-duplicates",
            "of training images, which the winner may have remembered",
            confidence,
        ),
        *without(
            correct,
            rank_suspects(labels, probabilities),
            "without contested labels",
            "an upper bound: only labels that the winner contradicts can be contested",
            confidence,
        ),
    ]
    if out_of_fold is not None:
        checks += other_splits(correct, labels, out_of_fold, confidence, settings.seed)
    return tuple(checks)
