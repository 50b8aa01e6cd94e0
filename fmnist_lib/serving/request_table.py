"""Convert a request to an array or to a frame with named columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.features.frames import id_column, is_index, label_column_of

if TYPE_CHECKING:
    import pandas as pd


def as_table(model_input: Any) -> np.ndarray | pd.DataFrame:
    """Return an array of images, or a frame whose columns have names.

    Parameters
    ----------
    model_input : array-like, frame, dict, or list of dicts
        As MLflow parses ``inputs``, ``instances``, ``dataframe_split`` and ``dataframe_records``,
        CSV and Parquet.

    Raises
    ------
    DataError
        Columns have different lengths.
    """
    if isinstance(model_input, dict) and len(model_input) == 1:
        (model_input,) = model_input.values()
    try:
        if isinstance(model_input, dict):
            model_input = _from_columns(model_input)
        elif _is_records(model_input):
            model_input = _from_records(model_input)
        elif hasattr(model_input, "to_pandas"):
            model_input = model_input.to_pandas()
        return _images_of(model_input) if hasattr(model_input, "iloc") else np.asarray(model_input)
    except ValueError as error:
        raise DataError(
            f"images: expected rows and columns of equal length, got: {error}."
        ) from None


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _from_records(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    # MLflow turns every number of a record into a 0-d array.
    return pd.DataFrame(
        [{name: np.asarray(cell).tolist() for name, cell in row.items()} for row in rows]
    )


def _from_columns(columns: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    arrays = {name: np.atleast_1d(values) for name, values in columns.items()}
    # pandas takes a column of images as a list of arrays.
    return pd.DataFrame(
        {name: list(values) if values.ndim > 1 else values for name, values in arrays.items()}
    )


def _images_of(frame: pd.DataFrame) -> np.ndarray | pd.DataFrame:
    """Return the cells of the one column that holds whole images, or the frame unchanged."""
    names = [str(name) for name in frame.columns]
    non_pixels = (label_column_of(names), id_column(names))
    kept = [i for i, name in enumerate(names) if name not in non_pixels and not is_index(name)]
    cells = list(frame.iloc[:, kept[0]]) if len(kept) == 1 else []
    if not cells or not all(isinstance(cell, list | np.ndarray) for cell in cells):
        return frame
    array = np.empty(len(cells), dtype=object)
    array[:] = [_nested(cell) for cell in cells]
    return array


def _nested(cell: Any) -> Any:
    """Return nested lists for nested arrays, as Parquet returns them."""
    return [_nested(part) for part in cell] if isinstance(cell, list | np.ndarray) else cell
