"""Training labels that out-of-fold probabilities contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmnist_lib.common.out_of_fold import OutOfFold

    Floats = NDArray[np.float32]

LIKELY_ERROR, AMBIGUOUS = "likely error", "ambiguous class"


def rank_suspects(labels: NDArray[np.uint8], probabilities: Floats) -> NDArray[np.intp]:
    """Return the rows whose labels are suspect, most suspicious first.

    Confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
    Dataset Labels", JAIR 2021) estimates from the probabilities how many labels of every class are
    wrong, and takes that many; they are ranked by the probability of the given label. Both with
    cleanlab's defaults.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, n_classes)
        By fits that have not seen the images.

    Returns
    -------
    ndarray of int
        Empty if nothing can be said: one class only, or the same probabilities for all images.
    """
    from cleanlab.filter import find_label_issues

    present = np.unique(labels)
    # A class that is missing has no threshold; a constant predictor has no opinion.
    if len(present) < 2 or np.ptp(probabilities, axis=0).max() < 1e-6:  # noqa: PLR2004
        return np.empty(0, dtype=np.intp)
    return np.asarray(
        find_label_issues(
            np.searchsorted(present, labels),
            positive(probabilities[:, present]),
            return_indices_ranked_by="self_confidence",
            n_jobs=1,
        ),
        dtype=np.intp,
    )


def positive(probabilities: Floats) -> NDArray[np.float64]:
    """Return probabilities above 0 that add up to 1, as cleanlab takes them."""
    raised = np.maximum(probabilities.astype(np.float64), 1e-9)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def confusion_rates(labels: NDArray[np.uint8], probabilities: Floats) -> NDArray[np.float64]:
    """Return how often two classes are confused, out of fold.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, n_classes)

    Returns
    -------
    ndarray of float, shape (n_classes, n_classes)
        Of the images with either label, the share that is predicted as the other; symmetric.
    """
    counts = np.zeros((N_CLASSES, N_CLASSES))
    np.add.at(counts, (labels, probabilities.argmax(axis=1)), 1)
    sizes = counts.sum(axis=1)
    pairs = np.maximum(sizes[:, None] + sizes[None, :], 1)
    return np.asarray((counts + counts.T) / pairs)


def suspects_table(
    out_of_fold: OutOfFold,
    rows: NDArray[np.intp],
    neighbours: NDArray[np.intp],
    near_duplicates: NDArray[np.bool_],
    ambiguous_rate: float,
) -> pd.DataFrame:
    """Describe the suspect rows.

    An error is likely if the two classes are rarely confused, or if most of the nearest images
    have the suggested label and none has the given one. All other suspects are of ambiguous
    classes: the label may as well be right.

    Parameters
    ----------
    out_of_fold : OutOfFold
    rows : ndarray of int, shape (n_suspects,)
        Most suspicious first.
    neighbours : ndarray of int, shape (n_suspects, n_neighbours)
        Rows of the nearest images, nearest first.
    near_duplicates : ndarray of bool, shape (n_suspects, n_neighbours)
        True for neighbours that are nearly the same image.
    ambiguous_rate : float
        See `fmnist_lib.config.training.LabelAuditConfig`.

    Returns
    -------
    DataFrame
        See `fmnist_lib.label_audit.result.LabelAudit`.
    """
    labels, probabilities = out_of_fold.labels, out_of_fold.probabilities
    given = labels[rows].astype(np.intp)
    every = np.arange(len(rows))
    others = probabilities[rows].copy()
    others[every, given] = -1
    suggested = others.argmax(axis=1)
    near = labels[neighbours]
    with_given = (near == given[:, None]).sum(axis=1)
    with_suggested = (near == suggested[:, None]).sum(axis=1)
    confused = confusion_rates(labels, probabilities)[given, suggested] >= ambiguous_rate
    agreed = (with_given == 0) & (2 * with_suggested > neighbours.shape[1])
    names = np.array(CLASS_NAMES)
    conflicts = near_duplicates & (near != given[:, None])
    return pd.DataFrame(
        {
            "image": out_of_fold.numbers[rows],
            "given": names[given],
            "suggested": names[suggested],
            "kind": np.where(confused & ~agreed, AMBIGUOUS, LIKELY_ERROR),
            "given_probability": probabilities[rows, given],
            "suggested_probability": probabilities[rows, suggested],
            "neighbours_given": with_given,
            "neighbours_suggested": with_suggested,
            "neighbours": neighbours.shape[1],
            "duplicates": [
                " ".join(str(out_of_fold.numbers[one]) for one in own[found])
                for own, found in zip(neighbours, conflicts, strict=True)
            ],
        }
    )
