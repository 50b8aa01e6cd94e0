"""Picture of the suspect labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.labels import CLASS_NAMES
from fmnist_lib.common.montage import montage
from fmnist_lib.common.plotting import ALERT, SECONDARY, picture

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from fmnist_lib.common.plotting import Picture

#: Suspects per row of the picture, and neighbours beside each.
_PER_ROW, _NEIGHBOURS = 2, 4


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
    figure = montage(
        drawn.reshape(-1, *images.shape[1:]),
        _PER_ROW * (n_shown + 2),
        captions.ravel().tolist(),
        inches=1.05,
        colours=colours,
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
