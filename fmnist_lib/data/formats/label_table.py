"""Read labels from a separate table: find the label column and the image-name column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.csv_cells import original_text
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.labels import N_CLASSES
from fmnist_lib.data.formats.parquet_files import open_parquet, read_columns
from fmnist_lib.data.formats.tables import data_columns, first_line, is_text, unreadable
from fmnist_lib.data.formats.text_files import read_text
from fmnist_lib.features.frames import id_column, is_index, label_column_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

_ADVICE = "Write two columns, file and label, or the labels alone."


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Labels read from a table, not validated yet.

    Attributes
    ----------
    values : ndarray of shape (n,)
    ids : tuple of str, or None
        File name or number of the image in each row.
    is_named : bool
        The ids are a column of the table, not an index that pandas wrote.
    """

    values: np.ndarray
    ids: tuple[str, ...] | None
    is_named: bool


def read_label_table(path: Path) -> LabelTable:
    """Read labels from a CSV, text or Parquet file.

    Parameters
    ----------
    path : Path
        One column of labels; or named columns, one of them ``label`` or ``class`` in any case;
        or two unnamed columns that their values tell apart.

    Raises
    ------
    DataError
        The file cannot be read, or the label column is ambiguous.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet_labels(path)
    cells = first_line(path)
    if _is_header(cells):
        return _csv_labels(path, cells)
    table = _read_csv(path, header=None)
    if table.shape[1] == 1:
        return LabelTable(_numbers(table.iloc[:, 0]), None, is_named=False)
    return _from_unnamed_columns(table, path.name)


def _is_header(cells: Sequence[str]) -> bool:
    """Return True if a line holds column names; pandas leaves the name of an index empty."""
    if not cells:
        return False
    nameless_index = len(cells) > 1 and not cells[0]
    return nameless_index or all(is_text(cell) or not cell for cell in cells)


def _csv_labels(path: Path, names: Sequence[str]) -> LabelTable:
    label, ids = _label_and_ids(names, path.name)
    wanted = [names.index(name) for name in (label, ids) if name is not None]
    table = _read_csv(path, header=0, usecols=wanted)
    table.columns = [names[position] for position in sorted(wanted)]
    return _select_columns(table, label, ids, names)


def _parquet_labels(path: Path) -> LabelTable:
    import pyarrow as pa

    try:
        with open_parquet(path, path.name) as file:
            schema = file.schema_arrow
            data = data_columns(schema)
            index = [name for name in schema.names if name not in data]
            label, ids = _label_and_ids(data, path.name)
            ids = ids or next(iter(index), None)
            wanted = [name for name in (label, ids) if name is not None]
            table = read_columns(file, path, wanted).to_pandas(ignore_metadata=True)
    except DataError:
        raise
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise unreadable(path, error) from None
    found = _select_columns(table, label, ids, data)
    return LabelTable(found.values, found.ids, found.is_named and ids not in index)


def _label_and_ids(names: Sequence[str], where: str) -> tuple[str, str | None]:
    """Return the label column, and the column that may name the images."""
    data = [name for name in names if not is_index(name)]
    label = data[0] if len(data) == 1 else label_column_of(data)
    if label is None or names.count(label) > 1:
        raise DataError(
            f"{where}: expected one column of labels, or one named 'label', got "
            f"{short_list(names) or 'none'}. {_ADVICE}"
        )
    others = [name for name in data if name != label]
    index = [name for name in names if is_index(name)]
    unknown = others[0] if len(others) == 1 else None
    return label, id_column(others) or unknown or next(iter(index), None)


def _select_columns(
    table: pd.DataFrame, label: str, ids: str | None, names: Sequence[str]
) -> LabelTable:
    """Return labels and ids; a column of unknown name counts as ids if its values are unique."""
    values = _numbers(table[label])
    if ids is None:
        return LabelTable(values, None, is_named=False)
    texts = _texts(table[ids])
    known = is_index(ids) or id_column([ids]) is not None or ids not in names
    if not known and len(set(texts)) < len(texts) and not _are_files(texts):
        return LabelTable(values, None, is_named=False)
    return LabelTable(values, texts, is_named=not is_index(ids))


def _from_unnamed_columns(table: pd.DataFrame, where: str) -> LabelTable:
    """Tell ids from labels by their values: labels are 0 to 9, ids are unique."""
    pairs = [(1, 0), (0, 1)] if table.shape[1] == 2 else []  # noqa: PLR2004 (a pair)
    possible = [
        (label, ids)
        for label, ids in pairs
        if _may_be_labels(table[label]) and table[ids].is_unique | _are_files(_texts(table[ids]))
    ]
    if len(possible) != 1:
        raise DataError(
            f"{where}: expected names of the columns in the first line, or values that show which "
            f"column holds the labels, got {table.shape[1]} columns of numbers. {_ADVICE}"
        )
    label, ids = possible[0]
    return LabelTable(_numbers(table[label]), _texts(table[ids]), is_named=True)


def _read_csv(path: Path, header: int | None, usecols: list[int] | None = None) -> pd.DataFrame:
    import pandas as pd

    try:
        # Read as text, so that "007" keeps its leading zeros.
        return pd.read_csv(
            read_text(path),
            header=header,
            usecols=usecols,
            dtype=str,
            encoding="utf-8-sig",
            index_col=False,
        )
    except DataError:
        raise
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise unreadable(path, error) from None


def _numbers(column: pd.Series) -> np.ndarray:
    """Return the column as numbers if possible, else unchanged."""
    import pandas as pd

    try:
        return np.asarray(pd.to_numeric(column))
    except (ValueError, TypeError):
        return np.asarray(column, dtype=object)


def _may_be_labels(column: pd.Series) -> bool:
    values = _numbers(column)
    return values.dtype != object and bool(np.isin(values, np.arange(N_CLASSES)).all())


def _texts(column: pd.Series) -> tuple[str, ...]:
    # A name may come back from a table of predictions.
    return tuple(original_text(str(value).strip()) for value in column)


def _are_files(texts: Sequence[str]) -> bool:
    return any(text.lower().endswith(".png") for text in texts)
