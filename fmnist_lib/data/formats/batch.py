"""Read a batch of new images from a file, whole or in chunks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.labels import LABEL_COLUMNS
from fmnist_lib.data.formats.arrays import idx_parts, npy_parts, npz_parts
from fmnist_lib.data.formats.labels import check_labels, read_batch_labels
from fmnist_lib.data.formats.pairing import all_names, pairing
from fmnist_lib.data.formats.pictures import png_parts
from fmnist_lib.data.formats.tables import csv_parts, parquet_parts
from fmnist_lib.features.images import as_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from fmnist_lib.common.labels import LabelColumn
    from fmnist_lib.data.formats.batch_part import Part
    from fmnist_lib.data.formats.labels import BatchLabels

    Reader = Callable[[Path, int, LabelColumn | None], Iterator[Part]]

#: Default number of images per chunk: 3 MB as uint8, 13 MB as float32.
ROWS = 4096
FORMATS = "IDX (.gz or not), .npy, .npz, .csv, .parquet, or a folder of PNG files"


def _without_columns(parts: Callable[[Path, int], Iterator[Part]]) -> Reader:
    """Wrap a reader of files without columns, so that it refuses a label column."""

    def read(path: Path, rows: int, label_column: LabelColumn | None) -> Iterator[Part]:
        if label_column in ("first", "last"):
            raise DataError(
                f"{path.name}: expected a table for `--label-column {label_column}`, got a file "
                "or folder without columns. Leave the option out."
            )
        return parts(path, rows)

    return read


_read_idx, _read_pictures = _without_columns(idx_parts), _without_columns(png_parts)
_READERS: dict[str, Reader] = {
    ".npy": npy_parts,
    ".npz": npz_parts,
    ".csv": csv_parts,
    ".csv.gz": csv_parts,
    ".parquet": parquet_parts,
    ".idx": _read_idx,
    "ubyte": _read_idx,
    ".gz": _read_idx,
}


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of a batch, with their labels if known.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 28, 28), values 0-255
    labels : ndarray of uint8, shape (n,), values 0-9, or None
    n_in_file : int
        Images in the whole batch; more than `n` if these are a sample.
    names : tuple of str, or None
        File name of each image, or its value in a table's column ``file`` or ``id``.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None
    n_in_file: int
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)

    def rows(self, chosen: NDArray[np.intp]) -> LabelledImages:
        """Return some of the images."""
        return replace(
            self,
            images=self.images[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            names=None if self.names is None else tuple(self.names[row] for row in chosen),
        )


def read_batch(
    path: Path,
    labels: Path | None = None,
    *,
    label_column: LabelColumn | None = None,
    at_most: int | None = None,
    seed: int = 0,
) -> LabelledImages:
    """Read a batch of images.

    Parameters
    ----------
    path : Path
        IDX (gzip-compressed or not); ``.npy``; ``.npz`` with the array ``images`` and, if known,
        ``labels``; ``.csv`` or ``.csv.gz`` with 784 columns of pixels and, if known, ``label``
        (Kaggle's ``fashion-mnist_test.csv``); ``.parquet`` of the same columns, or with the
        column ``image``; or a folder of 28x28 greyscale PNG files, read in natural order of their
        names (``9.png`` before ``10.png``).
    labels : Path, optional
        File with the labels (see `read_batch_labels`); replaces labels in `path`. Matched to
        the images by name if both have names, else by order.
    label_column : {"first", "last", "none"}, optional
        Position of the labels in a table without column names; default: inferred from the values.
    at_most : int, optional
        Size of a random sample to keep, in file order; memory is then bounded for any file size.
    seed : int, default=0
        Of that sample.

    Raises
    ------
    DataError
        The file is missing, damaged, of an unknown format or empty, its images are not integers
        0 to 255 of shape (28, 28), the label column is ambiguous, or labels and images do not
        match.
    """
    parts = iter_batches(path, label_column=label_column)
    if labels is not None:
        parts = _with_labels(parts, read_batch_labels(labels), str(labels), path.name)
    if at_most is not None:
        parts = _sampled(parts, at_most, np.random.default_rng(seed))
    return _joined(list(parts))


def iter_batches(
    path: Path, rows: int = ROWS, label_column: LabelColumn | None = None
) -> Iterator[LabelledImages]:
    """Read a batch in chunks of at most `rows` images, in bounded memory.

    An ``.npz`` is unpacked whole. An error in a later part of the file is raised only when that
    part is read.

    Parameters
    ----------
    path, label_column
        As for `read_batch`.
    rows : int, default=4096

    Yields
    ------
    LabelledImages
        ``n_in_file`` is the number of images up to and including this chunk.

    Raises
    ------
    DataError
        As for `read_batch`.
    """
    seen = 0
    for part in _parts(path, rows, label_column):
        where = f"{path.name}, images from {seen}" if seen else path.name
        try:
            images = as_images(part.pixels)
        except DataError as error:
            raise DataError(str(error).replace("images:", f"{where}:", 1)) from None
        if not len(images):
            continue
        seen += len(images)
        labels = None if part.labels is None else check_labels(part.labels, where)
        yield LabelledImages(images, labels, seen, part.names)
    if not seen:
        raise DataError(
            f"{path}: expected at least one image, got none. Check what wrote the batch."
        )


def _parts(path: Path, rows: int, label_column: LabelColumn | None) -> Iterator[Part]:
    """Read a batch; raise any OSError as a DataError."""
    if label_column not in (None, *LABEL_COLUMNS):
        raise DataError(
            f"--label-column: expected {', '.join(LABEL_COLUMNS)}, got '{label_column}'."
        )
    try:
        yield from _reader(path)(path, rows, label_column)
    except OSError as error:
        raise DataError(
            f"{error.filename or path}: expected a readable file or folder, got: "
            f"{error.strerror or error}. Check its permissions and the disk."
        ) from None


def _reader(path: Path) -> Reader:
    if not path.exists():
        raise DataError(f"{path}: expected a file or folder, found nothing. Check the path.")
    if path.is_dir():
        return _read_pictures
    for ending, reader in _READERS.items():
        if path.name.lower().endswith(ending):
            return reader
    if not path.suffix:
        return _read_idx
    raise DataError(
        f"{path.name}: expected a batch as {FORMATS}, got a file ending in '{path.suffix}'. "
        "Convert it, or rename it if only the name is wrong."
    )


def _with_labels(
    parts: Iterator[LabelledImages], given: BatchLabels, source: str, batch: str
) -> Iterator[LabelledImages]:
    """Add the labels of another file."""
    labels = None
    for part in parts:
        labels = labels or pairing(given, part.names, source, batch)
        taken = labels.take(part.names, len(part))
        if taken is not None:
            yield replace(part, labels=taken)
    if labels is not None:
        labels.finish()


def _sampled(
    parts: Iterator[LabelledImages], at_most: int, rng: np.random.Generator
) -> Iterator[LabelledImages]:
    """Keep the images with the smallest random keys: a uniform sample in one pass."""
    sample: list[LabelledImages] = []
    numbers = np.empty(0)
    for part in parts:
        sample.append(part)
        numbers = np.concatenate([numbers, rng.random(len(part))])
        if len(numbers) >= 2 * at_most:
            sample, numbers = _smallest(sample, numbers, at_most)
    yield from _smallest(sample, numbers, at_most)[0]


def _smallest(
    parts: list[LabelledImages], numbers: NDArray[np.float64], count: int
) -> tuple[list[LabelledImages], NDArray[np.float64]]:
    if len(numbers) <= count:
        return parts, numbers
    whole = _joined(parts)
    rows = np.sort(np.argpartition(numbers, count)[:count])
    return [whole.rows(rows)], numbers[rows]


def _joined(parts: list[LabelledImages]) -> LabelledImages:
    if len(parts) == 1:
        return parts[0]
    labels = [part.labels for part in parts if part.labels is not None]
    return LabelledImages(
        np.concatenate([part.images for part in parts]),
        np.concatenate(labels) if len(labels) == len(parts) else None,
        parts[-1].n_in_file,
        all_names([part.names for part in parts]),
    )
