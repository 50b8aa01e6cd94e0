"""Combine old and new images for retraining, and compare challenger and champion.

Combines data and statistics, which do not import each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.statistics import mcnemar, wilson
from fmnist_lib.data.dataset import Split
from fmnist_lib.data.formats.idx import write_idx
from fmnist_lib.data.official_files import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.common.statistics import Estimate, PairedComparison
    from fmnist_lib.data.dataset import Dataset
    from fmnist_lib.data.formats.batch import LabelledImages

#: Minimum number of new labelled images for a training run.
MIN_NEW = 20


@dataclass(frozen=True, eq=False)
class RetrainingData:
    """Old and new images, split for training and comparison.

    Attributes
    ----------
    train : Split
        Old training and validation images, then the new ones to fit on.
    held_out : Split
        Old test images, then new ones; neither champion nor challenger is fitted on them.
    n_new_train, n_new_held_out : int
        New images in each split, at its end.
    """

    train: Split
    held_out: Split
    n_new_train: int
    n_new_held_out: int


@dataclass(frozen=True)
class Contest:
    """Comparison of champion and challenger on the same held-out images.

    Attributes
    ----------
    champion, challenger : Estimate
        Accuracy on all held-out images.
    champion_new, challenger_new : Estimate
        Accuracy on the new held-out images, if there are any.
    comparison : PairedComparison
        Challenger first.
    better : bool
        The challenger is more accurate, with a p-value of at most `alpha`.
    reason : str
    """

    champion: Estimate
    challenger: Estimate
    champion_new: Estimate | None
    challenger_new: Estimate | None
    comparison: PairedComparison
    better: bool
    reason: str


def combine(old: Dataset, new: LabelledImages, holdout_share: float, seed: int) -> RetrainingData:
    """Split the new images, and add them to the old ones.

    Copies of old test images are left out. A copy of an image that the champion was or the
    challenger will be fitted on is not held out, and of equal new images only one is.

    Parameters
    ----------
    old : Dataset
        Of the champion's training run.
    new : LabelledImages
        Must have labels.
    holdout_share : float in (0, 1)
    seed : int

    Raises
    ------
    DataError
        The new images have no labels, or are too few.
    """
    order = np.random.default_rng(seed).permutation(len(new))
    rows = _unseen(new.images, order, old.test.images)
    if new.labels is None or len(rows) < MIN_NEW:
        copies = f" besides {len(new) - len(rows)} copies of test images"
        raise DataError(
            f"retraining: expected at least {MIN_NEW} new images with labels, got {len(rows)} "
            f"{'without' if new.labels is None else 'with'} labels"
            f"{copies if len(rows) < len(new) else ''}. Pass them with --labels."
        )
    held_out, fitted = np.split(rows, [round(len(rows) * holdout_share)])
    fitted_images = old.train.images, old.validation.images, new.images[fitted]
    held_out = _unseen(new.images, held_out, *fitted_images)
    different = {new.images[row].tobytes(): row for row in held_out[::-1]}
    held_out = np.array(list(different.values()), dtype=int)[::-1]
    return RetrainingData(
        train=_joined(old.train, old.validation, _rows(new, fitted)),
        held_out=_joined(old.test, _rows(new, held_out)),
        n_new_train=len(fitted),
        n_new_held_out=len(held_out),
    )


def rows_to_use(wanted: int | None, data: RetrainingData) -> int | None:
    """Return the limit of training images, raised by the number of new ones; None: no limit."""
    return None if wanted is None else min(wanted + data.n_new_train, len(data.train))


def write_directory(data: RetrainingData, directory: Path) -> None:
    """Write the four files that ``flows/train.py --data-dir`` reads."""
    directory.mkdir(parents=True, exist_ok=True)
    write_idx(directory / TRAIN_IMAGES, data.train.images)
    write_idx(directory / TRAIN_LABELS, data.train.labels)
    write_idx(directory / TEST_IMAGES, data.held_out.images)
    write_idx(directory / TEST_LABELS, data.held_out.labels)


def contest(
    labels: np.ndarray,
    champion: np.ndarray,
    challenger: np.ndarray,
    n_new: int,
    alpha: float,
) -> Contest:
    """Compare two models' predictions on the shared held-out images.

    Parameters
    ----------
    labels, champion, challenger : ndarray of shape (n,)
        True classes, and the classes predicted by each model.
    n_new : int
        Number of new images, at the end.
    alpha : float in (0, 1)
    """
    champion_correct, challenger_correct = champion == labels, challenger == labels
    comparison = mcnemar(challenger_correct, champion_correct)
    better = comparison.difference > 0 and comparison.p_value <= alpha
    return Contest(
        champion=_accuracy(champion_correct),
        challenger=_accuracy(challenger_correct),
        champion_new=_accuracy(champion_correct[len(labels) - n_new :]) if n_new else None,
        challenger_new=_accuracy(challenger_correct[len(labels) - n_new :]) if n_new else None,
        comparison=comparison,
        better=better,
        reason=_reason(comparison, len(labels), alpha, better=better),
    )


def _reason(comparison: PairedComparison, n: int, alpha: float, *, better: bool) -> str:
    evidence = (
        f"on {n} shared held-out images only the challenger is correct on {comparison.only_first}, "
        f"only the champion on {comparison.only_second} (McNemar p = {comparison.p_value:.2g})"
    )
    if better:
        return f"better: {evidence}"
    if comparison.difference > 0:
        return f"not significantly better: {evidence}; p of at most {alpha:g} required"
    return f"not better: {evidence}"


def _accuracy(correct: np.ndarray) -> Estimate:
    return wilson(int(correct.sum()), len(correct))


def _unseen(images: np.ndarray, rows: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Return those of the rows whose image is in none of the other arrays."""
    seen = {image.tobytes() for other in others for image in other}
    return np.array([row for row in rows if images[row].tobytes() not in seen], dtype=int)


def _rows(images: LabelledImages, rows: np.ndarray) -> Split:
    assert images.labels is not None  # noqa: S101 (checked by the caller)
    return Split(images.images[rows], images.labels[rows])


def _joined(*parts: Split) -> Split:
    return Split(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )
