"""Write the splits of a configuration to a file, to archive them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import partial_file

if TYPE_CHECKING:
    from pathlib import Path

    from fmnist_lib.data.dataset import Dataset


def write_splits(dataset: Dataset, path: Path) -> None:
    """Write every split as ``<name>_images`` and ``<name>_labels`` of an ``.npz`` file.

    Deterministic: the same splits give the same bytes. The file appears only when it is complete.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    arrays = {
        f"{name}_{part}": getattr(split, part)
        for name, split in dataset.splits.items()
        for part in ("images", "labels")
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A file object, as NumPy would append .npz to the name of a partial file.
        with partial_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except OSError as error:
        raise DataError(
            f"{path}: expected to write the splits there, got: {error.strerror or error}. "
            "Free some space, or name another file."
        ) from None
