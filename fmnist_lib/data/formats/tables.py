"""Read batches from tables: CSV and Parquet, one row per image."""

from __future__ import annotations

import csv
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.formatting import reason_of, short_list
from fmnist_lib.common.labels import N_PIXELS
from fmnist_lib.data.formats.batch_part import Part
from fmnist_lib.data.formats.column_layout import DECIDING_ROWS, nameless_parts
from fmnist_lib.data.formats.parquet_files import image_blocks, open_parquet
from fmnist_lib.data.formats.pictures import decode_png
from fmnist_lib.data.formats.unpacking import opened
from fmnist_lib.features.frames import (
    Columns,
    id_column,
    is_index,
    is_numbered,
    label_column_of,
    pixel_columns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from gzip import GzipFile
    from pathlib import Path

    from fmnist_lib.common.labels import LabelColumn

IMAGE = "image"
#: Bytes of text parsed at once: a few thousand rows.
_BLOCK = 8 << 20
#: Bytes read to find the first line.
_HEAD = 1 << 16
_LAYOUT = f"{N_PIXELS} columns of pixels and, if known, one named 'label'"
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


def csv_parts(path: Path, rows: int, label_column: LabelColumn | None) -> Iterator[Part]:
    """Yield the images of a CSV file, with or without a header, `rows` at a time."""
    import pyarrow as pa

    names, has_header = _csv_names(path)
    nameless = not has_header or _extra_numbers(names)
    columns = None if nameless else pixel_columns(names, path.name, label_column)
    try:
        with opened(path) as file:
            blocks = _csv_blocks(file, names, columns, skip_rows=int(has_header))
            yield from _parts(blocks, rows, columns or _in_order(names), path.name, label_column)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise DataError(
            f"{path.name}: expected a CSV table of numbers, {_LAYOUT}, got: "
            f"{reason_of(error)}. Fix or remove the line."
        ) from None
    except pa.ArrowException as error:
        raise unreadable(path, error) from None


def parquet_parts(path: Path, rows: int, label_column: LabelColumn | None) -> Iterator[Part]:
    """Yield the images of a Parquet file, `rows` at a time.

    Instead of pixel columns it may have one column ``image``, of encoded PNG files (as on data
    set hubs) or of lists of 784 numbers.
    """
    import pyarrow as pa

    try:
        with open_parquet(path, path.name) as file:
            names = data_columns(file.schema_arrow)
            image = next((name for name in names if name.lower() == IMAGE), None)
            if image is not None:
                blocks = image_blocks(file, path, rows)
                yield from _image_parts(blocks, image, names, path, label_column)
                return
            nameless = _extra_numbers(names)
            columns = None if nameless else pixel_columns(names, path.name, label_column)
            blocks = image_blocks(file, path, max(rows, DECIDING_ROWS) if nameless else rows)
            yield from _parts(blocks, rows, columns or _in_order(names), path.name, label_column)
    except DataError:
        raise
    # NumPy raises ValueError or TypeError for text cells and for lists of different lengths.
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise unreadable(path, error) from None


def data_columns(schema: Any) -> list[str]:
    """Return the columns of a Parquet file without a pandas index.

    An index named like labels or file names is kept.
    """
    described = (schema.pandas_metadata or {}).get("index_columns", [])
    index = {name for name in described if isinstance(name, str)}
    held = {label_column_of(index), id_column(index)}
    return [name for name in schema.names if name not in index - held]


def first_line(path: Path) -> list[str]:
    """Return the cells of the first line of a text file, which may be compressed.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    with opened(path) as file:
        text = file.read(_HEAD).decode("utf-8-sig", errors="replace")
    return [cell.strip() for cell in next(csv.reader(text.splitlines()[:1]), [])]


def is_text(cell: str) -> bool:
    """Return True if a cell is neither a number nor empty.

    Examples
    --------
    >>> [is_text(cell) for cell in ("1_1", "pixel1", "1e3", "nan", " ", "")]
    [True, True, False, False, False, False]
    """
    try:
        float(cell)
    except ValueError:
        return bool(cell.strip())
    # A number in Python, but the name of a column: row 1, column 1.
    return "_" in cell


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for a table that a library could not read."""
    return DataError(
        f"{path.name}: expected a readable table, got: {reason_of(error)}. "
        "Put an intact file in its place."
    )


def _csv_names(path: Path) -> tuple[list[str], bool]:
    """Return the column names, and True if the file has a header."""
    first = first_line(path)
    numbered = [name for name in first if not is_index(name)]
    # Pixels end at 255: a line of all numbers up to 783 or more is a header.
    if any(is_text(cell) for cell in first) or is_numbered(numbered, max(len(numbered), N_PIXELS)):
        _require_commas(first, path)
        return first, True
    if len(first) in (N_PIXELS, N_PIXELS + 1, N_PIXELS + 2):
        return [str(number) for number in range(len(first))], False
    raise DataError(
        f"{path.name}: expected {_LAYOUT}, separated by commas, got {len(first)} columns in the "
        "first line. Check what wrote the file."
    )


def _require_commas(first: Sequence[str], path: Path) -> None:
    other = next((sign for sign in _SEPARATORS if first[0].count(sign) >= N_PIXELS - 1), None)
    if len(first) == 1 and other:
        raise DataError(
            f"{path.name}: expected columns separated by commas, got {_SEPARATORS[other]} "
            f"({short_list(first[0].split(other))}). Write the file with commas."
        )


def _extra_numbers(names: Sequence[str]) -> bool:
    """Return True if all names are numbers and there are more of them than pixels."""
    data = [name for name in names if not is_index(name)]
    return is_numbered(data, N_PIXELS + 1) or is_numbered(data, N_PIXELS + 2)


def _in_order(names: Sequence[str]) -> list[str]:
    return sorted((name for name in names if not is_index(name)), key=int)


def _csv_blocks(
    file: IO[bytes] | GzipFile, names: list[str], columns: Columns | None, *, skip_rows: int
) -> Iterator[Any]:
    """Read only the needed columns; the others may hold anything."""
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    wanted = _in_order(names) if columns is None else _all(columns)
    # Fixed types: a type inferred from the first rows may not fit later ones.
    types = dict.fromkeys(wanted, pa.float32())
    if columns is not None and columns.ids is not None:
        types[columns.ids] = pa.string()
    return pa_csv.open_csv(
        file,
        read_options=pa_csv.ReadOptions(
            block_size=_BLOCK, column_names=names, skip_rows=skip_rows, use_threads=False
        ),
        convert_options=pa_csv.ConvertOptions(column_types=types, include_columns=wanted),
    )


def _all(columns: Columns) -> list[str]:
    return [*columns.pixels, *(name for name in (columns.label, columns.ids) if name is not None)]


def _parts(
    blocks: Iterator[Any],
    rows: int,
    columns: Columns | list[str],
    where: str,
    label_column: LabelColumn | None,
) -> Iterator[Part]:
    """Yield the images of tables with named pixel columns, or with columns of unknown role."""
    if isinstance(columns, Columns):
        for block in blocks:
            for start in range(0, block.num_rows, rows):
                yield _named_part(block.slice(start, rows), columns)
        return
    tables = (_matrix(block, columns) for block in blocks)
    for part in nameless_parts(tables, where, label_column):
        yield from part.pieces(rows)


def _named_part(block: Any, columns: Columns) -> Part:
    pixels = _matrix(block, columns.pixels)
    label = columns.label
    labels = None if label is None else block.column(label).to_numpy(zero_copy_only=False)
    return Part(pixels, labels, _texts(block, columns.ids))


def _matrix(block: Any, names: Sequence[str]) -> np.ndarray:
    """Return the columns as an array of shape (rows, columns); an empty cell becomes NaN."""
    matrix = np.empty((block.num_rows, len(names)), dtype=np.float32)
    for number, name in enumerate(names):
        matrix[:, number] = block.column(name).to_numpy(zero_copy_only=False)
    return matrix


def _texts(block: Any, name: str | None) -> tuple[str, ...] | None:
    if name is None:
        return None
    return tuple("" if value is None else str(value) for value in block.column(name).to_pylist())


def _image_parts(
    blocks: Iterator[Any],
    image: str,
    names: Sequence[str],
    path: Path,
    label_column: LabelColumn | None,
) -> Iterator[Part]:
    """Yield the images of a column of encoded files, or of lists of numbers."""
    others = [name for name in names if name != image]
    label = None if label_column == "none" else label_column_of(others)
    ids = id_column(others)
    if label_column in ("first", "last"):
        raise DataError(
            f"{path.name}: expected columns of pixels, got the column '{image}'. "
            "Leave `--label-column` out; labels are read from the column 'label'."
        )
    has_paths = None
    for block in blocks:
        cells = block.column(image).to_pylist()
        labels = None if label is None else block.column(label).to_numpy(zero_copy_only=False)
        paths = [str(cell.get("path") or "") if isinstance(cell, dict) else "" for cell in cells]
        # Decided on the first chunk, so that all chunks have names or none has.
        has_paths = any(paths) if has_paths is None else has_paths
        files = tuple(paths) if has_paths else None
        yield Part(_decoded(cells, path), labels, _texts(block, ids) or files)


def _decoded(cells: list[Any], path: Path) -> np.ndarray:
    if cells and isinstance(cells[0], dict):
        cells = [cell and cell.get("bytes") for cell in cells]
    if cells and isinstance(cells[0], bytes):
        return np.stack([decode_png(cell or b"", f"{path.name}, an image") for cell in cells])
    return np.array(cells, dtype=np.float32)
