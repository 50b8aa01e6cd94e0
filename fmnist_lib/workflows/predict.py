"""Predict every image of a file, and write the predictions as a table."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from fmnist_lib.common.csv_cells import safe_cells
from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import delete_stale_partial_files, partial_file
from fmnist_lib.data.formats.batch import iter_batches
from fmnist_lib.model_files.predictor import check_level, predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from fmnist_lib.common.labels import LabelColumn
    from fmnist_lib.data.formats.batch import LabelledImages
    from fmnist_lib.model_files.stored_model import LoadedModel

#: Images read, predicted and written at once.
ROWS = 4096
#: Column with the names of the images.
FILE = "file"


class Writer(Protocol):
    """Takes tables of predictions, in order."""

    def __call__(self, table: pd.DataFrame) -> None:
        """Write the next rows."""


def predict_file(
    model: LoadedModel,
    source: Path,
    target: Path,
    on_progress: Callable[[int], Any] = lambda _: None,
    label_column: LabelColumn | None = None,
    *,
    level: float | None = None,
) -> int:
    """Predict every image of a file, in bounded memory; the output is written atomically.

    Images with names (a folder, a table with a column of file names) have these in the column
    ``file``, the first of the output.

    Parameters
    ----------
    model : LoadedModel
    source : Path
        As `fmnist_lib.data.formats.batch.iter_batches` takes it.
    target : Path
        ``.csv`` or ``.parquet``; an older file of that name is replaced at the end.
    on_progress : callable
        Called with the number of images of every chunk.
    label_column : {"first", "last", "none"}, optional
        Where a table without column names has labels, which are not predicted from.
    level : float in (0, 1), optional
        Coverage of prediction sets, which become two more columns.

    Returns
    -------
    int
        Number of images.

    Raises
    ------
    DataError
        The input is not such images, or the output has another ending or cannot be written.
    ModelError
        The model has no calibration of prediction sets.
    """
    total = 0
    if level is not None:
        check_level(model, level)
    with _unfinished(target) as part, _writer(part, target) as write:
        for batch in iter_batches(source, ROWS, label_column):
            write(_table(model, batch, level))
            total += len(batch)
            on_progress(len(batch))
    return total


def _table(model: LoadedModel, batch: LabelledImages, level: float | None) -> pd.DataFrame:
    table = predictions(model, batch.images, level)
    if batch.names is not None:
        table.insert(0, FILE, list(batch.names))
    return table


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """Yield a hidden file beside the target, which replaces the target at the end."""
    if target.suffix.lower() not in _WRITERS:
        raise DataError(
            f"{target.name}: expected an output ending in {' or '.join(_WRITERS)}, got "
            f"'{target.suffix}'. Rename it."
        )
    with ExitStack() as stack:
        with _writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            delete_stale_partial_files(target.parent, target.name)
        part = stack.enter_context(partial_file(target))
        yield part
        with _writing(target):
            stack.close()


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Raise write errors as DataError; reading and predicting happen outside this context."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{target}: expected to write the predictions there, got: {error}. "
            "Free some space, or name another file."
        ) from error


@contextmanager
def _csv(path: Path) -> Iterator[Writer]:
    with path.open("w", encoding="utf-8", newline="") as file:

        def write(table: pd.DataFrame) -> None:
            # Nine significant digits identify every float32.
            safe_cells(table).to_csv(
                file, index=False, header=file.tell() == 0, float_format="%.9g"
            )

        yield write


@contextmanager
def _parquet(path: Path) -> Iterator[Writer]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("wb") as file:
        writers: list[pq.ParquetWriter] = []

        def write(table: pd.DataFrame) -> None:
            rows = pa.Table.from_pandas(table, preserve_index=False)
            if not writers:
                writers.append(pq.ParquetWriter(file, rows.schema))
            writers[0].write_table(rows)

        yield write
        for writer in writers:
            writer.close()


_WRITERS = {".csv": _csv, ".parquet": _parquet}


@contextmanager
def _writer(part: Path, target: Path) -> Iterator[Writer]:
    """Yield the function that writes tables, and close the file at the end."""
    with ExitStack() as stack:
        with _writing(target):
            write = stack.enter_context(_WRITERS[target.suffix.lower()](part))

        def checked(table: pd.DataFrame) -> None:
            with _writing(target):
                write(table)

        try:
            yield checked
        except BaseException as error:
            # A full disk raises again on closing; the first error is the one to report.
            with suppress(OSError):
                stack.__exit__(type(error), error, error.__traceback__)
            raise
        # Closing writes the remaining buffer.
        with _writing(target):
            stack.close()
