"""A batch of new images from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.data.idx import read_images
from fmnist_lib.errors import DataError
from fmnist_lib.features.images import as_images

if TYPE_CHECKING:
    from pathlib import Path


def read_batch(path: Path) -> np.ndarray:
    """Read unlabelled images.

    Parameters
    ----------
    path : Path
        IDX (packed with gzip or not), ``.npy``, or ``.npz`` with an array ``images``.

    Returns
    -------
    ndarray of uint8, shape (n, 28, 28)

    Raises
    ------
    DataError
        The file is missing or damaged, or does not hold such images.
    """
    if path.suffix not in (".npy", ".npz"):
        return read_images(path)
    try:
        # Pickled objects could run code on load: only plain arrays are read.
        content = np.load(path, allow_pickle=False)
        array = content["images"] if path.suffix == ".npz" else content
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise DataError(
            f"{path.name}: expected a readable {path.suffix} file with images, got: {error}. "
            "Write it with numpy.save, or numpy.savez(FILE, images=...)."
        ) from None
    images = as_images(array)
    if not len(images):
        raise DataError(f"{path.name}: expected at least one image, got none.")
    return images
