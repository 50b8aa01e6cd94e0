"""Pictures of the label audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.plotting import ALERT, SECONDARY, new_figure, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from fmnist_lib.common.plotting import Picture

#: Suspects per row of the picture, neighbours beside each, and images per row of a gallery.
_PER_ROW, _NEIGHBOURS, _GALLERY = 2, 4, 8
#: Height and width of an image with its caption, in pixels of the image.
_CELL = (42, 32)


def suspects_picture(
    suspects: pd.DataFrame,
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    neighbours: NDArray[np.intp],
    labels: NDArray[np.uint8],
) -> tuple[Picture, ...]:
    """Draw suspects with their nearest images; no picture if there are none.

    Parameters
    ----------
    suspects : DataFrame
        See `fmnist_lib.label_audit.result.LabelAudit`; the ones to draw.
    images : ndarray of uint8, shape (n, 28, 28)
    rows : ndarray of int, shape (n_suspects,)
        Of the suspects.
    neighbours : ndarray of int, shape (n_suspects, n_neighbours)
    labels : ndarray of int, shape (n,)
    """
    if not len(rows):
        return ()
    n_shown = min(_NEIGHBOURS, neighbours.shape[1])
    places = np.column_stack([rows, neighbours[:, :n_shown]])
    captions = np.array(CLASS_NAMES, dtype=object)[labels[places]]
    captions[:, 0] = suspects["given"] + " →\n" + suspects["suggested"] + "?"
    # An empty place ends the row of a suspect.
    drawn = np.pad(images[places], ((0, 0), (0, 1), (0, 0), (0, 0)))
    captions = np.pad(captions, ((0, 0), (0, 1)), constant_values="")
    colours = [ALERT, *[SECONDARY] * (n_shown + 1)] * len(rows)
    figure = _montage(
        drawn.reshape(-1, *images.shape[1:]),
        captions.ravel().tolist(),
        _PER_ROW * (n_shown + 2),
        colours,
    )
    first = suspects.iloc[0]
    return (
        picture(
            figure,
            "label-suspects",
            f"Most suspicious: image {first['image']}, labelled {first['given']}",
            f"The {len(rows)} most suspicious labels. In orange: given and suggested label; beside "
            f"it the {_NEIGHBOURS} most similar training images with their labels.",
        ),
    )


def gallery_picture(
    images: NDArray[np.uint8], captions: Sequence[str], name: str, title: str, caption: str
) -> Picture:
    """Draw images in rows, each under its caption."""
    figure = _montage(images, captions, _GALLERY, [SECONDARY] * len(images))
    return picture(figure, name, title, caption)


def _montage(
    images: NDArray[np.uint8], captions: Sequence[str], n_columns: int, colours: Sequence[str]
) -> Figure:
    """Draw images side by side on one pair of axes, which is faster than a pair for each."""
    n_rows = -(-len(images) // n_columns)
    sheet = np.zeros((n_rows * _CELL[0], n_columns * _CELL[1]), dtype=np.uint8)
    figure = new_figure(1.05 * n_columns, 1.05 * n_rows * _CELL[0] / _CELL[1])
    axes = figure.subplots()
    axes.set_axis_off()
    for number, (image, words, colour) in enumerate(zip(images, captions, colours, strict=True)):
        top, left = (number // n_columns) * _CELL[0], (number % n_columns) * _CELL[1]
        below = top + _CELL[0] - image.shape[0]
        sheet[below : below + image.shape[0], left : left + image.shape[1]] = image
        axes.text(
            left + image.shape[1] / 2, below - 1, words, fontsize=8, color=colour,
            ha="center", va="bottom", clip_on=False,
        )  # fmt: skip
    axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=255)
    return figure
