"""Parquet files of unknown origin, within limits.

A value that repeats is stored once, so that a file of a few kilobytes may hold any number of rows,
of texts of any length. Texts therefore stay dictionaries until their size is known.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import most_unpacked
from fmnist_lib.common.formatting import reason_of
from fmnist_lib.common.labels import N_PIXELS
from fmnist_lib.data.formats.text_files import MAX_LINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Most bytes of the texts and encoded pictures that are read at once.
_MAX_TEXT = 256 << 20
#: Most bytes of a row group, unpacked.
_MAX_GROUP = 2 << 30
#: In a request: the pixels, labels, names and an index.
_MAX_COLUMNS = 1000
_BYTES, _FIXED_BYTES = "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"


@contextmanager
def open_parquet(source: Path | io.BytesIO, name: str) -> Iterator[Any]:
    """Open a ``pyarrow.parquet.ParquetFile`` whose texts are read as dictionaries.

    Parameters
    ----------
    source : Path or binary file
    name : str
        For messages.

    Raises
    ------
    DataError
        A row group is larger than 2 GiB unpacked, the rows have too many values, or cells are
        lists of texts, whose size cannot be checked before they are read.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(source) as file:
        metadata = file.metadata
        columns = [metadata.schema.column(place) for place in range(metadata.num_columns)]
        for number in range(metadata.num_row_groups):
            # Raises for damaged metadata of a column, for which its accessors end the process.
            places = list(range(metadata.num_columns))
            list(file.reader.iter_batches(0, [number], places, use_threads=False))
            _check_group(metadata.row_group(number), name)
    texts = [column.path for column in columns if column.physical_type == _BYTES]
    if any(one.physical_type == _FIXED_BYTES and one.length > N_PIXELS for one in columns):
        raise DataError(
            f"{name}: expected columns of numbers, got cells of many bytes. Write the pixels as "
            "numbers."
        )
    if any(one.physical_type == _BYTES and one.max_repetition_level for one in columns):
        raise DataError(
            f"{name}: expected columns of numbers, got lists of texts. Leave those columns out."
        )
    with parquet.ParquetFile(source, metadata=metadata, read_dictionary=texts) as file:
        yield file


def image_blocks(file: Any, path: Path, rows: int) -> Iterator[Any]:
    """Yield the rows of a file of images as record batches of at most `rows`.

    Raises
    ------
    DataError
        The rows are far more than the file has bytes for, or their texts take over 256 MiB.
    """
    expected = file.metadata.num_rows * N_PIXELS
    if expected > most_unpacked(path):
        raise DataError(
            f"{path.name}: expected at most {most_unpacked(path)} bytes of images in a file of "
            f"{path.stat().st_size} bytes, got {file.metadata.num_rows} rows, like a file made to "
            "take forever. If the images are as uniform as that, write them as .npy."
        )
    for block in file.iter_batches(batch_size=rows):
        yield _decoded_batch(block, path.name)


def read_columns(file: Any, path: Path, columns: Sequence[str]) -> Any:
    """Return columns as a table.

    Raises
    ------
    DataError
        There are more than `MAX_LINES` rows, or the texts take over 256 MiB.
    """
    import pyarrow as pa

    if file.metadata.num_rows > MAX_LINES:
        raise DataError(
            f"{path.name}: expected at most {MAX_LINES} rows, got {file.metadata.num_rows}. Split "
            "the file."
        )
    batches = [
        _decoded_batch(block, path.name) for block in file.iter_batches(columns=list(columns))
    ]
    return pa.Table.from_batches(batches) if batches else file.schema_arrow.empty_table()


def check_table(content: bytes, name: str, max_rows: int) -> None:
    """Check a Parquet file in memory that another library is going to read.

    Raises
    ------
    DataError
        As `open_parquet`, or there are more rows, or their texts take over 256 MiB.
    """
    import pyarrow as pa

    try:
        _check_rows(content, name, max_rows)
    except DataError:
        raise
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(
            f"{name}: expected a readable Parquet file, got: {reason_of(error)}. Send it again."
        ) from None


def _check_rows(content: bytes, name: str, max_rows: int) -> None:
    with open_parquet(io.BytesIO(content), name) as file:
        if file.metadata.num_rows > max_rows or file.metadata.num_columns > _MAX_COLUMNS:
            raise DataError(
                f"{name}: expected at most {max_rows} rows and {_MAX_COLUMNS} columns, got "
                f"{file.metadata.num_rows} and {file.metadata.num_columns}. Send several requests."
            )
        for block in file.iter_batches(batch_size=max_rows):
            _check_texts(block, name)


def _check_group(group: Any, name: str) -> None:
    columns = [group.column(place) for place in range(group.num_columns)]
    size = sum(column.total_uncompressed_size for column in columns)
    values = max((column.num_values for column in columns), default=0)
    if size > _MAX_GROUP or values > group.num_rows * N_PIXELS:
        raise DataError(
            f"{name}: expected row groups of at most {_MAX_GROUP >> 30} GiB and rows of at "
            f"most {N_PIXELS} pixels, got {size} bytes and {values} values in {group.num_rows} "
            "rows. Write the images row by row."
        )


def _check_texts(block: Any, name: str) -> None:
    size = sum(_text_bytes(column) for column in block.columns)
    if size > _MAX_TEXT:
        raise DataError(
            f"{name}: expected images and their names, got texts of {size} bytes in "
            f"{block.num_rows} rows. Leave other columns out."
        )


def _decoded_batch(block: Any, name: str) -> Any:
    import pyarrow as pa

    _check_texts(block, name)
    return pa.RecordBatch.from_arrays(
        [_decoded(column) for column in block.columns], names=block.schema.names
    )


def _text_bytes(column: Any) -> int:
    """Return the bytes that a column's texts take once they are no dictionary."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        return sum(_text_bytes(field) for field in column.flatten())
    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)


def _decoded(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_struct(column.type):
        fields = [_decoded(field) for field in column.flatten()]
        names = [field.name for field in column.type]
        return pa.StructArray.from_arrays(fields, names=names, mask=column.is_null())
    return column
