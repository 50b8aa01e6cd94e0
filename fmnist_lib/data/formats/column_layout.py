"""Locate the labels in a table without column names.

785 columns are 784 pixels plus labels (first or last) or a row index (first). The position is
inferred from the values only if no other layout is possible or plausible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import N_CLASSES, N_PIXELS
from fmnist_lib.data.formats.batch_part import Part
from fmnist_lib.features.frames import LABEL_OPTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from fmnist_lib.common.labels import LabelColumn

    Values = NDArray[np.number]

#: Rows read before the layout is decided, unless the format gives more at once.
DECIDING_ROWS = 4096
#: Rows per later check: files of two layouts may have been concatenated.
_CHECKED_ROWS = 250
#: Minimum to tell labels from an index: ten labels may happen to be 0 to 9 in order.
_MIN_ROWS = 11
#: A label column has at least this many classes, and at least this share of non-zero values.
_MIN_CLASSES, _MIN_NOT_ZERO = 4, 0.5
#: The mean of a corner pixel is at most this factor times the mean of its neighbour, plus 1.
_MAX_CONTRAST = 2
_MAX_PIXEL = 255


@dataclass(frozen=True)
class Layout:
    """Position of the non-pixel columns.

    Attributes
    ----------
    index : bool
        The first column counts the rows.
    label : {"first", "last"} or None
        Position of the labels, after the index.
    """

    index: bool
    label: str | None

    @property
    def label_position(self) -> int:
        """Column of the labels."""
        return -1 if self.label == "last" else int(self.index)

    def pixels_and_labels(self, table: Values) -> Part:
        """Return the pixels and labels of the table."""
        if self.label is None:
            return Part(table[:, int(self.index) :])
        first = int(self.index) + (self.label == "first")
        last = table.shape[1] - (self.label == "last")
        return Part(table[:, first:last], table[:, self.label_position])

    def fits(self, table: Values) -> bool:
        """Return True if the values are compatible with this layout."""
        if self.index and not _is_row_index(table[:, 0]):
            return False
        if self.label is not None and not _are_labels(table[:, self.label_position]):
            return False
        pixels = self.pixels_and_labels(table).pixels
        return bool((pixels[:, [0, -1]] <= _MAX_PIXEL).all())


def has_extra_columns(shape: tuple[int, ...]) -> bool:
    """Return True if an array of this shape has one or two columns besides the pixels."""
    return len(shape) == 2 and shape[1] in (N_PIXELS + 1, N_PIXELS + 2)  # noqa: PLR2004 (a table)


def nameless_parts(
    tables: Iterator[Values], where: str, label_column: LabelColumn | None
) -> Iterator[Part]:
    """Split tables of 784 to 786 unnamed columns into pixels and labels.

    Parameters
    ----------
    tables : iterator of ndarray of shape (n, columns)
        The first one decides the layout; the others are checked against it.
    where : str
        File, for messages.
    label_column : {"first", "last", "none"}, optional
        Position of the labels; default: inferred from the values.

    Raises
    ------
    DataError
        The position of the labels is ambiguous, or later rows contradict the first ones.
    """
    layout, seen, start = None, 0, 0.0
    for table in tables:
        if not len(table):
            continue
        if layout is None:
            layout = _choose(table, where, label_column)
            start = float(table[0, 0])
        for first in range(0, len(table), _CHECKED_ROWS):
            rows = table[first : first + _CHECKED_ROWS]
            _check(rows, layout, where, seen, start, certain=label_column is None)
            seen += len(rows)
        yield layout.pixels_and_labels(table)


def _choose(table: Values, where: str, label_column: LabelColumn | None) -> Layout:
    candidates = _layouts(table.shape[1])
    if label_column is not None:
        wanted = None if label_column == "none" else label_column
        candidates = [layout for layout in candidates if layout.label == wanted]
    if not candidates:
        raise DataError(
            f"{where}: expected {N_PIXELS} columns of pixels and the labels as {label_column} "
            f"column, got {table.shape[1]} columns. Check `--label-column`."
        )
    if len(candidates) == 1:
        return candidates[0]
    layout = _infer_layout(table, candidates)
    if layout is None:
        raise DataError(
            f"{where}: expected columns with names, or values that show where the labels are, got "
            f"{table.shape[1]} columns of which the first (up to {table[:, 0].max():g}) and the "
            f"last (up to {table[:, -1].max():g}) may be the labels or not. {LABEL_OPTION}"
        )
    return layout


def _layouts(columns: int) -> list[Layout]:
    if columns == N_PIXELS:
        return [Layout(index=False, label=None)]
    labelled = [Layout(columns == N_PIXELS + 2, label) for label in ("first", "last")]
    return labelled + ([Layout(index=True, label=None)] if columns == N_PIXELS + 1 else [])


def _infer_layout(table: Values, candidates: list[Layout]) -> Layout | None:
    """Return the only layout compatible with the values, or None if ambiguous."""
    possible = [layout for layout in candidates if layout.fits(table)]
    if len(table) >= _MIN_ROWS and _is_row_index(table[:, 0]):
        possible = [layout for layout in possible if layout.index]
    if len(possible) == 1:
        return possible[0]
    if len(possible) != 2 or possible[0].index != possible[1].index:  # noqa: PLR2004 (first, last)
        return None
    first, last = (
        _are_probably_labels(table[:, int(possible[0].index) :]),
        _are_probably_labels(table[:, ::-1]),
    )
    return None if first == last else possible[0 if first else 1]


def _check(
    table: Values, layout: Layout, where: str, seen: int, start: float, *, certain: bool
) -> None:
    """Refuse rows that contradict the layout."""
    found = f"{where}, rows from {seen}" if seen else where
    if layout.index and (not _is_row_index(table[:, 0]) or table[0, 0] != start + seen):
        raise DataError(
            f"{found}: expected an index that counts the rows in the first column, got other "
            f"values. {LABEL_OPTION}"
        )
    if not certain or layout.label is None:
        return
    labels = table[:, layout.label_position]
    other = _infer_layout(table, _layouts(table.shape[1]))
    if not _are_labels(labels) or (other is not None and other != layout):
        raise DataError(
            f"{found}: expected the labels in the {layout.label} column, as in the rows before, "
            f"got values up to {labels.max():g} there, or labels elsewhere. {LABEL_OPTION}"
        )


def _is_row_index(column: Values) -> bool:
    """Return True if the values are consecutive non-negative integers."""
    whole = column.astype(np.float64)
    return bool(whole[0] >= 0 and whole[0] % 1 == 0 and (np.diff(whole) == 1).all())


def _are_labels(column: Values) -> bool:
    return bool(np.isin(column, np.arange(N_CLASSES)).all())


def _are_probably_labels(table: Values) -> bool:
    """Return True if the first column varies like labels and is too bright for a corner pixel."""
    column, beside = table[:, 0], table[:, 1]
    if len(column) < _MIN_ROWS or len(np.unique(column)) < _MIN_CLASSES:
        return False
    if np.count_nonzero(column) < _MIN_NOT_ZERO * len(column):
        return False
    return bool(column.mean() > _MAX_CONTRAST * beside.mean() + 1)
