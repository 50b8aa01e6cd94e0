"""Read and write IDX files; every part of an input file is validated.

An IDX file is two zero bytes, a type code, the number of dimensions, the size of each dimension
as a big-endian 32-bit integer, and the values (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import math
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fmnist_lib.common.errors import DataError
from fmnist_lib.common.files import most_unpacked, write_atomically
from fmnist_lib.common.formatting import short_list
from fmnist_lib.common.labels import IMAGE_SHAPE, N_CLASSES
from fmnist_lib.data.formats.unpacking import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import DTypeLike, NDArray

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CODES = {np.dtype(name).newbyteorder("="): code for code, name in _TYPES.items()}
_MAX_DIMENSIONS = 32
_MAX_VALUES = 2**60
#: 40 times the official training images. Larger headers are refused.
MAX_BYTES = 2**31
_CHUNK = 1 << 20
#: Images read at once from a file of any size: fewer bytes than `_CHUNK`, so that it is one read.
_ROWS = 1_000
_INTACT_COPY = "Put an intact copy in its place."


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file, plain or gzip-compressed (detected by content, not by name).

    Memory use depends on the actual size of the file, not on the size stated in the header.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray
        Of the shape and type the header states, in native byte order.

    Raises
    ------
    DataError
        The file is missing, not a regular file, unreadable, empty, damaged (gzip checksum),
        truncated, longer than its header states, not an IDX file, or larger than `MAX_BYTES`
        or than a plausible multiple of its packed size when unpacked.
    """
    with opened(path) as file:
        return _read(file, path)


def iter_idx(path: Path, rows: int) -> Iterator[NDArray[Any]]:
    """Read an IDX file `rows` entries of its first dimension at a time, in bounded memory.

    Raises
    ------
    DataError
        As `read_idx`, but of any size; an error in a later part is raised when that is read.
    """
    with opened(path) as file:
        dtype, (total, *shape) = _read_header(file, path)
        size = math.prod(shape) * dtype.itemsize
        if size * min(rows, total) > MAX_BYTES:
            raise DataError(
                f"{path}: expected at most {MAX_BYTES} bytes at once, got a header that states "
                f"{size} bytes per row. {_INTACT_COPY}"
            )
        # Known from the header, before the first images are predicted.
        if size * total > most_unpacked(path):
            raise DataError(
                f"{path}: expected at most {most_unpacked(path)} bytes in a file of this size, got "
                f"a header that states {size * total}: the file is cut short, or made to fill the "
                "memory. If the images are as uniform as that, unpack it with gunzip first."
            )
        for start in range(0, total, rows):
            wanted = min(rows, total - start)
            values = _read_up_to(file, wanted * size)
            if len(values) < wanted * size:
                raise DataError(
                    f"{path}: expected {total} rows, got {start + len(values) // max(size, 1)}: "
                    f"the file is cut short. {_INTACT_COPY}"
                )
            array = np.frombuffer(values, dtype=dtype).reshape([wanted, *shape])
            yield array.astype(dtype.newbyteorder("="), copy=False)
        # gzip verifies its checksum only at the end of the file.
        if file.read(1):
            raise DataError(f"{path}: expected {total} rows, got more. {_INTACT_COPY}")


def read_images(path: Path) -> NDArray[np.uint8]:
    """Read images.

    Returns
    -------
    ndarray of uint8, shape (n, 28, 28), values 0-255

    Raises
    ------
    DataError
        As `read_idx`; or the values are not uint8, the images not 28x28, or there are none.
    """
    images = read_idx(path)
    _require_images(images, path)
    _require_some(images, path)
    return images


def read_images_at(path: Path, rows: NDArray[np.intp], total: int) -> NDArray[np.uint8]:
    """Read the images at some positions, from a file that may be larger than the memory.

    Parameters
    ----------
    path : Path
    rows : ndarray of int, shape (n,)
        Distinct positions, counted from 0, in any order.
    total : int
        Labels there are for the images of the whole file.

    Returns
    -------
    ndarray of uint8, shape (n, 28, 28), values 0-255
        In the order of `rows`.

    Raises
    ------
    DataError
        As `iter_idx`; the values are not images; or the file has not `total` of them.
    """
    images = np.empty((len(rows), *IMAGE_SHAPE), dtype=np.uint8)
    order = np.argsort(rows)
    ascending = rows[order]
    seen = 0
    for chunk in iter_idx(path, _ROWS):
        _require_images(chunk, path)
        first, last = np.searchsorted(ascending, [seen, seen + len(chunk)])
        images[order[first:last]] = chunk[ascending[first:last] - seen]
        seen += len(chunk)
    if seen != total:
        raise DataError(
            f"{path}: expected {total} images, one for every label, got {seen}. "
            "Use two files that belong together."
        )
    return images


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Read labels.

    Returns
    -------
    ndarray of uint8, shape (n,), values 0-9

    Raises
    ------
    DataError
        As `read_idx`; or the values are not uint8, not one per row, above 9, or there are none.
    """
    labels = read_idx(path)
    _require_uint8(labels, path)
    if labels.ndim != 1:
        raise DataError(
            f"{path}: expected one label per image, shape (n,), got shape {labels.shape}. "
            "Check that it is a labels file."
        )
    _require_some(labels, path)
    wrong = np.flatnonzero(labels >= N_CLASSES)
    if len(wrong):
        raise DataError(
            f"{path}: expected labels 0 to {N_CLASSES - 1}, got {labels[wrong[0]]} at position "
            f"{wrong[0]} ({len(wrong)} labels are out of range). Fix or replace the file."
        )
    return labels


def read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read images and their labels; see `read_images` and `read_labels`.

    Raises
    ------
    DataError
        As both; or the numbers of labels and images differ.
    """
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path}: expected {len(images)} labels, one for every image in "
            f"{images_path.name}, got {len(labels)}. Use two files that belong together."
        )
    return images, labels


def write_idx(path: Path, array: NDArray[Any]) -> None:
    """Write an array as an IDX file, gzip-compressed when the name ends in ``.gz``.

    Deterministic (the same array gives the same bytes) and atomic.

    Parameters
    ----------
    path : Path
        Its directory must exist; an existing file is replaced.
    array : ndarray
        Of uint8, int8, int16, int32, float32 or float64, with at least one dimension.

    Raises
    ------
    DataError
        The format has no code for the array's type or shape.
    OSError
        The file could not be written.
    """
    dtype = array.dtype.newbyteorder("=")
    if dtype not in _CODES or not 1 <= array.ndim <= _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: expected an array of 1 to {_MAX_DIMENSIONS} dimensions and one of the types "
            f"{', '.join(map(str, _CODES))}, got {array.ndim} and {array.dtype}. Convert it first."
        )
    content = idx_header(dtype, array.shape) + array.astype(_TYPES[_CODES[dtype]]).tobytes()
    if path.suffix == ".gz":
        # No time stamp in the header: the same array gives the same checksum.
        content = gzip.compress(content, compresslevel=6, mtime=0)
    write_atomically(path, content)


def idx_header(dtype: DTypeLike, shape: Sequence[int]) -> bytes:
    """Return what precedes the values in an IDX file.

    Parameters
    ----------
    dtype : data type
        One for which the format has a code, see `write_idx`.
    shape : sequence of int
    """
    return bytes([0, 0, _CODES[np.dtype(dtype)], len(shape)]) + np.array(shape, ">u4").tobytes()


def _read(file: IO[bytes] | gzip.GzipFile, path: Path) -> NDArray[Any]:
    dtype, shape = _read_header(file, path)
    expected = math.prod(shape) * dtype.itemsize
    described = f"{' x '.join(map(str, shape))} values ({expected} bytes)"
    if expected > MAX_BYTES:
        raise DataError(
            f"{path}: expected at most {MAX_BYTES} bytes, got a header that states {described}. "
            f"{_INTACT_COPY}"
        )
    values = _read_up_to(file, expected)
    if len(values) < expected:
        raise DataError(
            f"{path}: expected {described}, got {len(values)} bytes: the file is cut short. "
            f"{_INTACT_COPY}"
        )
    # gzip verifies its checksum only at the end of the file.
    if file.read(1):
        raise DataError(f"{path}: expected {described}, got further bytes. {_INTACT_COPY}")
    array = np.frombuffer(values, dtype=dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: IO[bytes] | gzip.GzipFile, path: Path) -> tuple[np.dtype[Any], list[int]]:
    magic = _read_up_to(file, 4)
    if not magic:
        raise DataError(f"{path}: expected an IDX file, got an empty file. {_INTACT_COPY}")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:  # noqa: PLR2004 (format)
        raise DataError(
            f"{path}: expected an IDX file (00 00, type, dimensions), got the first bytes "
            f"{magic.hex(' ')}. {_INTACT_COPY}"
        )
    dimensions = magic[3]
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise DataError(
            f"{path}: expected 1 to {_MAX_DIMENSIONS} dimensions in the IDX header, "
            f"got {dimensions}. {_INTACT_COPY}"
        )
    sizes = _read_up_to(file, 4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DataError(
            f"{path}: expected an IDX header of {4 + 4 * dimensions} bytes, got "
            f"{4 + len(sizes)}: the file is cut short. {_INTACT_COPY}"
        )
    shape = np.frombuffer(sizes, dtype=">u4").tolist()
    # Also with a dimension of 0: NumPy makes no array of such a shape.
    if math.prod(max(length, 1) for length in shape) > _MAX_VALUES:
        raise DataError(
            f"{path}: expected fewer values, got the dimensions {short_list(shape)} in the IDX "
            f"header. {_INTACT_COPY}"
        )
    return np.dtype(_TYPES[magic[2]]), shape


def _read_up_to(file: IO[bytes] | gzip.GzipFile, size: int) -> bytearray:
    """Read in chunks, so that a wrong size in the header allocates no memory."""
    content = bytearray()
    while len(content) < size:
        piece = file.read(min(_CHUNK, size - len(content)))
        if not piece:
            break
        content += piece
    return content


def _require_images(images: NDArray[Any], path: Path) -> None:
    _require_uint8(images, path)
    height, width = IMAGE_SHAPE
    if images.ndim != 3 or images.shape[1:] != IMAGE_SHAPE:  # noqa: PLR2004 (n, height, width)
        raise DataError(
            f"{path}: expected images of {height}x{width}, shape (n, {height}, {width}), got shape "
            f"{images.shape}. Check that it is an images file."
        )


def _require_uint8(array: NDArray[Any], path: Path) -> None:
    if array.dtype != np.uint8:
        raise DataError(
            f"{path}: expected values of type uint8, got {array.dtype}. "
            "Convert them to unsigned bytes."
        )


def _require_some(array: NDArray[Any], path: Path) -> None:
    if not len(array):
        raise DataError(f"{path}: expected at least one row, got none. {_INTACT_COPY}")
