"""Figures of an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.formatting import percent
from fmnist_lib.common.labels import CLASS_NAMES, N_CLASSES
from fmnist_lib.common.montage import montage
from fmnist_lib.common.plotting import SEQUENTIAL, new_figure, picture

if TYPE_CHECKING:
    from fmnist_lib.common.evaluation_result import Evaluation
    from fmnist_lib.common.plotting import Picture

_EXAMPLES = 8


def evaluation_pictures(evaluation: Evaluation, images: np.ndarray) -> tuple[Picture, ...]:
    """Return the figures of the winner's evaluation.

    Parameters
    ----------
    evaluation : Evaluation
    images : ndarray of uint8, shape (n, 28, 28)
        The evaluated images.
    """
    return confusion_picture(evaluation), confused_pairs_picture(evaluation, images)


def confusion_picture(evaluation: Evaluation) -> Picture:
    """Confusion matrix as shares of the actual class."""
    figure = new_figure(7.5, 6.5)
    axes = figure.subplots()
    shares = evaluation.confusion / np.maximum(evaluation.confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap=SEQUENTIAL, vmin=0, vmax=1)
    for row, column in np.ndindex(shares.shape):
        count = int(evaluation.confusion[row, column])
        if count:
            dark = shares[row, column] > 0.5  # noqa: PLR2004 (middle of the colour map)
            axes.text(
                column,
                row,
                str(count),
                ha="center",
                va="center",
                color="white" if dark else "black",
            )
    axes.set_xticks(range(N_CLASSES), CLASS_NAMES, rotation=45, ha="right")
    axes.set_yticks(range(N_CLASSES), CLASS_NAMES)
    axes.set(xlabel="predicted", ylabel="actual")
    worst = evaluation.per_class.loc[evaluation.per_class["recall"].idxmin()]
    finding = "no mistake" if worst["recall"] == 1 else f"{worst['class']} is recognised least"
    return picture(
        figure,
        "confusion",
        f"Confusion matrix: {finding}",
        f"Test images by actual and predicted class; the colour is the share of the row. "
        f"Hardest class: {worst['class']}, recall {percent(worst['recall'])}.",
    )


def confused_pairs_picture(evaluation: Evaluation, images: np.ndarray) -> Picture:
    """Examples of the most frequent confusions, most confident mistakes first.

    Parameters
    ----------
    evaluation : Evaluation
    images : ndarray of uint8, shape (n, 28, 28)
        The evaluated images.
    """
    pairs = evaluation.confused_pairs
    shape = (max(len(pairs), 1), _EXAMPLES)
    tiles = np.zeros((*shape, *images.shape[1:]), dtype=np.uint8)
    titles = np.full(shape, "", dtype=object)
    for row, pair in enumerate(pairs):
        tiles[row, : len(pair.examples)] = images[list(pair.examples[:_EXAMPLES])]
        titles[row, 0] = (
            f"{CLASS_NAMES[pair.actual]} predicted as {CLASS_NAMES[pair.predicted]}: {pair.count} "
            f"images ({percent(pair.share)})"
        )
    figure = montage(
        tiles.reshape(-1, *images.shape[1:]),
        _EXAMPLES,
        titles.ravel().tolist(),
        inches=1.1,
        size=10,
        left=True,
    )
    return picture(
        figure,
        "confused-pairs",
        "The most frequent confusions",
        "Each row shows the most confident mistakes of one pair of classes.",
    )
