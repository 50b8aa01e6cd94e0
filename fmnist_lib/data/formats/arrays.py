"""Batches as plain arrays: IDX, .npy and .npz."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common import array_files
from fmnist_lib.common.array_files import ArrayFileError
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import most_unpacked
from fmnist_lib.common.formatting import short_list
from fmnist_lib.data.formats.batch_part import Part
from fmnist_lib.data.formats.column_layout import DECIDING_ROWS, has_extra_columns, nameless_parts
from fmnist_lib.data.formats.idx import iter_idx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fmnist_lib.common.labels import LabelColumn


def idx_parts(path: Path, rows: int) -> Iterator[Part]:
    """Yield the images of an IDX file, `rows` at a time."""
    for values in iter_idx(path, rows):
        yield Part(values)


def npy_parts(path: Path, rows: int, label_column: LabelColumn | None) -> Iterator[Part]:
    """Yield the images of a memory-mapped ``.npy`` file, `rows` at a time."""
    try:
        array = array_files.map_npy(path)
    except ArrayFileError as error:
        raise _unreadable(path, error) from None
    if not array.ndim:
        raise DataError(f"{path.name}: expected images, got a single value. Save an array.")
    yield from _array_parts(array, rows, path.name, label_column)


def npz_parts(path: Path, rows: int, label_column: LabelColumn | None) -> Iterator[Part]:
    """Yield ``images`` and, if present, ``labels`` of a ``.npz`` file, `rows` at a time."""
    arrays = read_npz(path, ("images", "labels"))
    if "images" not in arrays:
        raise DataError(
            f"{path.name}: expected an array named 'images', got {names_in(path)}. "
            "Write it with numpy.savez(FILE, images=..., labels=...)."
        )
    images, labels = arrays["images"], arrays.get("labels")
    if labels is not None and np.shape(labels)[:1] != np.shape(images)[:1]:
        raise DataError(
            f"{path.name}: expected one label per image, got images of shape {np.shape(images)} "
            f"and labels of shape {np.shape(labels)}. Save arrays that belong together."
        )
    if labels is None and images.ndim:
        yield from _array_parts(images, rows, path.name, label_column)
    elif images.ndim:
        yield from Part(images, None if label_column == "none" else labels).pieces(rows)


def read_npy(path: Path) -> np.ndarray:
    """Return the array of a ``.npy`` file."""
    try:
        return array_files.read_npy(path)
    except ArrayFileError as error:
        raise _unreadable(path, error) from None


def read_npz(path: Path, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Return the wanted arrays that are present in a ``.npz`` file.

    Raises
    ------
    DataError
        The file is damaged, holds pickled objects, or would not fit into memory.
    """
    try:
        most = min(array_files.MAX_BYTES, most_unpacked(path))
        return array_files.read_npz(path, wanted, most)
    except ArrayFileError as error:
        raise _unreadable(path, error) from None


def names_in(path: Path) -> str:
    """Return the names of the arrays in a ``.npz`` file, for messages."""
    return short_list(array_files.names_in(path)) or "no array"


def _array_parts(
    array: np.ndarray, rows: int, where: str, label_column: LabelColumn | None
) -> Iterator[Part]:
    """Yield the images of an array, or of a table that also has labels or an index."""
    if array.dtype.kind in "iufb" and has_extra_columns(array.shape):
        tables = (np.asarray(part.pixels) for part in Part(array).pieces(max(rows, DECIDING_ROWS)))
        for part in nameless_parts(tables, where, label_column):
            yield from part.pieces(rows)
        return
    if label_column in ("first", "last"):
        raise DataError(
            f"{where}: expected columns of pixels and one of labels, got an array of shape "
            f"{array.shape}. Leave `--label-column` out."
        )
    for part in Part(array).pieces(rows):
        yield Part(np.asarray(part.pixels))


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path.name}: expected a readable {path.suffix} file with plain arrays, got: "
        f"{error}. Write it with numpy.save, or numpy.savez(FILE, images=...)."
    )
