"""Pooling weights over the cells of an image."""

from __future__ import annotations

from functools import cache

import numpy as np

from fmnist_lib.common.labels import IMAGE_SHAPE


@cache
def triangular_pooling(cells: int) -> np.ndarray:
    """Return the weight of every pixel row for every cell; those of the columns are the same.

    A cell's weight is 1 at its centre and falls to 0 at the centres of its neighbours.

    Parameters
    ----------
    cells : int
        Cells along each side of the image.

    Returns
    -------
    ndarray of float32, shape (cells, 28)
        Cached and therefore read-only.
    """
    side = IMAGE_SHAPE[0]
    width = side / cells
    centres = (np.arange(cells) + 0.5) * width
    distance = np.abs(np.arange(side) + 0.5 - centres[:, None])
    weights = np.maximum(1 - distance / width, 0).astype(np.float32)
    weights.setflags(write=False)
    return weights
