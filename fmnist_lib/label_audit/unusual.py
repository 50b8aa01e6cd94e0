"""Images that are unusual whatever their label, and the group that is predicted worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.statistics import wilson
from fmnist_lib.label_audit.result import WeakGroup
from fmnist_lib.label_audit.suspects import positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fmnist_lib.common.out_of_fold import OutOfFold

#: Images listed for each reason.
_LISTED = 8
#: Groups of similar images, columns they are formed by, and rows that place their centres.
_GROUPS, _COLUMNS, _ROWS = 40, 40, 10_000
#: Fewer images in a group say nothing.
_MIN_GROUP = 50
_SHOWN_CLASSES = 3


def unusual_images(images: NDArray[np.uint8], out_of_fold: OutOfFold) -> pd.DataFrame:
    """List the darkest images, those with the least information, and the outliers.

    Brightness is the 99th percentile of the pixels and information the entropy of their histogram
    in bits, as CleanVision measures them; outliers have the most even probabilities (cleanlab's
    score for images that may belong to no class).

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
    out_of_fold : OutOfFold
        Of the same images.

    Returns
    -------
    DataFrame
        ``image``, ``label``, ``reason``, ``value``; most unusual first for every reason.
    """
    from cleanlab.outlier import OutOfDistribution

    flat = images.reshape(len(images), -1)
    brightness = np.percentile(flat, 99, axis=1)
    typical = OutOfDistribution({"adjust_pred_probs": False}).score(
        pred_probs=positive(out_of_fold.probabilities)
    )
    reasons = {"dark": brightness, "little information": _entropy(flat), "outlier": typical}
    names = np.array(CLASS_NAMES)
    tables = []
    for reason, values in reasons.items():
        rows = np.argsort(values, kind="stable")[:_LISTED]
        tables.append(
            pd.DataFrame(
                {
                    "image": out_of_fold.numbers[rows],
                    "label": names[out_of_fold.labels[rows]],
                    "reason": reason,
                    "value": np.asarray(values, dtype=np.float64)[rows],
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def _entropy(flat: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Entropy of the histogram of 32 grey levels of every image, in bits."""
    n, n_pixels = flat.shape
    bins = (flat >> 3).astype(np.int64) + 32 * np.arange(n)[:, None]
    shares = np.bincount(bins.ravel(), minlength=32 * n).reshape(n, 32) / n_pixels
    logs = np.log2(shares, where=shares > 0, out=np.zeros_like(shares))
    return np.asarray(-(shares * logs).sum(axis=1))


def weak_group(
    columns: NDArray[np.float32], out_of_fold: OutOfFold, confidence: float, seed: int
) -> tuple[WeakGroup | None, NDArray[np.intp]]:
    """Find the group of similar images that is predicted worst.

    Groups are k-means clusters of the first columns; the intervals are corrected for their number
    (Bonferroni).

    Parameters
    ----------
    columns : ndarray of float32, shape (n, n_columns)
    out_of_fold : OutOfFold
        Of the same images.
    confidence : float in (0, 1)
    seed : int
        Of the clusters.

    Returns
    -------
    WeakGroup or None, ndarray of int
        And the group's rows.
    """
    from sklearn.cluster import MiniBatchKMeans

    n_groups = min(_GROUPS, len(columns) // (2 * _MIN_GROUP))
    if n_groups < 2:  # noqa: PLR2004 (one group has nothing to compare with)
        return None, np.empty(0, dtype=np.intp)
    used = columns[:, :_COLUMNS]
    sample = np.random.default_rng(seed).permutation(len(used))[:_ROWS]
    clusters = MiniBatchKMeans(n_groups, random_state=seed, n_init=1).fit(used[sample])
    group = clusters.predict(used)
    sizes = np.bincount(group, minlength=n_groups)
    right = np.bincount(group, weights=out_of_fold.correct, minlength=n_groups)
    accuracy = np.where(sizes >= _MIN_GROUP, right / np.maximum(sizes, 1), np.inf)
    worst = int(accuracy.argmin())
    rows = np.flatnonzero(group == worst)
    labels = np.bincount(out_of_fold.labels[rows], minlength=N_CLASSES)
    frequent = [label for label in np.argsort(-labels)[:_SHOWN_CLASSES] if labels[label]]
    found = WeakGroup(
        n_images=len(rows),
        accuracy=wilson(int(right[worst]), len(rows), 1 - (1 - confidence) / n_groups),
        classes={CLASS_NAMES[label]: int(labels[label]) for label in frequent},
        n_groups=n_groups,
    )
    return found, rows
