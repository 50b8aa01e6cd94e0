"""Read and validate the labels of a batch, from the batch or from a separate file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.data.formats.arrays import names_in, read_npy, read_npz
from fmnist_lib.data.formats.idx import read_labels
from fmnist_lib.data.formats.label_table import read_label_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_TABLES = (".csv", ".csv.gz", ".txt", ".parquet")


@dataclass(frozen=True, eq=False)
class BatchLabels:
    """Labels read from a file.

    Attributes
    ----------
    labels : ndarray of uint8, shape (n,), values 0-9
    ids : tuple of str, or None
        File name or number of the image that each label is for.
    is_named : bool
        The ids are a column of the file, not an index that pandas wrote.
    """

    labels: NDArray[np.uint8]
    ids: tuple[str, ...] | None = None
    is_named: bool = False


def read_batch_labels(path: Path) -> BatchLabels:
    """Read labels.

    Parameters
    ----------
    path : Path
        IDX, ``.npy``, ``.npz`` with the array ``labels``, or ``.csv``, ``.csv.gz``, ``.txt`` or
        ``.parquet`` (see `fmnist_lib.data.formats.label_table.read_label_table`).

    Raises
    ------
    DataError
        The file is missing or damaged, or holds values other than integers 0 to 9.
    """
    try:
        return _read(path)
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable file of labels, got: {error.strerror or error}. "
            "Check its permissions and the disk."
        ) from None


def check_labels(labels: Any, name: str) -> NDArray[np.uint8]:
    """Return labels as uint8.

    Parameters
    ----------
    labels : array-like of shape (n,)
    name : str
        Name of the file, for messages.

    Raises
    ------
    DataError
        The array is not one-dimensional, or a value is not an integer 0 to 9.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.dtype.kind not in "iufb":
        raise DataError(
            f"{name}: expected one label per image, whole numbers 0 to {N_CLASSES - 1}, got "
            f"{array.dtype} of shape {array.shape}. Convert them first."
        )
    wrong = np.flatnonzero(~np.isin(array, np.arange(N_CLASSES)))
    if len(wrong):
        raise DataError(
            f"{name}: expected labels 0 to {N_CLASSES - 1}, got {array[wrong[0]]} at position "
            f"{wrong[0]} ({len(wrong)} labels are out of range). Fix or replace the file."
        )
    return array.astype(np.uint8)


def _read(path: Path) -> BatchLabels:
    if not path.is_file():
        raise DataError(f"{path}: expected a file of labels, found none. Check the path.")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return BatchLabels(check_labels(read_npy(path), path.name))
    if suffix == ".npz":
        arrays = read_npz(path, ("labels",))
        if "labels" not in arrays:
            raise DataError(
                f"{path.name}: expected an array named 'labels', got {names_in(path)}. "
                "Write it with numpy.savez(FILE, labels=...)."
            )
        return BatchLabels(check_labels(arrays["labels"], path.name))
    if path.name.lower().endswith(_TABLES):
        table = read_label_table(path)
        return BatchLabels(check_labels(table.values, path.name), table.ids, table.is_named)
    return BatchLabels(read_labels(path))
