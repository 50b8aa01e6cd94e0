"""A batch of new images from a file, whole or piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.data.batch_arrays import idx_chunks, npy_chunks, npz_chunks
from fmnist_lib.data.batch_labels import check_labels, read_batch_labels
from fmnist_lib.data.batch_pictures import png_chunks
from fmnist_lib.data.batch_tables import csv_chunks, parquet_chunks
from fmnist_lib.errors import DataError
from fmnist_lib.features.images import as_images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Chunks = Callable[[Path, int], Iterator[tuple[Any, Any]]]

#: Images read at once unless another number is asked for: 3 MB as uint8, 13 MB as float32.
ROWS = 4096
FORMATS = "IDX (.gz or not), .npy, .npz, .csv, .parquet, or a folder of PNG files"
_READERS: dict[str, Chunks] = {
    ".npy": npy_chunks,
    ".npz": npz_chunks,
    ".csv": csv_chunks,
    ".csv.gz": csv_chunks,
    ".parquet": parquet_chunks,
    ".idx": idx_chunks,
    "ubyte": idx_chunks,
    ".gz": idx_chunks,
}


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of a batch, with their labels if these are known.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, 28, 28), values 0-255
    labels : ndarray of uint8, shape (n,), values 0-9, or None
    n_in_file : int
        Images that the batch has; more than `n` when a sample of them was asked for.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None
    n_in_file: int

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)


def read_batch(
    path: Path, labels: Path | None = None, *, at_most: int | None = None, seed: int = 0
) -> LabelledImages:
    """Read a batch of images.

    Parameters
    ----------
    path : Path
        IDX (gzip-compressed or not); ``.npy``; ``.npz`` with the array ``images`` and, if known,
        ``labels``; ``.csv`` or ``.csv.gz`` with 784 columns of pixels and, if known, ``label``
        (Kaggle's ``fashion-mnist_test.csv``); ``.parquet`` of the same columns, or with the
        column ``image``; or a folder of 28x28 greyscale PNG files, taken in order of their names.
    labels : Path, optional
        File with the labels (see `read_batch_labels`); takes the place of labels in `path`.
    at_most : int, optional
        Keep a random sample of so many images, in their order; memory then stays bounded however
        large the file is.
    seed : int, default=0
        Of that sample.

    Raises
    ------
    DataError
        The file is missing, damaged, of an unknown kind or empty, its images are no whole numbers
        0 to 255 of shape (28, 28), or there are not as many labels as images.
    """
    parts = iter_batches(path)
    if labels is not None:
        parts = _with_labels(parts, read_batch_labels(labels), labels, path.name)
    if at_most is not None:
        parts = _sampled(parts, at_most, np.random.default_rng(seed))
    return _joined(list(parts))


def iter_batches(path: Path, rows: int = ROWS) -> Iterator[LabelledImages]:
    """Read a batch in pieces of at most `rows` images, in bounded memory.

    An ``.npz`` is unpacked whole. A fault further down in the file shows only when the reader
    gets there.

    Parameters
    ----------
    path : Path
        As for `read_batch`.
    rows : int, default=4096

    Yields
    ------
    LabelledImages
        ``n_in_file`` is the number of images up to and with this piece.

    Raises
    ------
    DataError
        As for `read_batch`.
    """
    seen = 0
    for pixels, labels in _reader(path)(path, rows):
        where = f"{path.name}, images from {seen}" if seen else path.name
        try:
            images = as_images(pixels)
        except DataError as error:
            raise DataError(str(error).replace("images:", f"{where}:", 1)) from None
        if not len(images):
            continue
        seen += len(images)
        checked = None if labels is None else check_labels(labels, where)
        yield LabelledImages(images, checked, seen)
    if not seen:
        raise DataError(
            f"{path}: expected at least one image, got none. Check what wrote the batch."
        )


def _reader(path: Path) -> Chunks:
    if not path.exists():
        raise DataError(f"{path}: expected a file or folder, found nothing. Check the path.")
    if path.is_dir():
        return png_chunks
    for ending, reader in _READERS.items():
        if path.name.lower().endswith(ending):
            return reader
    if not path.suffix:
        return idx_chunks
    raise DataError(
        f"{path.name}: expected a batch as {FORMATS}, got a file ending in '{path.suffix}'. "
        "Convert it, or rename it if only the name is wrong."
    )


def _with_labels(
    parts: Iterator[LabelledImages], labels: NDArray[np.uint8], source: Path, name: str
) -> Iterator[LabelledImages]:
    """Put the labels of another file in."""
    seen = 0
    for part in parts:
        start, seen = seen, part.n_in_file
        if seen <= len(labels):
            yield LabelledImages(part.images, labels[start:seen], seen)
    if seen != len(labels):
        raise DataError(
            f"{source}: expected {seen} labels, one for every image in {name}, got {len(labels)}. "
            "Use two files that belong together."
        )


def _sampled(
    parts: Iterator[LabelledImages], at_most: int, rng: np.random.Generator
) -> Iterator[LabelledImages]:
    """Keep the images with the smallest random numbers: a uniform sample in one pass."""
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
    labels = None if whole.labels is None else whole.labels[rows]
    return [LabelledImages(whole.images[rows], labels, whole.n_in_file)], numbers[rows]


def _joined(parts: list[LabelledImages]) -> LabelledImages:
    if len(parts) == 1:
        return parts[0]
    labels = [part.labels for part in parts if part.labels is not None]
    return LabelledImages(
        np.concatenate([part.images for part in parts]),
        np.concatenate(labels) if len(labels) == len(parts) else None,
        parts[-1].n_in_file,
    )
