"""Batches as tables: CSV and Parquet, a row an image."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.data.batch_pictures import decode_png
from fmnist_lib.errors import DataError
from fmnist_lib.labels import N_PIXELS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LABEL, IMAGE = "label", "image"
#: Bytes of text parsed at once: some thousand rows.
_BLOCK = 8 << 20
_NUMBERED = re.compile(r"pixel_?(\d+)", re.IGNORECASE)
_LAYOUT = f"{N_PIXELS} columns of pixels and, if known, one named '{LABEL}'"


@dataclass(frozen=True)
class Columns:
    """Which columns hold what.

    Attributes
    ----------
    pixels : tuple of str
        In the order of the pixels.
    label : str or None
    """

    pixels: tuple[str, ...]
    label: str | None


def csv_chunks(path: Path, rows: int) -> Iterator[tuple[Any, Any]]:
    """Pixels and labels of a CSV file, with or without a line of names, `rows` at a time.

    Without names the columns are the pixels, and with 785 of them the first is the label.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    names, has_header = _csv_names(path)
    columns = _columns(names, path)
    try:
        reader = pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(
                block_size=_BLOCK, column_names=names, skip_rows=int(has_header), use_threads=False
            ),
            # One type for all: what is inferred from the first rows may not fit the later ones.
            convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float32())),
        )
        for batch in reader:
            for start in range(0, batch.num_rows, rows):
                yield _numbers(batch.slice(start, rows), columns)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            return
        raise DataError(
            f"{path.name}: expected a CSV table of numbers, {_LAYOUT}, got: "
            f"{str(error).rstrip('.')}. Mend or remove the line."
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def parquet_chunks(path: Path, rows: int) -> Iterator[tuple[Any, Any]]:
    """Pixels and labels of a Parquet file, `rows` at a time.

    Instead of the pixels' columns there may be one named ``image``, of encoded PNG files (as data
    set hubs keep them) or of lists of 784 numbers.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns = None if IMAGE in names else _columns(names, path)
            for batch in file.iter_batches(batch_size=rows):
                yield _images(batch, path) if columns is None else _numbers(batch, columns)
    except DataError:
        raise
    # NumPy's word for cells that are text, or lists of different lengths, is one of the others.
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise _unreadable(path, error) from None


def read_column(path: Path) -> np.ndarray:
    """Return the column ``label`` of a CSV or Parquet file, or the only one it has.

    Raises
    ------
    DataError
        The file cannot be read, or has several columns and none of that name.
    """
    import pandas as pd

    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            first = path.open(encoding="utf-8-sig").readline().split(",")[0]
            table = pd.read_csv(path, header=0 if _is_text(first) else None)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise _unreadable(path, error) from None
    if table.shape[1] == 1:
        return table.iloc[:, 0].to_numpy()
    if LABEL not in table:
        raise DataError(
            f"{path.name}: expected one column of labels, or one named '{LABEL}', got "
            f"{table.shape[1]} columns. Write the labels into a file of their own."
        )
    return table[LABEL].to_numpy()


def _csv_names(path: Path) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether the file has a line of them."""
    import pyarrow as pa

    try:
        with pa.input_stream(path) as stream:
            text = stream.read(1 << 16).decode("utf-8-sig", errors="replace")
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    first = next(csv.reader(text.splitlines()[:1]), [])
    if any(_is_text(cell) for cell in first):
        return [cell.strip() for cell in first], True
    numbered = [f"pixel{number}" for number in range(1, N_PIXELS + 1)]
    if len(first) == N_PIXELS:
        return numbered, False
    if len(first) == N_PIXELS + 1:
        return [LABEL, *numbered], False
    raise DataError(
        f"{path.name}: expected {_LAYOUT}, separated by commas, got {len(first)} columns in the "
        "first line. Check what wrote the file."
    )


def _is_text(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return bool(cell.strip())
    return False


def _columns(names: Sequence[str], path: Path) -> Columns:
    label = next((name for name in names if name.lower() == LABEL), None)
    pixels = [name for name in names if name != label]
    if len(pixels) != N_PIXELS or len(set(pixels)) != N_PIXELS:
        strange = [name for name in pixels if not _NUMBERED.fullmatch(name)][:3]
        found = f", among them {', '.join(strange)}" if strange else ""
        raise DataError(
            f"{path.name}: expected {_LAYOUT}, got {len(names)} columns{found}. "
            "Leave other columns out."
        )
    numbers = [_NUMBERED.fullmatch(name) for name in pixels]
    if all(numbers):
        # Sorted by name, pixel10 would stand before pixel2.
        pixels.sort(key=lambda name: int(_NUMBERED.fullmatch(name)[1]))  # type: ignore[index]
    return Columns(tuple(pixels), label)


def _numbers(batch: Any, columns: Columns) -> tuple[Any, Any]:
    """Pixels of shape (rows, 784), and labels; an empty cell becomes NaN."""
    pixels = np.empty((batch.num_rows, N_PIXELS), dtype=np.float32)
    for number, name in enumerate(columns.pixels):
        pixels[:, number] = batch.column(name).to_numpy(zero_copy_only=False)
    if columns.label is None:
        return pixels, None
    return pixels, batch.column(columns.label).to_numpy(zero_copy_only=False)


def _images(batch: Any, path: Path) -> tuple[Any, Any]:
    """Images of a column of encoded files, or of lists of numbers."""
    cells = batch.column(IMAGE).to_pylist()
    if cells and isinstance(cells[0], dict):
        cells = [cell and cell.get("bytes") for cell in cells]
    if cells and isinstance(cells[0], bytes):
        pixels = np.stack([decode_png(cell or b"", f"{path.name}, an image") for cell in cells])
    else:
        pixels = np.array(cells, dtype=np.float32)
    names = batch.schema.names
    labels = batch.column(LABEL).to_numpy(zero_copy_only=False) if LABEL in names else None
    return pixels, labels


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).partition("\n")[0].rstrip(".")
    return DataError(
        f"{path.name}: expected a readable table, got: {reason}. Put an intact file in its place."
    )
