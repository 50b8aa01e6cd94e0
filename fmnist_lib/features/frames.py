"""Identify the pixel, label and file-name columns of a table by their names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.labels import IMAGE_SHAPE, N_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from fmnist_lib.common.labels import LabelColumn

LABEL_OPTION = (
    "Name the columns, or say where the labels are with `--label-column first|last|none` "
    "(`label_column` in a configuration)."
)
#: Names of label columns in order of preference, compared without case and punctuation.
_LABELS = ("label", "labels", "class", "target", "y")
#: Names of image-id columns, in order of preference.
_IDS = (
    *("file", "filename", "filepath", "path", "imagefile", "imagename", "imagepath", "name"),
    *("id", "imageid", "imgid", "sampleid", "rowid", "idx"),
)
#: Column names that pandas gives to an unnamed index when writing or reading.
_INDEX = re.compile(r"|index|level_\d+|unnamed: .*|__index_level_\d+__", re.IGNORECASE)
#: ASCII digits only: int() would accept others, which no tool writes.
_DIGITS = re.compile(r"[0-9]{1,9}")
#: Letters beside two numbers that mean row, column; "x1y1" would mean column, row.
_ROW_AND_COLUMN = {"", "x", "pixel", "pixelx", "px", "pxx", "p", "rc", "rowcol", "rowcolumn"}


@dataclass(frozen=True)
class Columns:
    """Names of the columns by role.

    Attributes
    ----------
    pixels : tuple of str
        784 names in the order of the pixels, row by row.
    label : str or None
    ids : str or None
        Column with the file name or another name of each image.
    """

    pixels: tuple[str, ...]
    label: str | None = None
    ids: str | None = None


def pixel_columns(
    names: Sequence[str], where: str, label_column: LabelColumn | None = None
) -> Columns:
    """Return the pixel columns in pixel order, and the label and id columns.

    Pixels are numbered 0 to 783 or 1 to 784 (``pixel1``, ``px_001``, ``0``), or by row and column
    (``1x1`` to ``28x28``). An index that pandas wrote is left out.

    Parameters
    ----------
    names : sequence of str
        All columns of the table.
    where : str
        File or request, for messages.
    label_column : {"first", "last", "none"}, optional
        Position of the labels; "none" leaves labels out. Default: by name.

    Raises
    ------
    DataError
        The names do not identify the pixels.

    Examples
    --------
    >>> columns = pixel_columns([f"pixel{number}" for number in range(784, 0, -1)], "batch.csv")
    >>> columns.pixels[:2]
    ('pixel1', 'pixel2')
    """
    data = [name for name in names if not is_index(name)]
    repeated = [name for name, count in Counter(data).items() if count > 1]
    if repeated:
        raise DataError(
            f"{where}: expected columns of different names, got {short_list(repeated)} twice."
        )
    label = _label(data, label_column)
    ids = id_column([name for name in data if name != label])
    pixels = [name for name in data if name not in (label, ids)]
    if label_column is None and label is None and is_numbered(data, N_PIXELS + 1):
        raise DataError(_ambiguous_columns(where))
    order = _numbers(pixels)
    if order is None:
        raise DataError(f"{where}: {_problem(names, pixels, label_column)}")
    by_number = sorted(zip(order, pixels, strict=True))
    kept = None if label_column == "none" else label
    return Columns(tuple(name for _, name in by_number), kept, ids)


def frame_images(frame: pd.DataFrame, where: str = "images") -> NDArray[np.generic]:
    """Return the pixels of a frame, aligned by the names of its columns.

    Parameters
    ----------
    frame : DataFrame
        Columns as in `pixel_columns`; integer names are allowed.
    where : str

    Returns
    -------
    ndarray of shape (n, 784)

    Raises
    ------
    DataError
        As `pixel_columns`.
    """
    names = [str(name) for name in frame.columns]
    columns = pixel_columns(names, where)
    positions = {name: position for position, name in enumerate(names)}
    return np.asarray(frame.iloc[:, [positions[name] for name in columns.pixels]])


def is_index(name: str) -> bool:
    """Return True if a column is an unnamed index written by pandas."""
    return _INDEX.fullmatch(name.strip()) is not None


def label_column_of(names: Iterable[str]) -> str | None:
    """Return the label column by name: ``label`` in any case, ``class``, ..."""
    return _first_of(names, _LABELS)


def id_column(names: Iterable[str]) -> str | None:
    """Return the column that names the images: ``file``, ``filename``, ``ImageId``, ``id``, ..."""
    return _first_of(names, _IDS)


def is_numbered(names: Sequence[str], count: int) -> bool:
    """Return True if the names are the integers 0 to count - 1 or 1 to `count`, in any order."""
    if len(names) != count or not all(_DIGITS.fullmatch(name) for name in names):
        return False
    numbers = {int(name) for name in names}
    return len(numbers) == count and (min(numbers), max(numbers)) in {(0, count - 1), (1, count)}


def _ambiguous_columns(where: str) -> str:
    """Return the message for 785 columns of which any may hold the labels."""
    return (
        f"{where}: expected {N_PIXELS} columns of pixels and one named 'label', got "
        f"{N_PIXELS + 1} columns without names. {LABEL_OPTION}"
    )


def _first_of(names: Iterable[str], wanted: Sequence[str]) -> str | None:
    plain = [(re.sub(r"[\W_]", "", name).lower(), name) for name in names]
    return next((name for known in wanted for key, name in plain if key == known), None)


def _label(names: Sequence[str], label_column: LabelColumn | None) -> str | None:
    if label_column in ("first", "last") and names:
        return names[0 if label_column == "first" else -1]
    return label_column_of(names)


def _numbers(names: Sequence[str]) -> list[int] | None:
    """Return the number of each pixel from 0, or None if the names are not such numbers."""
    if len(names) != N_PIXELS or len({_without_numbers(name) for name in names}) > 1:
        return None
    table = np.array([[int(number) for number in _DIGITS.findall(name)] for name in names])
    varying = table[:, (table != table[:1]).any(axis=0)]
    axes, first = varying.shape[1], varying.min(axis=0)
    by_row = axes == len(IMAGE_SHAPE) and _letters(names[0]) in _ROW_AND_COLUMN
    if (first > 1).any() or not (axes == 1 or by_row):
        return None
    if by_row and (varying - first).max() >= IMAGE_SHAPE[1]:
        return None
    numbers = (varying - first) @ ([IMAGE_SHAPE[1], 1] if by_row else [1])
    return numbers.tolist() if set(numbers.tolist()) == set(range(N_PIXELS)) else None


def _without_numbers(name: str) -> str:
    return _DIGITS.sub("#", name.strip()).lower()


def _letters(name: str) -> str:
    return re.sub(r"[\W_\d]", "", name).lower()


def _problem(names: Sequence[str], pixels: Sequence[str], label_column: LabelColumn | None) -> str:
    """Return the error message for the names."""
    kinds = Counter(_without_numbers(name) for name in pixels)
    usual = kinds.most_common(1)[0][0] if kinds else ""
    unknown = [name for name in pixels if _without_numbers(name) != usual or "#" not in usual]
    if len(pixels) == N_PIXELS and not unknown:
        found = f"other numbers: {short_list(pixels)}"
    else:
        found = f"{len(names)} columns" + (f", among them {short_list(unknown)}" if unknown else "")
    place = f"in the {label_column} column" if label_column in ("first", "last") else "in 'label'"
    return (
        f"expected {N_PIXELS} columns of pixels, numbered 0 to {N_PIXELS - 1} or 1 to {N_PIXELS} "
        f"or 1x1 to 28x28, and, if known, the labels {place}, got {found}. Leave other columns "
        f"out, and name the pixels pixel1 to pixel{N_PIXELS}."
    )
