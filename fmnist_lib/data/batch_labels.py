"""Labels of a batch, from a file of their own or from the batch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.data.batch_arrays import names_in, read_npy, read_npz
from fmnist_lib.data.batch_tables import read_column
from fmnist_lib.data.idx import read_labels
from fmnist_lib.errors import DataError
from fmnist_lib.labels import N_CLASSES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read_batch_labels(path: Path) -> NDArray[np.uint8]:
    """Read labels.

    Parameters
    ----------
    path : Path
        IDX, ``.npy``, ``.npz`` with the array ``labels``, or ``.csv``, ``.txt`` or ``.parquet``
        with a column ``label`` or only one.

    Returns
    -------
    ndarray of uint8, shape (n,), values 0-9

    Raises
    ------
    DataError
        The file is missing or damaged, or holds anything but whole numbers 0 to 9.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected a file of labels, found none. Check the path.")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return check_labels(read_npy(path), path.name)
    if suffix == ".npz":
        arrays = read_npz(path, ("labels",))
        if "labels" not in arrays:
            raise DataError(
                f"{path.name}: expected an array named 'labels', got {names_in(path)}. "
                "Write it with numpy.savez(FILE, labels=...)."
            )
        return check_labels(arrays["labels"], path.name)
    if suffix in {".csv", ".txt", ".parquet"}:
        return check_labels(read_column(path), path.name)
    return read_labels(path)


def check_labels(labels: Any, name: str) -> NDArray[np.uint8]:
    """Return labels as uint8.

    Parameters
    ----------
    labels : array-like of shape (n,)
    name : str
        Of the file, for messages.

    Raises
    ------
    DataError
        They are not one a row, or a value is no whole number 0 to 9.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iufb":
        raise DataError(
            f"{name}: expected one label an image, whole numbers 0 to {N_CLASSES - 1}, got "
            f"{array.dtype} of shape {array.shape}. Convert them first."
        )
    wrong = np.flatnonzero(~np.isin(array, np.arange(N_CLASSES)))
    if len(wrong):
        raise DataError(
            f"{name}: expected labels 0 to {N_CLASSES - 1}, got {array[wrong[0]]} at position "
            f"{wrong[0]} ({len(wrong)} labels are out of range). Mend or replace the file."
        )
    return array.astype(np.uint8)
