"""Audit of the training labels."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.montage import gallery
from fmnist_lib.common.statistics import wilson
from fmnist_lib.label_audit.figures import suspects_picture
from fmnist_lib.label_audit.neighbours import near_duplicates, nearest_rows
from fmnist_lib.label_audit.result import LabelAudit
from fmnist_lib.label_audit.suspects import rank_suspects, suspects_table
from fmnist_lib.label_audit.unusual import unusual_images, weak_group

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from fmnist_lib.common.out_of_fold import OutOfFold
    from fmnist_lib.common.plotting import Picture
    from fmnist_lib.config.training import Settings
    from fmnist_lib.label_audit.result import WeakGroup

#: Images of the weak group that are shown.
_SHOWN = 16


def audit_labels(
    out_of_fold: OutOfFold,
    images: NDArray[np.uint8],
    columns: NDArray[np.float32],
    settings: Settings,
) -> LabelAudit:
    """Find suspect labels, unusual images and the group that is predicted worst.

    Parameters
    ----------
    out_of_fold : OutOfFold
    images : ndarray of uint8, shape (n, 28, 28)
        The same images in the same order.
    columns : ndarray of float32, shape (n, n_columns)
        Features of the images, in which similar ones are near each other.
    settings : Settings
        ``label_audit``, ``data.audit.near_duplicate_distance``, ``evaluation.confidence`` and
        ``seed``.
    """
    started, config = time.monotonic(), settings.label_audit
    confidence = settings.evaluation.confidence
    rows = rank_suspects(out_of_fold.labels, out_of_fold.probabilities)
    neighbours = nearest_rows(columns, rows, config.neighbours)
    duplicates = near_duplicates(
        images, rows, neighbours, settings.data.audit.near_duplicate_distance
    )
    suspects = suspects_table(out_of_fold, rows, neighbours, duplicates, config.ambiguous_rate)
    unusual = unusual_images(images, out_of_fold)
    group, members = weak_group(columns, out_of_fold, confidence, settings.seed)
    shown = slice(0, config.examples)
    return LabelAudit(
        suspects=suspects,
        n_images=len(images),
        n_available=out_of_fold.n_available,
        accuracy=wilson(int(out_of_fold.correct.sum()), len(images), confidence),
        unusual=unusual,
        weak_group=group,
        notes=_notes(out_of_fold, rows),
        pictures=(
            *suspects_picture(
                suspects[shown], images, rows[shown], neighbours[shown], out_of_fold.labels
            ),
            *_group_picture(group, images[members]),
            _unusual_picture(unusual, images, out_of_fold.numbers),
        ),
        seconds=out_of_fold.seconds + time.monotonic() - started,
    )


def _notes(out_of_fold: OutOfFold, rows: NDArray[np.intp]) -> tuple[str, ...]:
    """Say what could not be audited."""
    counts = np.bincount(out_of_fold.labels)
    counts = counts[counts > 0]
    notes = []
    if not len(rows) and np.ptp(out_of_fold.probabilities, axis=0).max() < 1e-6:  # noqa: PLR2004
        notes.append("the winner predicts the same for every image, so no label can be doubted")
    if counts.min() < out_of_fold.n_folds:
        notes.append(
            f"images of the rarest class: {counts.min()}, fewer than {out_of_fold.n_folds} folds, "
            "so that some fits have not seen it"
        )
    return tuple(notes)


def _group_picture(group: WeakGroup | None, images: NDArray[np.uint8]) -> tuple[Picture, ...]:
    if group is None:
        return ()
    shown = images[:: max(1, len(images) // _SHOWN)][:_SHOWN]
    return (
        gallery(
            "weak-group",
            shown,
            (),
            f"The weakest of {group.n_groups} groups: {' and '.join(list(group.classes)[:2])}",
            f"{len(shown)} of the {group.n_images:,} images of the group of similar images that is "
            "predicted worst out of fold.",
        ),
    )


def _unusual_picture(
    unusual: pd.DataFrame, images: NDArray[np.uint8], numbers: NDArray[np.intp]
) -> Picture:
    rows = np.searchsorted(numbers, unusual["image"])
    return gallery(
        "unusual-images",
        images[rows],
        [
            f"{reason}\n{label}"
            for reason, label in zip(unusual["reason"], unusual["label"], strict=True)
        ],
        "Unusual images: the darkest, the emptiest, and those like no class",
        "Above each its given label; drawn inverted, so that dark images look pale. Nothing is "
        "removed: decide whether they belong to the data.",
    )
